//! `health` and `scrub`: whether the store can do its work, and whether its files can still be read.

use driftline::{CheckResult, HealthStatus, ScrubReport, Severity};

use super::care::spinner;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Plain};
use crate::session::Session;

pub(super) fn health(session: &mut Session) -> Outcome {
    let report = session.store.reading()?.health();
    if session.output.is_table() {
        session.output.line(&format!("{} is {}", render::plain(&report.location), report.status))?;
        session.output.line("")?;
        let row = |it: &CheckResult| {
            let status = match (it.passed(), it.severity) {
                (true, _) => "passed",
                (false, Severity::Minor) => "failed",
                (false, Severity::Critical) => "failed, critical",
            };
            let remedy = it.remedy.as_ref().map_or(String::new(), |remedy| format!("; {remedy}"));
            let message = render::plain(&format!("{}{remedy}", it.message));
            Ok(Plain { thing: it.clone(), cells: vec![it.name.clone(), status.into(), message] })
        };
        session.output.many(&["check", "status", "found"], report.checks.iter().map(row))?;
    } else {
        session.output.one(&report, String::new)?;
    }
    match report.status {
        HealthStatus::Unhealthy => session.output.finish().and(Err(Failure::check_failed())),
        HealthStatus::Healthy | HealthStatus::Degraded => Ok(()),
    }
}

pub(super) fn scrub(session: &mut Session, rate_mib: Option<u64>) -> Outcome {
    let db = session.store.reading()?;
    let spinner = spinner(session, "reading all files");
    let round = rate_mib.map_or_else(|| db.scrub(), |mib| db.scrub().bytes_per_second(mib.saturating_mul(1 << 20)));
    let report = round.cancel(session.token()).run();
    spinner.finish_and_clear();
    let report = report?;
    session.output.one(&report, || scrubbed(&report))?;
    if report.problems.is_empty() { Ok(()) } else { session.output.finish().and(Err(Failure::damaged())) }
}

/// A report for people.
fn scrubbed(report: &ScrubReport) -> String {
    let read = format!("read {} of {}", render::counted(report.files, "file"), render::size(report.bytes));
    if report.problems.is_empty() {
        return read + ": no damage";
    }
    let problems = render::counted(report.problems.len() as u64, "damaged file");
    let lines = report.problems.iter().map(|problem| format!("\n  {}", render::plain(&problem.to_string())));
    format!("{read}: {problems}{}", lines.collect::<String>())
}
