//! Reading the store whole, closing it, and opening it after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftline::fs::SimulatedFs;
use driftline::{Clock, Database, Error, ErrorKind};

use super::super::reading::{blob, check_files, check_verifies, read, read_table};
use super::super::world::{History, World};
use super::Run;

/// One disk in so many is salvaged beside its recovery.
const SALVAGED: u64 = 32;

impl Run {
    /// Reads one collection whole, or all.
    pub(super) fn check(&mut self) {
        if self.is_off() {
            return;
        }
        self.note(|| "check".into());
        if self.random.one_in(4) {
            return self.check_all();
        }
        let Some((name, collection)) = self.any_table() else { return };
        let expected = &self.live.tables[&name];
        let found = read_table(&collection, &expected.schema).expect("a collection can be read");
        let only = |table| World { tables: BTreeMap::from([(name.clone(), table)]) };
        let difference = only(expected.clone()).difference(&only(found), self.now());
        assert_eq!(difference, None, "what is read is not what was written");
    }

    /// The store shows what was written, and its blobs are there.
    pub(crate) fn check_all(&mut self) {
        let Some(db) = &self.db else { return };
        let found = read(db).expect("an open store can be read");
        let difference = self.live.difference(&found, self.now());
        assert_eq!(difference, None, "what is read is not what was written");
        self.check_typed(db);
        for id in self.certain_blobs() {
            assert_eq!(*blob(db, id).expect("a blob that was stored"), *self.contents[&id], "blob {id}");
        }
    }

    pub(super) fn reopen(&mut self) {
        self.note(|| "close".into());
        if self.random.one_in(4) {
            self.forget();
        } else if let Some(db) = self.db.take() {
            self.snapshots.clear();
            let outcome = db.close();
            // Closing saves the windows of the log first, and a failure of that is told by the flush after it.
            self.poisoned |= self.shape.faults;
            self.flushed_if(outcome);
        }
        self.reopen_live();
    }

    /// Opens the store again where the power is on; a fault may still keep it shut.
    pub(super) fn reopen_live(&mut self) {
        if self.is_off() {
            return;
        }
        self.note(|| "open".into());
        self.forget();
        match self.open() {
            Ok(db) if !self.is_off() => self.adopt(db),
            Ok(_) => {}
            Err(error) => self.tolerate(&error),
        }
    }

    /// Drops the store's handles without closing it in so many words.
    pub(crate) fn forget(&mut self) {
        self.snapshots.clear();
        self.db = None;
    }

    /// Goes on in another directory: this one as a crash left it. The store is not opened.
    pub(crate) fn move_to(&mut self, fs: SimulatedFs, why: &str) {
        self.forget();
        self.note(|| format!("---- {why}"));
        self.fs = fs;
        self.shape.faults = false;
    }

    /// Opens the store that a crash left, and takes what it holds as the beginning of a new history, if the old one
    /// explains it. The store must open, unless the power goes again.
    pub(crate) fn recover(&mut self) {
        // Salvaging reads the same disk, and finds the same.
        let salvaged = self.random.one_in(SALVAGED).then(|| self.salvaged()).flatten();
        match self.open() {
            Ok(db) if !self.is_off() => {
                self.adopt(db);
                if let Some((found, typed)) = salvaged {
                    // Where the clock was set back, a new store does not know yet what the old one saw expire.
                    let found = found.at(self.now());
                    let difference = self.live.clone().without_positions().difference(&found, self.now());
                    assert_eq!(difference, None, "what is salvaged is not what is recovered");
                    assert_eq!(typed, self.typed.certain, "what is salvaged is not what is recovered");
                }
            }
            Ok(_) => {}
            Err(error) => {
                assert!(self.is_off(), "the store does not open after a crash: {error:?}");
                self.tolerate(&error);
            }
        }
    }

    pub(super) fn adopt(&mut self, db: Database) {
        self.poisoned = false;
        let found = read(&db).expect("a store that opens can be read");
        let steps = self.explain(&found);
        // From here on it is known again which time the store holds to.
        self.clock.set(self.now());
        self.opened = self.now();
        let report = db.recovery_report().clone();
        assert!(report.damaged.is_empty() && report.damaged_indexes.is_empty(), "{report:?}");
        self.note(|| format!("  opened with {steps} steps: {report:?}"));
        if !self.shape.faults {
            check_files(&db, &self.fs);
        }
        check_verifies(&db);
        self.adopt_typed(&db);
        self.history = History::new(found.clone());
        self.live = found;
        let tables: BTreeSet<&String> = self.live.tables.keys().collect();
        self.pending.retain(|(table, _), _| tables.contains(table));
        self.fresh.clear();
        for id in self.certain_blobs() {
            assert_eq!(*blob(&db, id).expect("a blob that a record names"), *self.contents[&id], "blob {id}");
        }
        self.db = Some(db);
    }

    /// How many steps of the history leave what was found. Where the clock was set back, a crash may have lost from when:
    /// then any time will do that the clock has shown since.
    fn explain(&self, found: &World) -> usize {
        let latest = self.now();
        let first = self.history.explain(found, latest);
        let earlier = || {
            let times = self.history.expiries().into_iter().chain([self.clock.now()]);
            let times = times.filter(|time| (self.clock.now()..latest).contains(time));
            times.filter_map(|time| self.history.explain(found, time).ok()).next()
        };
        first.unwrap_or_else(|why| {
            earlier().unwrap_or_else(|| panic!("what was found is no beginning of what was done: {why}"))
        })
    }

    /// Closes the store, opens it and finds the same; the power stays on.
    pub(crate) fn reopen_identical(&mut self) {
        let before = self.live.clone();
        if let Some(db) = self.db.take() {
            db.close().expect("a store closes");
        }
        self.history = History::new(before);
        self.history.promise_flushed();
        self.recover();
        let report = self.db().recovery_report();
        assert!(report.clean && report.discarded_bytes == 0, "after a close: {report:?}");
    }

    /// Opens and reads a copy of the store of which reading fails at one place: an answer is right or a typed error.
    pub(crate) fn read_with_failures(&self, copy: &SimulatedFs) {
        let refused = |error: Error| assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Corrupt), "{error:?}");
        for _ in 0..2 {
            let opened = self.options().open_on(Arc::new(copy.clone()));
            let found = opened.and_then(|db| read(&db));
            match found {
                Ok(found) => assert_eq!(self.live.difference(&found, self.now()), None, "a failed read shows"),
                Err(error) => refused(error),
            }
        }
    }

    /// Takes back the planned faults; the store is reopened if it has to be, and must work.
    pub(crate) fn heal(&mut self) {
        self.note(|| "heal".into());
        self.fs.heal();
        self.shape.faults = false;
        if self.poisoned || self.db.is_none() {
            self.check_all();
            self.reopen_live();
        }
        self.check_all();
    }
}
