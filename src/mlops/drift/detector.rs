//! A detector: columns of a reference, columns of now, and one result per feature.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::column::{Column, Columns};
use super::embedding::{EmbeddingOptions, EmbeddingVerdict, MIN_ROWS};
use super::method::{Method, Scale, Test};
use super::result::{BaselineRef, DriftKind, DriftResult, Effect};
use super::scalar::{self, Asked, Judged};
use super::side::{Side, missing_changed};
use super::vectors;
use super::verdict::{Counts, Note, Verdict};
use crate::error::{Error, Result};
use crate::filter;
use crate::stats::multiple::{Correction, adjust};
use crate::stats::two_sample::Permutations;

/// The level of methods whose threshold is no p-value.
const LEVEL: f64 = 0.05;
/// The tests of vectors that make one p by their harmonic mean.
const TESTS_OF_VECTORS: f64 = 4.0;
/// What the permutations of vectors may cost where there are more than the options have, in distances that are added: about
/// three seconds. And how many they may be at all.
const MOST_ADDED: usize = 2_000_000_000;
const MOST_PERMUTATIONS: usize = 1_000_000;
/// What an effect must reach for an alarm, where the method's threshold is a p-value.
const FLOOR: f64 = 0.1;

/// Compares columns with those of a reference, by one method, and corrects for how many there are.
///
/// Plain data: it may be cloned and sent, and holds a copy of the reference. Nothing is drawn by chance but permutations,
/// whose seed follows from [`DriftDetector::seed`] and the feature's name, so equal columns give equal results.
///
/// ```
/// use driftline::mlops::drift::{Column, DriftDetector, Method, Verdict};
/// use driftline::stats::multiple::Correction;
///
/// let ramp = |from: u32| Column::numbers((from..from + 200).map(f64::from));
/// let lang = |en: usize| Column::categories((0..200).map(move |row| if row < en { "en" } else { "de" }));
///
/// let mut detector = DriftDetector::new(Method::Auto).threshold(0.05).correction(Correction::BenjaminiHochberg);
/// detector.set_reference([("price", ramp(0)), ("lang", lang(100))])?;
/// let results = detector.detect([("price", ramp(90)), ("lang", lang(104))])?;
///
/// assert_eq!((results[0].feature.as_str(), results[0].verdict), ("lang", Verdict::Stable));
/// assert_eq!((results[1].feature.as_str(), results[1].verdict), ("price", Verdict::Alarm));
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a detector does nothing until it is asked"]
pub struct DriftDetector {
    method: Method,
    threshold: Option<f64>,
    level: f64,
    floor: Option<f64>,
    features: Option<Vec<String>>,
    correction: Option<Correction>,
    kind: DriftKind,
    embedding: EmbeddingOptions,
    min_rows: usize,
    seed: u64,
    /// Results that p is adjusted over, where they are more than this detector makes.
    among: usize,
    baseline: Option<BaselineRef>,
    reference: Columns,
}

impl Default for DriftDetector {
    /// By [`Method::Ks`] at 0.05.
    fn default() -> DriftDetector {
        DriftDetector::new(Method::Ks)
    }
}

impl DriftDetector {
    /// A detector by this method with its default threshold, all features, Benjamini and Hochberg's correction, and no
    /// reference yet.
    pub fn new(method: Method) -> DriftDetector {
        DriftDetector {
            method,
            threshold: None,
            level: LEVEL,
            floor: None,
            features: None,
            correction: Some(Correction::BenjaminiHochberg),
            kind: DriftKind::Feature,
            embedding: EmbeddingOptions::default(),
            min_rows: MIN_ROWS,
            seed: 0,
            among: 0,
            baseline: None,
            reference: Columns::new(),
        }
    }

    /// Sets the threshold, on the scale of the method: a p-value for `auto`, `ks` and `chi_square`, a distance for `psi`,
    /// `cosine`, `wasserstein` and `js`, standard deviations for `sigma`. On the last two scales it is what `alarm` asks
    /// for beside p, and what `drift` is where there is no p.
    pub fn threshold(self, threshold: f64) -> DriftDetector {
        DriftDetector { threshold: Some(threshold), ..self }
    }

    /// Sets the level of p where the threshold is no p-value. Default 0.05.
    pub fn level(self, level: f64) -> DriftDetector {
        DriftDetector { level, ..self }
    }

    /// Sets the effect an alarm asks for where the threshold is a p-value. Default 0.1; 0 lets every drift alarm. That of
    /// vectors is set by [`DriftDetector::embedding`].
    pub fn effect_floor(self, floor: f64) -> DriftDetector {
        DriftDetector { floor: Some(floor), ..self }
    }

    /// Judges these features only. One that the reference lacks is refused.
    pub fn features<T: Into<String>>(self, features: impl IntoIterator<Item = T>) -> DriftDetector {
        DriftDetector { features: Some(features.into_iter().map(Into::into).collect()), ..self }
    }

    /// Sets how p-values are adjusted over the features. Default Benjamini and Hochberg.
    pub fn correction(self, correction: Correction) -> DriftDetector {
        DriftDetector { correction: Some(correction), ..self }
    }

    /// Leaves p-values as they are: of twenty quiet features one is then said to drift, at 0.05.
    pub fn without_correction(self) -> DriftDetector {
        DriftDetector { correction: None, ..self }
    }

    /// Sets what kind of thing the columns are. Default features.
    pub fn kind(self, kind: DriftKind) -> DriftDetector {
        DriftDetector { kind, ..self }
    }

    /// Sets how [`Method::Auto`] judges vectors.
    pub fn embedding(self, embedding: EmbeddingOptions) -> DriftDetector {
        DriftDetector { embedding, ..self }
    }

    /// Sets the rows a side below which there is no verdict. Default 50.
    pub fn min_rows(mut self, min_rows: usize) -> DriftDetector {
        self.embedding.min_rows = min_rows;
        DriftDetector { min_rows, ..self }
    }

    /// Sets where chance begins. Default 0.
    pub fn seed(self, seed: u64) -> DriftDetector {
        DriftDetector { seed, ..self }
    }

    /// Names the baseline that the reference is, in every result.
    pub fn baseline(self, baseline: BaselineRef) -> DriftDetector {
        DriftDetector { baseline: Some(baseline), ..self }
    }

    /// Says that p will be adjusted over so many results, of other detectors too.
    pub(super) fn among(self, results: usize) -> DriftDetector {
        DriftDetector { among: results, ..self }
    }

    /// How p-values are adjusted.
    pub(super) fn adjusts(&self) -> Option<Correction> {
        self.correction
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Sets what later columns are held against.
    ///
    /// # Errors
    /// No columns, a column without rows, a feature that was asked for and is not there, or an option outside its range.
    pub fn set_reference<T: Into<String>>(&mut self, columns: impl IntoIterator<Item = (T, Column)>) -> Result<()> {
        self.check()?;
        let columns: Columns = columns.into_iter().map(|(name, column)| (name.into(), column)).collect();
        if columns.is_empty() {
            return Err(Error::invalid("the reference has no columns").mend("give at least one"));
        }
        check_columns(&columns)?;
        if let Some((name, _)) = columns.iter().find(|(_, column)| column.is_empty()) {
            return Err(Error::invalid(format!("the reference has no rows of {name}")).mend("collect some first"));
        }
        if let Some(feature) = self.features.iter().flatten().find(|feature| !columns.contains_key(*feature)) {
            return Err(unknown(feature, &columns));
        }
        self.reference = columns;
        Ok(())
    }

    /// Holds these columns against the reference: one result for each feature, in the order of their names.
    ///
    /// A column that is in one of the two only is a finding, [`Note::MissingColumn`], and so is one that is constant. One
    /// whose type has changed, such as numbers that are texts now, is an alarm, [`Note::TypeChanged`].
    ///
    /// # Errors
    /// No reference, vectors of another dimension, or a method that does not fit a column.
    pub fn detect<T: Into<String>>(&self, columns: impl IntoIterator<Item = (T, Column)>) -> Result<Vec<DriftResult>> {
        if self.reference.is_empty() {
            return Err(Error::invalid("there is no reference").mend("give one to `set_reference` first"));
        }
        let columns: Columns = columns.into_iter().map(|(name, column)| (name.into(), column)).collect();
        check_columns(&columns)?;
        let names: BTreeSet<&String> = match &self.features {
            Some(features) => features.iter().collect(),
            None => self.reference.keys().chain(columns.keys()).collect(),
        };
        let judge = |name: &String| {
            let judged = self.judge(name, self.reference.get(name), columns.get(name));
            judged.map_err(|error| if error.place().is_some() { error } else { error.at(format!("feature {name}")) })
        };
        let mut results = names.into_iter().map(judge).collect::<Result<Vec<_>>>()?;
        conclude(&mut results, self.correction)?;
        Ok(results)
    }

    fn check(&self) -> Result<()> {
        self.embedding.check()?;
        let threshold = self.threshold.unwrap_or_else(|| self.method.default_threshold());
        let level = self.level_of_p();
        if !(level > 0.0 && level < 1.0) {
            let error = Error::invalid(format!("the level of {} is {level}", self.method));
            return Err(error.mend("take a p-value above 0 and below 1, such as 0.05"));
        }
        if !(threshold > 0.0 && threshold.is_finite()) {
            let error = Error::invalid(format!("the threshold of {} is {threshold}", self.method));
            return Err(error.mend("take a finite number above 0"));
        }
        if self.floor.is_some_and(|floor| floor.is_nan() || floor < 0.0) {
            return Err(Error::invalid("the effect floor is below 0").mend("take 0 or more"));
        }
        if self.min_rows < 2 {
            let error = Error::invalid(format!("a verdict is asked for from {} rows", self.min_rows));
            return Err(error.mend("take at least 2"));
        }
        Ok(())
    }

    /// The result of one feature before p is adjusted.
    fn judge(&self, name: &str, reference: Option<&Column>, current: Option<&Column>) -> Result<DriftResult> {
        let (Some(reference), Some(current)) = (reference, current) else {
            let counts = |column: Option<&Column>| column.map_or(Counts::default(), |column| Side::of(column).counts());
            let missing = Judged { notes: vec![Note::MissingColumn], ..nothing() };
            return Ok(self.result(name, missing, counts(reference), counts(current)));
        };
        let (x, y) = (Side::of(reference), Side::of(current));
        let (mut judged, embedding) = self.compare(name, &x, &y)?;
        let (before, now) = (x.counts(), y.counts());
        judged.notes.extend(missing_changed(before, now)?);
        let result = self.result(name, judged, before, now);
        Ok(match reference {
            Column::Vectors { .. } => DriftResult { embedding: embedding.map(Box::new), ..self.of_vectors(result) },
            _ => result,
        })
    }

    /// Holds both sides beside each other, if there is enough of them.
    fn compare(&self, name: &str, x: &Side<'_>, y: &Side<'_>) -> Result<(Judged, Option<EmbeddingVerdict>)> {
        let few = x.rows().min(y.rows()) < self.min_rows;
        let seed = xxh3_64_with_seed(name.as_bytes(), self.seed);
        let asked = Asked {
            method: self.method,
            floor: self.effect_floor_or_default(),
            permutations: self.permutations(seed),
            most_moved: scalar::MOST_MOVED,
        };
        let judged = match (x, y) {
            (Side::Vectors { rows: x, dimension: d, .. }, Side::Vectors { rows: y, dimension: e, .. }) => {
                let options = self.embedding_options(seed, x.len() / d, y.len() / e);
                return vectors::judge(asked, (x, *d), (y, *e), &options, few);
            }
            _ if few => Judged { notes: vec![Note::FewRows], ..nothing() },
            (Side::Numbers { values: x, .. }, Side::Numbers { values: y, .. }) => scalar::numbers(asked, x, y)?,
            (Side::Categories { values: x, .. }, Side::Categories { values: y, .. }) => {
                scalar::categories(asked, x, y)?
            }
            _ => scalar::types(Asked { floor: FLOOR, ..asked }, x, y)?,
        };
        Ok((judged, None))
    }

    /// As many as it takes for the smallest p there is to pass when it is adjusted for all results: with fewer, one that
    /// drifts among many would never be found. Where nothing drifts some dozens are drawn, whatever stands here.
    fn permutations(&self, seed: u64) -> Permutations {
        let wanted = 2.0 * self.reference.len().max(self.among) as f64 / self.level_of_p();
        Permutations { most: (wanted.ceil() as u32).max(scalar::PERMUTATIONS), stop_after: Some(20), seed }
    }

    fn level_of_p(&self) -> f64 {
        match self.method.scale() {
            Scale::PValue => self.threshold.unwrap_or_else(|| self.method.default_threshold()),
            Scale::Distance | Scale::Sigma => self.level,
        }
    }

    /// Vectors have a level of their own under [`Method::Auto`], and their own kind.
    fn of_vectors(&self, result: DriftResult) -> DriftResult {
        let kind = if self.kind == DriftKind::Feature { DriftKind::Embedding } else { self.kind };
        match self.method {
            Method::Auto => {
                let level = self.threshold.unwrap_or(self.embedding.level);
                DriftResult { kind, level, threshold: level, ..result }
            }
            _ => DriftResult { kind, ..result },
        }
    }

    /// How vectors of so many rows a side are judged. Alone they have the permutations of their options; among other results so
    /// many more that one of their tests, which makes a fourth of the harmonic mean, can still pass when it is adjusted.
    fn embedding_options(&self, seed: u64, n: usize, m: usize) -> EmbeddingOptions {
        let options = self.embedding.clone().seed(self.embedding.seed ^ seed);
        let level = self.threshold.filter(|_| self.method == Method::Auto).unwrap_or(options.level);
        let features = self.features.as_ref().map_or(self.reference.len(), Vec::len).max(self.among);
        if features < 2 {
            return options.level(level);
        }
        let wanted = (2.0 * TESTS_OF_VECTORS * features as f64 / level).ceil() as usize;
        let least = n.min(m).max(1);
        let affordable = (MOST_ADDED / (least * least / 2).max(1)).min(MOST_PERMUTATIONS);
        let permutations = options.permutations.max(wanted.min(affordable) as u32);
        options.level(level).permutations(permutations)
    }

    fn effect_floor_or_default(&self) -> f64 {
        match self.method.scale() {
            Scale::PValue => self.floor.unwrap_or(FLOOR),
            Scale::Distance | Scale::Sigma => self.threshold.unwrap_or_else(|| self.method.default_threshold()),
        }
    }

    fn result(&self, name: &str, judged: Judged, reference: Counts, current: Counts) -> DriftResult {
        let threshold = self.threshold.unwrap_or_else(|| self.method.default_threshold());
        DriftResult {
            feature: name.to_owned(),
            kind: self.kind,
            method: self.method,
            test: judged.test,
            scale: self.method.scale(),
            threshold,
            level: if self.method.scale() == Scale::PValue { threshold } else { self.level },
            statistic: judged.statistic,
            p: judged.p,
            adjusted_p: None,
            effect: judged.effect,
            reference,
            current,
            drift: false,
            alarm: false,
            verdict: Verdict::Insufficient,
            notes: judged.notes,
            baseline: self.baseline.clone(),
            embedding: None,
        }
    }
}

/// Adjusts p over all results that have one, and says what follows from it for each.
pub(super) fn conclude(results: &mut [DriftResult], correction: Option<Correction>) -> Result<()> {
    let p: Vec<f64> = results.iter().filter_map(|result| result.p).collect();
    let adjusted = correction.map_or_else(|| Ok(p.clone()), |correction| adjust(&p, correction))?;
    for (result, adjusted) in results.iter_mut().filter(|result| result.p.is_some()).zip(adjusted) {
        result.adjusted_p = Some(adjusted);
    }
    for result in results {
        result.drift = match (result.adjusted_p, result.statistic) {
            (Some(p), _) => p <= result.level,
            (None, Some(statistic)) => result.scale != Scale::PValue && statistic >= result.threshold,
            (None, None) => false,
        };
        result.alarm = result.drift && result.effect.matters();
        result.verdict = Verdict::of(result.test != Test::None, result.drift, result.alarm);
    }
    Ok(())
}

/// Refuses vectors that are not whole.
fn check_columns(columns: &Columns) -> Result<()> {
    columns.iter().try_for_each(|(name, column)| column.check().map_err(|error| error.at(format!("feature {name}"))))
}

/// Nothing was judged.
fn nothing() -> Judged {
    let effect = Effect { name: "none".into(), value: None, floor: 0.0 };
    Judged { test: Test::None, statistic: None, p: None, effect, notes: Vec::new() }
}

fn unknown(feature: &str, columns: &Columns) -> Error {
    let error = Error::invalid(format!("the reference has no feature {feature:?}"));
    match filter::suggest(feature, columns.keys().map(String::as_str)) {
        Some(near) => error.mend(format!("did you mean `{near}`?")),
        None => error.mend("give its column, or leave it out of the features"),
    }
}
