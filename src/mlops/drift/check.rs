//! A check: what a subject wrote in one time, beside what it wrote in another or beside a baseline.

use std::collections::BTreeMap;
use std::time::Duration;

use super::baseline::{BASELINE_ROWS, Baseline, Baselines};
use super::column::{Column, Columns};
use super::detector::{DriftDetector, conclude};
use super::method::Method;
use super::report::{DriftReport, Evidence, ReferenceOf};
use super::result::{BaselineRef, DriftResult};
use super::source::{self, Asked, Drawn, VECTOR};
use super::stored;
use super::subject::Subject;
use super::verdict::Counts;
use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::{self, Filter, IntoFilter};
use crate::mlops::times::{TimeRange, before};
use crate::payload::Value;

/// Rows that are drawn a side, unless told, and the most that may be asked for.
const ROWS: usize = BASELINE_ROWS;
const MOST_ROWS: usize = 5_000;
/// Values of a field that are judged one by one, at most.
const MOST_VALUES: usize = 50;

impl Database {
    /// Begins a check of a subject: a collection by its name, or a [`ModelId`](crate::mlops::ModelId).
    pub fn drift(&self, subject: impl Into<Subject>) -> DriftCheck {
        DriftCheck {
            db: self.clone(),
            subject: subject.into(),
            current: None,
            reference: None,
            detector: DriftDetector::new(Method::Auto),
            fields: Vec::new(),
            by: None,
            filter: None,
            rows: ROWS,
        }
    }
}

/// A check for drift, built step by step and run once.
///
/// Rows are drawn by the hash of their keys, at most 1,000 a side, by seeds that follow from the subject and the times. So
/// a check of rows that have not changed says the same on any number of threads and after reopening; of a model's log, whose
/// keys are the numbers in which vectors came, where they were logged in one order. [`DriftCheck::run`]
/// writes nothing; [`DriftCheck::record`] keeps the report, too.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use std::time::Duration;
///
/// use driftline::mlops::drift::Verdict;
/// use driftline::{Database, Record, Schema, Timestamp, json};
///
/// let db = Database::in_memory()?;
/// let day = 86_400_000_000;
/// let docs = db.create_collection("docs", Schema::payload_only())?;
/// docs.put_all((0..400u64).map(|n| {
///     let words = if n < 200 { n % 50 } else { 20 + n % 50 };
///     Record::new(n).payload(json!({"words": words})).created_at(Timestamp(n as i64 * day / 100))
/// }))?;
///
/// let report = db.drift("docs").last(Duration::from_secs(2 * 86_400)).as_of(Timestamp(4 * day)).run()?;
/// assert_eq!((report.verdict, report.results[0].feature.as_str()), (Verdict::Alarm, "words"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a check does nothing until it is run"]
pub struct DriftCheck {
    db: Database,
    subject: Subject,
    current: Option<Current>,
    reference: Option<Reference>,
    detector: DriftDetector,
    fields: Vec<String>,
    by: Option<String>,
    filter: Option<Filter>,
    rows: usize,
}

#[derive(Debug, Clone, Copy)]
enum Current {
    Range(TimeRange),
    Last(Duration, Option<Timestamp>),
}

/// What a subject is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// The same subject at another time.
    Range(TimeRange),
    /// The time of this length just before what is judged.
    Before(Duration),
    /// A baseline: this version, or the newest.
    Baseline(String, Option<u64>),
}

impl DriftCheck {
    /// Judges the rows of this time.
    pub fn current(self, range: TimeRange) -> DriftCheck {
        DriftCheck { current: Some(Current::Range(range)), ..self }
    }

    /// Judges the rows of the last so long. Default a day.
    pub fn last(self, length: Duration) -> DriftCheck {
        DriftCheck { current: Some(Current::Last(length, None)), ..self }
    }

    /// Takes this to be now, for [`DriftCheck::last`].
    pub fn as_of(self, now: Timestamp) -> DriftCheck {
        let length = match self.current {
            Some(Current::Last(length, _)) => length,
            _ => Duration::from_secs(86_400),
        };
        DriftCheck { current: Some(Current::Last(length, Some(now))), ..self }
    }

    /// Holds them against this. Default the time just before, as long as the one that is judged.
    pub fn against(self, reference: Reference) -> DriftCheck {
        DriftCheck { reference: Some(reference), ..self }
    }

    /// Holds them against the newest version of a baseline.
    pub fn against_baseline(self, name: impl Into<String>) -> DriftCheck {
        self.against(Reference::Baseline(name.into(), None))
    }

    /// Judges by this detector. Default [`Method::Auto`].
    pub fn detector(self, detector: DriftDetector) -> DriftCheck {
        DriftCheck { detector, ..self }
    }

    /// Judges these fields of the payload, with dots into objects; `vector` are the vectors. Default the vectors and every
    /// field at the top that holds numbers, truth values or at most 50 different texts, in the reference or now.
    pub fn fields<T: Into<String>>(self, fields: impl IntoIterator<Item = T>) -> DriftCheck {
        DriftCheck { fields: fields.into_iter().map(Into::into).collect(), ..self }
    }

    /// Judges the records of each value of this field by themselves, and how often each value comes. Of more than 50
    /// values the most frequent are judged; p is adjusted over all of them.
    pub fn by(self, field: impl Into<String>) -> DriftCheck {
        DriftCheck { by: Some(field.into()), ..self }
    }

    /// Judges only records that pass. Not of a model, whose log keeps samples of all that was logged.
    pub fn filter(mut self, filter: impl IntoFilter) -> Result<DriftCheck> {
        let filter = filter.into_filter()?;
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
        Ok(self)
    }

    /// Sets how many rows are drawn a side, 2 to 5,000. Default 1,000. Vectors cost time by the square of it.
    pub fn rows(self, rows: usize) -> DriftCheck {
        DriftCheck { rows, ..self }
    }

    /// Draws and judges.
    ///
    /// # Errors
    /// `NotFound` for a collection, model or baseline that is not there; `Invalid` where the reference has no rows or an
    /// option is outside its range; `ModelMismatch` for a baseline of another model.
    pub fn run(&self) -> Result<DriftReport> {
        self.found()?.ok_or_else(|| {
            Error::invalid(format!("the reference of {} has no rows", self.subject))
                .mend("hold it against a time with records, or a baseline")
        })
    }

    /// The same; none where either side has no rows.
    pub(super) fn run_unless_empty(&self) -> Result<Option<DriftReport>> {
        let is_gap = |report: &DriftReport| report.results.iter().all(|result| result.current == Counts::default());
        Ok(self.found()?.filter(|report| !is_gap(report)))
    }

    /// What is found; none where the reference has no rows.
    fn found(&self) -> Result<Option<DriftReport>> {
        if !(2..=MOST_ROWS).contains(&self.rows) {
            let error = Error::invalid(format!("{} rows are asked for a side", self.rows));
            return Err(error.mend(format!("take 2 to {MOST_ROWS}")));
        }
        let current = self.current_range()?;
        let (reference, of) = self.reference(current)?;
        let parts = self.parts(current, &of)?;
        let detector = self.detector.clone().seed(self.subject.seed(current)).among(self.results_of(&parts)?);
        let (mut results, mut evidence) = (Vec::new(), Vec::new());
        for part in &parts {
            match self.judge(part, current, reference.as_ref(), &of, detector.clone())? {
                Some((judged, shown)) => {
                    results.extend(judged);
                    evidence.extend(shown);
                }
                // A value that is new has nothing to be held against; the distribution of values shows it.
                None if part.name.is_empty() => return Ok(None),
                None => {}
            }
        }
        if parts.len() > 1 {
            conclude(&mut results, self.detector.adjusts())?;
        }
        let report = DriftReport::new(&self.subject, current, of, results, self.db.now());
        Ok(Some(DriftReport { evidence, ..report }))
    }

    /// The columns that [`DriftCheck::run`] compares, of the reference and of the current rows; where the values of a field
    /// are judged by themselves, those of all. Costs what drawing costs.
    ///
    /// # Errors
    /// As of [`DriftCheck::run`].
    pub fn samples(&self) -> Result<(Columns, Columns)> {
        let current = self.current_range()?;
        let (baseline, of) = self.reference(current)?;
        let whole = Part { filter: self.filter.clone(), name: String::new(), fields: self.fields.clone() };
        let (before, now) = self.draw(&whole, current, baseline.as_ref(), &of)?;
        Ok((before.columns, now.columns))
    }

    /// Draws, judges and keeps the report under the beginning of the time that was judged.
    pub fn record(&self) -> Result<DriftReport> {
        let report = self.run()?;
        stored::reports(&self.db).put(stored::at(&stored::checks_of(&self.subject), report.current.from), &report)?;
        Ok(report)
    }

    fn current_range(&self) -> Result<TimeRange> {
        match self.current {
            Some(Current::Range(range)) => Ok(range),
            Some(Current::Last(length, now)) => TimeRange::last(length, now.unwrap_or_else(|| self.until_now())),
            None => TimeRange::last(Duration::from_secs(86_400), self.until_now()),
        }
    }

    /// The first moment after now, so that what was just written counts.
    fn until_now(&self) -> Timestamp {
        self.db.now().after(Duration::from_micros(1))
    }

    /// The columns of a baseline, where there is one, and what the reference is.
    fn reference(&self, current: TimeRange) -> Result<(Option<Columns>, ReferenceOf)> {
        let range = match self.reference.clone().unwrap_or(Reference::Before(current.length())) {
            Reference::Range(range) => range,
            Reference::Before(length) => TimeRange::new(before(current.from, length), current.from)?,
            Reference::Baseline(name, version) => return self.baseline(&name, version),
        };
        Ok((None, ReferenceOf::Times(range)))
    }

    fn baseline(&self, name: &str, version: Option<u64>) -> Result<(Option<Columns>, ReferenceOf)> {
        if self.by.is_some() {
            return Err(Error::invalid("a baseline is not judged by the values of a field")
                .mend("hold a time against another, or make a baseline for each value"));
        }
        let baselines: Baselines = self.db.baselines();
        let baseline = match version {
            Some(version) => baselines.version(name, version)?,
            None => baselines.get(name)?,
        };
        self.check_model(&baseline)?;
        let of = ReferenceOf::Baseline(BaselineRef { name: baseline.name.clone(), version: baseline.version });
        Ok((Some(baselines.columns(&baseline)?), of))
    }

    /// Refuses vectors of a model beside those of another, where both models are known.
    fn check_model(&self, baseline: &Baseline) -> Result<()> {
        let is_judged = self.fields.is_empty() || self.fields.iter().any(|field| field == VECTOR);
        if !is_judged || baseline.columns.iter().all(|column| column.name != VECTOR) {
            return Ok(());
        }
        let theirs = match (&baseline.model, &baseline.subject) {
            (Some(model), _) => Some(model.clone()),
            (None, Some(subject)) => subject.model(&self.db)?,
            (None, None) => None,
        };
        match theirs.zip(self.subject.model(&self.db)?) {
            Some((theirs, ours)) if theirs != ours => {
                let message = format!("the baseline {} holds vectors of {theirs}, and {ours} is judged", baseline.name);
                Err(Error::new(ErrorKind::ModelMismatch, message).mend("make a baseline of that model"))
            }
            _ => Ok(()),
        }
    }

    /// All rows, or all and those of each value.
    fn parts(&self, current: TimeRange, of: &ReferenceOf) -> Result<Vec<Part>> {
        let (Some(by), ReferenceOf::Times(reference)) = (&self.by, of) else {
            return Ok(vec![Part { filter: self.filter.clone(), name: String::new(), fields: self.fields.clone() }]);
        };
        let Subject::Collection(name) = &self.subject else {
            return Err(Error::invalid("the log of a model has no fields to judge it by").mend("leave `by` out"));
        };
        let mut parts = vec![Part { filter: self.filter.clone(), name: String::new(), fields: vec![by.clone()] }];
        let collection = self.db.collection(name)?;
        let (path, mut often) = (filter::path(by)?, BTreeMap::<String, (u64, Value)>::new());
        for range in [current, *reference] {
            let asked = Asked { range, fields: &[], filter: self.filter.clone(), count: self.rows, beside: None };
            for record in source::records(&collection, &asked, self.subject.seed(range))? {
                if let Some(value) = source::at(&record.payload, &path).filter(|value| is_plain(value)) {
                    often.entry(value.to_string()).or_insert_with(|| (0, value.clone())).0 += 1;
                }
            }
        }
        let mut values: Vec<(String, (u64, Value))> = often.into_iter().collect();
        values.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(&b.0)));
        for (text, (_, value)) in values.into_iter().take(MOST_VALUES) {
            let one = filter::field(by).eq(value);
            let filter = Some(self.filter.clone().map_or(one.clone(), |filter| filter.and(one)));
            let fields = self.fields.clone();
            parts.push(Part { filter, name: format!("{by}={} ", text.trim_matches('"')), fields });
        }
        Ok(parts)
    }

    /// Over how many results p is adjusted, where there are several parts.
    fn results_of(&self, parts: &[Part]) -> Result<usize> {
        Ok(match (parts.len(), self.fields.len()) {
            (1, _) => 0,
            (parts, 0) => parts * self.samples()?.0.len(),
            (parts, fields) => parts * fields,
        })
    }

    /// The rows of the reference, and beside them those that are judged.
    fn draw(
        &self,
        part: &Part,
        current: TimeRange,
        baseline: Option<&Columns>,
        of: &ReferenceOf,
    ) -> Result<(Drawn, Drawn)> {
        let draw = |range, beside: Option<&Columns>| {
            let asked = Asked { range, fields: &part.fields, filter: part.filter.clone(), count: self.rows, beside };
            source::draw(&self.db, &self.subject, &asked)
        };
        let before = match (baseline, of) {
            (Some(columns), _) => {
                let kept = columns.iter().filter(|(name, _)| part.fields.is_empty() || part.fields.contains(name));
                let columns = kept.map(|(name, column)| (name.clone(), column.clone())).collect();
                Drawn { columns, keys: Vec::new() }
            }
            (None, ReferenceOf::Times(range)) => draw(*range, None)?,
            (None, ReferenceOf::Baseline(_)) => return Err(Error::internal("a baseline was not read")),
        };
        let now = draw(current, Some(&before.columns))?;
        Ok((before, now))
    }

    fn judge(
        &self,
        part: &Part,
        current: TimeRange,
        baseline: Option<&Columns>,
        of: &ReferenceOf,
        detector: DriftDetector,
    ) -> Result<Option<(Vec<DriftResult>, Vec<Evidence>)>> {
        let (before, now) = self.draw(part, current, baseline, of)?;
        let mut detector = match of {
            ReferenceOf::Baseline(named) => detector.baseline(named.clone()),
            ReferenceOf::Times(_) => detector,
        };
        if before.columns.values().all(Column::is_empty) {
            return Ok(None);
        }
        detector.set_reference(before.columns)?;
        let mut results = detector.detect(now.columns)?;
        let mut evidence = Vec::new();
        for result in &mut results {
            result.feature = format!("{}{}", part.name, result.feature);
            evidence.extend(shown(result, &now.keys, &before.keys));
        }
        Ok(Some((results, evidence)))
    }
}

/// Rows that are judged together.
struct Part {
    filter: Option<Filter>,
    /// What its features begin with.
    name: String,
    fields: Vec<String>,
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Text(_))
}

/// The novel rows of a result, by their keys.
fn shown(result: &DriftResult, current: &[String], reference: &[String]) -> Vec<Evidence> {
    let Some(embedding) = result.embedding.as_ref().filter(|_| result.feature.ends_with(VECTOR)) else {
        return Vec::new();
    };
    let key = |keys: &[String], row: u64| keys.get(row as usize).cloned();
    let evidence = embedding.novel.iter().filter_map(|novel| {
        let near = |(row, distance): &(u64, f64)| (key(reference, *row).unwrap_or_default(), *distance);
        Some(Evidence {
            feature: result.feature.clone(),
            key: key(current, novel.row)?,
            distance: novel.distance,
            nearest: novel.nearest.iter().map(near).collect(),
        })
    });
    evidence.collect()
}
