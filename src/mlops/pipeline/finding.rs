//! What is not as it should be, and keeps nobody from the rest.

use std::fmt;

use serde::Serialize;

use crate::error::Error;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Which part of the pipeline it concerns.
    pub concern: Concern,
    /// What it is, and how to mend it.
    pub message: String,
}

/// The parts of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Concern {
    /// Versions, and the alias `production`.
    Registry,
    /// Predictions and the truth about them.
    Performance,
    /// Drift of what was logged.
    Drift,
    /// Rules, incidents and actions.
    Alerts,
    /// Experiments.
    Experiments,
    /// Training.
    Retraining,
}

impl Concern {
    /// Its name, which never changes.
    pub fn name(self) -> &'static str {
        match self {
            Concern::Registry => "registry",
            Concern::Performance => "performance",
            Concern::Drift => "drift",
            Concern::Alerts => "alerts",
            Concern::Experiments => "experiments",
            Concern::Retraining => "retraining",
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.concern, self.message)
    }
}

impl Finding {
    pub(super) fn new(concern: Concern, message: impl Into<String>) -> Finding {
        Finding { concern, message: message.into() }
    }
}

/// What a step gives; an error of that step alone is a finding, and the next step goes on. Where the store itself fails, all
/// would.
pub(super) fn step<T: Default>(
    findings: &mut Vec<Finding>,
    concern: Concern,
    step: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    match step() {
        Err(error) if error.is_of_the_store() => Err(error),
        Err(error) => {
            findings.push(Finding::new(concern, error.to_string()));
            Ok(T::default())
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn only_what_the_whole_store_cannot_do_ends_a_tick() {
        use ErrorKind::{Busy, Closed, DiskFull, Io, OutcomeUnknown, Poisoned};
        for kind in ErrorKind::ALL {
            let mut findings = Vec::new();
            let done = step(&mut findings, Concern::Drift, || Err::<u64, _>(Error::new(kind, "it failed")));
            let ends = [Busy, Closed, DiskFull, Io, OutcomeUnknown, Poisoned].contains(&kind);
            assert_eq!((done.is_err(), findings.len()), (ends, usize::from(!ends)), "{kind:?}");
        }
    }
}
