//! Rules with a fixed threshold, made anew from what the tools say that use them; they have no p-value, or one that does
//! not hold.

use driftline::stats::ab::mann_whitney;
use driftline::stats::classifier::Logistic;
use driftline::stats::ks::Method;
use driftline::stats::multiple::Correction;
use driftline::stats::psi::{self, Bins};
use driftline::stats::rows::Rows;
use driftline::stats::two_sample::{self, Distances, Form, Mmd, Statistic};
use driftline::stats::{quantile, wasserstein};
use driftline::{Random, Result};

use super::tally::Outcome;

/// The most dimensions for which a classifier is fitted five times.
const MOST_FOLDED: usize = 64;
const BOOTSTRAPS: usize = 100;

/// All rules for samples of vectors; `auc` is that of a classifier fitted to one half and tried on the other.
pub(super) fn vectors(
    x: Rows<'_, f32>,
    y: Rows<'_, f32>,
    auc: Option<f64>,
    random: &mut Random,
) -> Result<Vec<Outcome>> {
    let columns = two_sample::columns(x, y, Method::Auto, Correction::Bonferroni)?;
    let any = |p: &dyn Fn(&two_sample::Column) -> f64| Some(columns.iter().map(p).fold(1.0, f64::min));
    let centroids = two_sample::centroids(x, y)?;
    let cosine = centroids.cosine_distance.unwrap_or(0.0);
    let distances = Distances::between(x, y)?;
    let by = dimensions(x, y)?;
    let [default_cut, high_cut] = bootstrapped(&distances, random)?;
    let folded = if x.dimension() <= MOST_FOLDED { Some(five_folds(x, y)?) } else { None };
    Ok(vec![
        Outcome::rule("any dimension by KS, p < .05", any(&|column| column.ks.p)),
        Outcome::rule("any dimension by KS, Bonferroni", any(&|column| column.adjusted_p)),
        Outcome::fixed("share of dimensions with W1/std > 0.1 over 0.2", by.moved > 0.2),
        Outcome::fixed("any dimension with PSI > 0.2", by.psi > 0.2),
        Outcome::fixed("any dimension's mean moved by > 2 sd", by.sigma > 2.0),
        Outcome::fixed("centroids Euclid > 0.2", centroids.euclidean > 0.2),
        Outcome::fixed("centroids cosine > 0.1", cosine > 0.1),
        Outcome::fixed("centroids cosine > 0.15", cosine > 0.15),
        Outcome::fixed("MMD² > 0.015", evidently_mmd(&distances)? > 0.015),
        Outcome::fixed("MMD² over the 5th percentile of a bootstrap", default_cut),
        Outcome::fixed("MMD² over the 95th percentile of a bootstrap", high_cut),
        Outcome::fixed("classifier, held-out AUC > 0.55", auc.is_some_and(|auc| auc > 0.55)),
        Outcome::rule("classifier in 5 folds, Mann-Whitney p < .05", folded),
    ])
}

/// The rules for one column of numbers.
pub(super) fn numbers(x: &[f64], y: &[f64]) -> Result<Vec<Outcome>> {
    let psi = psi::of_values(x, y, &Bins::quantile(x, 10)?, psi::FLOOR)?.psi;
    let moved = wasserstein::normalised(x, y)?.unwrap_or(0.0);
    Ok(vec![
        Outcome::fixed("PSI > 0.1", psi > 0.1),
        Outcome::fixed("PSI > 0.2", psi > 0.2),
        Outcome::fixed("PSI > 0.25", psi > 0.25),
        Outcome::fixed("W1/std > 0.1", moved > 0.1),
        Outcome::fixed("mean moved by > 2 sd", shift(x, y) > 2.0),
    ])
}

/// The largest of what single dimensions do.
struct ByDimension {
    moved: f64,
    psi: f64,
    sigma: f64,
}

fn dimensions(x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<ByDimension> {
    let mut by = ByDimension { moved: 0.0, psi: 0.0, sigma: 0.0 };
    for place in 0..x.dimension() {
        let (x, y) = (x.column(place), y.column(place));
        let moved = wasserstein::normalised(&x, &y)?.is_some_and(|distance| distance > 0.1);
        by.moved += f64::from(u8::from(moved));
        by.psi = by.psi.max(psi::of_values(&x, &y, &Bins::quantile(&x, 10)?, psi::FLOOR)?.psi);
        by.sigma = by.sigma.max(shift(&x, &y));
    }
    by.moved /= x.dimension() as f64;
    Ok(by)
}

/// How far the mean moved, in deviations of the reference.
fn shift(x: &[f64], y: &[f64]) -> f64 {
    driftline::stats::sigma::rule(x, y, 2.0).map_or(0.0, |rule| rule.score)
}

/// Its kernel is exp(-d²/m²), m the median distance between the samples.
fn evidently_mmd(distances: &Distances) -> Result<f64> {
    let n = distances.x_len();
    let between = (0..n).flat_map(|i| (n..distances.len()).map(move |j| (i, j)));
    let median = quantile::median(&between.map(|(i, j)| distances.get(i, j)).collect::<Vec<_>>())?;
    Ok(Mmd::with_bandwidth(distances, Form::Unbiased, width(median))?.observed())
}

/// The bandwidth that gives a kernel of exp(-d²/m²).
fn width(median: f64) -> f64 {
    if median > 0.0 { median * std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 }
}

/// Whether the statistic is over the 5th and the 95th percentile of what drawing twice from the reference, with return,
/// gives; a row that is drawn twice counts as two.
fn bootstrapped(distances: &Distances, random: &mut Random) -> Result<[bool; 2]> {
    let (n, m) = (distances.x_len(), distances.len() - distances.x_len());
    let within: Vec<f64> = (0..n).flat_map(|i| (0..n).map(move |j| distances.get(i, j))).collect();
    let bandwidth = width(quantile::median(&within)?);
    let kernel: Vec<f64> = within.iter().map(|distance| (-0.5 * (distance / bandwidth).powi(2)).exp()).collect();
    let sizes = [(n * n / (n + m)).max(2), (n * m / (n + m)).max(2)];
    let mut drawn = Vec::with_capacity(BOOTSTRAPS);
    for _ in 0..BOOTSTRAPS {
        let [a, b] = sizes.map(|size| (0..size).map(|_| random.below(n as u64) as usize).collect::<Vec<_>>());
        let mean = |left: &[usize], right: &[usize], own: bool| {
            let line = |&i: &usize| right.iter().map(|&j| kernel[i * n + j]).sum::<f64>();
            let sum: f64 = left.iter().map(line).sum();
            let (count, diagonal) = if own { (left.len() - 1, left.len() as f64) } else { (right.len(), 0.0) };
            (sum - diagonal) / (left.len() * count) as f64
        };
        drawn.push(mean(&a, &a, true) + mean(&b, &b, true) - 2.0 * mean(&a, &b, false));
    }
    let cuts = quantile::percentiles(&drawn, &[0.05, 0.95])?;
    let statistic = evidently_mmd(distances)?;
    Ok([statistic > cuts[0], statistic > cuts[1]])
}

/// Scores of held-out rows of five folds, taken together as if they were independent, which they are not.
fn five_folds(x: Rows<'_, f32>, y: Rows<'_, f32>) -> Result<f64> {
    let (mut scores_x, mut scores_y) = (Vec::new(), Vec::new());
    for fold in 0..5 {
        let kept = |rows: Rows<'_, f32>| -> Vec<f32> {
            let kept = rows.iter().enumerate().filter(|(place, _)| place % 5 != fold);
            kept.flat_map(|(_, row)| row.iter().copied()).collect()
        };
        let (a, b) = (kept(x), kept(y));
        let labels: Vec<bool> =
            (0..(a.len() + b.len()) / x.dimension()).map(|at| at >= a.len() / x.dimension()).collect();
        let model = Logistic::fit(Rows::new(&[a, b].concat(), x.dimension())?, &labels, 1.0)?;
        for (rows, scores) in [(x, &mut scores_x), (y, &mut scores_y)] {
            for row in rows.iter().skip(fold).step_by(5) {
                scores.push(model.ln_odds(row)?);
            }
        }
    }
    Ok(mann_whitney(&scores_x, &scores_y)?.p_b_larger)
}
