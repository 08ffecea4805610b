//! Baselines: what is normal, kept under a name in versions that never change.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::column::{Column, Columns};
use super::pieces;
use super::result::BaselineRef;
use super::source::{self, Asked, VECTOR};
use super::subject::Subject;
use crate::clock::Timestamp;
use crate::database::gate::Protected;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::filter;
use crate::mlops::table::Table;
use crate::mlops::times::TimeRange;
use crate::stats::moments::Moments;
use crate::stats::quantile::percentiles;

/// Rows that a baseline keeps, at most.
pub const BASELINE_ROWS: usize = 1_000;
/// Ranks whose quantiles are kept of numbers.
const RANKS: [f64; 9] = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];
/// Times that a version is tried to be written while others write theirs.
const TRIES: u32 = 8;

/// A stored baseline: where it came from, and what it holds. The rows are read by [`Baselines::columns`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Baseline {
    /// Its name.
    pub name: String,
    /// Its version, counted from 1.
    pub version: u64,
    /// What it was drawn from; none where columns were given.
    pub subject: Option<Subject>,
    /// The model that its vectors come from; none where that is not known, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The time its rows come from; none where columns were given.
    pub range: Option<TimeRange>,
    /// When it was made.
    pub created: Timestamp,
    /// What it holds, by name.
    pub columns: Vec<BaselineColumn>,
    /// The SHA-256 of the rows as they are stored, in hexadecimal digits.
    pub sha256: String,
    /// Records that hold the rows.
    pub(super) pieces: u64,
}

/// A column of a baseline, in a few figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BaselineColumn {
    /// Its name.
    pub name: String,
    /// Whether it holds numbers, categories or vectors.
    pub kind: ColumnKind,
    /// Rows, those without a value too.
    pub rows: u64,
    /// Numbers of a vector; none for others.
    pub dimension: Option<u64>,
    /// The mean of numbers.
    pub mean: Option<f64>,
    /// Their standard deviation.
    pub deviation: Option<f64>,
    /// Their quantiles at 0, 1, 5, 25, 50, 75, 95, 99 and 100 of a hundred; empty for others.
    pub quantiles: Vec<f64>,
}

/// What values a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnKind {
    /// Numbers.
    Numbers,
    /// Names of categories.
    Categories,
    /// Vectors.
    Vectors,
}

impl Baseline {
    /// How results name it.
    pub fn reference(&self) -> BaselineRef {
        BaselineRef { name: self.name.clone(), version: self.version }
    }
}

impl Database {
    /// The baselines of this store.
    pub fn baselines(&self) -> Baselines {
        Baselines { db: self.clone(), heads: Table::new(self, "_baselines") }
    }
}

/// The baselines of a store: samples under names, in versions that never change.
///
/// Setting a name again makes the next version; earlier ones stay, so every result can be traced to the rows it was held
/// against. A version is written whole or not at all. Cheap to clone, may be used from any thread.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::Database;
/// use driftline::mlops::drift::{Column, DriftDetector, Method};
///
/// let db = Database::in_memory()?;
/// let baselines = db.baselines();
/// let ramp = |from: u32| Column::numbers((from..from + 100).map(f64::from));
/// baselines.set_columns("prices", [("price", ramp(0))])?;
/// let second = baselines.set_columns("prices", [("price", ramp(50))])?;
/// assert_eq!((second.version, baselines.history("prices")?.len()), (2, 2));
///
/// let mut detector = DriftDetector::new(Method::Ks).baseline(second.reference());
/// detector.set_reference(baselines.columns(&second)?)?;
/// let results = detector.detect([("price", ramp(50))])?;
/// assert_eq!(results[0].baseline, Some(second.reference()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Baselines {
    db: Database,
    heads: Table<Baseline>,
}

impl Baselines {
    /// Draws a baseline from what a subject wrote in a time: its vectors, and those of these fields, or all that can be
    /// judged where none are named. At most 1,000 rows.
    ///
    /// # Errors
    /// `Invalid` for a name with other characters than letters, digits, `_`, `.` and `-` or more than 64, and where there
    /// are no rows in that time; what the mode of the store says where it protects baselines.
    pub fn set(&self, name: &str, subject: &Subject, range: TimeRange, fields: &[String]) -> Result<Baseline> {
        let asked = Asked { range, fields, filter: None, count: BASELINE_ROWS, beside: None };
        let drawn = source::draw(&self.db, subject, &asked)?;
        if drawn.columns.is_empty() {
            return Err(Error::invalid(format!("{subject} has nothing in that time that could be a baseline"))
                .mend("name a time with records"));
        }
        self.write(name, Some(subject.clone()), Some(range), &drawn.columns)
    }

    /// The same for the last so long, up to now.
    pub fn set_last(&self, name: &str, subject: &Subject, length: Duration, fields: &[String]) -> Result<Baseline> {
        self.set(name, subject, TimeRange::last(length, self.db.now().after(Duration::from_micros(1)))?, fields)
    }

    /// Makes a baseline of columns. Of more than 1,000 rows those are kept whose places have the smallest hashes, the same
    /// in every column.
    ///
    /// # Errors
    /// `Invalid` as in [`Baselines::set`], and for a column without rows.
    pub fn set_columns<T: Into<String>>(
        &self,
        name: &str,
        columns: impl IntoIterator<Item = (T, Column)>,
    ) -> Result<Baseline> {
        let columns: Columns = columns.into_iter().map(|(name, column)| (name.into(), column)).collect();
        columns.values().try_for_each(Column::check)?;
        if columns.is_empty() || columns.values().any(Column::is_empty) {
            return Err(Error::invalid("a baseline has no rows").mend("give columns that have some"));
        }
        let kept = columns.into_iter().map(|(name, column)| (name, column.thinned(BASELINE_ROWS))).collect();
        self.write(name, None, None, &kept)
    }

    /// The newest version of a baseline. Fails with `NotFound` where there is none of that name.
    pub fn get(&self, name: &str) -> Result<Baseline> {
        self.history(name)?.pop().ok_or_else(|| self.unknown(name))
    }

    /// A version of a baseline. Fails with `NotFound` where there is none.
    pub fn version(&self, name: &str, version: u64) -> Result<Baseline> {
        let found = self.heads.get(key(name, version))?.map(|row| row.value);
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no version {version} of the baseline {name}"))
                .mend("its history tells which there are")
        })
    }

    /// All versions of a baseline, the oldest first.
    pub fn history(&self, name: &str) -> Result<Vec<Baseline>> {
        Ok(self.heads.prefix(format!("{name}/"))?.into_iter().map(|row| row.value).collect())
    }

    /// The newest version of every baseline, by name.
    pub fn list(&self) -> Result<Vec<Baseline>> {
        let mut newest: Vec<Baseline> = Vec::new();
        for row in self.heads.range(..)? {
            match newest.last_mut().filter(|last| last.name == row.value.name) {
                Some(last) => *last = row.value,
                None => newest.push(row.value),
            }
        }
        Ok(newest)
    }

    /// The rows of a baseline, checked against its SHA-256.
    pub fn columns(&self, baseline: &Baseline) -> Result<Columns> {
        pieces::read(&self.db, &key(&baseline.name, baseline.version), baseline.pieces, &baseline.sha256)
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::new(ErrorKind::NotFound, format!("there is no baseline {name:?}"));
        let names: Vec<String> = self.list().into_iter().flatten().map(|baseline| baseline.name).collect();
        match filter::suggest(name, names.iter().map(String::as_str)) {
            Some(near) => error.mend(format!("did you mean `{near}`?")),
            None => error.mend("make one with `baseline create`"),
        }
    }

    /// Writes the next version, after whoever else is writing one.
    fn write(
        &self,
        name: &str,
        subject: Option<Subject>,
        range: Option<TimeRange>,
        columns: &Columns,
    ) -> Result<Baseline> {
        check_name(name)?;
        self.db.check_gate(Protected::Baselines)?;
        let stored = pieces::encode(columns)?;
        let model = match subject.as_ref().filter(|_| columns.contains_key(VECTOR)) {
            Some(subject) => subject.model(&self.db)?,
            None => None,
        };
        let mut tries = 0;
        loop {
            let version = self.history(name)?.last().map_or(1, |newest| newest.version + 1);
            let baseline = Baseline {
                name: name.into(),
                version,
                subject: subject.clone(),
                model: model.clone(),
                range,
                created: self.db.now(),
                columns: columns.iter().map(|(name, column)| figures(name, column)).collect::<Result<_>>()?,
                sha256: stored.sha256.clone(),
                pieces: stored.pieces.len() as u64,
            };
            let key = key(name, version);
            let batch = self.db.batch().require(&self.heads.collection()?, key.as_str(), Precondition::Absent);
            let batch = pieces::put_in(&self.db, batch, &key, &stored)?;
            tries += 1;
            match self.heads.put_in(batch, key.as_str(), &baseline)?.commit() {
                Err(error) if error.kind() == ErrorKind::Conflict && tries < TRIES => {}
                other => return other.map(|_| baseline),
            }
        }
    }
}

/// The key of a version; the rows stand under the same with numbers behind it.
fn key(name: &str, version: u64) -> String {
    format!("{name}/{version:010}")
}

fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    if !name.is_empty() && name.chars().count() <= 64 && name.chars().all(fits) {
        return Ok(());
    }
    let letters = name.chars().count();
    Err(Error::invalid(format!("{name:?}, of {letters} characters, cannot be the name of a baseline"))
        .mend("use 1 to 64 letters, digits, `_`, `.` and `-`"))
}

fn figures(name: &str, column: &Column) -> Result<BaselineColumn> {
    let (kind, dimension) = match column {
        Column::Numbers(_) => (ColumnKind::Numbers, None),
        Column::Categories(_) => (ColumnKind::Categories, None),
        Column::Vectors { dimension, .. } => (ColumnKind::Vectors, Some(*dimension as u64)),
    };
    let numbers: Vec<f64> = match column {
        Column::Numbers(values) => values.iter().flatten().copied().filter(|value| value.is_finite()).collect(),
        _ => Vec::new(),
    };
    let moments = if numbers.is_empty() { None } else { Some(Moments::of(&numbers)?) };
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    Ok(BaselineColumn {
        name: name.into(),
        kind,
        rows: column.len() as u64,
        dimension,
        mean: moments.and_then(|moments| finite(moments.mean())),
        deviation: moments.and_then(|moments| finite(moments.population_deviation())),
        quantiles: if numbers.is_empty() { Vec::new() } else { percentiles(&numbers, &RANKS)? },
    })
}
