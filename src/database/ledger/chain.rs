//! Following the chain of hashes.

use std::fmt;
use std::ops::ControlFlow;

use serde::Serialize;

use crate::collection::record::Record;
use crate::database::ledger::record::{AuditHead, AuditRecord};
use crate::error::Result;
use crate::key::Key;

/// What reading the whole chain showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditVerdict {
    /// Entries that were read and are as they were written.
    pub records: u64,
    /// The last of them.
    pub head: Option<AuditHead>,
    /// Where the chain breaks first; none when it is whole.
    pub broken: Option<AuditBreak>,
}

/// Where a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditBreak {
    /// The place of the first entry that is not as it was written, or is missing.
    pub position: u64,
    /// What is wrong there.
    pub reason: String,
}

impl AuditVerdict {
    /// Whether every entry is as it was written and none is missing.
    pub fn is_whole(&self) -> bool {
        self.broken.is_none()
    }
}

impl fmt::Display for AuditVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.broken {
            None if self.records == 1 => f.write_str("1 entry, as it was written"),
            None => write!(f, "{} entries, each as it was written", self.records),
            Some(broken) => write!(f, "broken at entry {}: {}", broken.position, broken.reason),
        }
    }
}

/// Follows the chain through the records of its collection, in the order of their keys, up to the first break; `noted` is
/// a head that it must go through. A record that is no entry is a break; one that cannot be read from its file is an error.
pub(crate) fn follow(records: impl Iterator<Item = Result<Record>>, noted: Option<&AuditHead>) -> Result<AuditVerdict> {
    let mut walk = Walk { head: None, noted, broken: None };
    for record in records {
        let record = record?;
        let step = match serde_json::from_value(record.payload.to_json()) {
            Ok(entry) => walk.step(&record.key, &entry),
            Err(error) => walk.break_at(format!("it cannot be read: {error}")),
        };
        if step.is_break() {
            break;
        }
    }
    Ok(walk.finish())
}

/// A walk along the chain, entry by entry, up to the first break.
#[derive(Debug)]
struct Walk<'a> {
    head: Option<AuditHead>,
    /// A head that the chain must go through.
    noted: Option<&'a AuditHead>,
    broken: Option<AuditBreak>,
}

impl Walk<'_> {
    fn step(&mut self, key: &Key, record: &AuditRecord) -> ControlFlow<()> {
        let expected = self.next_position();
        let none = "0".repeat(64);
        let previous = self.head.as_ref().map_or(&none, |head| &head.hash);
        let other_than_noted = || self.noted.is_some_and(|it| it.position == expected && it.hash != record.hash);
        let wrong = if key.as_number() != Some(expected) || record.position != expected {
            "it is missing"
        } else if record.previous != *previous {
            "it does not follow the entry before it"
        } else if record.hash != record.digest() {
            "it was changed after it was written"
        } else if other_than_noted() {
            "it is another one than was noted"
        } else {
            self.head = Some(record.head());
            return ControlFlow::Continue(());
        };
        self.break_at(wrong.into())
    }

    fn finish(mut self) -> AuditVerdict {
        let records = self.next_position() - 1;
        if self.broken.is_none() && self.noted.is_some_and(|noted| noted.position > records) {
            let _ = self.break_at("it is missing: the log ends before the entry that was noted".into());
        }
        AuditVerdict { records, head: self.head, broken: self.broken }
    }

    fn next_position(&self) -> u64 {
        self.head.as_ref().map_or(1, |head| head.position + 1)
    }

    fn break_at(&mut self, reason: String) -> ControlFlow<()> {
        self.broken = Some(AuditBreak { position: self.next_position(), reason });
        ControlFlow::Break(())
    }
}
