//! Silences: what handlers are not to hear of for a while.

use serde::{Deserialize, Serialize};

use super::rule::{check_subject, matches};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// Alerts that handlers do not hear of until a time. They are recorded, and what lasts longer is told then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Silence {
    /// Its number, once it was added.
    pub id: u64,
    /// Which types of alerts: a text in which `*` stands for any characters.
    pub alert_type: String,
    /// Which subjects.
    pub subject: String,
    /// Until when.
    pub until: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Silence {
    /// A silence of these types of alerts about these subjects, both texts in which `*` stands for any characters.
    pub fn new(alert_type: impl Into<String>, subject: impl Into<String>, until: Timestamp) -> Silence {
        let (alert_type, subject) = (alert_type.into(), subject.into());
        Silence { id: 0, alert_type, subject, until, by: String::new(), reason: String::new() }
    }

    /// Sets who asked for it.
    #[must_use]
    pub fn by(mut self, by: impl Into<String>) -> Silence {
        self.by = by.into();
        self
    }

    /// Sets why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Silence {
        self.reason = reason.into();
        self
    }

    pub(super) fn covers(&self, alert_type: &str, subject: &str, at: Timestamp) -> bool {
        at < self.until && matches(&self.alert_type, alert_type) && matches(&self.subject, subject)
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<()> {
        check_subject("the pattern of alert types", &self.alert_type)?;
        check_subject("the pattern of subjects", &self.subject)?;
        if self.until <= now {
            return Err(Error::invalid("the silence would be over before it begins").mend("let it end in the future"));
        }
        Ok(())
    }
}
