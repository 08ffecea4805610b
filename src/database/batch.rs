//! Batches: changes of several records, in any collections, that happen together or not at all.

use crate::collection::record::{Patch, Record};
use crate::collection::view::CollectionView;
use crate::database::collection::Collection;
use crate::database::draft::{Draft, Follower};
use crate::database::options::Durability;
use crate::database::request::{Commit, Precondition};
use crate::error::{Error, Result};
use crate::key::Key;

/// Changes that happen together or not at all, in any collections of one store.
///
/// Nothing happens before [`Batch::commit`]. Changes apply in the order they were added; of two changes to one key the
/// later stands. A batch is checked as it is built, and the first refusal is what `commit` returns. A batch may take
/// 64 MiB in the log.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{Database, Precondition, Record, Schema, json};
/// let db = Database::in_memory()?;
/// let stock = db.create_collection("stock", Schema::payload_only())?;
/// let sales = db.create_collection("sales", Schema::payload_only())?;
/// stock.put(Record::new("apples").payload(json!({"left": 3})))?;
/// let seen = stock.get("apples")?.expect("it was put").lsn;
///
/// let sold = db
///     .batch()
///     .require(&stock, "apples", Precondition::AtLsn(seen))
///     .put(&stock, Record::new("apples").payload(json!({"left": 2})))
///     .put(&sales, Record::new(1u64).payload(json!({"item": "apples"})))
///     .commit()?;
/// assert_eq!(sales.get(1u64)?.expect("both or none").lsn, sold.lsn);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch(Result<Draft>);

impl Batch {
    pub(crate) fn new(draft: Draft) -> Batch {
        Batch(Ok(draft))
    }

    /// Puts a record: inserts it, or replaces the one of that key.
    pub fn put(self, collection: &Collection, record: Record) -> Batch {
        self.step(collection, |draft, view| draft.put(view, &record))
    }

    /// Changes a record. The batch fails with `NotFound` when there is no such record.
    pub fn patch(self, collection: &Collection, key: impl Into<Key>, patch: Patch) -> Batch {
        let key = key.into();
        self.step(collection, |draft, view| draft.patch(view, &key, patch))
    }

    /// Deletes a record; deleting one that is not there does nothing.
    pub fn delete(self, collection: &Collection, key: impl Into<Key>) -> Batch {
        let key = key.into();
        self.step(collection, |draft, view| draft.delete(view, &key))
    }

    /// Makes the batch fail with `Conflict` unless `precondition` holds for `key` when it commits. Preconditions look
    /// at the records as they are before the batch.
    pub fn require(self, collection: &Collection, key: impl Into<Key>, precondition: Precondition) -> Batch {
        let key = key.into();
        self.step(collection, |draft, view| draft.require(view, &key, precondition))
    }

    /// Whether it was not refused so far and changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_ok_and(Draft::is_empty)
    }

    /// Whether something is required of this key already.
    pub(crate) fn requires(&self, collection: &Collection, key: &Key) -> Result<bool> {
        let Ok(draft) = &self.0 else { return Ok(false) };
        Ok(draft.requires(&*collection.view()?, key))
    }

    /// Overrules the store's durability for this batch.
    pub fn durability(mut self, durability: Durability) -> Batch {
        if let Ok(draft) = &mut self.0 {
            draft.durability(durability);
        }
        self
    }

    /// Commits the batch. When it returns, the batch has survived what its durability says, and readers see it.
    ///
    /// Fails with what was refused while it was built; with `Conflict` when a precondition does not hold; with `Busy`
    /// when writes outrun the disk; with `DiskFull`; each time nothing of it happened. `OutcomeUnknown` means that
    /// syncing failed: the batch may or may not be there when the store is opened again.
    pub fn commit(self) -> Result<Commit> {
        self.0?.commit()
    }

    /// Puts records of one collection, in one step.
    pub(crate) fn put_each(self, collection: &Collection, records: &[Record]) -> Batch {
        self.step(collection, |draft, view| records.iter().try_for_each(|record| draft.put(view, record)))
    }

    /// Has `follower` told how the batch ends.
    pub(crate) fn follow(mut self, follower: impl Follower + 'static) -> Batch {
        if let Ok(draft) = &mut self.0 {
            draft.follow(Box::new(follower));
        }
        self
    }

    /// Goes on with what others add, unless a step was refused already. What they refuse, the batch refuses.
    pub(crate) fn and_then(self, add: impl FnOnce(Batch) -> Result<Batch>) -> Batch {
        match &self.0 {
            Ok(_) => add(self).unwrap_or_else(|refused| Batch(Err(refused))),
            Err(_) => self,
        }
    }

    /// What was refused, if something was.
    pub(crate) fn refusal(&self) -> Option<&Error> {
        self.0.as_ref().err()
    }

    /// Adds a step, unless an earlier one was refused.
    fn step(self, collection: &Collection, add: impl FnOnce(&mut Draft, &CollectionView) -> Result<()>) -> Batch {
        Batch(self.0.and_then(|mut draft| {
            if !draft.is_for(collection.engine()) {
                return Err(Error::invalid("the collection belongs to another store")
                    .mend("put collections of one store into a batch"));
            }
            collection.edit(&mut draft, add)?;
            Ok(draft)
        }))
    }
}
