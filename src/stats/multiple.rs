//! Many tests at once: p-values adjusted so that one level holds for all of them.
//!
//! Adjusted values keep the order of the list, are capped at 1 and monotone; reject where one is at most the level.

use super::check;
use crate::error::Result;

/// What the level means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Correction {
    /// The expected share of false ones among those reported, under independence (Benjamini and Hochberg 1995).
    BenjaminiHochberg,
    /// The same under any dependence (Benjamini and Yekutieli 2001).
    BenjaminiYekutieli,
    /// The chance of any false report (Holm 1979); never weaker than Bonferroni.
    Holm,
    /// The chance of any false report, one cut for all.
    Bonferroni,
}

/// Adjusts p-values. Costs a sort.
///
/// # Errors
/// A value outside 0 ..= 1. An empty list gives an empty list.
pub fn adjust(p: &[f64], correction: Correction) -> Result<Vec<f64>> {
    for &p in p {
        check::within("a p-value", p, 0.0, 1.0)?;
    }
    let count = p.len() as f64;
    let harmonic: f64 = (1..=p.len()).map(|k| 1.0 / k as f64).sum();
    Ok(match correction {
        Correction::Bonferroni => p.iter().map(|p| (p * count).min(1.0)).collect(),
        Correction::Holm => step_down(p),
        Correction::BenjaminiHochberg => step_up(p, 1.0),
        Correction::BenjaminiYekutieli => step_up(p, harmonic),
    })
}

/// Which adjusted values are at most `level`.
pub fn reject(adjusted: &[f64], level: f64) -> Vec<bool> {
    adjusted.iter().map(|&p| p <= level).collect()
}

fn order(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    order
}

fn step_down(p: &[f64]) -> Vec<f64> {
    let (mut adjusted, mut largest) = (vec![0.0; p.len()], 0.0f64);
    for (rank, place) in order(p).into_iter().enumerate() {
        largest = largest.max(p[place] * (p.len() - rank) as f64).min(1.0);
        adjusted[place] = largest;
    }
    adjusted
}

fn step_up(p: &[f64], factor: f64) -> Vec<f64> {
    let (mut adjusted, mut least) = (vec![0.0; p.len()], 1.0f64);
    for (rank, place) in order(p).into_iter().enumerate().rev() {
        least = least.min(p[place] * p.len() as f64 / (rank + 1) as f64 * factor);
        adjusted[place] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_are_ordered() {
        let p = [0.01, 0.04, 0.03, 0.9];
        let [bh, by, holm, bonferroni] =
            [Correction::BenjaminiHochberg, Correction::BenjaminiYekutieli, Correction::Holm, Correction::Bonferroni]
                .map(|correction| adjust(&p, correction).unwrap());
        for place in 0..p.len() {
            assert!(p[place] <= bh[place] && bh[place] <= by[place]);
            assert!(bh[place] <= holm[place] && holm[place] <= bonferroni[place] && bonferroni[place] <= 1.0);
        }
        assert_eq!(adjust(&[], Correction::Holm).unwrap(), Vec::<f64>::new());
        assert!(adjust(&[f64::NAN], Correction::Holm).is_err());
    }
}
