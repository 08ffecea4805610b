//! Reading the archive of a backup that may come from anywhere: nothing in it is believed.
//!
//! An entry is a regular file under a name that a store gives its files, once; anything else is refused, before a byte of
//! it is written. What it says of its size is compared with what may be written, and with the least that any file of a
//! store has, so that their number is bounded, too; the manifest, which comes last, is compared with what was there. Extensions of the format are not read: our archives have none, and they are how links, devices and
//! sizes that lie come into an archive.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::stream::failed;
use crate::error::{Error, Result};
use crate::storage::header::PAGE_BYTES;
use crate::storage::manifest::{MAX_FILE_BYTES, Manifest};
use crate::storage::names::{self, Name};

/// What an archive may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of all its files together.
    pub(super) bytes: u64,
    /// Bytes of one of them.
    pub(super) file_bytes: u64,
}

impl Limits {
    /// For an archive that was written here.
    pub(super) fn none() -> Limits {
        Limits { bytes: u64::MAX, file_bytes: u64::MAX }
    }
}

/// What an archive held.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) manifest: Manifest,
    /// The other files and their lengths.
    pub(super) names: BTreeMap<String, u64>,
}

/// Takes the content of a file of that name and length. It must read all of it.
pub(super) type Take<'a> = dyn FnMut(&str, u64, &mut dyn Read) -> Result<()> + 'a;

/// Shows `take` every file of an archive but the manifest.
pub(super) fn entries(reader: &mut dyn Read, limits: &Limits, take: &mut Take<'_>) -> Result<Unpacked> {
    let mut counted = Counted { reader, bytes: 0 };
    let mut archive = tar::Archive::new(&mut counted);
    let mut reading = Reading { limits: *limits, bytes: 0, names: BTreeMap::new(), manifest: None, end: 0 };
    let entries = archive.entries().map_err(unreadable)?;
    for entry in entries.raw(true) {
        reading.entry(&mut entry.map_err(unreadable)?, take)?;
    }
    let Reading { names, manifest, end, .. } = reading;
    let manifest = manifest.ok_or_else(|| cut_short("it ends without a manifest, which comes last"))?;
    if counted.bytes < end.next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES {
        return Err(cut_short("it has no end"));
    }
    check_complete(&manifest, &names)?;
    Ok(Unpacked { manifest, names })
}

/// What an archive is made of.
const BLOCK_BYTES: u64 = 512;

/// An archive, as far as it was read.
struct Reading {
    limits: Limits,
    bytes: u64,
    names: BTreeMap<String, u64>,
    manifest: Option<Manifest>,
    /// Where the last entry ends.
    end: u64,
}

impl Reading {
    fn entry(&mut self, entry: &mut tar::Entry<'_, impl Read>, take: &mut Take<'_>) -> Result<()> {
        let (name, kind) = plain_name(entry)?;
        let length = entry.header().entry_size().map_err(unreadable)?;
        self.check(&name, length)?;
        self.end = entry.raw_file_position().saturating_add(length);
        if let Name::Manifest(number) = kind {
            self.manifest = Some(read_manifest(entry, &name, number, length)?);
            return Ok(());
        }
        let mut content = Whole { reader: entry, left: length };
        take(&name, length, &mut content)?;
        self.names.insert(name, length);
        Ok(())
    }

    /// Whether there is room for one more file of this name and length.
    fn check(&mut self, name: &str, length: u64) -> Result<()> {
        if self.manifest.is_some() {
            return Err(hostile("something follows the manifest, which comes last", name));
        }
        if self.names.contains_key(name) {
            return Err(hostile("a file is there twice", name));
        }
        if length < PAGE_BYTES as u64 {
            return Err(hostile("a file is shorter than any of a store", name));
        }
        if length > self.limits.file_bytes {
            let most = self.limits.file_bytes;
            return Err(too_large(format!("a file has {length} bytes; at most {most} are allowed"), name));
        }
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.limits.bytes {
            let most = self.limits.bytes;
            return Err(too_large(format!("the files have more than the {most} bytes that are allowed"), name));
        }
        Ok(())
    }
}

/// The name of a regular file of a store.
fn plain_name(entry: &tar::Entry<'_, impl Read>) -> Result<(String, Name)> {
    let bytes = entry.path_bytes();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned();
    let kind = entry.header().entry_type();
    if kind != tar::EntryType::Regular {
        return Err(hostile("an entry is a link, a folder, a device or an extension and not a plain file", &shown));
    }
    match std::str::from_utf8(&bytes).ok().and_then(names::parse) {
        Some(Name::Lock | Name::Reserve | Name::Temporary | Name::Wal(_)) | None => {
            Err(hostile("an entry has a name that no file of a backup has", &shown))
        }
        Some(name) => Ok((shown, name)),
    }
}

fn read_manifest(entry: &mut impl Read, name: &str, number: u64, length: u64) -> Result<Manifest> {
    if length > MAX_FILE_BYTES {
        return Err(too_large(format!("the manifest has {length} bytes; at most {MAX_FILE_BYTES} are read"), name));
    }
    let mut bytes = Vec::new();
    Whole { reader: entry, left: length }.read_to_end(&mut bytes).map_err(|error| failed("read the archive", error))?;
    Manifest::decode_numbered(&bytes, number).map_err(|error| error.at(name))
}

/// The archive must hold the files of its manifest, all of them and no other.
fn check_complete(manifest: &Manifest, names: &BTreeMap<String, u64>) -> Result<()> {
    if !manifest.logs.is_empty() || !manifest.imports.is_empty() {
        return Err(hostile("the manifest is not that of a backup", &names::manifest(manifest.number)));
    }
    let listed: BTreeMap<String, u64> =
        manifest.files().into_iter().map(|listed| (listed.name, listed.file.length)).collect();
    if let Some((name, _)) = listed.iter().find(|(name, length)| names.get(*name) != Some(*length)) {
        return Err(hostile("a file that the manifest lists is not there, or has another length", name));
    }
    match names.keys().find(|name| !listed.contains_key(*name)) {
        Some(name) => Err(hostile("a file is there that the manifest does not list", name)),
        None => Ok(()),
    }
}

/// The content of an entry: fewer bytes than its header says are an error.
struct Whole<'a, R> {
    reader: &'a mut R,
    left: u64,
}

impl<R: Read> Read for Whole<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::other(cut_short("it ends inside a file")));
        }
        Ok(count)
    }
}

/// Counts what is read.
struct Counted<'a> {
    reader: &'a mut dyn Read,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

fn hostile(message: &str, name: &str) -> Error {
    Error::corrupt(message, format!("the archive, {name:?}"))
        .mend("use an archive as `backup` wrote it, from a source you trust")
}

fn too_large(message: String, name: &str) -> Error {
    Error::invalid(message)
        .at(format!("the archive, {name:?}"))
        .mend("free some space, or allow more with RestoreOptions, if you trust the archive")
}

fn cut_short(what: &str) -> Error {
    Error::corrupt(format!("the archive is cut short: {what}"), "the archive").mend("copy it again, or use another")
}

/// What the format does not allow is damage; what the operating system says is passed on.
fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(ours) => ours.clone(),
                None => Error::corrupt(format!("this is no archive, or it is damaged: {error}"), "the archive")
                    .mend("use an archive as `backup` wrote it"),
            }
        }
        _ => Error::io("read the archive", "the archive", error),
    }
}
