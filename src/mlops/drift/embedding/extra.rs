//! Tests that are made on request.

use super::options::{EmbeddingOptions, ExtraTest};
use super::sliced;
use super::verdict::TestOutcome;
use crate::error::Result;
use crate::mlops::drift::method::Test;
use crate::stats::ab::mann_whitney;
use crate::stats::classifier;
use crate::stats::pca::Pca;
use crate::stats::rows::Rows;
use crate::stats::two_sample::{self, Distances, Form, Mmd, PermutationTest};

/// Main directions that are kept at most: what lies along more of them is noise at a thousand rows.
const DIRECTIONS: usize = 64;
/// Rows for each dimension below which Hotelling's covariance says nothing.
const ROWS_PER_DIMENSION: usize = 5;

/// Makes a test; none where there are too few rows for it, or they do not vary.
pub(super) fn outcome(
    extra: ExtraTest,
    x: Rows<'_, f32>,
    y: Rows<'_, f32>,
    distances: &Distances,
    options: &EmbeddingOptions,
) -> Result<Option<TestOutcome>> {
    let draws = options.draws(extra.test());
    let told = |statistic, p| Some(TestOutcome { statistic, p, ..blank(extra.test()) });
    Ok(match extra {
        ExtraTest::Mmd if distances.median() == 0.0 => None,
        ExtraTest::Mmd => {
            let mmd = Mmd::new(distances, Form::Unbiased)?;
            Some(permuted(extra.test(), two_sample::permute(&mmd, draws)?))
        }
        ExtraTest::Classifier => {
            let domain = classifier::domain(x, y, 1.0, draws.seed)?;
            told(domain.auc, Some(domain.p))
        }
        ExtraTest::SlicedWasserstein => Some(permuted(extra.test(), sliced::test(x, y, draws)?)),
        ExtraTest::Hotelling if x.len().min(y.len()) < ROWS_PER_DIMENSION * x.dimension() => None,
        // A covariance that is singular is no failure of the data's owner: constant dimensions are common.
        ExtraTest::Hotelling => two_sample::hotelling(x, y).ok().and_then(|test| told(test.t2, Some(test.p))),
        ExtraTest::Reconstruction => {
            let (ratio, p) = reconstruction(x, y)?;
            told(ratio, Some(p))
        }
        ExtraTest::Frechet => told(frechet(x, y)?, None),
    })
}

fn blank(test: Test) -> TestOutcome {
    TestOutcome { test, statistic: 0.0, p: None, adjusted_p: None, permutations: None }
}

/// A permutation test as it is told.
pub(super) fn permuted(test: Test, of: PermutationTest) -> TestOutcome {
    TestOutcome { statistic: of.statistic, p: Some(of.p), permutations: Some(of.permutations), ..blank(test) }
}

/// The mean error of current rows over that of held-back reference rows, and the p of their ranks, two-sided. Rows are
/// held back because a sample is explained better by its own directions than any other is.
fn reconstruction(x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<(f64, f64)> {
    let half = x.len() / 2;
    let kept: Vec<f32> = x.iter().step_by(2).flatten().copied().collect();
    let kept = Rows::new(&kept, x.dimension())?;
    let count = DIRECTIONS.min(x.dimension().div_ceil(2)).min(kept.len() - 1).max(1);
    let pca = Pca::of(kept, count)?;
    let held = x.iter().skip(1).step_by(2).take(half).map(|row| pca.reconstruction_error(row));
    let held = held.collect::<Result<Vec<f64>>>()?;
    let current = y.iter().map(|row| pca.reconstruction_error(row)).collect::<Result<Vec<f64>>>()?;
    let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
    let before = mean(&held);
    let ratio = if before > 0.0 { mean(&current) / before } else { 1.0 };
    Ok((ratio, mann_whitney(&held, &current)?.p))
}

/// The Fréchet distance along the main directions of the reference.
fn frechet(x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<f64> {
    if x.dimension() <= DIRECTIONS {
        return two_sample::frechet(x, y);
    }
    let count = DIRECTIONS.min(x.len() - 1);
    let pca = Pca::of(x, count)?;
    let project = |rows: Rows<'_, f32>| -> Result<Vec<f64>> {
        Ok(rows.iter().map(|row| pca.project(row)).collect::<Result<Vec<_>>>()?.concat())
    };
    let (x, y) = (project(x)?, project(y)?);
    two_sample::frechet(Rows::new(&x, count)?, Rows::new(&y, count)?)
}
