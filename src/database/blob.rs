//! Blobs: contents too large for a payload, stored once each under their SHA-256, streamed in and out.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;

use crate::database::blob_file::{self, BlobFile};
use crate::database::engine::Engine;
use crate::database::pending;
use crate::error::{Error, ErrorKind, Result};
use crate::payload::BlobId;
use crate::storage::manifest::BlobEntry;
use crate::storage::sections::Section;
use crate::sync::Ordering;

/// A blob being read, front to back. Every 64 KiB is checked before it is given out; damage is an
/// [`InvalidData`](io::ErrorKind::InvalidData) error.
#[derive(Debug)]
pub struct BlobReader {
    content: Section,
    offset: usize,
    /// Keeps the file while it is read.
    _file: Arc<BlobFile>,
}

impl BlobReader {
    /// Bytes of the whole blob.
    pub fn length(&self) -> u64 {
        self.content.len() as u64
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.content.len() - self.offset);
        let bytes = self.content.bytes(self.offset..self.offset + count);
        let bytes = bytes.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        buffer[..count].copy_from_slice(bytes);
        self.offset += count;
        Ok(count)
    }
}

impl Engine {
    /// Stores what `reader` gives, durably, and returns its name. Equal contents are stored once.
    pub(crate) fn put_blob(&self, reader: &mut dyn Read) -> Result<BlobId> {
        let entry = self.write_blob(reader)?;
        let _busy = self.begin()?;
        let file = Arc::new(BlobFile::listed(&self.opener, entry));
        let stored = self.publish_blob(&file);
        // After an unknown outcome the file may be part of the store.
        if matches!(&stored, Ok(false)) || (stored.is_err() && self.poison.check().is_ok()) {
            file.stored.condemn();
        }
        stored.map(|_| BlobId(entry.digest))
    }

    fn write_blob(&self, content: &mut dyn Read) -> Result<BlobEntry> {
        let failed = |error| Error::io("read the blob's content", "the reader given to put_blob", error);
        // The reader may take its time; closing does not wait for it.
        blob_file::write(&self.opener, self.next_file(), content, failed, |count| {
            let busy = self.begin()?;
            if count > 0 {
                self.admit(count)?;
            }
            Ok(busy)
        })
    }

    /// Adds a written blob to the store; false when its content was there already.
    fn publish_blob(&self, file: &Arc<BlobFile>) -> Result<bool> {
        let _structure = self.structure.lock();
        if let Some(present) = self.current().view.blobs.get(&file.entry.digest) {
            present.fresh.store(true, Ordering::Release);
            return Ok(false);
        }
        let fs = &self.opener.fs;
        fs.sync_dir().map_err(|error| Error::io("sync the directory", self.location(), error))?;
        self.publish(|manifest| manifest.blobs.push(file.entry))?;
        file.fresh.store(true, Ordering::Release);
        let _log = self.log.lock();
        let mut view = (*self.current().view).clone();
        Arc::make_mut(&mut view.blobs).insert(file.entry.digest, Arc::clone(file));
        drop(self.show(view));
        Ok(true)
    }

    /// Opens a blob for reading.
    pub(crate) fn open_blob(&self, id: BlobId) -> Result<BlobReader> {
        self.check_open()?;
        let view = self.current().view;
        let Some(file) = view.blobs.get(&id.0) else {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no blob {id}"))
                .mend("a blob that no record names is removed after the store was reopened"));
        };
        let content = file.open(&self.opener)?;
        Ok(BlobReader { content, offset: 0, _file: Arc::clone(file) })
    }

    /// Removes the blobs that no record names any more; tells whether there were any. The caller holds `merging`.
    pub(crate) fn collect_blobs(&self) -> Result<bool> {
        let view = self.current().view;
        // What a damaged collection names is not known.
        let damaged = view.collections.values().any(|collection| collection.damage.is_some());
        if view.blobs.is_empty() || damaged {
            return Ok(false);
        }
        drop(view);
        let _structure = self.structure.lock();
        let log = self.log.lock();
        let view = self.current().view;
        let named = self.named_blobs()?;
        let idle = |file: &&Arc<BlobFile>| !file.fresh.load(Ordering::Acquire) && !named.contains(&file.entry.digest);
        let gone: Vec<Arc<BlobFile>> = view.blobs.values().filter(idle).cloned().collect();
        if gone.is_empty() {
            return Ok(false);
        }
        let is_gone = |digest: &[u8; 32]| gone.iter().any(|file| file.entry.digest == *digest);
        self.publish_freeing(|manifest| manifest.blobs.retain(|entry| !is_gone(&entry.digest)))?;
        let mut next = (*view).clone();
        Arc::make_mut(&mut next.blobs).retain(|digest, _| !is_gone(digest));
        let old = self.show(next);
        drop(log);
        drop(old);
        gone.iter().for_each(|file| file.stored.condemn());
        Ok(true)
    }

    /// The blobs that rows name, live ones and those that still stand in a file or in memory.
    fn named_blobs(&self) -> Result<BTreeSet<[u8; 32]>> {
        let mut named = BTreeSet::new();
        for collection in self.current().view.collections.values() {
            collection.in_memory().for_each(|segment| named.extend(segment.blobs()));
            for segment in &collection.sealed {
                named.extend(segment.file().blobs()?.into_iter().map(|(_, digest)| digest));
            }
        }
        self.add_blobs_of_imports(&mut named)?;
        Ok(named)
    }

    /// The blobs that records of unfinished imports name. An import whose files are damaged cannot be finished, so what
    /// those name is not needed.
    fn add_blobs_of_imports(&self, named: &mut BTreeSet<[u8; 32]>) -> Result<()> {
        let (view, imports) = (self.current().view, self.manifest.lock().imports.clone());
        for import in imports {
            let Some(collection) = view.collections.get(&import.collection) else { continue };
            for file in &import.files {
                match pending::open(&self.opener, &collection.schema, file).and_then(|file| file.blobs()) {
                    Err(error) if error.is_damage() => {}
                    blobs => named.extend(blobs?.into_iter().map(|(_, digest)| digest)),
                }
            }
        }
        Ok(())
    }
}
