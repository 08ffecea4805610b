//! A space: the vectors of one model, and their state.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::entry::Row;
use super::fold::Fold;
use super::keys::{Keys, Step};
use super::options::{Plan, Retention};
use super::rows::{Slices, slice_name};
use crate::clock::Timestamp;
use crate::database::cancel::CancelToken;
use crate::database::collection::Collection;
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::model::ModelId;
use crate::mlops::times::before;
use crate::sync::{Mutex, Ordering};

/// A space of an open store, shared by all its handles. It holds none of them, which would keep the store open.
///
/// Locks: the fold may be held while the store is read and written, the keys only for moments. Batches that end take the
/// keys alone.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) model: Arc<ModelId>,
    pub(super) number: u32,
    pub(super) plan: Arc<Plan>,
    pub(super) retention: Mutex<Retention>,
    pub(super) keys: Arc<Keys>,
    pub(super) fold: Mutex<Fold>,
    /// That of the fold, for those who do not wait for it.
    floor: AtomicI64,
}

impl Space {
    pub(super) fn load(db: &Database, model: &ModelId, number: u32, plan: Plan, retention: Retention) -> Result<Space> {
        let plan = Arc::new(plan);
        let fold = Fold::load(db, number, model, &plan)?;
        let slices = Slices::of(db, number)?;
        let mut next = fold.at().through;
        for slice in slices.numbers() {
            next = slices.last_key(*slice)?.map_or(next, |last| next.max(last.saturating_add(1)));
        }
        Ok(Space {
            model: Arc::new(model.clone()),
            number,
            plan,
            retention: Mutex::new(retention),
            keys: Arc::new(Keys::new(next)),
            floor: AtomicI64::new(fold.at().floor.0),
            fold: Mutex::new(fold),
        })
    }

    /// Brings the fold up to the first number that may yet become a row, and writes a checkpoint if one is due.
    pub(super) fn settle(&self, db: &Database, fold: &mut Fold) -> Result<()> {
        while let Some(step) = self.keys.step(fold.at().through) {
            match step {
                Step::Rows(run) => {
                    run.rows.iter().try_for_each(|row| fold.add(db, row))?;
                    fold.reached(run.to);
                }
                Step::Read { to } => {
                    let slices = Slices::of(db, self.number)?;
                    let all = slices.numbers().iter().copied();
                    for record in slices.scan(all, fold.at().through..to, None, &CancelToken::new())? {
                        fold.add(db, &Row::of(record?)?)?;
                    }
                    fold.reached(to);
                }
            }
        }
        fold.save_if_due(db)
    }

    /// The same, unless somebody else is at it. What fails here is tried again by whoever asks for the state, and told to them.
    pub(super) fn settle_if_free(&self, db: &Database) {
        let settled = self.fold.try_lock().map(|mut fold| self.settle(db, &mut fold));
        if let Some(Err(error)) = settled {
            tracing::warn!(%error, model = %self.model, "the windows of the embedding log lag behind");
        }
    }

    /// Earlier entries are refused: they are too old, or others of their slice have gone.
    pub(super) fn oldest(&self, now: Timestamp) -> Timestamp {
        let floor = self.floor();
        match *self.retention.lock() {
            Retention::Age(age) => before(now, age).max(floor),
            Retention::Forever | Retention::Bytes(_) => floor,
        }
    }

    /// Rows before it are not kept any more.
    pub(super) fn floor(&self) -> Timestamp {
        Timestamp(self.floor.load(Ordering::Relaxed))
    }

    /// From now on rows before `floor` are not kept any more.
    pub(super) fn raise_floor(&self, fold: &mut Fold, floor: Timestamp) {
        fold.raise_floor(floor);
        self.floor.fetch_max(floor.0, Ordering::Relaxed);
    }

    /// The collection of a slice, made if there is none.
    pub(super) fn slice(&self, db: &Database, slice: i64) -> Result<Collection> {
        let schema = self.plan.schema(&self.model)?;
        db.system_collection(&slice_name(self.number, slice), || schema)
    }
}
