//! Checking what vouches for everything else: the manifest and the log.

use super::{Checking, Problem, VerifyLevel};
use crate::database::engine::Engine;
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::storage::manifest::Manifest;
use crate::storage::names;
use crate::storage::wal::{self, WalRef};
use crate::sync::Ordering;

/// How often the log is read again when it was replaced meanwhile.
const ATTEMPTS: usize = 8;

impl Checking<'_> {
    pub(super) fn root(&mut self) -> Result<()> {
        let checked = self.engine.verify_manifest();
        if let Some((bytes, damaged_copy)) = self.report.note("manifest", checked)? {
            self.report.count(bytes);
            self.report.warnings.extend(damaged_copy.map(|damage| Problem::new("manifest", &damage)));
        }
        if self.level == VerifyLevel::Full {
            let checked = self.log();
            self.report.note("log", checked)?;
        }
        Ok(())
    }

    /// Reads the log as far as it is promised.
    fn log(&mut self) -> Result<()> {
        let fs = &self.engine.opener.fs;
        for attempt in 1..=ATTEMPTS {
            self.watch.check()?;
            let (logs, last) = self.engine.promised_log();
            let checked = wal::check(&**fs, self.engine.opener.store, &logs, last);
            // A flush may have let logs go meanwhile.
            let same = self.engine.manifest.lock().logs.starts_with(&logs);
            match checked {
                Err(error) if same || attempt == ATTEMPTS => return Err(error),
                Err(_) => {}
                Ok(batches) => {
                    self.report.batches = batches;
                    return logs.iter().try_for_each(|log| self.count_log(log));
                }
            }
        }
        Ok(())
    }

    fn count_log(&mut self, log: &WalRef) -> Result<()> {
        let name = names::wal(log.file);
        match self.engine.opener.fs.open(&name).and_then(|file| file.length()) {
            Ok(bytes) => self.report.count(bytes),
            // It went after it was read.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("measure a log", name, error)),
        }
        Ok(())
    }
}

impl Engine {
    /// The manifest on disk must be the one in use. Tells how long its file is, and which of its copies is damaged.
    pub(crate) fn verify_manifest(&self) -> Result<(u64, Option<Error>)> {
        let known = self.manifest.lock();
        let (fs, name) = (&*self.opener.fs, names::manifest(known.number));
        match Manifest::load(fs)? {
            Some(found) if found == *known => {}
            _ => return Err(Error::corrupt("the manifest on disk is not the one in use", name)),
        }
        let damaged_copy = known.damaged_copy(fs)?;
        let bytes = fs.open(&name).and_then(|file| file.length());
        Ok((bytes.map_err(|error| Error::io("measure the manifest", name, error))?, damaged_copy))
    }

    /// The logs that are listed, and up to where they must be readable.
    pub(crate) fn promised_log(&self) -> (Vec<WalRef>, Lsn) {
        let log = self.log.lock();
        let logs = self.manifest.lock().logs.clone();
        let last = match (&log.writer, log.recovered_tail) {
            // After a failed sync nobody knows what came after the last good one.
            _ if self.poison.check().is_err() => Lsn(self.logged.load(Ordering::Acquire)),
            (Some(writer), _) => writer.last().lsn,
            (None, Some(tail)) => tail.lsn,
            (None, None) => Lsn(0),
        };
        (logs, last)
    }
}
