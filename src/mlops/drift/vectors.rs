//! Two samples of vectors, held beside each other by one method of a detector.

use super::embedding::{self, EmbeddingOptions, EmbeddingVerdict, centroids, dimensions::Dimensions, sliced};
use super::method::{Method, Test};
use super::result::Effect;
use super::scalar::{Asked, Judged, wrong};
use super::verdict::Note;
use crate::error::Result;
use crate::stats::rows::Rows;

/// The share of drifted dimensions from which drift by [`Method::Ks`] matters.
const DRIFTED_DIMENSIONS: f64 = 0.01;

/// Judges vectors; `few` says that there are too few for a verdict. Under [`Method::Auto`] all that was found comes, too.
pub(super) fn judge(
    asked: Asked,
    (x, x_dimension): (&[f32], usize),
    (y, y_dimension): (&[f32], usize),
    options: &EmbeddingOptions,
    few: bool,
) -> Result<(Judged, Option<EmbeddingVerdict>)> {
    let (Ok(x), Ok(y)) = (Rows::new(x, x_dimension), Rows::new(y, y_dimension)) else {
        return Ok((unjudged(asked), None));
    };
    embedding::same_dimension(x, y)?;
    if few && asked.method != Method::Auto {
        return Ok((unjudged(asked), None));
    }
    match asked.method {
        Method::Auto => {
            let verdict = embedding::judge(x, y, options)?;
            Ok((told(&verdict, asked), Some(verdict)))
        }
        Method::Ks => of_dimensions(x, y).map(|judged| (judged, None)),
        Method::Cosine => of_centroids(asked, x, y).map(|judged| (judged, None)),
        Method::Wasserstein => of_slices(asked, x, y).map(|judged| (judged, None)),
        other => Err(wrong(other, "vectors")),
    }
}

fn unjudged(asked: Asked) -> Judged {
    let effect = Effect { name: "none".into(), value: None, floor: asked.floor };
    Judged { test: Test::None, statistic: None, p: None, effect, notes: vec![Note::FewRows] }
}

/// The verdict of all tests as one: the effect is the one that matters, the energy coefficient first.
fn told(verdict: &EmbeddingVerdict, asked: Asked) -> Judged {
    let Some(effects) = &verdict.effects else { return unjudged(asked) };
    let effect = |name: &str, value, floor| Effect { name: name.into(), value: Some(value), floor };
    let energy = effect("energy coefficient", effects.energy_coefficient, effects.energy_floor);
    let novelty = effect("novelty share", effects.novelty_share, effects.novelty_floor);
    let effect = if !energy.matters() && novelty.matters() { novelty } else { energy };
    let statistic = verdict.tests.first().map(|energy| energy.statistic);
    Judged { test: Test::Auto, statistic, p: verdict.p, effect, notes: verdict.notes.clone() }
}

fn of_dimensions(x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<Judged> {
    let dimensions = Dimensions::of(x, y)?;
    let effect =
        Effect { name: "drifted dimensions".into(), value: Some(dimensions.drifted()), floor: DRIFTED_DIMENSIONS };
    let statistic = Some(dimensions.statistic());
    Ok(Judged { test: Test::Dimensions, statistic, p: Some(dimensions.p()), effect, notes: Vec::new() })
}

fn of_centroids(asked: Asked, x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<Judged> {
    let test = centroids::test(x, y, asked.permutations)?;
    let value = test.map(|test| test.statistic.clamp(0.0, 2.0));
    let notes = if test.is_none() { vec![Note::NoDirection] } else { Vec::new() };
    let effect = Effect { name: "centroid cosine".into(), value, floor: asked.floor };
    Ok(Judged { test: Test::Centroids, statistic: value, p: test.map(|test| test.p), effect, notes })
}

fn of_slices(asked: Asked, x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<Judged> {
    let test = sliced::test(x, y, asked.permutations)?;
    let spread = mean_deviation(x);
    let value = (spread > 0.0).then(|| test.statistic / spread);
    let effect = Effect { name: "sliced wasserstein/std".into(), value, floor: asked.floor };
    let statistic = value.or(Some(test.statistic));
    Ok(Judged { test: Test::SlicedWasserstein, statistic, p: Some(test.p), effect, notes: Vec::new() })
}

/// The deviation of rows along a direction, on average over all directions.
fn mean_deviation(rows: Rows<'_, f32>) -> f64 {
    let mean = rows.mean();
    let square =
        |row: &[f32]| row.iter().zip(&mean).map(|(value, mean)| (f64::from(*value) - mean).powi(2)).sum::<f64>();
    let total: f64 = rows.iter().map(square).sum();
    (total / (rows.len() * rows.dimension()) as f64).sqrt()
}
