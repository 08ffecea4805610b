//! Batches on their way to the log: what they change, and on which conditions.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::clock::Timestamp;
use crate::collection::operation::{Effect, effects};
use crate::collection::record::{Patch, Record};
use crate::collection::view::CollectionView;
use crate::database::options::Durability;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, Lsn};
use crate::key::Key;
use crate::payload;
use crate::segment::block::NewRow;
use crate::storage::wal::MAX_GROUP_BYTES;
use crate::vector::Vector;

/// What one batch may take in the log; a group has some room for framing beside it.
pub(crate) const MAX_BATCH_BYTES: usize = MAX_GROUP_BYTES - (64 << 10);

/// Refuses a batch that no group can hold.
pub(crate) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= MAX_BATCH_BYTES {
        return Ok(());
    }
    Err(Error::invalid(format!("a batch may take {MAX_BATCH_BYTES} bytes"))
        .mend("commit in several batches, or use Collection::import"))
}

/// What must hold of a key, when its batch commits, for the batch to commit. An expired record counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precondition {
    /// There is no such record.
    Absent,
    /// There is one.
    Present,
    /// There is one, last written by the batch at this position.
    AtLsn(Lsn),
}

/// What a committed batch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The batch's position: its records carry it, and readers see all of it or nothing. Of an import, the position at
    /// which its records appeared; they carry an earlier one, given when it began.
    pub lsn: Lsn,
    /// How many of its puts, patches and deletes met a live record.
    pub existed: u64,
}

/// A batch on its way to the log.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// The effects that are known without looking at the store, in logged form.
    pub(crate) bytes: Vec<u8>,
    pub(crate) steps: Vec<Step>,
    pub(crate) preconditions: Vec<(CollectionId, Vec<u8>, Precondition)>,
    pub(crate) durability: Durability,
}

/// One change of a batch.
#[derive(Debug)]
pub(crate) enum Step {
    /// An effect that stands in the request's bytes.
    Effect(Range<usize>),
    /// A change that depends on the present record; the committer turns it into an effect. With `at`, it is left out
    /// where the record is not the one written there any more.
    Patch { collection: CollectionId, key: Vec<u8>, patch: Patch, at: Option<Lsn> },
    /// A deletion that is left out where the record is not the one written `at` that position any more.
    Delete { collection: CollectionId, key: Vec<u8>, at: Lsn },
}

impl Request {
    /// Adds an effect that is known already.
    pub(crate) fn effect(&mut self, view: &CollectionView, effect: &Effect<'_>) -> Result<()> {
        view.check_usable()?;
        let start = self.bytes.len();
        effect.encode_into(&mut self.bytes);
        self.steps.push(Step::Effect(start..self.bytes.len()));
        check_size(self.bytes.len())
    }

    /// Whether its effects depend on records of the store.
    pub(crate) fn is_conditional(&self) -> bool {
        !self.preconditions.is_empty() || self.has_open_steps()
    }

    /// Whether some of its effects are known only when it is committed.
    pub(crate) fn has_open_steps(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Effect(_)))
    }

    pub(crate) fn has_patches(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Patch { .. }))
    }

    /// Hashes of the keys it reads or writes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u64> {
        let hash = |collection: CollectionId, key: &[u8]| xxh3_64_with_seed(key, u64::from(collection.0));
        let required = self.preconditions.iter().map(move |(collection, key, _)| hash(*collection, key));
        let open = self.steps.iter().filter_map(move |step| match step {
            Step::Patch { collection, key, .. } | Step::Delete { collection, key, .. } => Some(hash(*collection, key)),
            Step::Effect(_) => None,
        });
        let effects = effects(&self.bytes).flatten().map(move |effect| hash(effect.collection(), effect.key()));
        required.chain(open).chain(effects)
    }

    /// Whether it adds no row, so that it may be let through where room is short.
    pub(crate) fn only_deletes(&self) -> bool {
        !self.has_patches() && effects(&self.bytes).flatten().all(|effect| matches!(effect, Effect::Delete(..)))
    }
}

/// A record checked against its schema, with key and payload in stored form.
#[derive(Debug)]
pub(crate) struct EncodedRow {
    key: Vec<u8>,
    payload: Vec<u8>,
    created: Timestamp,
    expires: Timestamp,
}

impl EncodedRow {
    pub(crate) fn new(view: &CollectionView, record: &Record, now: Timestamp) -> Result<EncodedRow> {
        view.check_usable()?;
        record.key.check().map_err(|error| error.at(format!("collection {}", view.name)))?;
        let of_key = |error: Error| {
            let within = error.place().map(|place| format!(", {place}")).unwrap_or_default();
            error.at(format!("{}{within}", place(view, &record.key)))
        };
        view.schema.check_vector(record.vector.as_ref().map(Vector::view)).map_err(of_key)?;
        let created = record.created.unwrap_or(now);
        let lifetime = record.time_to_live.or(view.schema.time_to_live());
        let expires = match (record.expires, lifetime) {
            (Some(time), _) => time,
            (None, Some(lifetime)) => created.after(lifetime),
            (None, None) => Timestamp::NEVER,
        };
        let payload = payload::encode(&record.payload).map_err(of_key)?;
        view.schema.fields().check_payload(&payload).map_err(of_key)?;
        Ok(EncodedRow { key: record.key.encode(), payload, created, expires })
    }

    /// The row to write; the vector is read from the record itself.
    pub(crate) fn as_row<'a>(&'a self, record: &'a Record) -> NewRow<'a> {
        NewRow {
            key: &self.key,
            created: self.created,
            expires: self.expires,
            vector: record.vector.as_ref().map_or(&[], |vector| vector.view().as_bytes()),
            payload: &self.payload,
        }
    }
}

fn place(view: &CollectionView, key: &Key) -> String {
    format!("collection {}, key {key:?}", view.name)
}

/// The error of a precondition that does not hold.
pub(crate) fn conflict(view: &CollectionView, key: &[u8], expected: Precondition, found: Option<Lsn>) -> Error {
    let found = match found {
        Some(lsn) => format!("it was written at LSN {lsn}"),
        None => "there is no such record".into(),
    };
    let wanted = match expected {
        Precondition::Absent => "no record".into(),
        Precondition::Present => "a record".into(),
        Precondition::AtLsn(lsn) => format!("the record written at LSN {lsn}"),
    };
    let key = Key::decode(key).map_or_else(String::new, |key| format!(", key {key:?}"));
    Error::new(ErrorKind::Conflict, format!("the batch requires {wanted}, but {found}"))
        .at(format!("collection {}{key}", view.name))
        .mend("read the record again and retry")
}

/// The error of a patch without a record.
pub(crate) fn nothing_to_patch(view: &CollectionView, collection: CollectionId, key: &[u8]) -> Error {
    debug_assert_eq!(view.id, collection);
    let key = Key::decode(key).map_or_else(String::new, |key| format!(", key {key:?}"));
    Error::new(ErrorKind::NotFound, "there is no record to patch")
        .at(format!("collection {}{key}", view.name))
        .mend("put the whole record")
}
