//! A sealed segment: its file, the deletions that came after it, and its index.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::index::Live;
use crate::pool::Pool;
use crate::rows::RowSet;
use crate::schema::Schema;
use crate::segment::Moment;
use crate::segment::columns::section;
use crate::segment::deletions::Deletions;
use crate::segment::file::{Opener, SealedFile};
use crate::segment::indexed::SegmentIndex;
use crate::storage::fs::ReadMode;
use crate::storage::manifest::{DeletionsEntry, SegmentEntry};
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, Watch};
use crate::storage::stored_file::StoredFile;

/// A sealed segment as one view shows it.
#[derive(Debug)]
pub(crate) struct Sealed {
    file: Arc<SealedFile>,
    /// Shared with the views that show the segment with another index, or none.
    deletions: Arc<Deletions>,
    deletions_file: Option<Arc<DeletionsFile>>,
    index: Option<Arc<SegmentIndex>>,
}

/// The file that holds the base of a segment's deletions.
#[derive(Debug)]
pub(crate) struct DeletionsFile {
    pub(crate) entry: DeletionsEntry,
    pub(crate) stored: StoredFile,
}

impl Sealed {
    pub(crate) fn new(
        file: Arc<SealedFile>,
        deletions: Deletions,
        deletions_file: Option<Arc<DeletionsFile>>,
    ) -> Sealed {
        Sealed { file, deletions: Arc::new(deletions), deletions_file, index: None }
    }

    /// The same segment with another index, or none.
    pub(crate) fn with_index(&self, index: Option<Arc<SegmentIndex>>) -> Sealed {
        let Sealed { file, deletions, deletions_file, .. } = self;
        let (file, deletions) = (Arc::clone(file), Arc::clone(deletions));
        Sealed { file, deletions, deletions_file: deletions_file.clone(), index }
    }

    /// Opens a segment, its deletions and its index as the manifest lists them. Without its index it is a segment still.
    pub(crate) fn open(opener: &Opener, schema: &Schema, entry: &SegmentEntry) -> Result<Sealed> {
        let segment = Sealed::open_rows(opener, schema, entry)?;
        let open = |index| SegmentIndex::open(opener, schema, &segment.file, index).map(Arc::new);
        let index = entry.index.as_ref().map(open).transpose()?;
        Ok(segment.with_index(index))
    }

    fn open_rows(opener: &Opener, schema: &Schema, entry: &SegmentEntry) -> Result<Sealed> {
        let file = Arc::new(SealedFile::open(opener, schema, entry.file, entry.rows)?);
        let Some(deletions) = &entry.deletions else {
            return Ok(Sealed::new(file, Deletions::none(entry.rows), None));
        };
        let name = names::deletions(deletions.file.id, deletions.generation);
        let base = read_deletions(opener, &name, entry.rows, deletions)?;
        let stored = StoredFile::new(&opener.fs, &opener.condemned, name);
        let deletions_file = DeletionsFile { entry: *deletions, stored };
        let deletions = Deletions::new(base, BTreeMap::new());
        Ok(Sealed::new(file, deletions, Some(Arc::new(deletions_file))))
    }

    pub(crate) fn file(&self) -> &Arc<SealedFile> {
        &self.file
    }

    /// Reads and checks every byte of its rows and deletions, telling `watch` how far it is.
    pub(crate) fn verify(&self, opener: &Opener, pool: &Pool, watch: &Watch<'_>) -> Result<()> {
        self.file.verify_watched(pool, watch)?;
        match &self.deletions_file {
            Some(file) => open_deletions(opener, file.stored.name(), &file.entry)?.verify_watched(pool, watch),
            None => Ok(()),
        }
    }

    pub(crate) fn deletions(&self) -> &Deletions {
        &self.deletions
    }

    pub(crate) fn deletions_file(&self) -> Option<&Arc<DeletionsFile>> {
        self.deletions_file.as_ref()
    }

    /// Its index, whether it can be used or not.
    pub(crate) fn index(&self) -> Option<&Arc<SegmentIndex>> {
        self.index.as_ref()
    }

    /// Lets all of its files go with their last readers. To be called only after a manifest without them was published
    /// durably.
    pub(crate) fn condemn(&self) {
        self.file.stored().condemn();
        self.deletions_file.iter().for_each(|file| file.stored.condemn());
        self.index.iter().for_each(|index| index.stored().condemn());
    }

    /// What the manifest lists for this segment.
    pub(crate) fn entry(&self) -> SegmentEntry {
        SegmentEntry {
            file: self.file.reference(),
            rows: self.file.rows(),
            deletions: self.deletions_file.as_ref().map(|file| file.entry),
            index: self.index.as_ref().map(|index| index.entry().clone()),
        }
    }

    /// The row that holds `key` and is live at `moment`.
    pub(crate) fn find(&self, key: &[u8], moment: Moment) -> Result<Option<RowId>> {
        match self.file.row_of(key)? {
            Some(row) if self.is_live(row, moment)? => Ok(Some(row)),
            _ => Ok(None),
        }
    }

    pub(crate) fn is_live(&self, row: RowId, moment: Moment) -> Result<bool> {
        Ok(!self.deletions.contains(row, moment.lsn) && self.file.expires(row)? > moment.now)
    }

    /// The rows that a search at `moment` may return.
    pub(crate) fn live_at(&self, moment: Moment) -> Result<LiveInSealed<'_>> {
        let deleted = self.deletions.at(moment.lsn);
        Ok(LiveInSealed { deleted, expiries: self.file.expiries()?, now: moment.now.0 })
    }

    /// The rows that are live at `moment`, as a set.
    pub(crate) fn live_rows(&self, moment: Moment) -> Result<RowSet> {
        let live = self.live_at(moment)?;
        Ok(RowSet::from_words(self.file.rows(), |number| live.word(number)))
    }

    /// Whether merging it would leave rows out: deleted ones that a file says so of, or expired ones.
    pub(crate) fn has_gone_rows(&self, now: Timestamp) -> Result<bool> {
        let expired = |expiries: &[i64]| expiries.iter().any(|expires| *expires <= now.0);
        Ok(self.deletions.base().count() > 0 || self.file.expiries()?.is_some_and(expired))
    }

    /// How many rows are live at `moment`; all, where it cannot be read which are.
    pub(crate) fn count_or_all(&self, moment: Moment) -> u64 {
        self.count(moment).unwrap_or(self.file.rows().into())
    }

    /// How many rows are live at `moment`.
    pub(crate) fn count(&self, moment: Moment) -> Result<u64> {
        let live = self.live_at(moment)?;
        let rows = self.file.rows();
        match live.expiries {
            None => Ok(u64::from(rows - live.deleted.count())),
            Some(_) => Ok((0..rows).filter(|row| live.is_live(RowId(*row))).count() as u64),
        }
    }
}

/// Reads the file at once, since all of it is wanted: so a sector that the disk cannot read is an error.
fn open_deletions(opener: &Opener, name: &str, entry: &DeletionsEntry) -> Result<Arc<Container>> {
    Container::open(&opener.fs, name, FileKind::Deletions, opener.store, &entry.file, ReadMode::Heap)
}

/// The rows that the deletions file `name` says are gone, of a segment of so many rows.
pub(crate) fn read_deletions(opener: &Opener, name: &str, rows: u32, entry: &DeletionsEntry) -> Result<RowSet> {
    let container = open_deletions(opener, name, entry)?;
    let mut meta = Reader::new(container.meta());
    let fields = (meta.u32(), meta.u32(), meta.u64(), meta.is_empty());
    let bits = container.section(section::DELETED)?;
    match RowSet::from_bytes(rows, bits.all()?) {
        Some(set)
            if fields == (Ok(rows), Ok(entry.count), Ok(entry.generation), true) && set.count() == entry.count =>
        {
            Ok(set)
        }
        _ => Err(Error::corrupt("the deletions do not fit their segment", name)),
    }
}

/// Rows of a sealed segment that a search may return.
#[derive(Debug)]
pub(crate) struct LiveInSealed<'a> {
    pub(crate) deleted: Arc<RowSet>,
    expiries: Option<&'a [i64]>,
    now: i64,
}

impl LiveInSealed<'_> {
    /// How many there are, where that takes no counting.
    pub(crate) fn count(&self) -> Option<u32> {
        self.expiries.is_none().then(|| self.deleted.rows() - self.deleted.count())
    }

    pub(crate) fn is_live(&self, row: RowId) -> bool {
        !self.deleted.contains(row) && self.expiries.is_none_or(|expiries| expiries[row.index()] > self.now)
    }
}

impl Live for LiveInSealed<'_> {
    fn word(&self, number: usize) -> u64 {
        let present = !self.deleted.word(number);
        let expiries = self.expiries.and_then(|expiries| expiries.get(number * 64..));
        let expired = expiries.into_iter().flat_map(|rows| rows.iter().take(64).enumerate());
        expired.filter(|row| *row.1 <= self.now).fold(present, |word, (bit, _)| word & !(1 << bit))
    }

    fn has(&self, row: usize) -> bool {
        self.is_live(RowId(row as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{FileId, Lsn, StoreId};
    use crate::payload::{self, BlobId, Value};
    use crate::segment::RowSource;
    use crate::segment::block::NewRow;
    use crate::segment::mutable::Mutable;
    use crate::segment::seal::{Part, write_deletions, write_segment};
    use crate::storage::fs::MemoryFs;
    use crate::storage::sections::FileRef;
    use crate::vector::VectorRef;
    use crate::vector::metric::Metric;

    const STORE: StoreId = StoreId([9; 16]);

    fn opener() -> Opener {
        Opener { fs: Arc::new(MemoryFs::new()), store: STORE, mode: ReadMode::Heap, condemned: Arc::default() }
    }

    fn key(number: u32) -> Vec<u8> {
        // Not in the order of arrival.
        format!("{:05}", number.wrapping_mul(7919) % 1000).into_bytes()
    }

    /// A segment of `rows` rows under cosine, every tenth of which expires at time 100 and names a blob.
    fn sealed(opener: &Opener, schema: &Schema, rows: u32) -> Sealed {
        let segment = Mutable::new(schema);
        for number in 0..rows {
            let vector = [number as f32 + 1.0, 2.0];
            let tenth = number % 10 == 0;
            let payload = if tenth { Value::Blob(BlobId([number as u8; 32])) } else { Value::Int(number.into()) };
            let row = NewRow {
                key: &key(number),
                created: Timestamp(i64::from(number)),
                expires: if tenth { Timestamp(100) } else { Timestamp::NEVER },
                vector: VectorRef::F32(&vector).as_bytes(),
                payload: &payload::encode(&payload).unwrap(),
            };
            segment.put(Lsn(u64::from(number) + 1), row);
        }
        let frozen = segment.freeze();
        let live = frozen.live_rows(Lsn(u64::MAX));
        let parts = [Part { source: &frozen, rows: &live }];
        let written = write_segment(&opener.fs, STORE, FileId(4), schema, &parts).unwrap();
        let file = SealedFile::open(opener, schema, written.file, written.rows).unwrap();
        Sealed::new(Arc::new(file), Deletions::none(rows), None)
    }

    fn schema() -> Schema {
        Schema::vector(2, Metric::Cosine)
    }

    fn at(lsn: u64, now: i64) -> Moment {
        Moment { lsn: Lsn(lsn), now: Timestamp(now) }
    }

    #[test]
    fn every_row_is_found_and_is_what_was_put() {
        let segment = sealed(&opener(), &schema(), 500);
        let file = segment.file();
        for number in 0..500u32 {
            let row = segment.find(&key(number), at(9999, 0)).unwrap().unwrap();
            assert_eq!(row, RowId(number));
            assert_eq!(file.key(row).unwrap(), key(number));
            let vector = [number as f32 + 1.0, 2.0];
            assert_eq!(file.vector_bytes(row).unwrap(), VectorRef::F32(&vector).as_bytes());
            assert_eq!(file.meta(row).unwrap().lsn, Lsn(u64::from(number) + 1));
        }
        assert_eq!(segment.find(b"00500x", at(9999, 0)).unwrap(), None);
        let header = file.header();
        assert_eq!((header.first_lsn, header.last_lsn), (Lsn(1), Lsn(500)));
        assert_eq!((header.first_created, header.last_created), (Timestamp(0), Timestamp(499)));
        assert_eq!(header.last_expires, Timestamp::NEVER);
        let named: Vec<u32> = file.blobs().unwrap().iter().map(|(row, _)| row.0).collect();
        assert_eq!(named, (0..500).step_by(10).collect::<Vec<u32>>());
        file.verify(&Pool::inline()).unwrap();
    }

    #[test]
    fn deleted_and_expired_rows_are_not_found() {
        let segment = sealed(&opener(), &schema(), 100);
        segment.deletions().delete(RowId(5), Lsn(200));
        let found = |number, moment| segment.find(&key(number), moment).unwrap().is_some();
        assert_eq!((found(5, at(199, 0)), found(5, at(200, 0))), (true, false));
        assert_eq!((found(10, at(200, 99)), found(10, at(200, 100))), (true, false));
        assert_eq!(segment.count(at(199, 0)).unwrap(), 100);
        assert_eq!(segment.count(at(200, 100)).unwrap(), 89);
        let live = segment.live_at(at(200, 100)).unwrap();
        assert_eq!((live.is_live(RowId(5)), live.is_live(RowId(10)), live.is_live(RowId(11))), (false, false, true));
    }

    #[test]
    fn deletions_come_back_from_their_file_and_no_other() {
        let opener = opener();
        let segment = sealed(&opener, &schema(), 70);
        let mut deleted = RowSet::empty(70);
        deleted.insert(RowId(69));
        let file = write_deletions(&opener.fs, STORE, FileId(4), 6, &deleted).unwrap();
        let entry = |generation, count, file: FileRef| SegmentEntry {
            deletions: Some(DeletionsEntry { generation, file, count }),
            ..segment.entry()
        };
        let again = Sealed::open(&opener, &schema(), &entry(6, 1, file)).unwrap();
        assert_eq!(again.deletions().base(), &deleted);
        assert_eq!(again.entry(), entry(6, 1, file));
        assert!(Sealed::open(&opener, &schema(), &entry(6, 2, file)).is_err());
        assert!(Sealed::open(&opener, &schema(), &entry(7, 1, file)).is_err());
    }

    #[test]
    fn a_segment_of_another_shape_is_refused() {
        let opener = opener();
        let entry = sealed(&opener, &schema(), 20).entry();
        assert!(Sealed::open(&opener, &schema(), &entry).is_ok());
        assert!(Sealed::open(&opener, &Schema::vector(3, Metric::Cosine), &entry).is_err());
        assert!(Sealed::open(&opener, &schema(), &SegmentEntry { rows: 21, ..entry }).is_err());
    }
}
