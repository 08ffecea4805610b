//! What checks tell.

use std::fmt;

use serde::Serialize;

/// What it means when a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The store, or what stands on it, cannot do its work.
    Critical,
    /// It does, but not as well as it should.
    Minor,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// All is well.
    Passed,
    /// It is not; also where the check panicked, or did not answer in time.
    Failed,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckResult {
    /// Its name.
    pub name: String,
    /// Whether all is well.
    pub status: CheckStatus,
    /// What it means if not.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// How to mend it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Every check passed.
    Healthy,
    /// A check failed, but none that is critical.
    Degraded,
    /// A critical check failed.
    Unhealthy,
}

/// How a store is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// All checks together.
    pub status: HealthStatus,
    /// Where the store is.
    pub location: String,
    /// How long it has been open, in milliseconds of its clock.
    pub uptime_ms: u64,
    /// Reads, searches and writes that were begun since.
    pub calls: u64,
    /// Those of them that failed, for whatever reason.
    pub errors: u64,
    /// Free space on the disk, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// What the full files of the log hold: they go when what they hold is flushed.
    pub log_bytes: u64,
    /// Sealed segments of all collections.
    pub segments: u64,
    /// How many of their bytes were checked against their checksums since the store was opened.
    pub verified_bytes: u64,
    /// The checks: those of the engine, then those of the application in the order in which they were added.
    pub checks: Vec<CheckResult>,
}

impl CheckResult {
    /// Whether all is well.
    pub fn passed(&self) -> bool {
        self.status == CheckStatus::Passed
    }

    pub(super) fn new(name: &str, severity: Severity, found: Result<String, Failing>) -> CheckResult {
        let name = name.to_owned();
        match found {
            Ok(message) => CheckResult { name, status: CheckStatus::Passed, severity, message, remedy: None },
            Err(Failing { message, remedy }) => {
                CheckResult { name, status: CheckStatus::Failed, severity, message, remedy }
            }
        }
    }
}

impl HealthReport {
    /// Whether the store is ready to do its work: no critical check failed.
    pub fn is_ready(&self) -> bool {
        self.status != HealthStatus::Unhealthy
    }

    /// The check of this name.
    pub fn check(&self, name: &str) -> Option<&CheckResult> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl HealthStatus {
    pub(super) fn of(checks: &[CheckResult]) -> HealthStatus {
        let failed = |severity| checks.iter().any(|check| !check.passed() && check.severity == severity);
        match (failed(Severity::Critical), failed(Severity::Minor)) {
            (true, _) => HealthStatus::Unhealthy,
            (false, true) => HealthStatus::Degraded,
            (false, false) => HealthStatus::Healthy,
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HealthStatus::Healthy => "healthy",
            HealthStatus::Degraded => "degraded",
            HealthStatus::Unhealthy => "unhealthy",
        })
    }
}

/// What is wrong, and how to mend it.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) message: String,
    pub(super) remedy: Option<String>,
}

impl Failing {
    pub(super) fn new(message: impl Into<String>, remedy: &str) -> Failing {
        Failing { message: message.into(), remedy: Some(remedy.into()) }
    }
}

impl From<crate::error::Error> for Failing {
    fn from(error: crate::error::Error) -> Failing {
        let (whole, remedy) = (error.to_string(), error.remedy().map(str::to_owned));
        let end = remedy.as_ref().map_or(String::new(), |remedy| format!("; {remedy}"));
        Failing { message: whole.strip_suffix(&end).unwrap_or(&whole).to_owned(), remedy }
    }
}
