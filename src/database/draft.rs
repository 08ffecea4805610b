//! A batch while it is being put together.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::filtered::Passing;
use crate::collection::operation::Effect;
use crate::collection::record::{Patch, Record};
use crate::collection::view::CollectionView;
use crate::database::engine::Engine;
use crate::database::options::Durability;
use crate::database::request::{Commit, EncodedRow, Precondition, Request, Step};
use crate::error::Result;
use crate::key::Key;
use crate::vector::Vector;

/// What goes with a batch and is told how it ended. One that is only dropped belongs to a batch that was given up.
pub(crate) trait Follower: fmt::Debug + Send + Sync {
    /// The batch was committed, or failed. Called before the caller hears of it, with no lock of the engine held.
    fn ended(self: Box<Self>, outcome: &Result<Commit>);
}

/// Changes that were checked and encoded, but not committed yet.
#[derive(Debug)]
pub(crate) struct Draft {
    engine: Arc<Engine>,
    now: Timestamp,
    durability: Option<Durability>,
    request: Request,
    followers: Vec<Box<dyn Follower>>,
}

impl Draft {
    pub(crate) fn new(engine: &Arc<Engine>) -> Draft {
        let (engine, now) = (Arc::clone(engine), engine.now());
        Draft { engine, now, durability: None, request: Request::default(), followers: Vec::new() }
    }

    /// Whether it will be committed by `engine`.
    pub(crate) fn is_for(&self, engine: &Arc<Engine>) -> bool {
        Arc::ptr_eq(&self.engine, engine)
    }

    pub(crate) fn put(&mut self, view: &CollectionView, record: &Record) -> Result<()> {
        let row = EncodedRow::new(view, record, self.now)?;
        self.effect(view, &Effect::Put(view.id, row.as_row(record)))
    }

    pub(crate) fn patch(&mut self, view: &CollectionView, key: &Key, patch: Patch) -> Result<()> {
        key.check()?;
        if let Some(vector) = &patch.vector {
            view.schema.check_vector(Some(Vector::view(vector)))?;
        }
        self.request.steps.push(Step::Patch { collection: view.id, key: key.encode(), patch, at: None });
        Ok(())
    }

    /// Deletes a record that was found, unless it has changed since.
    pub(crate) fn delete_found(&mut self, view: &CollectionView, found: Passing) {
        self.request.steps.push(Step::Delete { collection: view.id, key: found.key, at: found.lsn });
    }

    /// Patches a record that was found, unless it has changed since.
    pub(crate) fn patch_found(&mut self, view: &CollectionView, found: Passing, patch: Patch) {
        let at = Some(found.lsn);
        self.request.steps.push(Step::Patch { collection: view.id, key: found.key, patch, at });
    }

    pub(crate) fn delete(&mut self, view: &CollectionView, key: &Key) -> Result<()> {
        key.check()?;
        self.effect(view, &Effect::Delete(view.id, &key.encode()))
    }

    pub(crate) fn require(&mut self, view: &CollectionView, key: &Key, precondition: Precondition) -> Result<()> {
        key.check()?;
        self.request.preconditions.push((view.id, key.encode(), precondition));
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.request.steps.is_empty()
    }

    pub(crate) fn requires(&self, view: &CollectionView, key: &Key) -> bool {
        let key = key.encode();
        self.request.preconditions.iter().any(|(collection, required, _)| *collection == view.id && *required == key)
    }

    pub(crate) fn durability(&mut self, durability: Durability) {
        self.durability = Some(durability);
    }

    pub(crate) fn follow(&mut self, follower: Box<dyn Follower>) {
        self.followers.push(follower);
    }

    pub(crate) fn commit(self) -> Result<Commit> {
        let mut request = self.request;
        request.durability = self.durability.unwrap_or(self.engine.options.durability);
        self.engine.note_time(self.now);
        let outcome = self.engine.call(|| self.engine.commit(request));
        self.followers.into_iter().for_each(|follower| follower.ended(&outcome));
        outcome
    }

    fn effect(&mut self, view: &CollectionView, effect: &Effect<'_>) -> Result<()> {
        self.request.effect(view, effect)
    }
}
