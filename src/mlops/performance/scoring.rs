//! What a monitor remembers of an open store: who scores drift, and which ids were given.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::prediction::cells;
use crate::error::Result;
use crate::ids::Lsn;
use crate::mlops::drift::{Column, Columns, DriftDetector, Method, Verdict};
use crate::payload::Value;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// Rows of a baseline that batches are held against, at most.
const MOST_ROWS: usize = 1_000;
/// Features beyond so many are not judged.
const MOST_FEATURES: usize = 100;

type Scorer = Arc<dyn Fn(&[Value]) -> Result<Option<f64>> + Send + Sync>;

/// Who tells how far features have drifted, by model: what the application has set, else the baseline.
#[derive(Default)]
pub(super) struct Scorers {
    set: Mutex<BTreeMap<String, Scorer>>,
    baselines: Mutex<BTreeMap<String, Arc<Columns>>>,
}

impl Scorers {
    pub(super) fn set(&self, model: &str, scorer: Scorer) {
        self.set.lock().insert(model.to_owned(), scorer);
    }

    /// Holds later batches of a model against these rows, the newest of them.
    pub(super) fn learn(&self, model: &str, rows: &[Value]) {
        let newest = &rows[rows.len().saturating_sub(MOST_ROWS)..];
        self.baselines.lock().insert(model.to_owned(), Arc::new(columns(newest)));
    }

    pub(super) fn score(&self, model: &str, features: &[Value]) -> Result<Option<f64>> {
        let scorer = self.set.lock().get(model).cloned();
        let baseline = self.baselines.lock().get(model).cloned();
        match (scorer, baseline) {
            _ if features.is_empty() => Ok(None),
            (Some(scorer), _) => scorer(features),
            (None, Some(baseline)) => share_of_drifted(&baseline, columns(features)),
            (None, None) => Ok(None),
        }
    }
}

/// The share of features that drift, of those that are on both sides; one whose type has changed drifts. None where there are
/// too few rows for a verdict.
fn share_of_drifted(before: &Columns, mut now: Columns) -> Result<Option<f64>> {
    now.retain(|name, _| before.contains_key(name));
    let both = now.len();
    now.retain(|name, column| std::mem::discriminant(column) == std::mem::discriminant(&before[name]));
    let retyped = both - now.len();
    if now.is_empty() {
        return Ok((retyped > 0).then_some(1.0));
    }
    let mut detector = DriftDetector::new(Method::Auto);
    detector.set_reference(now.keys().map(|name| (name.clone(), before[name].clone())))?;
    let mut results = detector.detect(now)?;
    results.retain(|result| result.verdict != Verdict::Insufficient);
    let drifted = results.iter().filter(|result| result.drift).count() + retyped;
    Ok((!results.is_empty()).then(|| drifted as f64 / (results.len() + retyped) as f64))
}

/// The features of rows that are numbers, truth values or texts.
fn columns(rows: &[Value]) -> Columns {
    let mut values: BTreeMap<String, Vec<Option<Value>>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        for (name, value) in cells(row).take(MOST_FEATURES) {
            let column = values.entry(name).or_default();
            column.resize(place, None);
            column.push(Some(value.clone()));
        }
    }
    let plain = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_) | Value::Bytes(_) | Value::Blob(_));
    values.retain(|_, column| column.iter().flatten().all(plain));
    let column = |(name, mut column): (String, Vec<Option<Value>>)| {
        column.resize(rows.len(), None);
        (name, Column::of_values(column))
    };
    values.into_iter().take(MOST_FEATURES).map(column).collect()
}

/// Gives ids to predictions that have none: their time, the position of the store when it was asked first, a number.
///
/// Positions only rise, and whatever an earlier session has stored has raised them. So no id is given twice, also where
/// the clock stands still.
#[derive(Default)]
pub(super) struct Ids {
    session: OnceLock<u64>,
    given: AtomicU64,
}

impl Ids {
    pub(super) fn next(&self, time: &str, lsn: Lsn) -> String {
        let session = self.session.get_or_init(|| lsn.0);
        format!("{time}-{session:x}-{:08x}", self.given.fetch_add(1, Ordering::Relaxed))
    }
}
