//! What a salvage saved, and what it could not.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::ids::Lsn;

/// At most so many places of damage are named for each collection.
const MAX_TOLD: usize = 100;

/// What a salvage saved, and what it could not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct SalvageReport {
    /// The newest position that was seen.
    pub lsn: Lsn,
    /// The collections of the new store.
    pub collections: Vec<SalvagedCollection>,
    /// Blobs that were saved.
    pub blobs_saved: u64,
    /// Blobs that were lost, by name. Records that named them have null in that place.
    pub blobs_lost: Vec<String>,
    /// What else was lost, or may have been: of the log, of the manifest, whole collections.
    pub losses: Vec<String>,
    /// What is to be known besides: what was guessed or left out.
    pub notes: Vec<String>,
    /// How long it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

/// What was saved of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct SalvagedCollection {
    /// Its name.
    pub name: String,
    /// Records in the new store, expired ones that were not merged away yet included.
    pub saved: u64,
    /// Records known to be lost.
    pub lost: u64,
    /// Records that may have been deleted or replaced, and are there again because the file that said so is lost: at most
    /// so many.
    pub may_be_back: u64,
    /// Records whose position and times were lost. They have the newest position and the oldest time of their file, and
    /// never expire.
    pub times_lost: u64,
    /// Records of which a blob was lost, and null stands in its place.
    pub blobs_cut: u64,
    /// Where the damage is, by file, a hundred places at most.
    pub damage: Vec<String>,
}

impl SalvageReport {
    /// Records in the new store.
    pub fn saved(&self) -> u64 {
        self.collections.iter().map(|it| it.saved).sum()
    }

    /// Records known to be lost.
    pub fn lost(&self) -> u64 {
        self.collections.iter().map(|it| it.lost).sum()
    }

    /// Whether the new store holds all that the old one did, and nothing else.
    pub fn is_complete(&self) -> bool {
        self.losses.is_empty()
            && self.blobs_lost.is_empty()
            && self.collections.iter().all(SalvagedCollection::is_complete)
    }
}

impl SalvagedCollection {
    /// Whether nothing of it was lost.
    pub fn is_complete(&self) -> bool {
        self.lost + self.may_be_back + self.times_lost + self.blobs_cut == 0
    }

    pub(super) fn tell(&mut self, damage: impl Into<String>) {
        if self.damage.len() < MAX_TOLD {
            self.damage.push(damage.into());
        }
    }
}

impl fmt::Display for SalvageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} saved, {} lost", counted(self.saved(), "record"), self.lost())?;
        if self.blobs_saved > 0 || !self.blobs_lost.is_empty() {
            write!(f, "; {} saved, {} lost", counted(self.blobs_saved, "blob"), self.blobs_lost.len())?;
        }
        self.collections.iter().try_for_each(|it| write!(f, "\n{it}"))?;
        self.blobs_lost.iter().try_for_each(|blob| write!(f, "\nlost: blob {blob}"))?;
        self.losses.iter().try_for_each(|loss| write!(f, "\nlost: {loss}"))?;
        self.notes.iter().try_for_each(|note| write!(f, "\nnote: {note}"))
    }
}

impl fmt::Display for SalvagedCollection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} saved", self.name, self.saved)?;
        let told = [
            (self.lost, "lost"),
            (self.may_be_back, "at most that were deleted or replaced may be back"),
            (self.times_lost, "without their position and times"),
            (self.blobs_cut, "without a blob"),
        ];
        for (count, what) in told.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        self.damage.iter().try_for_each(|damage| write!(f, "\n  {damage}"))
    }
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
