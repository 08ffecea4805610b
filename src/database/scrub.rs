//! Scrubbing: reading all files again and again at a low rate, so that damage is found while it can still be mended.
//!
//! This is what a scrub is and what it has found; `scrubbing` reads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::database::due::Due;
use crate::database::verify::report::Problem;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, FileId};
use crate::storage::sections::{Container, FileRef};
use crate::storage::wal::WalRef;
use crate::sync::Mutex;

/// How a store scrubs itself in the background; see [`Options::scrub`](crate::Options::scrub).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct ScrubOptions {
    pub(crate) every: Duration,
    pub(crate) bytes_per_second: u64,
}

/// What is read in a second unless something else is said.
pub(crate) const BYTES_PER_SECOND: u64 = 16 << 20;

impl Default for ScrubOptions {
    fn default() -> ScrubOptions {
        ScrubOptions { every: Duration::from_secs(7 * 86_400), bytes_per_second: BYTES_PER_SECOND }
    }
}

impl ScrubOptions {
    /// The defaults.
    pub fn new() -> ScrubOptions {
        ScrubOptions::default()
    }

    /// How long after the end of a round the next begins. Default 7 days.
    pub fn every(mut self, time: Duration) -> ScrubOptions {
        self.every = time;
        self
    }

    /// How many bytes are read a second on average; at least 1, default 16 MiB. Pieces of up to 1 MiB are read at once,
    /// but for a log, which is read whole. Raising it ends a round sooner and leaves less of the disk to others.
    pub fn bytes_per_second(mut self, bytes: u64) -> ScrubOptions {
        self.bytes_per_second = bytes;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.bytes_per_second {
            0 => Err(Error::invalid("bytes_per_second of a scrub is 0; it must be at least 1")),
            _ => Ok(()),
        }
    }
}

/// What scrubbing has done since the store was opened, and the damage it knows of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ScrubStats {
    /// Rounds that came to their end.
    pub rounds: u64,
    /// When the last of them ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_round: Option<Timestamp>,
    /// Bytes read, over all rounds.
    pub bytes: u64,
    /// Damage that is still there, as far as is known: a file that is replaced, or read again without damage, is left out.
    pub problems: Vec<Problem>,
}

/// What one round of scrubbing found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ScrubReport {
    /// Files read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is damaged, or could not be read by the disk three times.
    pub problems: Vec<Problem>,
}

/// A file to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Manifest,
    Log(WalRef),
    Segment(CollectionId, FileId),
    Deletions(CollectionId, FileId),
    Index(CollectionId, FileId),
    /// Of an unfinished import into the collection.
    Import(CollectionId, FileRef),
    Blob([u8; 32]),
}

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) target: Target,
    pub(crate) name: String,
    pub(crate) container: Arc<Container>,
    pub(crate) piece: usize,
}

/// One way through all files. Those that come while it goes on have their turn in the next.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) left: VecDeque<Target>,
    /// What the disk could not read, once for each attempt.
    pub(crate) unread: Vec<Target>,
    pub(crate) reading: Option<Reading>,
    pub(crate) report: ScrubReport,
}

/// What is found, by the names of the files.
pub(crate) type Findings = BTreeMap<String, Problem>;

/// The scrubbing of a store. The position is kept in memory only.
#[derive(Debug, Default)]
pub(crate) struct Scrub {
    pub(crate) options: Option<ScrubOptions>,
    pub(crate) background: Mutex<Background>,
    pub(crate) found: Mutex<Found>,
}

/// The round that goes on in the background, and when to go on with it.
#[derive(Debug, Default)]
pub(crate) struct Background {
    pub(crate) round: Option<Round>,
    pub(crate) due: Option<Due>,
}

/// What all rounds have found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) stats: ScrubStats,
    pub(crate) findings: Findings,
}

impl Scrub {
    pub(crate) fn new(options: Option<ScrubOptions>) -> Scrub {
        Scrub { options, ..Scrub::default() }
    }

    /// What it has done, where it was asked to do anything.
    pub(crate) fn stats(&self) -> Option<ScrubStats> {
        let found = self.found.lock();
        let problems = found.findings.values().cloned().collect();
        let told = self.options.is_some() || found.stats.bytes > 0;
        told.then(|| ScrubStats { problems, ..found.stats.clone() })
    }
}

/// How long reading so many bytes may take at a rate.
pub(crate) fn time_for(bytes: u64, bytes_per_second: u64) -> Duration {
    let micros = u128::from(bytes) * 1_000_000 / u128::from(bytes_per_second.max(1));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
