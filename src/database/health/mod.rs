//! Whether a store can do its work: checks by name, those of the engine and those of the application.
//!
//! `report` is what is told, `built_in` the engine's own checks, `own` those that the application adds.

mod built_in;
pub(crate) mod own;
mod report;

use std::time::{Duration, Instant};

use crate::database::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Ordering;

pub(crate) use own::OwnCheck;
pub use report::{CheckResult, CheckStatus, HealthReport, HealthStatus, Severity};

/// How long checks may take together.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// The most letters of a check's name, which may hold that of a model.
const MAX_NAME_CHARS: usize = 300;

/// Which checks to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    /// Those without which the store is not ready.
    Critical,
    /// Those of the application.
    Own,
}

impl Engine {
    pub(crate) fn health(&self, scope: Scope, deadline: Duration) -> HealthReport {
        let until = Instant::now().checked_add(deadline);
        let running = own::start(&self.own_checks.lock().chosen(scope == Scope::Critical));
        let mut checks = match scope {
            Scope::All => self.built_in_checks(until),
            Scope::Critical => {
                let checks = self.built_in_checks(until);
                checks.into_iter().filter(|check| check.severity == Severity::Critical).collect()
            }
            Scope::Own => Vec::new(),
        };
        checks.extend(running.into_iter().map(|check| check.finish(until, deadline)));
        let (calls, errors) = self.calls.counts();
        let (segments, verified_bytes) = self.segments_verified();
        HealthReport {
            calls,
            errors,
            status: HealthStatus::of(&checks),
            location: self.location(),
            uptime_ms: self.uptime().as_millis() as u64,
            free_bytes: self.opener.fs.free_bytes().ok().flatten(),
            log_bytes: self.pressure.log_bytes.load(Ordering::Relaxed),
            segments,
            verified_bytes,
            checks,
        }
    }

    /// How many sealed segments there are, and how many of their bytes were verified.
    fn segments_verified(&self) -> (u64, u64) {
        let view = self.current().view;
        let segments = || view.collections.values().flat_map(|collection| &collection.sealed);
        (segments().count() as u64, segments().map(|segment| segment.file().verified_bytes()).sum())
    }

    /// How long the store has been open, by its clock.
    fn uptime(&self) -> Duration {
        self.options.clock.now().since(self.opened_at)
    }

    pub(crate) fn add_check(&self, check: OwnCheck) -> Result<()> {
        let name = check.name();
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(Error::invalid(format!("{name:?} cannot name a check"))
                .mend(format!("use 1 to {MAX_NAME_CHARS} printable characters")));
        }
        let taken = Error::new(ErrorKind::Exists, format!("there is a check `{name}` already"))
            .mend("choose another name, or remove that one first");
        let fresh = !built_in::NAMES.contains(&name) && self.own_checks.lock().add(check);
        if fresh { Ok(()) } else { Err(taken) }
    }
}
