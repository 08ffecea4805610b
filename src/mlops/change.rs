//! Who changes something, and why.

use crate::mlops::audit::AuditEntry;

/// Who changes something, and why.
///
/// ```
/// use driftline::mlops::Change;
///
/// let change = Change::by("kim").because("better on every slice").correlation("inc-7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub(crate) actor: String,
    pub(crate) reason: String,
    pub(crate) correlation: Option<String>,
    pub(crate) expected: Option<Option<String>>,
}

impl Change {
    /// Who it is, in 1 to 128 bytes.
    pub fn by(actor: impl Into<String>) -> Change {
        Change { actor: actor.into(), reason: String::new(), correlation: None, expected: None }
    }

    /// Why.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Change {
        self.reason = reason.into();
        self
    }

    /// What it belongs to; goes into the history and the audit log.
    #[must_use]
    pub fn correlation(mut self, correlation: impl Into<String>) -> Change {
        self.correlation = Some(correlation.into());
        self
    }

    /// Have the change refused with `Conflict` unless the alias points to this version, or nowhere, when it is made.
    #[must_use]
    pub fn expecting(mut self, version: Option<&str>) -> Change {
        self.expected = Some(version.map(str::to_owned));
        self
    }
}

impl Default for Change {
    fn default() -> Change {
        Change::by("system")
    }
}

impl Change {
    /// The audit entry of such a change.
    pub(crate) fn audited(&self, action: &str, subject: String, details: serde_json::Value) -> AuditEntry {
        let mut details = details;
        if let (Some(fields), false) = (details.as_object_mut(), self.reason.is_empty()) {
            fields.insert("reason".into(), self.reason.clone().into());
        }
        let entry = AuditEntry::new(action, subject).actor(&*self.actor).details(details);
        entry.correlation(self.correlation.clone())
    }
}
