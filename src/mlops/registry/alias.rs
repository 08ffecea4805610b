//! Aliases: names that point to one version of a model, and the history of where they pointed.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// The most characters an alias may have.
const MAX_CHARS: usize = 64;
/// So many versions can be rolled back to; the oldest are forgotten by the alias, not by its history.
const MAX_BEHIND: usize = 1_000;

/// Where an alias points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alias {
    /// Its name, such as `production`.
    pub name: String,
    /// The version it points to; none after it was removed.
    pub version: Option<String>,
    /// How often it was moved.
    pub moves: u64,
    /// When it was moved last.
    pub since: Timestamp,
    /// The versions it pointed to before and can be rolled back to, the latest last.
    pub behind: Vec<String>,
}

/// A move of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AliasMove {
    /// Which move of the alias it is, counted from 1.
    pub number: u64,
    /// What kind of move it was.
    pub kind: MoveKind,
    /// Where it pointed before.
    pub from: Option<String>,
    /// Where it pointed from then on.
    pub to: Option<String>,
    /// When.
    pub time: Timestamp,
    /// Who moved it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What it belongs to, as in the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
}

/// Kinds of moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    /// To a version that was named.
    Set,
    /// Back to where it pointed before.
    Rollback,
    /// Away.
    Removed,
}

impl Alias {
    pub(super) fn new(name: &str) -> Result<Alias> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !(1..=MAX_CHARS).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(Error::invalid(format!("{name:?} cannot be an alias"))
                .mend(format!("use 1 to {MAX_CHARS} letters, digits, `_`, `.` or `-`")));
        }
        Ok(Alias { name: name.into(), version: None, moves: 0, since: Timestamp::default(), behind: Vec::new() })
    }

    /// Points to `to`, and remembers where it pointed. Moving to where it points already changes nothing.
    pub(super) fn set(&mut self, to: &str) -> Option<MoveKind> {
        if self.version.as_deref() == Some(to) {
            return None;
        }
        let version = self.version.replace(to.to_owned());
        self.push_behind(version);
        Some(MoveKind::Set)
    }

    /// Points nowhere; where it pointed can be rolled back to.
    pub(super) fn remove(&mut self) -> Option<MoveKind> {
        let version = self.version.take()?;
        self.push_behind(Some(version));
        Some(MoveKind::Removed)
    }

    fn push_behind(&mut self, version: Option<String>) {
        self.behind.extend(version);
        let surplus = self.behind.len().saturating_sub(MAX_BEHIND);
        self.behind.drain(..surplus);
    }

    /// Points to the latest version behind it that `fits`, forgetting those that are passed over: rolling back twice goes
    /// back two versions, never forth.
    pub(super) fn roll_back(&mut self, fits: impl Fn(&str) -> Result<bool>) -> Result<MoveKind> {
        let current = self.version.clone();
        while let Some(version) = self.behind.pop() {
            if Some(&version) != current.as_ref() && fits(&version)? {
                self.version = Some(version);
                return Ok(MoveKind::Rollback);
            }
        }
        Err(Error::new(ErrorKind::NotFound, format!("`{}` has no earlier version to be rolled back to", self.name))
            .mend("set it to a version by name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_: &str) -> Result<bool> {
        Ok(true)
    }

    #[test]
    fn rolling_back_walks_through_history_and_does_not_toggle() {
        let mut alias = Alias::new("production").unwrap();
        for version in ["1", "2", "3"] {
            alias.set(version);
        }
        assert_eq!(alias.set("3"), None);
        alias.roll_back(any).unwrap();
        assert_eq!(alias.version.as_deref(), Some("2"));
        alias.set("4");
        alias.roll_back(any).unwrap();
        alias.roll_back(any).unwrap();
        assert_eq!(alias.version.as_deref(), Some("1"), "3 was left behind by the first rollback");
        assert_eq!(alias.roll_back(any).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn rolling_back_passes_over_what_does_not_fit_and_returns_after_a_removal() {
        let mut alias = Alias::new("production").unwrap();
        for version in ["1", "2", "3"] {
            alias.set(version);
        }
        alias.roll_back(|version| Ok(version != "2")).unwrap();
        assert_eq!(alias.version.as_deref(), Some("1"));
        alias.remove();
        alias.roll_back(any).unwrap();
        assert_eq!(alias.version.as_deref(), Some("1"));
    }

    #[test]
    fn aliases_are_letters_digits_and_three_signs() {
        for name in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
            Alias::new(name).unwrap_err();
        }
    }
}
