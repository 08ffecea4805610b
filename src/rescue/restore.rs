//! Restoring a backup into a new directory.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::copy::{Copied, PIECE_BYTES, Sharing, Writing, bring, total_bytes};
use super::new_store::NewStore;
use super::progress::{RescuePhase, RescueProgress, Steps, Watch};
use super::stream::{FileReader, failed};
use super::unpack::{self, Limits, Unpacked};
use crate::database::cancel::CancelToken;
use crate::database::options::Options;
use crate::database::verify::VerifyLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Lsn;
use crate::storage::fs::{DiskFs, File, FileSystem, LockMode};
use crate::storage::manifest::{ListedFile, Manifest};
use crate::storage::names;

/// How a backup is restored. The defaults suit every backup.
#[derive(Debug, Default)]
#[must_use]
pub struct RestoreOptions<'a> {
    max_bytes: Option<u64>,
    max_file_bytes: Option<u64>,
    level: VerifyLevel,
    watch: Watch<'a>,
}

impl<'a> RestoreOptions<'a> {
    /// The defaults.
    pub fn new() -> RestoreOptions<'a> {
        RestoreOptions::default()
    }

    /// The most bytes that all files together may take. Default: the length of the archive, where it is a file, and what
    /// is free on the disk. An archive that claims more is refused before more is written.
    pub fn max_bytes(mut self, bytes: u64) -> RestoreOptions<'a> {
        self.max_bytes = Some(bytes);
        self
    }

    /// The most bytes that one file may take. Default: as many as all of them.
    pub fn max_file_bytes(mut self, bytes: u64) -> RestoreOptions<'a> {
        self.max_file_bytes = Some(bytes);
        self
    }

    /// How what was restored is checked before it is said to be done. Default [`VerifyLevel::Full`]: every byte and every
    /// record.
    pub fn verify(mut self, level: VerifyLevel) -> RestoreOptions<'a> {
        self.level = level;
        self
    }

    /// Ends it with `Cancelled` when the token says so; what was written is removed.
    pub fn cancel(mut self, token: &CancelToken) -> RestoreOptions<'a> {
        self.watch.cancel = token.clone();
        self
    }

    /// Tells `tell` how far it is, about every MiB.
    pub fn progress(mut self, tell: impl FnMut(RescueProgress) + 'a) -> RestoreOptions<'a> {
        self.watch.tell = Some(Box::new(tell));
        self
    }
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The position up to which the store holds everything.
    pub lsn: Lsn,
    /// Its collections.
    pub collections: u64,
    /// Its records; 0 when it was not verified in full.
    pub records: u64,
    /// Files, the manifest not counted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

/// Restores a backup, an archive or a directory, into the directory `into`, which must be empty or not there.
///
/// The files become a store when all of them are written and durable; then it is verified. When anything fails, what was
/// written is removed. The backup is only read, and its files are copied, never shared.
///
/// Nothing in an archive is believed. Its entries must be plain files with names that stores give their files, once each,
/// exactly those that its manifest lists, within the limits of `options`; anything else is refused: paths, `..`, links,
/// devices, other names, an archive that was cut short. That keeps a hostile archive inside the new directory. It does
/// not make its records true: checksums can be made by anyone.
pub fn restore(from: impl AsRef<Path>, into: impl AsRef<Path>, options: RestoreOptions<'_>) -> Result<RestoreReport> {
    let (from, into) = (from.as_ref(), into.as_ref());
    let place = from.display().to_string();
    let metadata = from.metadata().map_err(|error| Error::io("open the backup", &*place, error))?;
    if metadata.is_dir() {
        let source = DiskFs::open_read_only(from).map_err(|error| Error::io("open the backup", place, error))?;
        return from_directory(&source, || NewStore::in_directory(into), options);
    }
    let opened = open_archive(from).map_err(|error| Error::io("open the archive", place, error))?;
    let max_bytes = options.max_bytes.or(Some(metadata.len()));
    from_archive(&mut FileReader::new(opened), NewStore::in_directory(into)?, RestoreOptions { max_bytes, ..options })
}

/// Restores an archive that `reader` gives, from a pipe for example, onto a file system of any kind, which must be empty.
/// Otherwise like [`restore`].
pub fn restore_from(
    mut reader: impl Read,
    into: Arc<dyn FileSystem>,
    options: RestoreOptions<'_>,
) -> Result<RestoreReport> {
    from_archive(&mut reader, NewStore::on(into)?, options)
}

/// Opens the file, wherever links lead to it.
fn open_archive(path: &Path) -> io::Result<Arc<dyn File>> {
    let path = path.canonicalize()?;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    DiskFs::open_read_only(directory)?.open(name)
}

fn from_archive(reader: &mut dyn Read, target: NewStore, mut options: RestoreOptions<'_>) -> Result<RestoreReport> {
    let start = Instant::now();
    let limits = limits(&options, &**target.fs())?;
    let mut steps = options.watch.begin(RescuePhase::Copying, options.max_bytes);
    let unpacked = unpack::entries(reader, &limits, &mut |name, _, content| {
        write_file(&**target.fs(), name, content, &mut steps)
    })?;
    let Unpacked { manifest, names } = unpacked;
    let bytes = names.values().sum();
    finish(target, &manifest, bytes, options, start)
}

/// What may be written, as far as nobody has said so.
fn limits(options: &RestoreOptions<'_>, fs: &dyn FileSystem) -> Result<Limits> {
    let free = fs.free_bytes().map_err(|error| Error::io("ask for room", fs.location(), error))?.unwrap_or(u64::MAX);
    let bytes = options.max_bytes.unwrap_or(u64::MAX).min(free);
    Ok(Limits { bytes, file_bytes: options.max_file_bytes.unwrap_or(bytes).min(bytes) })
}

fn write_file(fs: &dyn FileSystem, name: &str, content: &mut dyn Read, steps: &mut Steps<'_>) -> Result<()> {
    let place = format!("{}/{name}", fs.location());
    let file = fs.create_new(name).map_err(|error| Error::io("create a file", &*place, error))?;
    let mut writing = Writing::new(&*file, place);
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return writing.sync(),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed("read the archive", error)),
        };
        writing.write(&buffer[..count])?;
        steps.advance(count as u64)?;
    }
}

/// Copies a store that was closed, or that a backup has made.
fn from_directory(
    from: &dyn FileSystem,
    target: impl FnOnce() -> Result<NewStore>,
    mut options: RestoreOptions<'_>,
) -> Result<RestoreReport> {
    let start = Instant::now();
    let no_backup = |what: &str| Error::corrupt(what, from.location()).mend("name the directory of a backup");
    let _lock = from.lock(names::LOCK, LockMode::Shared).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => no_backup("this is no backup"),
        io::ErrorKind::WouldBlock => Error::new(ErrorKind::Locked, "the directory is open for writing")
            .at(from.location())
            .mend("close it there, or back that store up"),
        _ => Error::io("take the lock", from.location(), error),
    })?;
    let mut manifest = Manifest::load(from)?.ok_or_else(|| no_backup("the backup has no manifest: it is not whole"))?;
    if !manifest.logs.is_empty() {
        return Err(Error::invalid("this is a store that was not closed, and no backup")
            .at(from.location())
            .mend("open it and close it first, or back it up"));
    }
    manifest.imports.clear();
    let files = manifest.files();
    let target = target()?;
    check_room(&limits(&options, &**target.fs())?, &files)?;
    let mut steps = options.watch.begin(RescuePhase::Copying, Some(total_bytes(&files)));
    let mut copied = Copied::default();
    for listed in &files {
        bring(listed, from, &**target.fs(), Sharing::Never, &mut copied, &mut steps)?;
    }
    finish(target, &manifest, copied.copied_bytes, options, start)
}

fn check_room(limits: &Limits, files: &[ListedFile]) -> Result<()> {
    let total = total_bytes(files);
    let largest = files.iter().map(|listed| listed.file.length).max().unwrap_or(0);
    if total <= limits.bytes && largest <= limits.file_bytes {
        return Ok(());
    }
    Err(Error::new(ErrorKind::DiskFull, format!("the backup has {total} bytes, more than are free or allowed"))
        .mend("free some space, or allow more with RestoreOptions"))
}

fn finish(
    mut target: NewStore,
    manifest: &Manifest,
    bytes: u64,
    mut options: RestoreOptions<'_>,
    start: Instant,
) -> Result<RestoreReport> {
    target.publish(manifest)?;
    options.watch.begin(RescuePhase::Verifying, None).advance(0)?;
    let verified = target.check(&Options::new(), options.level, &options.watch.cancel)?;
    target.finish();
    Ok(RestoreReport {
        lsn: manifest.last_lsn,
        collections: manifest.collections.len() as u64,
        records: verified.records,
        files: manifest.files().len() as u64,
        bytes,
        elapsed: start.elapsed(),
    })
}
