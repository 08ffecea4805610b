//! The file of a blob.

use std::sync::Arc;

use crate::bytes::Reader;
use crate::error::{Error, Result};
use crate::segment::columns::section;
use crate::segment::file::Opener;
use crate::storage::manifest::BlobEntry;
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, Section};
use crate::storage::stored_file::StoredFile;
use crate::sync::AtomicBool;

/// A blob of the store.
#[derive(Debug)]
pub(crate) struct BlobFile {
    pub(crate) entry: BlobEntry,
    pub(crate) stored: StoredFile,
    /// Stored by this handle: kept until it is closed, named by a record or not, so that there is time to name it.
    pub(crate) fresh: AtomicBool,
}

impl BlobFile {
    /// A blob as the manifest lists it. The file is opened when it is read.
    pub(crate) fn listed(opener: &Opener, entry: BlobEntry) -> BlobFile {
        let stored = StoredFile::new(&opener.fs, &opener.condemned, names::blob(entry.file.id));
        BlobFile { entry, stored, fresh: AtomicBool::new(false) }
    }

    /// Opens the file anew.
    pub(crate) fn container(&self, opener: &Opener) -> Result<Arc<Container>> {
        let (name, file) = (self.stored.name(), &self.entry.file);
        Container::open(&opener.fs, name, FileKind::Blob, opener.store, file, opener.mode)
    }

    /// Opens the content.
    pub(crate) fn open(&self, opener: &Opener) -> Result<Section> {
        let name = self.stored.name();
        let entry = &self.entry;
        let container = self.container(opener)?;
        let mut meta = Reader::new(container.meta());
        let content = container.section(section::CONTENT)?;
        let fits = meta.array() == Ok(entry.digest) && meta.u64() == Ok(entry.bytes) && meta.is_empty();
        if !fits || content.len() as u64 != entry.bytes {
            return Err(Error::corrupt("the blob does not fit its manifest entry", name));
        }
        Ok(content)
    }
}
