//! Every dimension for itself: finds broken or noisy ones, which distances between rows drown.

use super::verdict::DriftedDimension;
use crate::error::Result;
use crate::stats::ks::{self, Alternative, Ks, Method};
use crate::stats::multiple::{Correction, adjust};
use crate::stats::rows::Rows;

/// What an adjusted p may be at most for a dimension to count as drifted.
const LEVEL: f64 = 0.05;

/// Where the law of one sample gives a p below this, lattice paths are not counted: of samples of two sizes that costs
/// n·m steps a dimension, and both say the same.
const SURE: f64 = 1e-6;

/// The tests of all dimensions, and their p adjusted by Benjamini and Hochberg.
pub(in crate::mlops::drift) struct Dimensions {
    tests: Vec<Ks>,
    adjusted: Vec<f64>,
}

impl Dimensions {
    /// Tests every dimension. Costs two sorts each.
    pub(in crate::mlops::drift) fn of(x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<Dimensions> {
        let test = |place| one(&x.column(place), &y.column(place));
        let tests = (0..x.dimension()).map(test).collect::<Result<Vec<_>>>()?;
        let p: Vec<f64> = tests.iter().map(|test| test.p).collect();
        Ok(Dimensions { adjusted: adjust(&p, Correction::BenjaminiHochberg)?, tests })
    }

    /// The smallest adjusted p: that of the question whether any dimension differs.
    pub(in crate::mlops::drift) fn p(&self) -> f64 {
        self.adjusted.iter().copied().fold(1.0, f64::min)
    }

    /// The largest gap of all.
    pub(in crate::mlops::drift) fn statistic(&self) -> f64 {
        self.tests.iter().map(|test| test.statistic).fold(0.0, f64::max)
    }

    /// The share of dimensions that drifted.
    pub(in crate::mlops::drift) fn drifted(&self) -> f64 {
        self.adjusted.iter().filter(|&&p| p <= LEVEL).count() as f64 / self.adjusted.len() as f64
    }

    /// The `count` dimensions that differ most, the surest first.
    pub(super) fn worst(&self, count: usize, x: Rows<'_, f32>, y: Rows<'_, f32>) -> Vec<DriftedDimension> {
        let mut order: Vec<usize> = (0..self.tests.len()).collect();
        let gap = |place: usize| self.tests[place].statistic;
        order.sort_by(|&a, &b| self.tests[a].p.total_cmp(&self.tests[b].p).then(gap(b).total_cmp(&gap(a))));
        let mean = |rows: Rows<'_, f32>, place| rows.column(place).iter().sum::<f64>() / rows.len() as f64;
        let told = |place: usize| DriftedDimension {
            dimension: place as u64,
            statistic: gap(place),
            p: self.tests[place].p,
            adjusted_p: self.adjusted[place],
            reference_mean: mean(x, place),
            current_mean: mean(y, place),
        };
        order.into_iter().take(count).map(told).collect()
    }
}

fn one(x: &[f64], y: &[f64]) -> Result<Ks> {
    if x.len() != y.len() && x.len().min(y.len()) > 1 {
        let test = ks::test(x, y, Alternative::TwoSided, Method::Asymptotic)?;
        if test.p < SURE {
            return Ok(test);
        }
    }
    ks::test(x, y, Alternative::TwoSided, Method::Auto)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn many_dimensions_are_corrected_for() {
        let mut random = Random::seeded(1, 0);
        let mut rows = || (0..40 * 30).map(|_| random.unit() as f32).collect::<Vec<_>>();
        let (x, y) = (rows(), rows());
        let of = Dimensions::of(Rows::new(&x, 30).unwrap(), Rows::new(&y, 30).unwrap()).unwrap();
        let smallest = of.tests.iter().map(|test| test.p).fold(1.0, f64::min);
        assert!(smallest < 0.05 && of.p() > 0.05 && of.drifted() == 0.0, "{smallest}, corrected {}", of.p());
    }
}
