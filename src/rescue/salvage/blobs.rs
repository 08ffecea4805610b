//! The blobs of a damaged store, and what becomes of records that name one that is lost.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::report::SalvageReport;
use crate::error::Result;
use crate::ids::StoreId;
use crate::payload::{self, BlobId, Value};
use crate::rescue::progress::Steps;
use crate::rescue::rewrite::Rewrite;
use crate::segment::columns::section;
use crate::storage::fs::FileSystem;
use crate::storage::manifest::BlobEntry;
use crate::storage::names;
use crate::storage::sections::{FileKind, Wreck, WreckSection};

/// How much is read at once.
const PIECE_BYTES: usize = 64 << 10;

/// The blobs that were saved.
#[derive(Debug, Default)]
pub(super) struct Saved(BTreeSet<[u8; 32]>);

/// Copies the blobs that are whole.
pub(super) fn save(
    fs: &Arc<dyn FileSystem>,
    store: StoreId,
    entries: &[BlobEntry],
    target: &mut Rewrite,
    report: &mut SalvageReport,
    steps: &mut Steps<'_>,
) -> Result<Saved> {
    let mut saved = Saved::default();
    for entry in entries {
        match whole(fs, store, entry) {
            Some(content) if saved.0.insert(entry.digest) => {
                target.blob(&mut Reading { content: &content, at: 0 })?;
                report.blobs_saved += 1;
            }
            Some(_) => {}
            None => report.blobs_lost.push(BlobId(entry.digest).to_string()),
        }
        steps.advance(entry.file.length)?;
    }
    Ok(saved)
}

/// The content of a blob, if it is what its name says.
fn whole(fs: &Arc<dyn FileSystem>, store: StoreId, entry: &BlobEntry) -> Option<WreckSection> {
    let (id, crc) = (entry.file.id, Some(entry.file.footer_crc));
    let wreck = Wreck::open(fs, &names::blob(id), FileKind::Blob, store, id, crc).ok()?;
    wreck.find(section::CONTENT).filter(|content| digest(content) == Some(entry.digest))
}

/// The name of a content, if all of it can be read.
pub(super) fn digest(content: &WreckSection) -> Option<[u8; 32]> {
    let mut digest = Sha256::new();
    for start in (0..content.len()).step_by(PIECE_BYTES) {
        digest.update(content.bytes(start..content.len().min(start + PIECE_BYTES))?);
    }
    Some(digest.finalize().into())
}

struct Reading<'a> {
    content: &'a WreckSection,
    at: usize,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.content.len() - self.at);
        let bytes = self.content.bytes(self.at..self.at + count).ok_or(io::ErrorKind::InvalidData)?;
        buffer[..count].copy_from_slice(bytes);
        self.at += count;
        Ok(count)
    }
}

impl Saved {
    /// The payload with null in place of each blob that was lost; `None` where none was.
    pub(super) fn cut(&self, stored: &[u8]) -> Option<Vec<u8>> {
        let named = payload::blobs(stored).ok()?;
        if named.iter().all(|blob| self.0.contains(&blob.0)) {
            return None;
        }
        let mut value = payload::decode(stored).ok()?;
        self.cut_value(&mut value);
        payload::encode(&value).ok()
    }

    /// Stored payloads are at most so deep that this recursion is harmless.
    fn cut_value(&self, value: &mut Value) {
        match value {
            Value::Blob(blob) if !self.0.contains(&blob.0) => *value = Value::Null,
            Value::Array(values) => values.iter_mut().for_each(|value| self.cut_value(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.cut_value(value)),
            _ => {}
        }
    }
}
