//! Checking a store.

use std::time::Duration;

use driftline::Problem;
use indicatif::ProgressBar;

use crate::args;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Output};
use crate::store;

pub(crate) fn verify(args: &args::Verify, output: &mut Output) -> Outcome {
    let db = store::read(&args.store)?;
    // It says only that work goes on; on anything but a terminal it draws nothing.
    let spinner = ProgressBar::new_spinner().with_message("checking");
    spinner.enable_steady_tick(Duration::from_millis(120));
    let report = db.verify(args.level.into());
    spinner.finish_and_clear();
    let report = report?;
    output.one(&report, || {
        let records =
            if report.records > 0 { format!(", {}", render::counted(report.records, "record")) } else { "".into() };
        let checked =
            format!("checked {} of {}{records}", render::counted(report.files, "file"), render::size(report.bytes));
        if report.is_clean() {
            return format!("{checked}: all is well");
        }
        let problems: Vec<String> = report.problems.iter().map(told).collect();
        format!("{checked}: {}\n{}", render::counted(problems.len() as u64, "problem"), problems.join("\n"))
    })?;
    if report.is_clean() { Ok(()) } else { output.finish().and(Err(Failure::damaged())) }
}

fn told(problem: &Problem) -> String {
    format!("  {}", render::plain(&problem.to_string()))
}
