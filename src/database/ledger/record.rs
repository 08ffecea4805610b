//! What an entry says, and how its hash is made.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::payload::{BlobId, Value};

/// The most bytes each of an entry's texts may have, and the name of who did it, which is part of keys.
const MAX_TEXT_BYTES: usize = 512;
const MAX_ACTOR_BYTES: usize = 128;
/// What every hash begins with: it is of no use anywhere else. Frozen.
const DOMAIN: &[u8] = b"driftline audit 1";

/// What is to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    action: String,
    subject: String,
    actor: String,
    details: Value,
    correlation: Option<String>,
}

impl AuditEntry {
    /// Something that was done, such as `promote`, and to what.
    pub fn new(action: impl Into<String>, subject: impl Into<String>) -> AuditEntry {
        let (action, subject) = (action.into(), subject.into());
        AuditEntry { action, subject, actor: "system".into(), details: Value::Null, correlation: None }
    }

    /// Who did it, in 1 to 128 bytes; `system` unless told.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> AuditEntry {
        self.actor = actor.into();
        self
    }

    /// Whatever else is to be known.
    #[must_use]
    pub fn details(mut self, details: impl Into<Value>) -> AuditEntry {
        self.details = details.into();
        self
    }

    /// What it belongs to: all entries of one incident have the same.
    #[must_use]
    pub fn correlation(mut self, correlation: impl Into<Option<String>>) -> AuditEntry {
        self.correlation = correlation.into();
        self
    }
}

/// An entry of the audit log, as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditRecord {
    /// Its place, counted from 1.
    pub position: u64,
    /// When it was written.
    pub time: Timestamp,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// By whom.
    pub actor: String,
    /// Whatever else is to be known, as JSON.
    pub details: serde_json::Value,
    /// What it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The hash of the entry before, in hexadecimal digits; zeros before the first.
    pub previous: String,
    /// The SHA-256 of this entry and of `previous`, in hexadecimal digits.
    pub hash: String,
}

/// The newest entry of the log at some time: enough to see later whether the log still contains all it did then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Its place, counted from 1.
    pub position: u64,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
}

impl AuditRecord {
    pub(crate) fn new(entry: AuditEntry, head: Option<&AuditHead>, time: Timestamp) -> Result<AuditRecord> {
        check_text("actor", &entry.actor, MAX_ACTOR_BYTES)?;
        let texts = [("action", &entry.action), ("subject", &entry.subject)];
        for (what, text) in texts.into_iter().chain(entry.correlation.as_ref().map(|text| ("correlation", text))) {
            check_text(what, text, MAX_TEXT_BYTES)?;
        }
        let (position, previous) =
            head.map_or((1, BlobId([0; 32]).to_string()), |it| (it.position + 1, it.hash.clone()));
        let mut record = AuditRecord {
            position,
            time,
            action: entry.action,
            subject: entry.subject,
            actor: entry.actor,
            details: entry.details.to_json(),
            correlation: entry.correlation,
            previous,
            hash: String::new(),
        };
        record.hash = record.digest();
        Ok(record)
    }

    pub(crate) fn head(&self) -> AuditHead {
        AuditHead { position: self.position, hash: self.hash.clone() }
    }

    /// The hash that this entry ought to have (frozen): SHA-256 over the domain and each field, of which a number has 8 bytes,
    /// little-endian, and a text its length before it, as such a number; `details` as JSON with sorted keys.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let details = self.details.to_string();
        hash.update(DOMAIN);
        hash.update(self.position.to_le_bytes());
        hash.update(self.time.0.to_le_bytes());
        let correlation = self.correlation.as_deref().unwrap_or_default();
        for text in [&*self.previous, &self.action, &self.subject, &self.actor, &details, correlation] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        BlobId(hash.finalize().into()).to_string()
    }
}

fn check_text(what: &str, text: &str, most: usize) -> Result<()> {
    if text.is_empty() || text.len() > most {
        return Err(Error::invalid(format!("the {what} of an audit entry has {} bytes", text.len()))
            .mend(format!("give it 1 to {most}, and put the rest into its details")));
    }
    Ok(())
}
