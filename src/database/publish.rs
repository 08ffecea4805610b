//! Publishing a manifest: the only commit point for everything but the log.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::database::engine::{Engine, LogState};
use crate::error::{ErrorKind, Result};
use crate::ids::{CollectionId, FileId, Lsn};
use crate::storage::manifest::{Manifest, PublishFailure};
use crate::storage::names;
use crate::storage::wal::{Room, WalRef, WalWriter};
use crate::sync::Ordering;

/// From where on the log is still needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogFloor {
    pub(crate) at: Lsn,
    /// The same without the damaged collections.
    usable: Lsn,
    /// Where the log ends.
    pub(crate) next: Lsn,
}

impl Engine {
    /// Publishes the manifest that `edit` makes of the present one. When it returns an error that is not
    /// `OutcomeUnknown`, nothing has changed; after `OutcomeUnknown` the store is poisoned.
    pub(crate) fn publish(&self, edit: impl FnOnce(&mut Manifest)) -> Result<()> {
        self.publish_in(Room::Ordinary, edit)
    }

    /// The same for a change that frees room: it may take what was set aside.
    pub(crate) fn publish_freeing(&self, edit: impl FnOnce(&mut Manifest)) -> Result<()> {
        self.publish_in(Room::Reserve, edit)
    }

    fn publish_in(&self, room: Room, edit: impl FnOnce(&mut Manifest)) -> Result<()> {
        self.poison.check()?;
        let mut manifest = self.manifest.lock();
        self.check_locked()?;
        let mut next = manifest.clone();
        next.number += 1;
        edit(&mut next);
        next.next_file = next.next_file.max(self.next_file.load(Ordering::Relaxed));
        next.newest_time = next.newest_time.max(self.newest_time.load(Ordering::Relaxed));
        next.last_lsn = next.last_lsn.max(self.vouched_for(next.logs.is_empty()));
        match room {
            Room::Ordinary => self.write_manifest(&next)?,
            Room::Reserve => self.with_last_room(|| self.write_manifest(&next))?,
        }
        // An old manifest that stays is swept at the next opening.
        let _ = self.opener.fs.remove(&names::manifest(manifest.number));
        *manifest = next;
        Ok(())
    }

    fn write_manifest(&self, next: &Manifest) -> Result<()> {
        next.publish(&*self.opener.fs).map_err(|failure| match failure {
            PublishFailure::NotPublished(error) => error,
            PublishFailure::Uncertain(error) => {
                self.poison.set(&error);
                error.into_kind(ErrorKind::OutcomeUnknown).mend("close the store, open it again and look")
            }
        })
    }

    /// Up to where a recovery must come: with logs, to what they hold, which imports are not part of.
    fn vouched_for(&self, no_logs: bool) -> Lsn {
        if no_logs { self.durable() } else { Lsn(self.logged.load(Ordering::Acquire)) }
    }

    /// Makes sure there is a log with room: the first after opening, or the next when the present one is full.
    pub(crate) fn prepare_log(&self, log: &mut LogState, room: Room) -> Result<()> {
        if log.writer.as_ref().is_some_and(|writer| writer.bytes() < self.options.log_file_bytes) {
            return Ok(());
        }
        match room {
            Room::Reserve => self.with_last_room(|| self.begin_log(log)),
            Room::Ordinary => {
                self.set_room_aside();
                self.begin_log(log)
            }
        }
    }

    fn begin_log(&self, log: &mut LogState) -> Result<()> {
        self.sync_log(log)?;
        let previous = log.writer.as_ref().map(WalWriter::last).or(log.recovered_tail);
        let reference = WalRef { file: self.next_file(), salt: self.random.lock().draw(), first_lsn: log.next_lsn };
        let fs = &self.opener.fs;
        let writer = WalWriter::create(&**fs, reference, self.opener.store, previous)?;
        let full = self.manifest.lock().logs.last().map(|log| log.file).zip(log.writer.as_ref().map(WalWriter::bytes));
        let published = self.publish(|manifest| manifest.logs.push(reference));
        if let Err(error) = published {
            if error.kind() != ErrorKind::OutcomeUnknown {
                let _ = fs.remove(&names::wal(reference.file));
            }
            return Err(error);
        }
        log.writer = Some(writer);
        self.count_logs(|logs| logs.extend(full));
        Ok(())
    }

    /// Changes which full logs count against the budget.
    fn count_logs(&self, change: impl FnOnce(&mut BTreeMap<FileId, u64>)) {
        let mut logs = self.full_logs.lock();
        change(&mut logs);
        self.pressure.log_bytes.store(logs.values().sum(), Ordering::Relaxed);
    }

    /// Syncs what the log holds. A failure poisons the store: what is on disk is no longer known.
    pub(crate) fn sync_log(&self, log: &mut LogState) -> Result<()> {
        let Some(writer) = &mut log.writer else { return Ok(()) };
        let (start, before) = (Instant::now(), writer.durable());
        if let Err(error) = writer.sync() {
            self.poison.set(&error);
            return Err(error.into_kind(ErrorKind::OutcomeUnknown).mend("close the store, open it again and look"));
        }
        if writer.durable() > before {
            self.meters.log_sync.observe(start.elapsed());
        }
        self.durable.fetch_max(writer.durable().0, Ordering::AcqRel);
        self.logged.fetch_max(writer.durable().0, Ordering::AcqRel);
        log.sync_due = None;
        Ok(())
    }

    /// From where on the log is needed by collections other than those `flushed`. The caller holds the commit lock.
    pub(crate) fn log_floor(&self, flushed: impl Fn(CollectionId) -> bool, next: Lsn) -> LogFloor {
        let view = self.current().view;
        let needed = |damaged: bool| {
            let logged = view.collections.values().filter(|collection| !collection.schema.is_ephemeral());
            let needed = logged.filter(|it| !flushed(it.id) && it.damage.is_some() == damaged);
            let first = needed.flat_map(|it| it.in_memory().filter_map(|segment| segment.first_lsn()).min());
            first.min().unwrap_or(next)
        };
        let usable = needed(false);
        LogFloor { at: usable.min(needed(true)), usable, next }
    }

    /// Removes the files of logs that the published manifest no longer lists, and counts against the budget only those
    /// that usable collections still need: the others nothing can let go.
    pub(crate) fn remove_logs(&self, gone: &[WalRef], floor: &LogFloor) {
        let listed = self.manifest.lock().logs.clone();
        let (needed, _) = split_logs(&listed, floor.usable, false, floor.next);
        self.count_logs(|logs| logs.retain(|file, _| needed.iter().any(|log| log.file == *file)));
        for log in gone {
            // What stays is swept at the next opening.
            let _ = self.opener.fs.remove(&names::wal(log.file));
        }
    }
}

/// Splits the listed logs into those that hold something from `floor` on, and those that do not. The last one is
/// being written and stays, unless the store is `closing`.
pub(crate) fn split_logs(logs: &[WalRef], floor: Lsn, closing: bool, next: Lsn) -> (Vec<WalRef>, Vec<WalRef>) {
    let end_of = |number: usize| match logs.get(number + 1) {
        Some(following) => following.first_lsn,
        None if closing => next,
        None => Lsn(u64::MAX),
    };
    let numbered = logs.iter().enumerate().map(|(number, log)| (end_of(number), *log));
    let (kept, gone): (Vec<_>, Vec<_>) = numbered.partition(|(end, _)| *end > floor);
    let logs_of = |pairs: Vec<(Lsn, WalRef)>| pairs.into_iter().map(|(_, log)| log).collect();
    (logs_of(kept), logs_of(gone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FileId;

    fn log(file: u64, first_lsn: u64) -> WalRef {
        WalRef { file: FileId(file), salt: 0, first_lsn: Lsn(first_lsn) }
    }

    #[test]
    fn a_log_goes_when_all_of_it_is_in_files() {
        let logs = [log(1, 1), log(2, 10), log(3, 20)];
        let gone = |floor, closing| split_logs(&logs, Lsn(floor), closing, Lsn(25)).1;
        assert_eq!(gone(9, false), []);
        assert_eq!(gone(10, false), [log(1, 1)]);
        assert_eq!(gone(25, false), [log(1, 1), log(2, 10)]);
        assert_eq!(gone(24, true), [log(1, 1), log(2, 10)]);
        assert_eq!(gone(25, true), logs);
    }
}
