//! Checking what is in the files: every row can be read, and every live one is found by its key.

use std::ops::Bound;

use super::Checking;
use crate::collection::view::CollectionView;
use crate::database::engine::DatabaseView;
use crate::error::{Error, Result};
use crate::ids::{Lsn, RowId};
use crate::key::Key;
use crate::segment::file::SealedFile;
use crate::segment::sealed::Sealed;
use crate::segment::{Moment, RowSource};
use crate::storage::names;

/// Rows between two looks at whether to go on.
const ROWS_PER_LOOK: u32 = 1024;

impl Checking<'_> {
    /// How many rows there are in files, and how many live records were found.
    pub(super) fn records(
        &mut self,
        part: &str,
        collection: &CollectionView,
        view: &DatabaseView,
        moment: Moment,
    ) -> Result<(u64, u64)> {
        let (mut rows, mut found) = (0, 0);
        let problems = self.report.problems.len();
        for segment in &collection.sealed {
            let live = self.rows(collection, segment, moment);
            if let Some(live) = self.report.note(part, live)? {
                rows += u64::from(segment.file().rows());
                found += live;
            }
            self.report.note(part, verify_blobs(segment.file(), view))?;
        }
        for segment in collection.in_memory() {
            for key in segment.keys(Bound::Unbounded, Bound::Unbounded, false, usize::MAX) {
                found += u64::from(segment.find(&key, moment, |_, _| Ok(()))?.is_some());
            }
        }
        // Where a segment cannot be read, that has been said.
        if self.report.problems.len() == problems {
            self.report.note(part, verify_count(collection, moment, found))?;
        }
        Ok((rows, found))
    }

    /// Live rows of a segment, each of which was found by its key.
    fn rows(&self, collection: &CollectionView, segment: &Sealed, moment: Moment) -> Result<u64> {
        let file = segment.file();
        let mut live = 0;
        for row in 0..file.rows() {
            let record = collection.record(&**file, RowId(row))?;
            if segment.is_live(RowId(row), moment)? {
                live += 1;
                verify_found(collection, moment, &record.key, record.lsn)?;
            }
            if row % ROWS_PER_LOOK == ROWS_PER_LOOK - 1 {
                self.watch.looked_up(ROWS_PER_LOOK.into())?;
            }
        }
        self.watch.looked_up((file.rows() % ROWS_PER_LOOK).into())?;
        Ok(live)
    }
}

fn verify_blobs(file: &SealedFile, view: &DatabaseView) -> Result<()> {
    match file.blobs()?.iter().all(|(_, digest)| view.blobs.contains_key(digest)) {
        true => Ok(()),
        false => Err(Error::corrupt("a row names a blob that is not stored", names::segment(file.id()))),
    }
}

fn verify_count(collection: &CollectionView, moment: Moment, found: u64) -> Result<()> {
    let counted = collection.count(moment)?;
    if counted == found {
        return Ok(());
    }
    let message = format!("{found} records are found by their keys and {counted} are counted");
    Err(Error::corrupt(message, format!("collection {}", collection.name)))
}

/// The key order must name every row once, in ascending order of keys.
pub(super) fn verify_key_order(file: &SealedFile) -> Result<()> {
    let mut previous: Option<&[u8]> = None;
    for place in 0..file.rows() {
        let key = file.key(file.row_at(place)?)?;
        if previous.is_some_and(|previous| previous >= key) {
            return Err(Error::corrupt("the keys are out of order", names::segment(file.id())));
        }
        previous = Some(key);
    }
    Ok(())
}

fn verify_found(collection: &CollectionView, moment: Moment, key: &Key, lsn: Lsn) -> Result<()> {
    match collection.lsn_of(&key.encode(), moment)? {
        Some(found) if found == lsn => Ok(()),
        _ => Err(Error::corrupt(
            format!("key {key:?} does not find its record"),
            format!("collection {}", collection.name),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::record::Record;
    use crate::database::handle::Database;
    use crate::schema::Schema;

    #[test]
    fn as_many_records_are_counted_as_are_found() {
        let db = Database::in_memory().unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        notes.put(Record::new("a")).unwrap();
        let current = db.engine().current();
        let (view, moment) = (current.view.by_name("notes").unwrap(), db.engine().moment(&current));
        verify_count(view, moment, 1).unwrap();
        let error = verify_count(view, moment, 2).unwrap_err();
        assert!(error.to_string().contains("2 records are found by their keys and 1 are counted"), "{error}");
    }
}
