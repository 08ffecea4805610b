//! The file of a blob.

use std::io::{self, Read};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::bytes::{Reader, Write};
use crate::error::{Error, Result};
use crate::ids::FileId;
use crate::segment::columns::section;
use crate::segment::file::Opener;
use crate::storage::manifest::BlobEntry;
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, Section, Writer};
use crate::storage::stored_file::StoredFile;
use crate::sync::AtomicBool;

/// How much of the content is read at a time on the way in.
const CHUNK_BYTES: usize = 64 << 10;

/// Writes the file of a new blob, durably but for its name: all that `content` gives. `admit` is asked before each piece,
/// and with 0 before the file is begun and before it is finished; what it returns is held while that is written. `failed`
/// tells that the content cannot be read.
pub(crate) fn write<G>(
    opener: &Opener,
    id: FileId,
    content: &mut dyn Read,
    failed: impl Fn(io::Error) -> Error,
    admit: impl Fn(u64) -> Result<G>,
) -> Result<BlobEntry> {
    let admitted = admit(0)?;
    let mut writer = Writer::create(&opener.fs, &names::blob(id), FileKind::Blob, opener.store, id)?;
    writer.section(section::CONTENT)?;
    drop(admitted);
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match content.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        let _admitted = admit(count as u64)?;
        digest.update(&chunk[..count]);
        writer.write(&chunk[..count])?;
        bytes += count as u64;
    }
    let digest: [u8; 32] = digest.finalize().into();
    let mut meta = digest.to_vec();
    meta.put_u64(bytes);
    let _admitted = admit(0)?;
    Ok(BlobEntry { file: writer.finish(&meta)?, digest, bytes })
}

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
