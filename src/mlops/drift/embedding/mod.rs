//! Have the vectors changed? Four tests that see different things, one verdict, and the rows that show it.
//!
//! No test of vectors is best at all changes. The energy distance sees moves of the mean and of the spread, the share of
//! nearest neighbours new clusters, every dimension by itself broken or noisy ones, and the count of rows that lie beyond
//! nearly all of the reference a few that are new; the harmonic mean of the four p-values makes one verdict that errs as seldom
//! as its level says. Fixed thresholds on a distance are not used: they are silent or always on, depending on how many rows there
//! are.

pub(super) mod centroids;
pub(super) mod dimensions;
mod distances;
mod extra;
mod options;
pub(super) mod sliced;
mod verdict;

pub use options::{EmbeddingOptions, ExtraTest, MIN_ROWS};
pub use verdict::{DriftedDimension, Effects, EmbeddingVerdict, NovelRow, TestOutcome};

use super::method::Test;
use super::verdict::{Note, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::stats::harmonic;
use crate::stats::multiple::{Correction, adjust};
use crate::stats::rows::Rows;
use crate::stats::two_sample::{self, Distances, Energy, Neighbors, Novelty};
use dimensions::Dimensions;

/// The share of the reference that counts as far from the rest of it.
const NOVEL_SHARE: f64 = 0.01;
/// Reference rows that are told beside a novel one.
const NEAREST: usize = 3;

/// Tells whether `current` comes from another law than `reference`, how far they are apart, and which rows and dimensions
/// show it.
///
/// Both are samples of one model, at most 20,000 rows together; draw samples of larger sets. There is no verdict below
/// [`EmbeddingOptions::min_rows`] rows a side. Equal rows and options give equal answers, on any machine.
///
/// Costs (n + m)²·d/2 multiplications for the distances and, where there is drift, min(n, m)²/2 additions for each
/// permutation; where there is none, few are drawn.
///
/// The tests are those of Székely and Rizzo (2013), Schilling (1986) and Kolmogorov and Smirnov with Benjamini and
/// Hochberg (1995), combined by Wilson's harmonic mean (2019); permutations end early as Besag and Clifford (1991) say.
///
/// ```
/// use driftline::Random;
/// use driftline::mlops::drift::embedding::{EmbeddingOptions, judge};
/// use driftline::stats::rows::Rows;
///
/// let mut random = Random::seeded(7, 0);
/// let mut rows = |shift: f32| -> Vec<f32> { (0..400).map(|_| random.unit() as f32 + shift).collect() };
/// let (reference, same, moved) = (rows(0.0), rows(0.0), rows(0.3));
///
/// let options = EmbeddingOptions::default();
/// let of = |rows| Rows::new(rows, 4);
/// assert!(!judge(of(&reference)?, of(&same)?, &options)?.drift);
/// let verdict = judge(of(&reference)?, of(&moved)?, &options)?;
/// assert!(verdict.alarm && verdict.effects.expect("enough rows").energy_coefficient > 0.1);
/// # Ok::<(), driftline::Error>(())
/// ```
///
/// # Errors
/// Samples of different dimension, too many rows, or options outside their ranges.
pub fn judge(reference: Rows<'_, f32>, current: Rows<'_, f32>, options: &EmbeddingOptions) -> Result<EmbeddingVerdict> {
    options.check()?;
    same_dimension(reference, current)?;
    if reference.len().min(current.len()) < options.min_rows {
        return Ok(EmbeddingVerdict { notes: vec![Note::FewRows], ..blank(reference, current, options) });
    }
    Samples { reference, current, distances: distances::between(reference, current)?, options }.judge()
}

/// Refuses vectors of two models.
pub(super) fn same_dimension(reference: Rows<'_, f32>, current: Rows<'_, f32>) -> Result<()> {
    if reference.dimension() == current.dimension() {
        return Ok(());
    }
    let message = format!(
        "the reference has vectors of {} numbers and the current sample of {}",
        reference.dimension(),
        current.dimension()
    );
    Err(Error::new(ErrorKind::Dimension, message).mend("compare vectors of one model and version"))
}

/// A verdict before anything was judged.
fn blank(reference: Rows<'_, f32>, current: Rows<'_, f32>, options: &EmbeddingOptions) -> EmbeddingVerdict {
    EmbeddingVerdict {
        verdict: Verdict::Insufficient,
        drift: false,
        alarm: false,
        p: None,
        level: options.level,
        tests: Vec::new(),
        effects: None,
        extra: Vec::new(),
        dimensions: Vec::new(),
        novel: Vec::new(),
        reference_rows: reference.len() as u64,
        current_rows: current.len() as u64,
        dimension: reference.dimension() as u64,
        notes: Vec::new(),
    }
}

struct Samples<'a> {
    reference: Rows<'a, f32>,
    current: Rows<'a, f32>,
    distances: Distances,
    options: &'a EmbeddingOptions,
}

impl Samples<'_> {
    fn judge(&self) -> Result<EmbeddingVerdict> {
        let Samples { reference, current, distances, options } = self;
        let energy = Energy::new(distances);
        let neighbors = Neighbors::new(distances, options.neighbors)?;
        let dimensions = Dimensions::of(*reference, *current)?;
        let novelty = two_sample::novelty(distances, options.neighbors, NOVEL_SHARE)?;
        let tests = self.tests(&energy, &neighbors, &dimensions, &novelty)?;
        let p = harmonic::combine(&tests.iter().filter_map(|test| test.p).collect::<Vec<f64>>())?;
        let effects = self.effects(&energy, &neighbors, &dimensions, &novelty)?;
        let (extra, notes) = self.extra()?;
        let drift = p <= options.level;
        let matters =
            effects.energy_coefficient >= options.energy_floor || effects.novelty_share >= options.novelty_floor;
        let alarm = drift && matters;
        let no_direction = effects.centroid_cosine.is_none().then_some(Note::NoDirection);
        Ok(EmbeddingVerdict {
            verdict: Verdict::of(true, drift, alarm),
            drift,
            alarm,
            p: Some(p),
            tests,
            effects: Some(effects),
            extra,
            dimensions: dimensions.worst(options.evidence, *reference, *current),
            novel: self.novel(&novelty),
            notes: notes.into_iter().chain(no_direction).collect(),
            ..blank(*reference, *current, options)
        })
    }

    /// The four tests of the verdict.
    fn tests(
        &self,
        energy: &Energy,
        neighbors: &Neighbors,
        dimensions: &Dimensions,
        novelty: &Novelty,
    ) -> Result<Vec<TestOutcome>> {
        let draws = |test| self.options.draws(test);
        let counted =
            |test, statistic, p| TestOutcome { test, statistic, p: Some(p), adjusted_p: None, permutations: None };
        let mut tests = vec![
            extra::permuted(Test::Energy, two_sample::permute(energy, draws(Test::Energy))?),
            extra::permuted(Test::Neighbors, two_sample::permute(neighbors, draws(Test::Neighbors))?),
            counted(Test::Dimensions, dimensions.statistic(), dimensions.p()),
            counted(Test::Novelty, novelty.share, novelty.p),
        ];
        let p: Vec<f64> = tests.iter().filter_map(|test| test.p).collect();
        for (test, adjusted) in tests.iter_mut().zip(adjust(&p, Correction::Holm)?) {
            test.adjusted_p = Some(adjusted);
        }
        Ok(tests)
    }

    fn effects(
        &self,
        energy: &Energy,
        neighbors: &Neighbors,
        dimensions: &Dimensions,
        novelty: &Novelty,
    ) -> Result<Effects> {
        let centroids = centroids::test(self.reference, self.current, self.options.draws(Test::Centroids))?;
        Ok(Effects {
            energy_coefficient: energy.coefficient(),
            energy_floor: self.options.energy_floor,
            neighbor_excess: neighbors.excess(),
            drifted_dimensions: dimensions.drifted(),
            centroid_cosine: centroids.map(|test| test.statistic.clamp(0.0, 2.0)),
            centroid_p: centroids.map(|test| test.p),
            novelty_share: novelty.share,
            novelty_floor: self.options.novelty_floor,
            novelty_p: novelty.p,
        })
    }

    /// The tests that were asked for, and notes of those that could not be made.
    fn extra(&self) -> Result<(Vec<TestOutcome>, Vec<Note>)> {
        let (mut made, mut notes) = (Vec::new(), Vec::new());
        for &test in &self.options.extra {
            match extra::outcome(test, self.reference, self.current, &self.distances, self.options)? {
                Some(outcome) => made.push(outcome),
                None => notes.push(Note::TestLeftOut(test.test())),
            }
        }
        Ok((made, notes))
    }

    /// The current rows that lie farthest from the reference, the farthest first.
    fn novel(&self, novelty: &Novelty) -> Vec<NovelRow> {
        let novel = |row: &usize| novelty.scores[*row] > novelty.threshold;
        let mut rows: Vec<usize> = (0..novelty.scores.len()).filter(novel).collect();
        rows.sort_by(|&a, &b| novelty.scores[b].total_cmp(&novelty.scores[a]).then(a.cmp(&b)));
        let nearest = |row: usize| {
            let n = self.reference.len();
            let mut near: Vec<(u64, f64)> = (0..n).map(|x| (x as u64, self.distances.get(x, n + row))).collect();
            near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            near.truncate(NEAREST);
            near
        };
        let told = |row: usize| NovelRow { row: row as u64, distance: novelty.scores[row], nearest: nearest(row) };
        rows.into_iter().take(self.options.evidence).map(told).collect()
    }
}
