//! Divergences between two distributions over the same cells. 0·ln 0 is 0.
//!
//! Distributions are weights of any scale, not all 0; they are divided by their sum. Every function costs one pass.

use super::check;
use crate::error::Result;
use std::f64::consts::LN_2;

/// The unit of information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Unit {
    /// Logarithms to base e.
    Nats,
    /// Logarithms to base 2: the Jensen-Shannon divergence then lies in 0 ..= 1.
    #[default]
    Bits,
}

impl Unit {
    fn of(self, nats: f64) -> f64 {
        match self {
            Unit::Nats => nats,
            Unit::Bits => nats / LN_2,
        }
    }
}

fn shares(what: &str, weights: &[f64]) -> Result<Vec<f64>> {
    let sum = check::weights(what, weights)?;
    Ok(weights.iter().map(|weight| weight / sum).collect())
}

fn pair(p: &[f64], q: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    check::same_length("the distributions", p.len(), q.len())?;
    Ok((shares("the first distribution", p)?, shares("the second distribution", q)?))
}

fn sum_over(p: &[f64], q: &[f64], term: impl Fn(f64, f64) -> f64) -> Result<f64> {
    let (p, q) = pair(p, q)?;
    Ok(p.iter().zip(&q).map(|(&p, &q)| term(p, q)).sum())
}

/// p·ln(p/q): 0 where p is, infinite where only q is 0.
fn relative(p: f64, q: f64) -> f64 {
    if p == 0.0 { 0.0 } else { p * (p / q).ln() }
}

/// Entropy: -Σ p·ln p, from 0 to the logarithm of the number of cells.
pub fn entropy(p: &[f64], unit: Unit) -> Result<f64> {
    let nats: f64 = shares("the distribution", p)?.iter().map(|&p| -relative(p, 1.0)).sum();
    Ok(unit.of(nats + 0.0).max(0.0))
}

/// Cross entropy: -Σ p·ln q; infinite where q is 0 and p is not.
pub fn cross_entropy(p: &[f64], q: &[f64], unit: Unit) -> Result<f64> {
    sum_over(p, q, |p, q| if p == 0.0 { 0.0 } else { -p * q.ln() }).map(|nats| unit.of(nats).max(0.0))
}

/// Kullback-Leibler: Σ p·ln(p/q), from 0; infinite where q is 0 and p is not. Not symmetric.
pub fn kullback_leibler(p: &[f64], q: &[f64], unit: Unit) -> Result<f64> {
    sum_over(p, q, relative).map(|nats| unit.of(nats).max(0.0))
}

/// Jensen-Shannon divergence: the mean of both to their mixture, from 0 to 1 bit. Symmetric.
pub fn jensen_shannon(p: &[f64], q: &[f64], unit: Unit) -> Result<f64> {
    let half = |p: f64, q: f64| 0.5 * (relative(p, 0.5 * (p + q)) + relative(q, 0.5 * (p + q)));
    sum_over(p, q, half).map(|nats| unit.of(nats).max(0.0))
}

/// Jensen-Shannon distance: the square root of the divergence, which is a metric.
pub fn jensen_shannon_distance(p: &[f64], q: &[f64], unit: Unit) -> Result<f64> {
    jensen_shannon(p, q, unit).map(f64::sqrt)
}

/// Hellinger distance: sqrt(½·Σ (√p - √q)²), from 0 to 1.
pub fn hellinger(p: &[f64], q: &[f64]) -> Result<f64> {
    sum_over(p, q, |p, q| (p.sqrt() - q.sqrt()).powi(2)).map(|sum| (0.5 * sum).sqrt())
}

/// Total variation: ½·Σ |p - q|, from 0 to 1.
pub fn total_variation(p: &[f64], q: &[f64]) -> Result<f64> {
    sum_over(p, q, |p, q| 0.5 * (p - q).abs())
}

/// The largest |p - q|, from 0 to 1.
pub fn largest_gap(p: &[f64], q: &[f64]) -> Result<f64> {
    let (p, q) = pair(p, q)?;
    Ok(p.iter().zip(&q).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max))
}

/// Mutual information of the two variables of a joint table, from 0.
///
/// # Errors
/// Rows of different length, negative or not finite cells, or none above 0.
pub fn mutual_information(joint: &[Vec<f64>], unit: Unit) -> Result<f64> {
    let width = joint.first().map_or(0, Vec::len);
    for row in joint {
        check::same_length("the rows of the table", row.len(), width)?;
    }
    let cells = shares("the joint table", &joint.concat())?;
    let rows: Vec<f64> = cells.chunks(width).map(|row| row.iter().sum()).collect();
    let columns: Vec<f64> = (0..width).map(|column| cells.iter().skip(column).step_by(width).sum()).collect();
    let term = |(place, &cell): (usize, &f64)| relative(cell, rows[place / width] * columns[place % width]);
    Ok(unit.of(cells.iter().enumerate().map(term).sum::<f64>()).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_symmetry() {
        let (p, q) = ([0.2, 0.8, 0.0], [0.0, 0.3, 0.7]);
        let (there, back) = (jensen_shannon(&p, &q, Unit::Bits).unwrap(), jensen_shannon(&q, &p, Unit::Bits).unwrap());
        assert!((there - back).abs() < 1e-15 && there > 0.0 && there < 1.0);
        assert_eq!(kullback_leibler(&p, &q, Unit::Nats).unwrap(), f64::INFINITY);
        assert_eq!(jensen_shannon(&[1.0, 0.0], &[0.0, 1.0], Unit::Bits).unwrap(), 1.0);
        assert_eq!(entropy(&[1.0, 0.0], Unit::Bits).unwrap(), 0.0);
        assert!(entropy(&[0.0], Unit::Bits).is_err());
        assert!(hellinger(&p, &[1.0]).is_err());
        assert!(mutual_information(&[vec![], vec![]], Unit::Bits).is_err());
    }
}
