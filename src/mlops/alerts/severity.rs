//! How bad it is, and what is to be done about it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::filter::suggest;

/// How bad something is. The later is the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be read when there is time.
    Info,
    /// To be looked at today.
    Warning,
    /// To be acted on now.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

    /// Its name in lower case, which never changes.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Severity> {
        named("severity", text, &Severity::ALL, Severity::name)
    }
}

/// What a rule asks to be done, by whoever has registered for it with [`Alerts::perform`](super::Alerts::perform).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Go back to the version of the model that was in production before.
    RollBack,
    /// Train the model anew, whatever the triggers say.
    ForceRetrain,
    /// Let running experiments assign nobody any more.
    PauseExperiments,
    /// Tell somebody, beyond the handlers.
    Notify,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 4] = [Action::RollBack, Action::ForceRetrain, Action::PauseExperiments, Action::Notify];

    /// Its name, which never changes.
    pub fn name(self) -> &'static str {
        match self {
            Action::RollBack => "roll_back",
            Action::ForceRetrain => "force_retrain",
            Action::PauseExperiments => "pause_experiments",
            Action::Notify => "notify",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Action> {
        named("action", text, &Action::ALL, Action::name)
    }
}

/// The one of `all` whose name is `text`, in either case.
fn named<T: Copy>(what: &str, text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T> {
    all.iter().copied().find(|one| name(*one).eq_ignore_ascii_case(text)).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        let mend = match suggest(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of: {}", names.join(", ")),
        };
        Error::invalid(format!("there is no {what} {text:?}")).mend(mend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for severity in Severity::ALL {
            assert_eq!(severity.to_string().to_uppercase().parse::<Severity>().unwrap(), severity);
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.name());
        }
        for action in Action::ALL {
            assert_eq!(action.to_string().parse::<Action>().unwrap(), action);
            assert_eq!(serde_json::to_value(action).unwrap(), action.name());
        }
        assert!("critcal".parse::<Severity>().unwrap_err().to_string().contains("did you mean `critical`?"));
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
    }
}
