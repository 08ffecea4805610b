//! What a collection consists of at one time, and finding a record in it.
//!
//! At every moment at most one row of a collection is live for a key: whoever writes a newer version marks the older
//! row, wherever it stands. So a look-up may take the first live row it meets, and a search needs no comparison of
//! versions.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::collection::meters::SearchMeters;
use crate::collection::operation::Effect;
use crate::collection::record::Record;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, Lsn, RowId};
use crate::key::Key;
use crate::payload;
use crate::schema::{Schema, VectorKind};
use crate::segment::block::{Block, NewRow};
use crate::segment::mutable::Mutable;
use crate::segment::sealed::Sealed;
use crate::segment::{Moment, RowSource};
use crate::vector::Vector;

/// The segments of a collection. Cheap to clone; never changes, except that its mutable segment grows and deletions
/// are marked, both under LSNs that no reader of an older moment looks at.
#[derive(Debug, Clone)]
pub(crate) struct CollectionView {
    pub(crate) id: CollectionId,
    pub(crate) name: Arc<str>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) mutable: Arc<Mutable>,
    /// Segments on their way to a file, oldest first.
    pub(crate) frozen: Vec<Arc<Mutable>>,
    pub(crate) sealed: Vec<Arc<Sealed>>,
    /// Everything up to this position is in files.
    pub(crate) flushed: Lsn,
    /// Why the collection cannot be used, when its files are damaged.
    pub(crate) damage: Option<Error>,
    pub(crate) searches: Arc<SearchMeters>,
}

/// The row that a newer version replaces, outside the mutable segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stale {
    segment: usize,
    row: RowId,
    expires: Timestamp,
}

impl CollectionView {
    /// A collection without rows.
    pub(crate) fn new(id: CollectionId, name: &str, schema: Schema) -> CollectionView {
        CollectionView {
            id,
            name: name.into(),
            mutable: Arc::new(Mutable::new(&schema)),
            schema: Arc::new(schema),
            frozen: Vec::new(),
            sealed: Vec::new(),
            flushed: Lsn(0),
            damage: None,
            searches: Arc::default(),
        }
    }

    /// Refuses a collection whose files are damaged.
    pub(crate) fn check_usable(&self) -> Result<()> {
        match &self.damage {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// The record under a stored key that is live at `moment`.
    pub(crate) fn get(&self, key: &[u8], moment: Moment) -> Result<Option<Record>> {
        for segment in self.in_memory() {
            let record = segment.find(key, moment, |block, row| self.record(block, row))?;
            if record.is_some() {
                return Ok(record);
            }
        }
        for segment in self.sealed.iter().rev() {
            if let Some(row) = segment.find(key, moment)? {
                return self.record(&**segment.file(), row).map(Some);
            }
        }
        Ok(None)
    }

    /// The position that wrote the record under a stored key, if it is live at `moment`.
    pub(crate) fn lsn_of(&self, key: &[u8], moment: Moment) -> Result<Option<Lsn>> {
        for segment in self.in_memory() {
            let found = segment.find(key, moment, |block, row| block.meta(row))?;
            if let Some(meta) = found {
                return Ok(Some(meta.lsn));
            }
        }
        for segment in self.sealed.iter().rev() {
            if let Some(row) = segment.find(key, moment)? {
                return Ok(Some(segment.file().meta(row)?.lsn));
            }
        }
        Ok(None)
    }

    /// How many records are live at `moment`.
    pub(crate) fn count(&self, moment: Moment) -> Result<u64> {
        let sealed: Result<u64> = self.sealed.iter().map(|segment| segment.count(moment)).sum();
        Ok(self.count_in_memory(moment)? + sealed?)
    }

    /// The same, where all rows of a file count of which it cannot be read which are live.
    pub(crate) fn count_or_all(&self, moment: Moment) -> Result<u64> {
        let sealed: u64 = self.sealed.iter().map(|segment| segment.count_or_all(moment)).sum();
        Ok(self.count_in_memory(moment)? + sealed)
    }

    fn count_in_memory(&self, moment: Moment) -> Result<u64> {
        let mut count = 0;
        for segment in self.in_memory() {
            let blocks = segment.full_blocks();
            let live =
                |block: &Block| (0..block.len()).filter(|row| block.is_live(RowId(*row as u32), moment)).count() as u64;
            count += blocks.iter().map(|block| live(block)).sum::<u64>();
            count += segment.rest(blocks.len(), |block| Ok(live(block)))?.iter().sum::<u64>();
        }
        Ok(count)
    }

    /// The mutable segment and those on their way to a file, newest first.
    pub(crate) fn in_memory(&self) -> impl DoubleEndedIterator<Item = &Arc<Mutable>> {
        std::iter::once(&self.mutable).chain(self.frozen.iter().rev())
    }

    /// Builds the record that a row holds.
    pub(crate) fn record(&self, source: &dyn RowSource, row: RowId) -> Result<Record> {
        let meta = source.meta(row)?;
        let mut record = self.record_of(&NewRow {
            key: source.key(row)?,
            created: meta.created,
            expires: meta.expires,
            vector: source.vector_bytes(row)?,
            payload: source.payload(row)?,
        })?;
        record.lsn = meta.lsn;
        Ok(record)
    }

    /// Builds the record that a row will hold, but for its position.
    pub(crate) fn record_of(&self, row: &NewRow<'_>) -> Result<Record> {
        let damaged = |what: &str| Error::corrupt(what, format!("collection {}", self.name));
        let key = Key::decode(row.key).ok_or_else(|| damaged("a key cannot be read"))?;
        let payload = payload::decode(row.payload).map_err(|_| damaged("a payload cannot be read"))?;
        let mut record = Record::new(key).payload(payload);
        record.vector = self.vector(row.vector);
        record.created = Some(row.created);
        record.expires = (row.expires != Timestamp::NEVER).then_some(row.expires);
        Ok(record)
    }

    /// The vector that these stored bytes are.
    pub(crate) fn vector(&self, bytes: &[u8]) -> Option<Vector> {
        match self.schema.vector_kind() {
            VectorKind::None => None,
            VectorKind::Bits { .. } => Some(Vector::Bits(bytes.to_vec())),
            VectorKind::F32 { .. } => {
                let values = bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value));
                Some(Vector::F32(values.collect()))
            }
        }
    }

    /// Looks up what an effect on a stored key will replace in the sealed segments. Fallible reading happens here, so
    /// that [`CollectionView::apply`], which runs after the batch is logged, cannot fail.
    pub(crate) fn stale(&self, key: &[u8]) -> Result<Option<Stale>> {
        if self.in_memory().any(|segment| segment.knows(key)) {
            return Ok(None);
        }
        for (number, segment) in self.sealed.iter().enumerate().rev() {
            if let Some(row) = segment.file().row_of(key)?
                && !segment.deletions().contains(row, Lsn(u64::MAX))
            {
                let expires = segment.file().meta(row)?.expires;
                return Ok(Some(Stale { segment: number, row, expires }));
            }
        }
        Ok(None)
    }

    /// Applies a logged effect at `lsn` and tells whether a live record was replaced or deleted. `stale` was looked
    /// up in this same view.
    pub(crate) fn apply(&self, effect: &Effect<'_>, stale: Option<Stale>, lsn: Lsn, now: Timestamp) -> bool {
        let key = effect.key();
        let moment = Moment { lsn, now };
        let in_memory =
            self.in_memory().any(|segment| matches!(segment.find(key, moment, |_, _| Ok(())), Ok(Some(()))));
        let existed = in_memory || stale.is_some_and(|stale| self.replaces_live(stale, moment));
        if let Some(Stale { segment, row, .. }) = stale {
            self.sealed[segment].deletions().delete(row, lsn);
        }
        for frozen in &self.frozen {
            frozen.delete(key, lsn);
        }
        match effect {
            Effect::Put(_, row) => self.mutable.put(lsn, *row),
            Effect::Delete(..) => {
                self.mutable.note(lsn);
                self.mutable.delete(key, lsn);
            }
        }
        existed
    }

    fn replaces_live(&self, stale: Stale, moment: Moment) -> bool {
        stale.expires > moment.now && !self.sealed[stale.segment].deletions().contains(stale.row, moment.lsn)
    }
}
