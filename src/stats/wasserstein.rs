//! How far mass must move: distances between two samples of numbers, from their distribution functions.

use super::check;
use super::rows::{Real, Rows, same_dimension};
use crate::error::Result;
use crate::random::Random;

/// A sample of numbers, each of weight 1 or its own.
#[derive(Debug, Clone, Copy)]
pub struct Weighted<'a> {
    /// The numbers.
    pub values: &'a [f64],
    /// Their weights, of any scale.
    pub weights: Option<&'a [f64]>,
}

impl<'a> From<&'a [f64]> for Weighted<'a> {
    fn from(values: &'a [f64]) -> Self {
        Weighted { values, weights: None }
    }
}

/// Wasserstein-1: the area between the two distribution functions, in units of the values. Costs two sorts.
pub fn distance<'a>(x: impl Into<Weighted<'a>>, y: impl Into<Weighted<'a>>) -> Result<f64> {
    integral(x.into(), y.into(), f64::abs)
}

/// The energy distance: sqrt(2·∫ (F - G)²), in the square root of the values' unit. Costs two sorts.
pub fn energy<'a>(x: impl Into<Weighted<'a>>, y: impl Into<Weighted<'a>>) -> Result<f64> {
    Ok((2.0 * integral(x.into(), y.into(), |gap| gap * gap)?).sqrt())
}

/// Wasserstein-1 over the population standard deviation of the reference; none where the reference is constant.
pub fn normalised(reference: &[f64], current: &[f64]) -> Result<Option<f64>> {
    let distance = distance(reference, current)?;
    let deviation = super::moments::Moments::of(reference)?.population_deviation();
    Ok((deviation > 0.0).then(|| distance / deviation))
}

fn integral(x: Weighted<'_>, y: Weighted<'_>, of: impl Fn(f64) -> f64) -> Result<f64> {
    let mut steps = jumps("the first sample", x, 1.0)?;
    steps.extend(jumps("the second sample", y, -1.0)?);
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut gap, mut area) = (0.0, 0.0);
    for pair in steps.windows(2) {
        gap += pair[0].1;
        area += of(gap) * (pair[1].0 - pair[0].0);
    }
    Ok(area)
}

fn jumps(what: &str, sample: Weighted<'_>, sign: f64) -> Result<Vec<(f64, f64)>> {
    check::sample(what, sample.values)?;
    let Some(weights) = sample.weights else {
        let jump = sign / sample.values.len() as f64;
        return Ok(sample.values.iter().map(|&value| (value, jump)).collect());
    };
    check::same_length("values and weights", sample.values.len(), weights.len())?;
    let sum = check::weights("the weights", weights)?;
    Ok(sample.values.iter().zip(weights).map(|(&value, weight)| (value, sign * weight / sum)).collect())
}

/// Distances along several directions.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sliced {
    /// Wasserstein-1 of the rows' projections on each direction.
    pub per_direction: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// The largest of them.
    pub max: f64,
}

/// The sliced distance of two samples of rows. Costs, per direction, n·d multiplications and a sort.
///
/// # Errors
/// No directions, or dimensions that differ.
pub fn sliced<T: Real>(x: Rows<'_, T>, y: Rows<'_, T>, directions: Rows<'_, f64>) -> Result<Sliced> {
    same_dimension(&x, &y)?;
    check::same_length("directions and rows", directions.dimension(), x.dimension())?;
    let along = |rows: Rows<'_, T>, direction: &[f64]| -> Vec<f64> {
        rows.iter().map(|row| row.iter().zip(direction).map(|(&value, part)| value.into() * part).sum()).collect()
    };
    let per_direction: Vec<f64> = directions
        .iter()
        .map(|direction| distance(&along(x, direction)[..], &along(y, direction)[..]))
        .collect::<Result<_>>()?;
    let mean = per_direction.iter().sum::<f64>() / per_direction.len() as f64;
    let max = per_direction.iter().copied().fold(0.0, f64::max);
    Ok(Sliced { per_direction, mean, max })
}

/// `count` directions of length 1, even over the sphere.
pub fn directions(count: usize, dimension: usize, random: &mut Random) -> Vec<f64> {
    let mut all = Vec::with_capacity(count * dimension);
    for _ in 0..count {
        let direction: Vec<f64> = (0..dimension).map(|_| super::normal::draw(random)).collect();
        let length = direction.iter().map(|part| part * part).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        all.extend(direction.iter().map(|part| part / length));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_its_distance() {
        let x = [1.0, 4.0, -2.0];
        let moved: Vec<f64> = x.iter().map(|value| value + 3.0).collect();
        assert!((distance(&x[..], &moved[..]).unwrap() - 3.0).abs() < 1e-12);
        assert_eq!(distance(&x[..], &x[..]).unwrap(), 0.0);
        assert_eq!(normalised(&[1.0, 1.0], &x).unwrap(), None);
    }

    #[test]
    fn weights_are_repetitions() {
        let weighted = Weighted { values: &[0.0, 5.0], weights: Some(&[3.0, 1.0]) };
        let there = distance(weighted, &[1.0][..]).unwrap();
        assert!((there - distance(&[0.0, 0.0, 0.0, 5.0][..], &[1.0][..]).unwrap()).abs() < 1e-12);
        assert!(distance(Weighted { values: &[0.0], weights: Some(&[-1.0]) }, &[1.0][..]).is_err());
    }
}
