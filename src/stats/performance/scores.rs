//! Predictions of a chance.

use crate::error::{Error, Result};
use crate::stats::{check, ranks};
use serde::{Deserialize, Serialize};

/// Chances are kept so far from 0 and 1 in the logarithm.
const LEAST: f64 = f64::EPSILON;

/// What scores between 0 and 1 are worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The chance that a positive scores above a negative, ties by half; none where there is one class only.
    pub roc_auc: Option<f64>,
    /// The mean precision over the positives, the highest score first; none without positives.
    pub average_precision: Option<f64>,
    /// The mean of -ln of the chance given to what was true.
    pub log_loss: f64,
    /// The mean squared difference from 0 or 1.
    pub brier: f64,
}

/// Measures scores against what was true. Costs two sorts.
///
/// # Errors
/// Empty lists, lists that differ in length, or a score outside 0 ..= 1.
pub fn scores(truth: &[bool], score: &[f64]) -> Result<Scores> {
    checked(truth, score)?;
    let n = truth.len() as f64;
    let loss =
        |(&truth, &score): (&bool, &f64)| -(if truth { score } else { 1.0 - score }).clamp(LEAST, 1.0 - LEAST).ln();
    let square = |(&truth, &score): (&bool, &f64)| (f64::from(u8::from(truth)) - score).powi(2);
    Ok(Scores {
        roc_auc: roc_auc(truth, score),
        average_precision: average_precision(truth, score),
        log_loss: truth.iter().zip(score).map(loss).sum::<f64>() / n,
        brier: truth.iter().zip(score).map(square).sum::<f64>() / n,
    })
}

fn checked(truth: &[bool], score: &[f64]) -> Result<()> {
    check::same_length("truth and scores", truth.len(), score.len())?;
    check::sample("the list of scores", score)?;
    match score.iter().position(|score| !(0.0..=1.0).contains(score)) {
        None => Ok(()),
        Some(place) => Err(Error::invalid(format!("score {} at place {place} is no chance", score[place]))
            .mend("give scores from 0 to 1")),
    }
}

fn roc_auc(truth: &[bool], score: &[f64]) -> Option<f64> {
    let positives = truth.iter().filter(|&&truth| truth).count() as f64;
    let negatives = truth.len() as f64 - positives;
    let (ranks, _) = ranks::ranks(score);
    let sum: f64 = ranks.iter().zip(truth).filter(|(_, truth)| **truth).map(|(rank, _)| rank).sum();
    (positives * negatives > 0.0).then(|| (sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

fn average_precision(truth: &[bool], score: &[f64]) -> Option<f64> {
    let positives = truth.iter().filter(|&&truth| truth).count() as f64;
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.sort_by(|&a, &b| score[b].total_cmp(&score[a]));
    let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for group in order.chunk_by(|&a, &b| score[a] == score[b]) {
        let hits = group.iter().filter(|&&place| truth[place]).count() as f64;
        found += hits;
        seen += group.len() as f64;
        sum += hits * found / seen;
    }
    (positives > 0.0).then(|| sum / positives)
}

/// Whether what gets a chance of 0.8 comes true in 8 of 10 cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Per bin of equal width over 0 ..= 1: how many scores, their mean, and the share that came true; zeros where none.
    pub bins: Vec<(u64, f64, f64)>,
    /// The mean gap of mean score and share, weighted by scores: the expected calibration error.
    pub expected_error: f64,
    /// The largest gap.
    pub largest_error: f64,
}

/// Measures calibration over `bins` bins of equal width, each closed above (Guo and others 2017 use 15).
///
/// # Errors
/// As [`scores`], or no bins.
pub fn calibration(truth: &[bool], score: &[f64], bins: usize) -> Result<Calibration> {
    checked(truth, score)?;
    check::at_least("the binning", bins, 1)?;
    check::within("the number of bins", bins as f64, 1.0, 1e6)?;
    let mut all = vec![(0u64, 0.0, 0.0); bins];
    for (&truth, &score) in truth.iter().zip(score) {
        let bin = ((score * bins as f64).ceil() as usize).saturating_sub(1).min(bins - 1);
        all[bin].0 += 1;
        all[bin].1 += score;
        all[bin].2 += f64::from(u8::from(truth));
    }
    let (mut expected_error, mut largest_error) = (0.0, 0.0f64);
    for bin in all.iter_mut().filter(|bin| bin.0 > 0) {
        let count = bin.0 as f64;
        (bin.1, bin.2) = (bin.1 / count, bin.2 / count);
        expected_error += (bin.1 - bin.2).abs() * count / truth.len() as f64;
        largest_error = largest_error.max((bin.1 - bin.2).abs());
    }
    Ok(Calibration { bins: all, expected_error, largest_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_has_no_curve() {
        let one = scores(&[true, true], &[0.5, 1.0]).unwrap();
        assert_eq!((one.roc_auc, one.average_precision), (None, Some(1.0)));
        assert!(scores(&[false], &[0.0]).unwrap().log_loss < 1e-15);
        assert!(scores(&[true], &[0.0]).unwrap().log_loss.is_finite());
        assert!(scores(&[true], &[1.5]).is_err() && scores(&[], &[]).is_err());
    }

    #[test]
    fn calibration_by_hand() {
        let gaps = calibration(&[true, false, true, true], &[0.2, 0.2, 0.9, 0.9], 10).unwrap();
        assert!((gaps.expected_error - 0.2).abs() < 1e-12 && (gaps.largest_error - 0.3).abs() < 1e-12);
        assert_eq!(gaps.bins[1].0, 2);
    }
}
