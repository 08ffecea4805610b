//! The archive of a backup: a tar file with the files of the store, the manifest last.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::copy::{PIECE_BYTES, open, read, total_bytes};
use super::progress::{RescuePhase, Steps, Watch};
use super::stream::{FileReader, FileWriter, failed};
use super::unpack::{self, Limits, Unpacked};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Pool;
use crate::storage::fs::{DiskFs, File, FileSystem, PublishError, ReadMode};
use crate::storage::manifest::{ListedFile, Manifest};
use crate::storage::names;
use crate::storage::sections::Container;

/// What stands behind the name of an archive that is not whole yet.
const TEMPORARY: &str = ".part";

/// Writes the archive; returns the bytes of the files in it. `check` is asked before each file.
pub(super) fn write(
    manifest: &Manifest,
    fs: &dyn FileSystem,
    now: Timestamp,
    writer: &mut dyn Write,
    check: &dyn Fn() -> Result<()>,
    watch: &mut Watch<'_>,
) -> Result<u64> {
    let files = manifest.files();
    let total = total_bytes(&files);
    let mut steps = watch.begin(RescuePhase::Copying, Some(total));
    let mut archive = tar::Builder::new(BufWriter::with_capacity(PIECE_BYTES, writer));
    for listed in &files {
        check()?;
        let mut reading = Reading::open(fs, listed, &mut steps)?;
        append(&mut archive, &listed.name, listed.file.length, now, &mut reading)?;
    }
    let bytes = manifest.encode()?;
    append(&mut archive, &names::manifest(manifest.number), bytes.len() as u64, now, &mut &bytes[..])?;
    let written = archive.into_inner().and_then(|mut writer| writer.flush());
    written.map_err(|error| failed("write the archive", error))?;
    Ok(total)
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    length: u64,
    now: Timestamp,
    content: &mut dyn Read,
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    let named = header.set_path(name);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(length);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(now.0 / 1_000_000).unwrap_or(0));
    header.set_cksum();
    named.and_then(|()| archive.append(&header, content)).map_err(|error| failed("write the archive", error))
}

/// A file on its way into the archive.
struct Reading<'a, 'b> {
    file: Arc<dyn File>,
    name: &'a str,
    at: u64,
    length: u64,
    steps: &'a mut Steps<'b>,
}

impl<'a, 'b> Reading<'a, 'b> {
    fn open(fs: &dyn FileSystem, listed: &'a ListedFile, steps: &'a mut Steps<'b>) -> Result<Reading<'a, 'b>> {
        Ok(Reading { file: open(fs, listed)?, name: &listed.name, at: 0, length: listed.file.length, steps })
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = buffer.len().min((self.length - self.at).min(PIECE_BYTES as u64) as usize);
        let piece = &mut buffer[..count];
        self.file.read_exact_at(piece, self.at).map_err(|error| Error::io("read a file", self.name, error))?;
        self.at += count as u64;
        self.steps.advance(count as u64)?;
        Ok(count)
    }
}

impl Read for Reading<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(io::Error::other)
    }
}

/// The file of an archive, under a name of its own until it is whole. Dropped before that, it is removed.
pub(super) struct Target {
    directory: DiskFs,
    name: String,
    temporary: String,
    file: Arc<dyn File>,
    published: bool,
}

impl Target {
    pub(super) fn create(path: &Path) -> Result<Target> {
        let place = path.display().to_string();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::invalid("this cannot name an archive").at(&*place))?.to_owned();
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = DiskFs::open(directory)
            .map_err(|error| Error::io("open the directory of the archive", directory.display().to_string(), error))?;
        if path.symlink_metadata().is_ok() {
            return Err(taken("there is a file of that name already", &place).mend("name another, or remove it"));
        }
        let temporary = format!("{name}{TEMPORARY}");
        let file = directory.create_new(&temporary).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken("another backup is being written there, or one was killed", &place)
                .mend(format!("wait for it, or remove {temporary}")),
            _ => Error::io("create the archive", &*place, error),
        })?;
        Ok(Target { directory, name, temporary, file, published: false })
    }

    pub(super) fn writer(&self) -> impl Write + '_ {
        FileWriter::new(&*self.file)
    }

    /// Makes the archive appear under its own name, durably.
    pub(super) fn publish(mut self) -> Result<()> {
        let failed = |error| Error::io("make the archive durable", &*self.name, error);
        self.file.sync_all().map_err(failed)?;
        let published = self.directory.publish_new(&self.temporary, &self.name);
        published.map_err(|error| match error {
            PublishError::NotPublished(error) | PublishError::Uncertain(error) => failed(error),
        })?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.published {
            let _ = self.directory.remove(&self.temporary);
        }
    }
}

fn taken(message: &str, place: &str) -> Error {
    Error::new(ErrorKind::Exists, message).at(place)
}

/// Reads an archive that was just written: it must unpack to the files of the store, byte by byte, and these must be what
/// their checksums say.
pub(super) fn compare(
    target: &Target,
    manifest: &Manifest,
    fs: &Arc<dyn FileSystem>,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let files = manifest.files();
    for listed in &files {
        let ListedFile { name, kind, file } = listed;
        Container::open(fs, name, *kind, manifest.store, file, ReadMode::Mmap)?.verify(&Pool::inline())?;
    }
    let mut steps = watch.begin(RescuePhase::Verifying, Some(total_bytes(&files)));
    let mut reader = FileReader::new(Arc::clone(&target.file));
    let found = unpack::entries(&mut reader, &Limits::none(), &mut |name, length, content| {
        let listed = files.iter().find(|listed| listed.name == name && listed.file.length == length);
        let listed = listed.ok_or_else(|| differs(name))?;
        let mut copied = vec![0; PIECE_BYTES.min(length as usize)];
        read(&*open(&**fs, listed)?, listed, &mut |piece| {
            let copied = &mut copied[..piece.len()];
            content.read_exact(copied).map_err(|_| differs(name))?;
            if copied == piece { steps.advance(piece.len() as u64) } else { Err(differs(name)) }
        })
    })?;
    let Unpacked { manifest: unpacked, names } = found;
    if unpacked == *manifest && names.len() == files.len() { Ok(()) } else { Err(differs("the manifest")) }
}

fn differs(name: &str) -> Error {
    Error::corrupt("the archive does not hold what was written to it", name).mend("check the disk and back up again")
}
