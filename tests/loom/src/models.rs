//! Threads that meet, and what must hold however they do.

use std::collections::BTreeSet;
use std::io;

use loom::sync::Arc;
use loom::thread;

use crate::error::{Error, ErrorKind};
use crate::ids::Lsn;
use crate::poison::Poison;
use crate::queue::CommitQueue;
use crate::storage::fs::FileSystem;
use crate::stored_file::{Condemned, StoredFile};
use crate::sync::{AtomicBool, Mutex, Ordering};
use crate::view_cell::{Current, ViewCell};

/// Every request is committed once, by one leader at a time, and gets its own outcome.
pub(crate) fn queue(threads: u64) {
    let queue = Arc::new(CommitQueue::<u64, u64>::default());
    let log = Arc::new((AtomicBool::new(false), Mutex::new(Vec::<u64>::new())));
    let submit = |number: u64| {
        let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
        move || {
            let commit = |requests: Vec<u64>| {
                assert!(!log.0.swap(true, Ordering::Acquire), "two lead at once");
                log.1.lock().extend(&requests);
                log.0.store(false, Ordering::Release);
                requests.iter().map(|request| request * 2).collect()
            };
            assert_eq!(queue.submit(number, 1, commit, || 0), number * 2, "the outcome of another");
        }
    };
    let others: Vec<_> = (2..=threads).map(|number| thread::spawn(submit(number))).collect();
    submit(1)();
    others.into_iter().for_each(|other| other.join().expect("a thread ends"));
    let mut committed = log.1.lock().clone();
    committed.sort_unstable();
    assert_eq!(committed, (1..=threads).collect::<Vec<_>>(), "each request is committed once");
}

/// A leader that answers for fewer than it was given leaves nobody waiting.
pub(crate) fn queue_with_a_lost_request() {
    let queue = Arc::new(CommitQueue::<u64, u64>::default());
    let submit = |queue: &CommitQueue<u64, u64>| {
        let outcome = queue.submit(1, 1, |requests| vec![2; requests.len() - 1], || 99);
        assert!(outcome == 2 || outcome == 99, "an outcome of nobody's");
    };
    let other = thread::spawn({
        let queue = Arc::clone(&queue);
        move || submit(&queue)
    });
    submit(&queue);
    other.join().expect("a thread ends");
}

/// A reader never sees a view without its position, nor a position without its view, and never goes back.
pub(crate) fn view_cell() {
    let first = Current { view: std::sync::Arc::new(1), visible: Lsn(1) };
    let cell = Arc::new(ViewCell::<u64>::new(first));
    let writer = thread::spawn({
        let cell = Arc::clone(&cell);
        move || {
            assert_eq!(*cell.install(2, Lsn(2)), 1, "the view that was replaced");
            cell.advance(Lsn(3));
            // A merge shows other files at no later position.
            assert_eq!(*cell.install(3, Lsn(0)), 2);
        }
    });
    let mut before = (1, 1);
    for _ in 0..2 {
        let current = cell.get();
        let seen = (*current.view, current.visible.0);
        assert!([(1, 1), (2, 2), (2, 3), (3, 3)].contains(&seen), "{seen:?} was never shown");
        assert!(seen >= before, "{seen:?} after {before:?}");
        before = seen;
    }
    writer.join().expect("a thread ends");
    assert_eq!(cell.get().visible, Lsn(3));
}

/// Whoever is refused is told why, and from then on everybody is told the same.
pub(crate) fn poison() {
    let poison = Arc::new(Poison::default());
    let fail = |why: &'static str| {
        let poison = Arc::clone(&poison);
        move || {
            poison.set(&Error::new(ErrorKind::Io, why));
            assert!(poison.check().is_err(), "the one who set it is refused");
        }
    };
    let others = [thread::spawn(fail("one")), thread::spawn(fail("other"))];
    let told = poison.check().map_err(|error| error.to_string());
    others.into_iter().for_each(|other| other.join().expect("a thread ends"));
    let last = poison.check().expect_err("it stays set").to_string();
    assert!(last.contains("one") || last.contains("other"), "{last}");
    assert!(told.is_ok() || told.as_ref() == Err(&last), "{told:?}, and then {last}");
}

/// A directory that says which of its files are there.
#[derive(Debug, Default)]
struct Files(std::sync::Mutex<BTreeSet<String>>);

impl FileSystem for Files {
    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.0.lock().expect("no model goes on after a panic").remove(name);
        assert!(removed, "{name} is removed twice");
        Ok(())
    }
}

/// A file that is condemned while others read it stays until the last of them is gone, and goes then.
pub(crate) fn file() {
    let files = std::sync::Arc::new(Files::default());
    let is_there = {
        let files = std::sync::Arc::clone(&files);
        move || files.0.lock().expect("no model goes on after a panic").contains("seg-1")
    };
    files.0.lock().expect("no model goes on after a panic").insert("seg-1".into());
    let ledger = std::sync::Arc::<Condemned>::default();
    let fs: std::sync::Arc<dyn FileSystem> = files;
    let file = Arc::new(StoredFile::new(&fs, &ledger, "seg-1".into()));
    let read = || {
        let (file, is_there) = (Arc::clone(&file), is_there.clone());
        move || {
            assert!(is_there(), "it went while it was read");
            drop(file);
        }
    };
    let readers = [thread::spawn(read()), thread::spawn(read())];
    file.condemn();
    drop(file);
    readers.into_iter().for_each(|reader| reader.join().expect("a thread ends"));
    assert!(!is_there() && ledger.names().is_empty(), "it stays after its last reader");
}
