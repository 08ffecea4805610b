//! What checking a store found.

use std::fmt;

use serde::Serialize;

use crate::database::ledger::AuditVerdict;
use crate::error::{Error, ErrorKind, Result};

/// What checking a store found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files checked: those of collections, imports and blobs, the manifest, and at level Full the log.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows in files that were read, live or not; 0 at level Quick.
    pub rows: u64,
    /// Live records found by their keys; 0 at level Quick.
    pub records: u64,
    /// Batches read from the log; 0 at level Quick.
    pub batches: u64,
    /// What is wrong: something that was stored cannot be read, or is not found. Empty when all is well.
    pub problems: Vec<Problem>,
    /// Damage that costs nothing yet, since what is damaged is there twice, and indexes through which fewer than half of
    /// their rows find themselves: they cost answers of queries that are not exact, and no record.
    pub warnings: Vec<Problem>,
    /// Where the chain of the audit log breaks, if it does; none at level Quick, and where there is no such log. What
    /// breaks it was written by somebody: no file is damaged by that, so it is not among the problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditVerdict>,
    /// The collections, in the order of their numbers.
    pub collections: Vec<VerifiedCollection>,
}

/// What checking a collection found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct VerifiedCollection {
    /// Its name.
    pub name: String,
    /// Its files, but for unfinished imports.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows in files that were read, live or not; 0 at level Quick.
    pub rows: u64,
    /// Live records found by their keys; 0 at level Quick.
    pub records: u64,
    /// Live rows whose own vector was looked for through the index of their file; 0 at level Quick.
    pub asked_rows: u64,
    /// Those of them that were found among the ten nearest. An index that is not exact may miss some without being
    /// damaged; a row that it cannot find at all is among the problems, and fewer than half are a warning.
    pub found_rows: u64,
    /// How many of the problems are of it.
    pub problems: u64,
}

/// Something wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The collection, or what else of the store.
    pub part: String,
    /// What is wrong, where, and how to mend it.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(part: &str, error: &Error) -> Problem {
        Problem { part: part.to_owned(), message: error.to_string() }
    }
}

impl VerifyReport {
    /// Whether nothing is wrong: neither problems nor warnings, and the audit log is as it was written.
    pub fn is_clean(&self) -> bool {
        let whole = self.audit.as_ref().is_none_or(AuditVerdict::is_whole);
        self.problems.is_empty() && self.warnings.is_empty() && whole
    }

    /// Keeps what went well, and writes down what did not. What was stopped is an error of the whole run.
    pub(super) fn note<T>(&mut self, part: &str, checked: Result<T>) -> Result<Option<T>> {
        match checked {
            Ok(done) => Ok(Some(done)),
            Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Closed) => Err(error),
            Err(error) => {
                self.problems.push(Problem::new(part, &error));
                Ok(None)
            }
        }
    }

    /// Counts a file.
    pub(super) fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.message)
    }
}
