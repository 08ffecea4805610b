//! A directory on a disk. For Unix, whose calls it relies on: positional reads and writes, directories that can be
//! synced, renames that are atomic.
#![expect(clippy::disallowed_methods, reason = "the one place that goes to the operating system's files")]

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;

use super::{
    File, FileSystem, LockGuard, LockMode, Mapping, PublishError, ReadMode, check_name, end_of, rename_failed,
    write_zeros,
};

/// A directory on a disk.
///
/// It should hold one store and nothing else, and belong to the user who runs the program. Links in it are never
/// followed.
pub struct DiskFs {
    /// As the caller wrote it.
    shown: PathBuf,
    /// As resolved once, so that a later change of the working directory or of a link does not move the store.
    path: PathBuf,
    /// The directory itself, open for syncing it.
    directory: fs::File,
    writable: bool,
}

impl DiskFs {
    /// Opens the directory `path`; `NotFound` where there is none.
    pub fn open(path: impl AsRef<Path>) -> io::Result<DiskFs> {
        DiskFs::resolve(path.as_ref(), true)
    }

    /// Opens the directory `path`, and creates it, durably and for this user alone, where there is none.
    pub fn open_or_create(path: impl AsRef<Path>) -> io::Result<DiskFs> {
        let path = path.as_ref();
        let missing = path.ancestors().take_while(|path| is_missing(path)).count();
        if missing > 0 {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        }
        let opened = DiskFs::resolve(path, true)?;
        // A directory that was there already may have been made by a process that died before this very sync.
        for parent in opened.path.ancestors().skip(1).take(missing.max(1)) {
            sync_directory_above(parent)?;
        }
        Ok(opened)
    }

    /// Opens the directory `path` without ever creating, writing or removing anything in it: such calls answer
    /// `ReadOnlyFilesystem`. Needs no permission to write.
    pub fn open_read_only(path: impl AsRef<Path>) -> io::Result<DiskFs> {
        DiskFs::resolve(path.as_ref(), false)
    }

    fn resolve(path: &Path, writable: bool) -> io::Result<DiskFs> {
        let resolved = fs::canonicalize(path)?;
        let directory = fs::File::open(&resolved)?;
        if !directory.metadata()?.is_dir() {
            let why = format!("{} is a file, not a directory", path.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, why));
        }
        Ok(DiskFs { shown: path.to_owned(), path: resolved, directory, writable })
    }

    /// Where `name` is.
    fn place(&self, name: &str) -> io::Result<PathBuf> {
        check_name(name)?;
        Ok(self.path.join(name))
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.writable {
            true => Ok(()),
            false => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    /// Opens what is at `path` if that is a regular file. Looking first keeps an `open` from waiting at a pipe; the
    /// flag in [`options`] covers a link that takes the file's place in between.
    fn open_regular(&self, path: &Path, options: &OpenOptions) -> io::Result<fs::File> {
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(not_regular(path));
        }
        let file = options.open(path)?;
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(not_regular(path)),
        }
    }

    fn open_lock(&self, path: &Path, mode: LockMode) -> io::Result<fs::File> {
        if mode == LockMode::Shared {
            return self.open_regular(path, options().read(true));
        }
        self.check_writable()?;
        match options().read(true).write(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.open_regular(path, options().read(true).write(true))
            }
            created => created,
        }
    }
}

impl FileSystem for DiskFs {
    fn location(&self) -> String {
        self.shown.display().to_string()
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let path = self.place(name)?;
        self.check_writable()?;
        let file = options().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let path = self.place(name)?;
        Ok(Arc::new(DiskFile(self.open_regular(&path, options().read(true))?)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.place(name)?;
        self.check_writable()?;
        fs::remove_file(path)
    }

    fn publish_new(&self, temporary: &str, name: &str) -> Result<(), PublishError> {
        let places = || -> io::Result<(PathBuf, PathBuf)> {
            let places = (self.place(temporary)?, self.place(name)?);
            self.check_writable()?;
            // Looking and renaming are two steps; the store's exclusive lock keeps others from coming in between.
            match fs::symlink_metadata(&places.1) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(places),
                Err(error) => Err(error),
            }
        };
        let (from, to) = places().map_err(PublishError::NotPublished)?;
        fs::rename(from, to).map_err(rename_failed)?;
        self.sync_dir().map_err(PublishError::Uncertain)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.check_writable()?;
        self.directory.sync_all()
    }

    fn lock(&self, name: &str, mode: LockMode) -> io::Result<Box<dyn LockGuard>> {
        let file = self.open_lock(&self.place(name)?, mode)?;
        let taken = match mode {
            LockMode::Exclusive => file.try_lock(),
            LockMode::Shared => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held_by_another(&file)),
            // This includes `Unsupported`: without a lock, two writers would destroy each other's work.
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if mode == LockMode::Exclusive {
            // Only for the message to others, so a full disk is no reason to refuse.
            _ = file.set_len(0).and_then(|()| file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0));
        }
        Ok(Box::new(Held { file, mode, process: std::process::id() }))
    }

    fn map(&self, name: &str, length: u64, mode: ReadMode) -> io::Result<Mapping> {
        let file = self.open_regular(&self.place(name)?, options().read(true))?;
        if file.metadata()?.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if mode == ReadMode::Mmap
            && let Ok(mapping) = Mapping::map(&file, length)
        {
            return Ok(mapping);
        }
        Mapping::filled(length, |buffer| file.read_exact_at(buffer, 0))
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let state = rustix::fs::fstatvfs(&self.directory)?;
        Ok(Some(state.f_bavail.saturating_mul(state.f_frsize)))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn link_from(&self, other: &dyn FileSystem, name: &str) -> io::Result<()> {
        let to = self.place(name)?;
        self.check_writable()?;
        let from = other.path().ok_or(io::ErrorKind::Unsupported)?.join(name);
        if !fs::symlink_metadata(&from)?.is_file() {
            return Err(not_regular(&from));
        }
        fs::hard_link(from, to)
    }
}

impl fmt::Debug for DiskFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskFs").field("path", &self.path).field("writable", &self.writable).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct DiskFile(fs::File);

impl File for DiskFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            // Past the largest offset there is nothing to read, and the system would call it a mistake.
            let Some(at) = offset.checked_add(done as u64).filter(|&at| i64::try_from(at).is_ok()) else { break };
            match self.0.read_at(&mut buffer[done..], at) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        end_of(offset, bytes)?;
        self.0.write_all_at(bytes, offset)
    }

    fn reserve(&self, start: u64, end: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), start, end.saturating_sub(start)) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                write_zeros(&|zeros, at| self.write_at(zeros, at), start, end)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// The lock is given back when this is dropped. The file itself stays: removing it would let two holders lock two files
/// of the same name.
#[derive(Debug)]
struct Held {
    file: fs::File,
    mode: LockMode,
    process: u32,
}

impl LockGuard for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        // A forked child that drops its copy must leave the lock with its parent.
        if self.process != std::process::id() {
            return;
        }
        if self.mode == LockMode::Exclusive {
            _ = self.file.set_len(0);
        }
        // Closing the file alone would not do: a child that another thread is just starting holds a copy of it until
        // its program begins, and the lock with it.
        _ = self.file.unlock();
    }
}

/// How every file is opened: for this user alone, and never through a link.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    options
}

fn not_regular(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a regular file", path.display()))
}

fn is_missing(path: &Path) -> bool {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Syncs a directory above ours, unless its owner keeps us from opening it; then we cannot have changed it either.
fn sync_directory_above(path: &Path) -> io::Result<()> {
    match fs::File::open(path) {
        Ok(directory) => directory.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// Names the writer that left its process id in the lock file, where there is one.
fn held_by_another(file: &fs::File) -> io::Error {
    let mut text = [0; 20];
    let count = file.read_at(&mut text, 0).unwrap_or(0);
    let process = std::str::from_utf8(&text[..count]).ok().and_then(|text| text.trim_end().parse::<u32>().ok());
    let why = match process {
        Some(id) => format!("held by process {id}"),
        None => "held by another handle or process".to_owned(),
    };
    io::Error::new(io::ErrorKind::WouldBlock, why)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn snapshot(path: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
        let fs = DiskFs::open_read_only(path).unwrap();
        let state = |name: String| {
            let path = path.join(&name);
            (name, fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap())
        };
        fs.list().unwrap().into_iter().map(state).collect()
    }

    #[test]
    fn behaves_as_every_file_system() {
        let homes = crate::sync::Mutex::new(Vec::new());
        super::super::conformance::check(&|| {
            let home = TempDir::new().unwrap();
            let fs = DiskFs::open(home.path()).unwrap();
            homes.lock().push(home);
            Arc::new(fs)
        });
    }

    #[test]
    fn what_it_creates_is_private() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("deep/store");
        assert_eq!(DiskFs::open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let fs = DiskFs::open_or_create(&path).unwrap();
        assert_eq!(fs.location(), path.display().to_string());
        fs.create_new("a").unwrap();
        let _held = fs.lock("LOCK", LockMode::Exclusive).unwrap();
        assert_eq!((mode_of(&path), mode_of(&path.join("a")), mode_of(&path.join("LOCK"))), (0o700, 0o600, 0o600));
        DiskFs::open_or_create(&path).unwrap();
        assert!(fs.free_bytes().unwrap().unwrap() > 0);
    }

    #[test]
    fn a_file_is_not_a_directory() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("file");
        fs::write(&path, b"").unwrap();
        for refused in [DiskFs::open(&path), DiskFs::open_or_create(&path), DiskFs::open_read_only(&path)] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::NotADirectory);
        }
    }

    #[test]
    fn links_and_folders_are_neither_listed_nor_opened_nor_replaced() {
        let home = TempDir::new().unwrap();
        let outside = home.path().join("outside");
        fs::write(&outside, b"secret").unwrap();
        let fs = DiskFs::open_or_create(home.path().join("store")).unwrap();
        symlink(&outside, fs.path.join("link")).unwrap();
        symlink(home.path().join("nothing"), fs.path.join("dangling")).unwrap();
        fs::create_dir(fs.path.join("folder")).unwrap();
        rustix::fs::mknodat(
            &fs.directory,
            "pipe",
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();

        assert!(fs.list().unwrap().is_empty());
        let temporary = fs.create_new("m.tmp").unwrap();
        temporary.sync_all().unwrap();
        for name in ["link", "dangling", "folder", "pipe"] {
            assert_eq!(fs.open(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
            assert_eq!(fs.map(name, 0, ReadMode::Mmap).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
            assert_eq!(fs.create_new(name).unwrap_err().kind(), io::ErrorKind::AlreadyExists, "{name}");
            for mode in [LockMode::Exclusive, LockMode::Shared] {
                assert_eq!(fs.lock(name, mode).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
            }
            assert!(matches!(fs.publish_new("m.tmp", name), Err(PublishError::NotPublished(_))), "{name}");
        }
        assert_eq!(fs::read(&outside).unwrap(), b"secret");
        assert!(!home.path().join("nothing").exists());
    }

    #[test]
    fn opened_for_reading_only_it_changes_nothing() {
        let home = TempDir::new().unwrap();
        let writer = DiskFs::open(home.path()).unwrap();
        writer.create_new("a").unwrap().write_at(b"kept", 0).unwrap();
        drop(writer.lock("LOCK", LockMode::Exclusive).unwrap());
        fs::set_permissions(home.path().join("LOCK"), fs::Permissions::from_mode(0o400)).unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let before = snapshot(home.path());

        let fs = DiskFs::open_read_only(home.path()).unwrap();
        let read_only = io::ErrorKind::ReadOnlyFilesystem;
        let _held = fs.lock("LOCK", LockMode::Shared).unwrap();
        assert_eq!(fs.create_new("b").unwrap_err().kind(), read_only);
        assert_eq!(fs.remove("a").unwrap_err().kind(), read_only);
        assert_eq!(fs.sync_dir().unwrap_err().kind(), read_only);
        assert_eq!(fs.lock("LOCK", LockMode::Exclusive).unwrap_err().kind(), read_only);
        assert!(matches!(fs.publish_new("a", "b"), Err(PublishError::NotPublished(e)) if e.kind() == read_only));
        assert_eq!(&*fs.map("a", 4, ReadMode::Mmap).unwrap(), b"kept");

        assert_eq!(snapshot(home.path()), before);
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn a_refused_lock_names_its_holder() {
        let home = TempDir::new().unwrap();
        let (one, two) = (DiskFs::open(home.path()).unwrap(), DiskFs::open(home.path()).unwrap());
        let held = one.lock("LOCK", LockMode::Exclusive).unwrap();
        let refused = two.lock("LOCK", LockMode::Shared).unwrap_err();
        assert_eq!(refused.to_string(), format!("held by process {}", std::process::id()));
        drop(held);
        let _reader = two.lock("LOCK", LockMode::Shared).unwrap();
        let refused = one.lock("LOCK", LockMode::Exclusive).unwrap_err();
        assert_eq!(refused.to_string(), "held by another handle or process");
    }
}
