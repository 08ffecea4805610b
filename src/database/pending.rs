//! Imports that have a name: what they sealed stays with the store until they are finished or discarded, so that one that
//! was cut off goes on from there.
//!
//! The manifest lists their files, which keeps these from being swept; no view does, so nothing of them shows, and
//! neither flush nor merge meets them.

use std::sync::Arc;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::collection::view::CollectionView;
use crate::database::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, Lsn};
use crate::schema::Schema;
use crate::segment::file::{Opener, SealedFile};
use crate::storage::manifest::{ImportEntry, ImportedFile, MAX_IMPORT_NAME_BYTES};
use crate::storage::names;
use crate::storage::stored_file::StoredFile;

/// An import that was begun under a name and neither finished nor discarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PendingImport {
    /// Its name.
    pub name: String,
    /// Records sealed so far, those included that later ones of the same import replaced.
    pub rows: u64,
    /// Files they are in.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// The position that its records carry.
    pub lsn: Lsn,
    /// When it was begun.
    pub since: Timestamp,
}

impl PendingImport {
    fn of(entry: &ImportEntry) -> PendingImport {
        PendingImport {
            name: entry.name.clone(),
            rows: entry.rows,
            files: entry.files.len() as u64,
            bytes: entry.files.iter().map(|file| file.file.length).sum(),
            lsn: entry.lsn,
            since: Timestamp(entry.began),
        }
    }
}

/// The right to run one import; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    engine: Arc<Engine>,
    collection: CollectionId,
    name: String,
}

impl Running {
    /// Refuses a name under which an import is running already.
    pub(crate) fn begin(engine: &Arc<Engine>, collection: &CollectionView, name: &str) -> Result<Running> {
        if name.is_empty() || name.len() > MAX_IMPORT_NAME_BYTES {
            return Err(Error::invalid(format!("an import's name has {} bytes", name.len()))
                .mend(format!("use 1 to {MAX_IMPORT_NAME_BYTES}")));
        }
        if !engine.running_imports.lock().insert((collection.id, name.to_owned())) {
            return Err(Error::new(ErrorKind::Busy, format!("the import `{name}` is running already"))
                .at(format!("collection {}", collection.name))
                .mend("wait until it ends, or give this one another name"));
        }
        Ok(Running { engine: Arc::clone(engine), collection: collection.id, name: name.to_owned() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn collection(&self) -> CollectionId {
        self.collection
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.engine.running_imports.lock().remove(&(self.collection, std::mem::take(&mut self.name)));
    }
}

/// Opens the files of an import, and reads every byte of them.
pub(crate) fn open_whole(engine: &Engine, schema: &Schema, entry: &ImportEntry) -> Result<Vec<Arc<SealedFile>>> {
    let open = |file: &ImportedFile| {
        let file = open(&engine.opener, schema, file)?;
        file.verify(&engine.pool).map(|()| Arc::new(file))
    };
    entry.files.iter().map(open).collect()
}

/// Opens a file of an import.
pub(crate) fn open(opener: &Opener, schema: &Schema, file: &ImportedFile) -> Result<SealedFile> {
    SealedFile::open(opener, schema, file.file, file.rows)
}

impl Engine {
    /// What the manifest says of an import.
    pub(crate) fn pending_import(&self, collection: CollectionId, name: &str) -> Option<ImportEntry> {
        let manifest = self.manifest.lock();
        manifest.imports.iter().find(|entry| entry.collection == collection && entry.name == name).cloned()
    }

    /// The imports into a collection, by name.
    pub(crate) fn pending_imports(&self, collection: CollectionId) -> Vec<PendingImport> {
        let manifest = self.manifest.lock();
        let entries = manifest.imports.iter().filter(|entry| entry.collection == collection);
        let mut pending: Vec<PendingImport> = entries.map(PendingImport::of).collect();
        pending.sort_by(|a, b| a.name.cmp(&b.name));
        pending
    }

    /// Lists the files of an import in the manifest, durably, in place of what it lists under that name.
    pub(crate) fn publish_pending(&self, entry: ImportEntry) -> Result<()> {
        let _structure = self.structure.lock();
        self.current().view.by_id(entry.collection)?;
        self.opener.fs.sync_dir().map_err(|error| Error::io("sync the directory", self.location(), error))?;
        self.publish(|manifest| {
            manifest.imports.retain(|other| other.collection != entry.collection || other.name != entry.name);
            manifest.imports.push(entry);
        })
    }

    /// Takes an import out of the manifest and removes its files; tells whether there was one.
    pub(crate) fn forget_pending(&self, collection: CollectionId, name: &str) -> Result<bool> {
        let _structure = self.structure.lock();
        let Some(entry) = self.pending_import(collection, name) else { return Ok(false) };
        self.publish_freeing(|manifest| {
            manifest.imports.retain(|other| other.collection != collection || other.name != name);
        })?;
        self.remove_imported(&entry.files);
        self.refill_reserve();
        Ok(true)
    }

    /// Removes the files of imports that the manifest does not list any more.
    pub(crate) fn remove_imported(&self, files: &[ImportedFile]) {
        files.iter().for_each(|file| {
            StoredFile::new(&self.opener.fs, &self.opener.condemned, names::segment(file.file.id)).condemn();
        });
    }
}
