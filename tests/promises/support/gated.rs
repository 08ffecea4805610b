//! A file system that stands still, or fails, where a test wants it to.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use driftline::fs::{File, FileSystem, LockGuard, LockMode, Mapping, MemoryFs, PublishError, ReadMode};

/// Asked with a file's name, and may refuse it or stand still.
pub(crate) type Gate = Box<dyn FnMut(&str) -> io::Result<()> + Send>;

/// Asked with a file's name and the bytes that are to be read.
type ReadGate = Arc<Mutex<Option<Box<dyn FnMut(&str, Range<u64>) -> io::Result<()> + Send>>>>;

/// A file system, memory unless another is given, that asks before it creates, opens, reads or removes a file, or says how
/// much is free. What is mapped is not asked about.
pub(crate) struct GatedFs {
    inner: Arc<dyn FileSystem>,
    read: ReadGate,
    create: Mutex<Option<Gate>>,
    open: Mutex<Option<Gate>>,
    remove: Mutex<Option<Gate>>,
    free: Mutex<Option<Gate>>,
}

impl fmt::Debug for GatedFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatedFs")
    }
}

impl GatedFs {
    pub(crate) fn new() -> Arc<GatedFs> {
        GatedFs::over(MemoryFs::new())
    }

    pub(crate) fn over(inner: impl FileSystem + 'static) -> Arc<GatedFs> {
        let (create, open, remove, free) = Default::default();
        Arc::new(GatedFs { inner: Arc::new(inner), read: Arc::default(), create, open, remove, free })
    }

    pub(crate) fn at_read(&self, gate: impl FnMut(&str, Range<u64>) -> io::Result<()> + Send + 'static) {
        *self.read.lock().unwrap() = Some(Box::new(gate));
    }

    pub(crate) fn at_create(&self, gate: impl FnMut(&str) -> io::Result<()> + Send + 'static) {
        *self.create.lock().unwrap() = Some(Box::new(gate));
    }

    pub(crate) fn at_open(&self, gate: impl FnMut(&str) -> io::Result<()> + Send + 'static) {
        *self.open.lock().unwrap() = Some(Box::new(gate));
    }

    pub(crate) fn at_remove(&self, gate: impl FnMut(&str) -> io::Result<()> + Send + 'static) {
        *self.remove.lock().unwrap() = Some(Box::new(gate));
    }

    pub(crate) fn at_free(&self, gate: impl FnMut(&str) -> io::Result<()> + Send + 'static) {
        *self.free.lock().unwrap() = Some(Box::new(gate));
    }
}

/// Asks a gate without holding it, so that others may pass meanwhile.
fn ask(gate: &Mutex<Option<Gate>>, name: &str) -> io::Result<()> {
    let Some(mut asked) = gate.lock().unwrap().take() else { return Ok(()) };
    let answer = asked(name);
    gate.lock().unwrap().get_or_insert(asked);
    answer
}

impl FileSystem for GatedFs {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn File>> {
        ask(&self.create, name)?;
        self.inner.create_new(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        ask(&self.open, name)?;
        Ok(Arc::new(GatedFile { inner: self.inner.open(name)?, name: name.to_owned(), read: self.read.clone() }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        ask(&self.remove, name)?;
        self.inner.remove(name)
    }

    fn publish_new(&self, temporary: &str, name: &str) -> Result<(), PublishError> {
        self.inner.publish_new(temporary, name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.inner.sync_dir()
    }

    fn lock(&self, name: &str, mode: LockMode) -> io::Result<Box<dyn LockGuard>> {
        self.inner.lock(name, mode)
    }

    fn map(&self, name: &str, length: u64, mode: ReadMode) -> io::Result<Mapping> {
        self.inner.map(name, length, mode)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        ask(&self.free, "")?;
        self.inner.free_bytes()
    }
}

/// A file that was opened for reading.
struct GatedFile {
    inner: Arc<dyn File>,
    name: String,
    read: ReadGate,
}

impl fmt::Debug for GatedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatedFile({})", self.name)
    }
}

impl File for GatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(gate) = &mut *self.read.lock().unwrap() {
            gate(&self.name, offset..offset + buffer.len() as u64)?;
        }
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }
}

/// Says when the first file of that kind is asked for, and lets it pass when told to.
pub(crate) fn stop_once(prefix: &'static str) -> (Gate, Receiver<()>, Sender<()>) {
    let (reached, wait_reached) = channel();
    let (go, wait_go) = channel::<()>();
    let mut first = true;
    let gate = move |name: &str| {
        if first && name.starts_with(prefix) {
            first = false;
            reached.send(()).unwrap();
            wait_go.recv().unwrap();
        }
        Ok(())
    };
    (Box::new(gate), wait_reached, go)
}
