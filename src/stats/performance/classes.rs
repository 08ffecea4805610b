//! Predictions of a class.

use crate::error::Result;
use crate::stats::check;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of (truth, prediction): exact, mergeable, and enough for every measure here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion<L: Ord> {
    counts: BTreeMap<(L, L), u64>,
}

/// One label, or one average over labels. What is 0/0 is 0, and flagged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Of the predictions of this label, the share that is true.
    pub precision: f64,
    /// Of those that truly have it, the share that was found.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// How many truly have it.
    pub support: u64,
    /// Whether precision or recall were 0/0 somewhere.
    pub undefined: bool,
}

/// How labels are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Average {
    /// Every label of truth or prediction alike.
    Macro,
    /// By support.
    Weighted,
    /// Over all counts: for one label per prediction this is accuracy.
    Micro,
}

impl<L: Ord> Default for Confusion<L> {
    fn default() -> Self {
        Confusion { counts: BTreeMap::new() }
    }
}

impl<L: Ord + Clone> Confusion<L> {
    /// Those of two lists.
    ///
    /// # Errors
    /// Empty lists, or lists that differ in length.
    pub fn of(truth: &[L], predicted: &[L]) -> Result<Confusion<L>> {
        check::same_length("truth and predictions", truth.len(), predicted.len())?;
        check::at_least("the list of predictions", truth.len(), 1)?;
        let mut confusion = Confusion::default();
        truth.iter().zip(predicted).for_each(|(truth, predicted)| confusion.add(truth.clone(), predicted.clone()));
        Ok(confusion)
    }

    /// Adds one prediction.
    pub fn add(&mut self, truth: L, predicted: L) {
        self.add_many(truth, predicted, 1);
    }

    /// Adds so many equal predictions.
    pub fn add_many(&mut self, truth: L, predicted: L, count: u64) {
        *self.counts.entry((truth, predicted)).or_default() += count;
    }

    /// Truth, prediction, and how often they met, in their order.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&L, &L, u64)> {
        self.counts.iter().map(|((truth, predicted), count)| (truth, predicted, *count))
    }

    /// Adds the predictions of another part.
    pub fn merge(&mut self, other: &Confusion<L>) {
        for (pair, count) in &other.counts {
            *self.counts.entry(pair.clone()).or_default() += count;
        }
    }

    /// Labels of truth or prediction, rising.
    pub fn labels(&self) -> Vec<L> {
        let all: std::collections::BTreeSet<&L> = self.counts.keys().flat_map(|(a, b)| [a, b]).collect();
        all.into_iter().cloned().collect()
    }

    /// Predictions in all.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How often this truth met this prediction.
    pub fn count(&self, truth: &L, predicted: &L) -> u64 {
        self.counts.get(&(truth.clone(), predicted.clone())).copied().unwrap_or(0)
    }

    /// One row per true label, one column per predicted one.
    pub fn matrix(&self) -> Vec<Vec<u64>> {
        let labels = self.labels();
        labels.iter().map(|truth| labels.iter().map(|predicted| self.count(truth, predicted)).collect()).collect()
    }

    /// The share of right predictions; none without any.
    pub fn accuracy(&self) -> Option<f64> {
        let right: u64 = self.counts.iter().filter(|((a, b), _)| a == b).map(|(_, count)| count).sum();
        (self.total() > 0).then(|| right as f64 / self.total() as f64)
    }

    /// The mean recall over the labels of truth; none without any.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let recalls: Vec<f64> = self
            .labels()
            .iter()
            .map(|label| self.class(label))
            .filter(|class| class.support > 0)
            .map(|class| class.recall)
            .collect();
        (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64)
    }

    /// The measures of one label.
    pub fn class(&self, label: &L) -> Class {
        let [support, predicted, right] = self.margins(label);
        Class {
            precision: ratio(right, predicted),
            recall: ratio(right, support),
            f1: ratio(2 * right, support + predicted),
            support,
            undefined: support == 0 || predicted == 0,
        }
    }

    /// The measures over all labels; zeros without predictions.
    pub fn average(&self, average: Average) -> Class {
        let (labels, total) = (self.labels(), self.total());
        if average == Average::Micro {
            let accuracy = self.accuracy().unwrap_or(0.0);
            return Class {
                precision: accuracy,
                recall: accuracy,
                f1: accuracy,
                support: total,
                undefined: total == 0,
            };
        }
        let mut mean = Class { precision: 0.0, recall: 0.0, f1: 0.0, support: total, undefined: total == 0 };
        for class in labels.iter().map(|label| self.class(label)) {
            let weight = match average {
                Average::Weighted => class.support as f64 / total as f64,
                _ => 1.0 / labels.len() as f64,
            };
            mean.precision += weight * class.precision;
            mean.recall += weight * class.recall;
            mean.f1 += weight * class.f1;
            mean.undefined |= class.undefined;
        }
        mean
    }

    /// Agreement beyond chance (Cohen 1960), at most 1; none where chance alone agrees always.
    pub fn kappa(&self) -> Option<f64> {
        let total = self.total() as f64;
        let products = |label: &L| self.margins(label)[0] as f64 * self.margins(label)[1] as f64;
        let chance = self.labels().iter().map(products).sum::<f64>() / (total * total);
        (chance < 1.0).then_some(self.accuracy()?).map(|accuracy| (accuracy - chance) / (1.0 - chance))
    }

    /// Matthews' correlation of truth and prediction (Gorodkin 2004), from -1 to 1; 0 where either is constant.
    pub fn matthews(&self) -> f64 {
        let (total, margins): (f64, Vec<[u64; 3]>) =
            (self.total() as f64, self.labels().iter().map(|label| self.margins(label)).collect());
        let sum = |of: fn(&[u64; 3]) -> f64| margins.iter().map(of).sum::<f64>();
        let truth = total * total - sum(|m| (m[0] as f64).powi(2));
        let predicted = total * total - sum(|m| (m[1] as f64).powi(2));
        let both = total * sum(|m| m[2] as f64) - sum(|m| m[0] as f64 * m[1] as f64);
        if truth * predicted > 0.0 { both / (truth * predicted).sqrt() } else { 0.0 }
    }

    /// How often a label is true, is predicted, and both.
    fn margins(&self, label: &L) -> [u64; 3] {
        let mut margins = [0; 3];
        for ((truth, predicted), count) in &self.counts {
            margins[0] += if truth == label { *count } else { 0 };
            margins[1] += if predicted == label { *count } else { 0 };
            margins[2] += if truth == label && predicted == label { *count } else { 0 };
        }
        margins
    }
}

fn ratio(over: u64, under: u64) -> f64 {
    if under == 0 { 0.0 } else { over as f64 / under as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_merge_to_the_whole() {
        let (truth, predicted) = (["a", "b", "a", "c"], ["a", "a", "b", "c"]);
        let mut left = Confusion::of(&truth[..1], &predicted[..1]).unwrap();
        left.merge(&Confusion::of(&truth[1..], &predicted[1..]).unwrap());
        assert_eq!(left, Confusion::of(&truth, &predicted).unwrap());
        assert!(Confusion::of(&truth, &predicted[1..]).is_err() && Confusion::<u8>::of(&[], &[]).is_err());
        assert_eq!(Confusion::<u8>::default().accuracy(), None);
    }
}
