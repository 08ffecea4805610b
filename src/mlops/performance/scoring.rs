//! What a monitor remembers of an open store: who scores drift, and which ids were given.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::error::Result;
use crate::ids::Lsn;
use crate::payload::Value;
use crate::sync::{AtomicU64, Mutex, Ordering};

type Scorer = Arc<dyn Fn(&[Value]) -> Result<Option<f64>> + Send + Sync>;

/// Who tells how far features have drifted, by model. What measures drift stands above this and hands it in.
#[derive(Default)]
pub(super) struct Scorers(Mutex<BTreeMap<String, Scorer>>);

impl Scorers {
    pub(super) fn set(&self, model: &str, scorer: Scorer) {
        self.0.lock().insert(model.to_owned(), scorer);
    }

    pub(super) fn score(&self, model: &str, features: &[Value]) -> Result<Option<f64>> {
        let scorer = self.0.lock().get(model).cloned();
        match scorer {
            Some(scorer) if !features.is_empty() => scorer(features),
            _ => Ok(None),
        }
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
