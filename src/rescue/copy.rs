//! Copying the files of a store, or linking them.

use std::io;

use super::progress::Steps;
use crate::error::{Error, Result};
use crate::storage::fs::{File, FileSystem};
use crate::storage::manifest::ListedFile;

/// How much is copied between two looks whether to go on.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// Whether files may be shared with the store they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Where the file system can.
    HardLinks,
    Never,
}

/// What became of the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Copied {
    pub(super) linked_bytes: u64,
    pub(super) copied_bytes: u64,
}

/// Brings one file from one directory into another, synced; its name is durable once the directory is.
pub(super) fn bring(
    listed: &ListedFile,
    from: &dyn FileSystem,
    to: &dyn FileSystem,
    sharing: Sharing,
    copied: &mut Copied,
    steps: &mut Steps<'_>,
) -> Result<()> {
    let length = listed.file.length;
    let source = open(from, listed)?;
    if sharing == Sharing::HardLinks && link(&listed.name, from, to)? {
        copied.linked_bytes += length;
        return steps.advance(length);
    }
    let target = to.create_new(&listed.name).map_err(|error| Error::io("create a file", place(to, listed), error))?;
    let mut writing = Writing::new(&*target, place(to, listed));
    read(&*source, listed, &mut |piece| {
        writing.write(piece)?;
        steps.advance(piece.len() as u64)
    })?;
    copied.copied_bytes += length;
    writing.sync()
}

/// Opens a file for copying; one that has another length than the manifest says is damaged.
pub(super) fn open(from: &dyn FileSystem, listed: &ListedFile) -> Result<std::sync::Arc<dyn File>> {
    let opened = from.open(&listed.name).and_then(|file| Ok((file.length()?, file)));
    let (length, file) = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::corrupt("a file that the manifest lists is missing", place(from, listed)),
        _ => Error::io("open a file", place(from, listed), error),
    })?;
    if length != listed.file.length {
        let message = format!("the file has {length} bytes instead of {}", listed.file.length);
        return Err(Error::corrupt(message, place(from, listed)));
    }
    Ok(file)
}

/// Shows `take` the content piece by piece.
pub(super) fn read(file: &dyn File, listed: &ListedFile, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; PIECE_BYTES.min(listed.file.length as usize)];
    let mut at = 0;
    while at < listed.file.length {
        let count = buffer.len().min((listed.file.length - at) as usize);
        let piece = &mut buffer[..count];
        file.read_exact_at(piece, at).map_err(|error| Error::io("read a file", &listed.name, error))?;
        take(piece)?;
        at += count as u64;
    }
    Ok(())
}

/// Shares a file; false where these two directories, or this user, cannot.
fn link(name: &str, from: &dyn FileSystem, to: &dyn FileSystem) -> Result<bool> {
    use io::ErrorKind as Os;
    match to.link_from(from, name) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                Os::Unsupported | Os::CrossesDevices | Os::PermissionDenied | Os::TooManyLinks
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(Error::io("link a file", format!("{}/{name}", to.location()), error)),
    }
}

fn place(fs: &dyn FileSystem, listed: &ListedFile) -> String {
    format!("{}/{}", fs.location(), listed.name)
}

/// A file being written from start to end.
pub(super) struct Writing<'a> {
    file: &'a dyn File,
    place: String,
    at: u64,
}

impl<'a> Writing<'a> {
    pub(super) fn new(file: &'a dyn File, place: String) -> Writing<'a> {
        Writing { file, place, at: 0 }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_at(bytes, self.at).map_err(|error| Error::io("write a file", &self.place, error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn sync(self) -> Result<()> {
        self.file.sync_all().map_err(|error| Error::io("make a file durable", self.place, error))
    }
}

/// Bytes of these files together.
pub(super) fn total_bytes(files: &[ListedFile]) -> u64 {
    files.iter().map(|listed| listed.file.length).sum()
}
