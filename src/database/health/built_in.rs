//! The engine's own checks.

use std::time::Instant;

use super::report::{CheckResult, Failing, Severity};
use crate::database::commit::MAX_SEGMENTS;
use crate::database::damage;
use crate::database::engine::{Access, Engine};
use crate::sync::Ordering;

/// What a check finds.
type Found = Result<String, Failing>;

/// Their names, which the application's checks must not have.
pub(super) const NAMES: [&str; 11] = [
    "responding",
    "directory",
    "writable",
    "collections",
    "disk_space",
    "log",
    "indexes",
    "index_lag",
    "maintenance",
    "segments",
    "checksums",
];

impl Engine {
    pub(super) fn built_in_checks(&self, until: Option<Instant>) -> Vec<CheckResult> {
        let critical = |name, found| CheckResult::new(name, Severity::Critical, found);
        let minor = |name, found| CheckResult::new(name, Severity::Minor, found);
        let responding = self.responding(until);
        let answers = responding.passed();
        let mut checks = vec![
            responding,
            critical("writable", self.writable()),
            critical("collections", self.sound_collections()),
            minor("disk_space", self.disk_space()),
            minor("log", self.log_size()),
            minor("indexes", self.sound_indexes()),
            minor("index_lag", self.indexed()),
            minor("maintenance", self.maintained()),
            minor("segments", self.merged()),
            minor("checksums", self.checksums()),
        ];
        // It waits for the manifest, and would wait as long as that is held.
        if answers {
            checks.insert(1, critical("directory", self.directory()));
        }
        checks
    }

    /// Whether the locks that every write takes can be had.
    pub(crate) fn responding(&self, until: Option<Instant>) -> CheckResult {
        let had = match until {
            Some(until) => {
                let log = self.log.try_lock_until(until).is_some();
                log && self.manifest.try_lock_until(until).is_some()
            }
            None => self.log.try_lock().is_some(),
        };
        let found = match had {
            true => Ok("the store answers".into()),
            false => Err(Failing::new(
                "a write has held the store's locks for as long as this check may take",
                "look whether the disk answers; restart the process where it does not",
            )),
        };
        CheckResult::new("responding", Severity::Critical, found)
    }

    /// The directory and the manifest in it, both copies.
    fn directory(&self) -> Found {
        let (_, damaged_copy) = self.verify_manifest()?;
        match damaged_copy {
            None => Ok("the directory is there, and the manifest in it is whole".into()),
            Some(damage) => Err(damage.into()),
        }
    }

    fn writable(&self) -> Found {
        self.check_open()?;
        self.poison.check()?;
        Ok(match self.access {
            Access::ReadWrite => "the store can be written".into(),
            Access::ReadOnly => "the store is open for reading only".into(),
        })
    }

    fn sound_collections(&self) -> Found {
        let damaged = damage::collections(self);
        match &damaged[..] {
            [] => Ok(format!("{} collections, none of them damaged", self.current().view.collections.len())),
            [(name, damage), ..] => Err(Failing::new(
                format!("{} of the collections cannot be used; {name}: {damage}", damaged.len()),
                "restore the files from a backup, or salvage the store",
            )),
        }
    }

    fn disk_space(&self) -> Found {
        let free = self.opener.fs.free_bytes();
        let free = free.map_err(|error| crate::error::Error::io("ask for room", self.location(), error))?;
        let (reserve, held) = (self.options.free_disk_reserve(), self.reserve_held_bytes());
        let free = free.map(|free| free.saturating_add(held));
        let mib = |bytes: u64| bytes >> 20;
        if self.reserve.is_spent() {
            return Err(Failing::new(
                "the disk is full, and what was set aside for deleting is in use: rows are refused",
                "free some space, or delete records and compact",
            ));
        }
        match free {
            None => Ok("how much is free is not known here".into()),
            Some(free) if free >= reserve => Ok(format!("{} MiB are free, {} are kept", mib(free), mib(reserve))),
            Some(free) => Err(Failing::new(
                format!("{} MiB are free and {} are to be kept: rows are refused", mib(free), mib(reserve)),
                "free some space, or delete records and compact",
            )),
        }
    }

    fn log_size(&self) -> Found {
        let (held, budget) = (self.pressure.log_bytes.load(Ordering::Relaxed), self.options.log_budget_bytes);
        match held <= budget {
            true => Ok(format!("full log files hold {held} bytes of {budget}")),
            false => Err(Failing::new(
                format!("full log files hold {held} bytes and the budget is {budget}: flushing does not keep up"),
                "look at the check `maintenance`; under Maintenance::Manual call Database::tick",
            )),
        }
    }

    fn sound_indexes(&self) -> Found {
        let damaged = damage::indexes(self);
        match &damaged[..] {
            [] => Ok("no index is damaged".into()),
            [(name, damage), ..] => Err(Failing::new(
                format!("{} indexes are damaged and not used; collection {name}: {damage}", damaged.len()),
                "they are built anew where the store is open for writing; queries compare with every row until then",
            )),
        }
    }

    /// Rows that wait for an index are no fault, unless their turn never comes.
    fn indexed(&self) -> Found {
        let view = self.current().view;
        let rows: u64 = view.collections.values().map(|collection| self.index_lag(collection)).sum();
        let failure = self.pressure.index_failure.lock().clone();
        match failure.filter(|_| rows > 0) {
            None => Ok(format!("{rows} rows in files wait for an index")),
            Some(error) => {
                let Failing { message, remedy } = error.into();
                let message = format!("{rows} rows in files wait for an index that could not be built: {message}");
                Err(Failing { message, remedy })
            }
        }
    }

    fn maintained(&self) -> Found {
        match self.last_failure() {
            None => Ok("the last maintenance did not fail".into()),
            Some(error) => Err(error.into()),
        }
    }

    fn merged(&self) -> Found {
        let view = self.current().view;
        let most = view.collections.values().map(|collection| collection.sealed.len() as u64).max().unwrap_or(0);
        match most < MAX_SEGMENTS {
            true => Ok(format!("at most {most} segments in one collection, {MAX_SEGMENTS} are too many")),
            false => Err(Failing::new(
                format!("{most} segments of one collection wait to be merged, and writers wait for that"),
                "look at the check `maintenance`; under Maintenance::Manual call Database::tick",
            )),
        }
    }

    /// What scrubbing found, and how much of the rows was read so far.
    fn checksums(&self) -> Found {
        let view = self.current().view;
        let files = || view.collections.values().flat_map(|collection| &collection.sealed).map(|it| it.file());
        let (_, verified) = self.segments_verified();
        let of: u64 = files().map(|file| file.reference().length).sum();
        let read = format!("{verified} of {of} bytes of segments were verified since the store was opened");
        let scrub = self.scrub.stats().unwrap_or_default();
        match &scrub.problems[..] {
            [] if scrub.bytes == 0 => Ok(read),
            [] => Ok(format!("{read}; scrubbing read {} bytes in {} rounds and more", scrub.bytes, scrub.rounds)),
            [first, ..] => Err(Failing::new(
                format!("scrubbing found {} damaged files; {first}", scrub.problems.len()),
                "restore them from a backup, or salvage the store",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::database::handle::Database;

    #[test]
    fn a_store_whose_locks_are_held_is_told_of_in_time() {
        let db = Database::in_memory().unwrap();
        assert!(db.liveness().passed());
        let _held = db.engine().log.lock();
        let report = db.health_within(Duration::from_millis(20));
        let responding = report.check("responding").unwrap();
        assert!(!responding.passed() && responding.message.contains("locks"), "{responding:?}");
        assert!(!report.is_ready());
    }
}
