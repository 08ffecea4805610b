//! Imports, with and without a name.

use driftline::{Import, ImportStart};

use super::super::world::Change;
use super::records::{set_lsn, summary};
use super::{Pending, Run};

impl Run {
    /// An import, now and then with another write in between, now and then given up.
    pub(super) fn import(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        self.note(|| format!("import into {name}"));
        let mut import = match collection.import() {
            Ok(import) => import,
            Err(error) => return self.tolerate(&error),
        };
        let lsn = import.lsn();
        let mut changes = Vec::new();
        for _ in 0..1 + self.random.below(12) {
            let (record, row) = self.any_record(&name);
            changes.push(Change::Put(name.clone(), record.key.clone(), row));
            if let Err(error) = import.put(record) {
                return self.tolerate(&error);
            }
        }
        match self.random.below(8) {
            0 => return self.note(|| "  import given up".into()),
            1 => self.put(),
            _ => {}
        }
        if !self.live.tables.contains_key(&name) || self.is_off() {
            return;
        }
        let outcome = import.finish();
        if let Ok(commit) = &outcome {
            assert!(commit.lsn > lsn, "an import appears after it was begun");
            set_lsn(&mut changes, lsn);
        }
        self.note(|| format!("  finish import: {}", summary(&changes)));
        self.settle(changes, true, outcome.map(drop));
    }

    /// An import with a name: it goes on where the last one of that name ended, and is finished, discarded or left.
    pub(super) fn resume_import(&mut self) {
        let Some((table, collection)) = self.any_table() else { return };
        let name = ["a", "b"][self.random.below(2) as usize];
        let import = match collection.resume_import(name, "it") {
            Ok(import) => import,
            Err(error) => return self.tolerate(&error),
        };
        self.note(|| format!("import {name} into {table}: {:?}", import.start()));
        assert!(!matches!(import.start(), ImportStart::Restarted { .. }), "an import lost what it had sealed");
        let of = (table.clone(), name.to_owned());
        let mut pending = self.pending.remove(&of).unwrap_or_default();
        let found = import.rows() as usize;
        assert!((pending.promised..=pending.changes.len()).contains(&found), "{found} rows are in the import {name}");
        pending.changes.truncate(found);
        pending.promised = found;
        if let Some(left) = self.go_on(import, pending, &table) {
            self.pending.insert(of, left);
        }
    }

    /// Puts some records; returns what may be there when the import is resumed, unless it ended.
    pub(super) fn go_on(&mut self, mut import: Import, mut pending: Pending, table: &str) -> Option<Pending> {
        for _ in 0..1 + self.random.below(6) {
            let (record, row) = self.any_record(table);
            let record = record.created_at(row.created);
            pending.changes.push(Change::Put(table.into(), record.key.clone(), row));
            let mut done = import.put(record);
            if done.is_ok() && self.random.one_in(3) {
                self.note(|| "  checkpoint".into());
                done = import.checkpoint().inspect(|()| pending.promised = pending.changes.len());
            }
            if let Err(error) = done {
                self.tolerate(&error);
                return Some(pending);
            }
        }
        match self.random.below(6) {
            0..3 => Some(pending),
            3 => {
                self.note(|| "  discard".into());
                let error = import.discard().err()?;
                self.tolerate(&error);
                Some(Pending { promised: 0, ..pending })
            }
            _ => {
                let lsn = import.lsn();
                set_lsn(&mut pending.changes, lsn);
                self.note(|| format!("  finish: {}", summary(&pending.changes)));
                let outcome = import.finish().map(drop);
                let ended = outcome.is_ok();
                let changes = pending.changes.clone();
                self.settle(changes, true, outcome);
                (!ended).then_some(Pending { promised: 0, ..pending })
            }
        }
    }
}
