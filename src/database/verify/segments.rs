//! Checking the files of collections, of unfinished imports, and blobs.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::records::verify_key_order;
use super::{Checking, Problem, VerifiedCollection, VerifyLevel};
use crate::collection::reach::{self, Reach};
use crate::collection::view::CollectionView;
use crate::database::blob_file::BlobFile;
use crate::database::engine::DatabaseView;
use crate::database::pending;
use crate::error::{Error, Result};
use crate::segment::Moment;
use crate::segment::sealed::Sealed;
use crate::storage::manifest::ImportEntry;

/// So many of a hundred rows must find themselves through their index. A row's own vector is the easiest of all
/// queries: an index that is walked or looked into as little as can be asked for finds more, and one that finds fewer
/// was built wrong.
const LEAST_FOUND_PERCENT: u64 = 50;

/// How much of a blob is read at a time.
const CHUNK_BYTES: usize = 64 << 10;

impl Checking<'_> {
    /// Checks a collection, whatever is wrong with others.
    pub(super) fn collection(
        &mut self,
        collection: &CollectionView,
        view: &DatabaseView,
        moment: Moment,
    ) -> Result<()> {
        let part = format!("collection {}", collection.name);
        let before = (self.report.files, self.report.bytes, self.report.problems.len());
        let mut told = VerifiedCollection { name: collection.name.to_string(), ..VerifiedCollection::default() };
        self.report.note(&part, collection.check_usable())?;
        for segment in &collection.sealed {
            self.segment(&part, collection, segment)?;
            let reach = self.index(collection, segment, moment);
            let reach = self.report.note(&part, reach)?.unwrap_or_default();
            told.asked_rows += reach.asked;
            told.found_rows += reach.found;
            let poor = segment.index().and_then(|index| poor(index.stored().name(), reach));
            self.report.warnings.extend(poor.map(|error| Problem::new(&part, &error)));
        }
        if self.level == VerifyLevel::Full && collection.damage.is_none() {
            (told.rows, told.records) = self.records(&part, collection, view, moment)?;
            self.report.rows += told.rows;
            self.report.records += told.records;
        }
        told.files = self.report.files - before.0;
        told.bytes = self.report.bytes - before.1;
        told.problems = (self.report.problems.len() - before.2) as u64;
        self.report.collections.push(told);
        Ok(())
    }

    /// Opens the files anew, as the next opening of the store would.
    fn segment(&mut self, part: &str, collection: &CollectionView, segment: &Sealed) -> Result<()> {
        let engine = self.engine;
        self.report.count(segment.file().reference().length);
        segment.deletions_file().iter().for_each(|file| self.report.count(file.entry.file.length));
        let again = Sealed::open(&engine.opener, &collection.schema, &segment.entry()).and_then(|again| {
            if self.level == VerifyLevel::Full {
                again.verify(&engine.opener, &engine.pool, &|bytes| self.watch.read(bytes))?;
                verify_key_order(again.file())?;
            }
            Ok(())
        });
        self.report.note(part, again).map(drop)
    }

    /// Every row must be within reach of the index, and is asked for through it.
    fn index(&mut self, collection: &CollectionView, segment: &Sealed, moment: Moment) -> Result<Reach> {
        let Some(index) = segment.index() else { return Ok(Reach::default()) };
        let engine = self.engine;
        self.report.count(index.entry().file.length);
        let again = index.reopen(&engine.opener, &collection.schema, segment.file())?;
        if self.level == VerifyLevel::Quick {
            return Ok(Reach::default());
        }
        again.verify(&engine.pool, &|bytes| self.watch.read(bytes))?;
        let stop = || self.watch.is_stopped();
        let place = |error: Error| match error.place() {
            Some(place) => {
                let place = format!("{}, {place}", index.stored().name());
                error.at(place)
            }
            None => error.at(index.stored().name()),
        };
        again.index().check(&stop).map_err(place)?;
        let reach = reach::measure(collection, segment, again.index(), moment, &engine.pool, &stop);
        let reach = self.watch.check().and(reach)?;
        self.watch.looked_up(0)?;
        Ok(reach)
    }

    /// What unfinished imports have sealed can be read.
    pub(super) fn imports(&mut self, view: &DatabaseView) -> Result<()> {
        let imports = self.engine.manifest.lock().imports.clone();
        for import in imports {
            let Some(collection) = view.collections.get(&import.collection).filter(|it| it.damage.is_none()) else {
                continue;
            };
            self.import(&import, collection)?;
        }
        Ok(())
    }

    fn import(&mut self, import: &ImportEntry, collection: &CollectionView) -> Result<()> {
        let engine = self.engine;
        for file in &import.files {
            self.report.count(file.file.length);
            let checked = pending::open(&engine.opener, &collection.schema, file).and_then(|opened| match self.level {
                VerifyLevel::Quick => Ok(()),
                VerifyLevel::Full => {
                    opened.verify_watched(&engine.pool, &|bytes| self.watch.read(bytes))?;
                    verify_key_order(&opened)
                }
            });
            // It may have been discarded meanwhile, and its files with it.
            if engine.pending_import(import.collection, &import.name).is_some_and(|now| now.files.contains(file)) {
                let part = format!("import {} into collection {}", import.name, collection.name);
                self.report.note(&part, checked)?;
            }
        }
        Ok(())
    }

    /// The content of a blob must be what its name says.
    pub(super) fn blob(&mut self, blob: &Arc<BlobFile>) -> Result<()> {
        self.report.count(blob.entry.file.length);
        let checked = self.blob_content(blob);
        self.report.note("blobs", checked).map(drop)
    }

    fn blob_content(&self, blob: &BlobFile) -> Result<()> {
        let engine = self.engine;
        let container = blob.container(&engine.opener)?;
        blob.open(&engine.opener)?;
        if self.level == VerifyLevel::Quick {
            return Ok(());
        }
        container.verify_watched(&engine.pool, &|bytes| self.watch.read(bytes))?;
        let content = blob.open(&engine.opener)?;
        let mut hash = Sha256::new();
        for start in (0..content.len()).step_by(CHUNK_BYTES) {
            self.watch.check()?;
            hash.update(content.bytes(start..content.len().min(start + CHUNK_BYTES))?);
        }
        let found: [u8; 32] = hash.finalize().into();
        match found == blob.entry.digest {
            true => Ok(()),
            false => Err(Error::corrupt("the content is not what its name says", blob.stored.name())),
        }
    }
}

/// What is to be said of an index through which hardly any row finds itself, although all can be reached.
fn poor(name: &str, reach: Reach) -> Option<Error> {
    let Reach { asked, found } = reach;
    (found * 100 < asked * LEAST_FOUND_PERCENT).then(|| {
        let message = format!("through the index {found} of {asked} rows are found by their own vectors");
        Error::corrupt(message, name).mend("build it anew: `rebuild index` with the name of the collection")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_through_which_fewer_than_half_find_themselves_is_told_of() {
        let told = |asked, found| poor("idx-7", Reach { asked, found });
        assert!(told(0, 0).is_none() && told(100, 50).is_none() && told(3, 2).is_none());
        let error = told(100, 49).unwrap().to_string();
        assert!(error.contains("49 of 100") && error.contains("idx-7") && error.contains("rebuild index"), "{error}");
    }
}
