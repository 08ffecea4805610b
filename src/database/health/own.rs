//! Checks that the application adds. Each runs on a thread of its own, so that none can hold up the answer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};

use super::report::{CheckResult, Failing, Severity};
use crate::error::caught;
use crate::sync::{AtomicBool, Ordering};

/// Tells what is well, or what is not.
type Run = dyn Fn() -> Result<String, String> + Send + Sync;

/// A check of the application's.
#[derive(Clone)]
pub(crate) struct OwnCheck {
    name: Arc<str>,
    severity: Severity,
    run: Arc<Run>,
    /// A run that has not come to its end. Another is not begun beside it, or threads would pile up behind one that hangs.
    running: Arc<AtomicBool>,
}

impl OwnCheck {
    pub(crate) fn new(
        name: &str,
        severity: Severity,
        run: impl Fn() -> Result<String, String> + Send + Sync + 'static,
    ) -> OwnCheck {
        OwnCheck { name: name.into(), severity, run: Arc::new(run), running: Arc::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for OwnCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCheck").field("name", &self.name).field("severity", &self.severity).finish_non_exhaustive()
    }
}

/// The checks in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct OwnChecks(Vec<OwnCheck>);

impl OwnChecks {
    /// False where there is one of that name.
    pub(crate) fn add(&mut self, check: OwnCheck) -> bool {
        let fresh = self.0.iter().all(|other| other.name != check.name);
        if fresh {
            self.0.push(check);
        }
        fresh
    }

    /// False where there is none of that name.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|check| &*check.name != name);
        self.0.len() < before
    }

    pub(crate) fn chosen(&self, only_critical: bool) -> Vec<OwnCheck> {
        let chosen = self.0.iter().filter(|check| !only_critical || check.severity == Severity::Critical);
        chosen.cloned().collect()
    }
}

/// A check that was begun, or could not be.
pub(super) struct Begun {
    check: OwnCheck,
    answer: Result<Receiver<Result<String, String>>, String>,
}

/// Begins all of them, each on a thread of its own.
pub(super) fn start(checks: &[OwnCheck]) -> Vec<Begun> {
    checks.iter().map(|check| Begun { check: check.clone(), answer: begin(check) }).collect()
}

fn begin(check: &OwnCheck) -> Result<Receiver<Result<String, String>>, String> {
    if check.running.swap(true, Ordering::AcqRel) {
        return Err("an earlier run of it has not ended yet".into());
    }
    let (send, receive) = bounded(1);
    let (run, running) = (Arc::clone(&check.run), Arc::clone(&check.running));
    let work = move || {
        let answer = caught(|| run()).and_then(|answer| answer);
        running.store(false, Ordering::Release);
        // Who asked may have given up.
        let _ = send.send(answer);
    };
    let thread = std::thread::Builder::new().name("driftline-check".into()).spawn(work);
    thread.map(|_| receive).map_err(|error| {
        check.running.store(false, Ordering::Release);
        format!("no thread could be started for it: {error}")
    })
}

impl Begun {
    /// Waits for the answer, at most until then.
    pub(super) fn finish(self, until: Option<Instant>, deadline: Duration) -> CheckResult {
        let OwnCheck { name, severity, .. } = &self.check;
        let wait = until.map_or(deadline, |until| until.saturating_duration_since(Instant::now()));
        let late = |_| Err(format!("it did not answer within {deadline:.1?}"));
        let found = self.answer.and_then(|answer| answer.recv_timeout(wait).unwrap_or_else(late));
        CheckResult::new(name, *severity, found.map_err(|message| Failing { message, remedy: None }))
    }
}
