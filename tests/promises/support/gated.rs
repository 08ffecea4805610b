//! A file system that stands still, or fails, where a test wants it to.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use driftline::fs::{File, FileSystem, LockGuard, LockMode, Mapping, MemoryFs, PublishError, ReadMode};

/// Asked with a file's name, and may refuse it or stand still.
pub(crate) type Gate = Box<dyn FnMut(&str) -> io::Result<()> + Send>;

/// Memory that asks before it creates, opens or removes a file, or says how much is free.
#[derive(Default)]
pub(crate) struct GatedFs {
    inner: MemoryFs,
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
        Arc::default()
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
        self.inner.open(name)
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
