//! Creating and dropping collections.

use std::collections::BTreeSet;

use crate::collection::view::CollectionView;
use crate::database::engine::Engine;
use crate::database::publish::split_logs;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::CollectionId;
use crate::schema::Schema;
use crate::storage::manifest::{CollectionEntry, SegmentEntry};
use crate::storage::stored_file::StoredFile;

/// The most characters a collection's name may have.
const MAX_NAME_CHARS: usize = 64;
/// Collections of one store.
const MAX_COLLECTIONS: usize = 10_000;

/// Refuses a name outside `[A-Za-z0-9_.-]{1,64}`.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if (1..=MAX_NAME_CHARS).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let shown: String = name.chars().take(MAX_NAME_CHARS).collect();
    Err(Error::invalid(format!("{shown:?} cannot name a collection"))
        .mend(format!("use 1 to {MAX_NAME_CHARS} letters, digits, `_`, `.` or `-`")))
}

/// Whether a collection of this name belongs to the system.
pub(crate) fn is_system_name(name: &str) -> bool {
    name.starts_with('_')
}

/// Refuses the names of system collections.
pub(crate) fn check_not_system(name: &str) -> Result<()> {
    if is_system_name(name) {
        return Err(Error::invalid(format!("`{name}` is the name of a system collection"))
            .mend("choose a name that does not begin with `_`"));
    }
    Ok(())
}

impl Engine {
    /// Creates a collection, durably, and returns its number.
    pub(crate) fn create_collection(&self, name: &str, schema: Schema) -> Result<CollectionId> {
        let _busy = self.begin()?;
        check_name(name)?;
        check_not_system(name)?;
        self.create(name, schema)
    }

    /// The same for a collection of the system's own, in a step of maintenance.
    pub(crate) fn create_system_collection(&self, name: &str, schema: Schema) -> Result<CollectionId> {
        check_name(name)?;
        self.create(name, schema)
    }

    fn create(&self, name: &str, schema: Schema) -> Result<CollectionId> {
        schema.check()?;
        let stored = schema.encode()?;
        let _structure = self.structure.lock();
        let current = self.current();
        if current.view.names.contains_key(name) {
            return Err(Error::new(ErrorKind::Exists, format!("there is a collection `{name}` already"))
                .mend("open it with Database::collection, or drop it first"));
        }
        if current.view.collections.len() >= MAX_COLLECTIONS {
            return Err(Error::invalid(format!("a store holds at most {MAX_COLLECTIONS} collections")));
        }
        let id = CollectionId(self.manifest.lock().next_collection);
        self.sync_before_publishing()?;
        self.publish(|manifest| {
            manifest.next_collection = id.0 + 1;
            let entry = CollectionEntry {
                id,
                name: name.to_owned(),
                schema: stored,
                flushed: current.visible,
                segments: Vec::new(),
            };
            manifest.collections.push(entry);
        })?;
        let mut collection = CollectionView::new(id, name, schema);
        collection.flushed = current.visible;
        let _log = self.log.lock();
        let mut view = (*self.current().view).clone();
        view.insert(collection);
        drop(self.show(view));
        Ok(id)
    }

    /// Drops a collection, durably. Its files go when the last snapshot that reads them goes.
    pub(crate) fn drop_collection(&self, name: &str) -> Result<()> {
        let _busy = self.begin()?;
        let _structure = self.structure.lock();
        let id = self.current().view.by_name(name)?.id;
        self.sync_before_publishing()?;
        let (mut gone, mut imported, mut files) = (Vec::new(), Vec::new(), BTreeSet::new());
        let floor = {
            let log = self.log.lock();
            self.log_floor(|other| other == id, log.next_lsn)
        };
        self.publish_freeing(|manifest| {
            let dropped = manifest.collections.extract_if(.., |entry| entry.id == id);
            files.extend(dropped.flat_map(|entry| names(&entry.segments)));
            manifest.imports.retain(|import| {
                let stays = import.collection != id;
                if !stays {
                    imported.extend_from_slice(&import.files);
                }
                stays
            });
            let (kept, old) = split_logs(&manifest.logs, floor.at, false, floor.next);
            manifest.logs = kept;
            gone = old;
        })?;
        // Before the view is shown, which has writers look again whether they still have to wait.
        self.remove_logs(&gone, &floor);
        self.remove_collection_from_view(id, files);
        self.remove_imported(&imported);
        self.refill_reserve();
        Ok(())
    }

    /// Its `files` go with their last readers. Those that could not be opened have none.
    fn remove_collection_from_view(&self, id: CollectionId, mut files: BTreeSet<String>) {
        let log = self.log.lock();
        let mut view = (*self.current().view).clone();
        let collection = view.collections.remove(&id);
        if let Some(collection) = &collection {
            view.names.remove(&collection.name);
            for segment in &collection.sealed {
                segment.condemn();
                for read in names(&[segment.entry()]) {
                    files.remove(&read);
                }
            }
        }
        let old = self.show(view);
        drop(log);
        // Its files go here, where nobody waits for a lock.
        drop((old, collection));
        for name in files {
            StoredFile::new(&self.opener.fs, &self.opener.condemned, name).condemn();
        }
    }

    /// What was written before a collection came, changed or went must not be lost while that stays.
    pub(crate) fn sync_before_publishing(&self) -> Result<()> {
        let mut log = self.log.lock();
        let written = log.next_lsn.0 - 1;
        if self.durable().0 < written { self.sync_log(&mut log) } else { Ok(()) }
    }
}

/// The names of all files of segments.
fn names(segments: &[SegmentEntry]) -> Vec<String> {
    segments.iter().flat_map(SegmentEntry::files).map(|listed| listed.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_and_three_signs() {
        for name in ["docs", "a", "A.b-c_9", &"x".repeat(64)] {
            check_name(name).unwrap();
        }
        for name in ["", "a/b", "ü", "a b", "..\\x", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_not_system("_models").is_err());
        check_name("_models").unwrap();
    }
}
