//! Backups, restoring them, scrubbing, and salvaging what a crash left.

use std::sync::Arc;

use driftline::fs::{FileSystem, MemoryFs};
use driftline::{
    Clock, Database, ErrorKind, RestoreOptions, Result, SalvageOptions, Timestamp, restore_from, salvage_on,
};

use super::super::reading::read;
use super::super::typed::Typed;
use super::super::world::World;
use super::Run;

/// A backup, and what it must hold.
#[derive(Clone)]
pub(super) struct Kept {
    copy: Backup,
    world: World,
    typed: Typed,
    now: Timestamp,
}

#[derive(Clone)]
enum Backup {
    Files(MemoryFs),
    Archive(Arc<[u8]>),
}

impl Run {
    /// A backup made, an earlier one checked, or the files read.
    pub(super) fn look_after(&mut self) {
        match self.random.below(3) {
            0 => self.back_up(),
            1 => self.check_backup(),
            _ => self.scrub(),
        }
    }

    /// A backup. It is kept through everything that follows, and the next one takes its place.
    fn back_up(&mut self) {
        let archive = self.random.one_in(2);
        self.note(|| format!("back up, as an archive: {archive}"));
        match copy_of(self.db(), archive) {
            Ok(copy) => {
                // It has brought everything into files first.
                self.history.promise_flushed();
                let (world, typed) = (self.live.clone(), self.typed.certain.clone());
                self.backup = Some(Kept { copy, world, typed, now: self.now() });
            }
            Err(error) => self.tolerate(&error),
        }
    }

    /// The newest backup restores to exactly its moment, whatever became of the store since.
    pub(super) fn check_backup(&mut self) {
        let Some(kept) = &self.backup else { return };
        let fs = match &kept.copy {
            Backup::Files(fs) => fs.clone(),
            Backup::Archive(bytes) => {
                let fs = MemoryFs::new();
                restore_from(&bytes[..], Arc::new(fs.clone()), RestoreOptions::new()).expect("a backup is restored");
                fs
            }
        };
        let db = self.read_only(fs);
        let found = read(&db).expect("a backup can be read");
        // The clock may have been set back since, and a backup knows no later time than its own.
        let difference = kept.world.difference(&found, self.clock.now().max(kept.now));
        assert_eq!(difference, None, "a backup is not what it was");
        assert_eq!(Typed::of(&db).expect("a backup can be read"), kept.typed, "a backup is not what it was");
    }

    /// Reads every file once; there is no damage.
    fn scrub(&mut self) {
        self.note(|| "scrub".into());
        let report = self.db().scrub().run().expect("reading goes on");
        // A call that failed may have left a manifest that was never taken into use.
        let explained = |part: &str| self.shape.faults && part == "manifest";
        assert!(report.problems.iter().all(|it| explained(&it.part)), "there is no damage: {:?}", report.problems);
    }

    /// What is saved from the disk as it lies there; none where the store was not made yet, or the end of its log
    /// is torn.
    pub(super) fn salvaged(&self) -> Option<(World, Typed)> {
        let (from, into) = (self.fs.reboot_keeping_all(), MemoryFs::new());
        let report = salvage_on(Arc::new(from), Arc::new(into.clone()), SalvageOptions::new());
        let report = match report {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            report => report.expect("a store can be salvaged"),
        };
        let torn = !report.losses.is_empty();
        let told_torn = report.losses.iter().all(|loss| loss.contains("what stood between LSN"));
        assert!(report.is_complete() || (torn && told_torn), "nothing is damaged: {report:#?}");
        // Of an end of the log that is torn it takes what stands behind the tear, too, and says so.
        if torn {
            return None;
        }
        let db = self.read_only(into);
        let found = read(&db).and_then(|world| Ok((world, Typed::of(&db)?)));
        Some(found.expect("what was salvaged can be read"))
    }

    fn read_only(&self, fs: MemoryFs) -> Database {
        self.options().open_read_only_on(Arc::new(fs) as Arc<dyn FileSystem>).expect("a store that is whole opens")
    }
}

fn copy_of(db: &Database, archive: bool) -> Result<Backup> {
    if archive {
        let mut bytes = Vec::new();
        db.backup().to_writer(&mut bytes)?;
        return Ok(Backup::Archive(bytes.into()));
    }
    let fs = MemoryFs::new();
    db.backup().to_fs(Arc::new(fs.clone()))?;
    Ok(Backup::Files(fs))
}
