//! What a monitor remembers of an open store: who scores drift, and which ids were given.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::rows::Rows;
use crate::error::Result;
use crate::ids::Lsn;
use crate::payload::Value;
use crate::sync::{AtomicU64, Mutex, Ordering};

type Scorer = Arc<dyn Fn(&[Value]) -> Result<Option<f64>> + Send + Sync>;

/// The version of the newest baseline that was seen, and its rows, if it has any.
type Newest = (u64, Option<Arc<Rows>>);

/// Who tells how far features have drifted, by model: what the application has set, else the rows of the baseline.
#[derive(Default)]
pub(super) struct Scorers {
    set: Mutex<BTreeMap<String, Scorer>>,
    baselines: Mutex<BTreeMap<String, Newest>>,
}

impl Scorers {
    pub(super) fn set(&self, model: &str, scorer: Scorer) {
        self.set.lock().insert(model.to_owned(), scorer);
    }

    /// What the application has set.
    pub(super) fn of(&self, model: &str) -> Option<Scorer> {
        self.set.lock().get(model).cloned()
    }

    /// Notes the rows of a baseline, unless those of a later one are known.
    pub(super) fn learn(&self, model: &str, version: u64, rows: Option<Rows>) {
        let mut baselines = self.baselines.lock();
        let known = baselines.entry(model.to_owned()).or_default();
        if known.0 <= version {
            *known = (version, rows.map(Arc::new));
        }
    }

    /// The rows of the baseline, which are loaded the first time.
    pub(super) fn baseline(
        &self,
        model: &str,
        load: impl FnOnce() -> Result<(u64, Option<Rows>)>,
    ) -> Result<Option<Arc<Rows>>> {
        let known = || self.baselines.lock().get(model).map(|(_, rows)| rows.clone());
        if let Some(rows) = known() {
            return Ok(rows);
        }
        let (version, rows) = load()?;
        self.learn(model, version, rows);
        Ok(known().flatten())
    }
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
