//! Commands that make a store out of something else: `restore`, `migrate`, `salvage`.

use std::fmt;
use std::io::{self, IsTerminal};

use driftline::{MigrateOptions, RescuePhase, RescueProgress, RestoreOptions, SalvageOptions};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::args::{Restore, StoreAndNew};
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::render::{self, Output};

pub(crate) fn restore(asked: &Restore, quiet: bool, output: &mut Output) -> Outcome {
    let running = Interrupt::listen()?.begin();
    let meter = Meter::new(!quiet && io::stderr().is_terminal());
    let options = RestoreOptions::new().cancel(&running.token).progress(|it| meter.show(&it));
    let report = driftline::restore(&asked.backup, &asked.directory, options);
    meter.clear();
    let report = report.map_err(|error| Failure::opening(&error))?;
    output.one(&report, || {
        format!(
            "restored {}: {} in {}, {} of {}, verified (LSN {}) in {}",
            render::plain(&asked.directory.display().to_string()),
            render::counted(report.records, "record"),
            render::counted(report.collections, "collection"),
            render::counted(report.files, "file"),
            render::size(report.bytes),
            report.lsn,
            render::elapsed(report.elapsed)
        )
    })
}

pub(crate) fn migrate(asked: &StoreAndNew, quiet: bool, output: &mut Output) -> Outcome {
    let running = Interrupt::listen()?.begin();
    let meter = Meter::new(!quiet && io::stderr().is_terminal());
    let options = MigrateOptions::new().cancel(&running.token).progress(|it| meter.show(&it));
    let report = driftline::migrate(&asked.store, &asked.directory, options);
    meter.clear();
    let report = report.map_err(|error| Failure::opening(&error))?;
    output.one(&report, || {
        format!(
            "migrated to {}: {} in {}, {} written, verified (LSN {}) in {}{}",
            render::plain(&asked.directory.display().to_string()),
            render::counted(report.records, "record"),
            render::counted(report.collections, "collection"),
            render::size(report.bytes_written),
            report.lsn,
            render::elapsed(report.elapsed),
            match report.imports_left_out {
                0 => String::new(),
                imports => format!("\n{} left out: run it again", render::counted(imports, "unfinished import")),
            }
        )
    })
}

/// Damage that cost something has the exit code of damage, however well the rest was saved.
pub(crate) fn salvage(asked: &StoreAndNew, quiet: bool, output: &mut Output) -> Outcome {
    let running = Interrupt::listen()?.begin();
    let meter = Meter::new(!quiet && io::stderr().is_terminal());
    let options = SalvageOptions::new().cancel(&running.token).progress(|it| meter.show(&it));
    let report = driftline::salvage(&asked.store, &asked.directory, options);
    meter.clear();
    let report = report.map_err(|error| Failure::opening(&error))?;
    output.one(&report, || {
        let directory = asked.directory.display().to_string();
        let told: Vec<String> = report.to_string().lines().map(render::plain).collect();
        format!("salvaged to {}: {}", render::plain(&directory), told.join("\n"))
    })?;
    if report.is_complete() { Ok(()) } else { output.finish().and(Err(Failure::damaged())) }
}

/// How far a backup or its like is, in bytes, with the rate and the time left; on a terminal only.
pub(crate) struct Meter {
    bar: ProgressBar,
}

impl Meter {
    pub(crate) fn new(shown: bool) -> Meter {
        Meter { bar: if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() } }
    }

    pub(crate) fn show(&self, progress: &RescueProgress) {
        if self.bar.is_hidden() {
            return;
        }
        if progress.bytes == 0 {
            self.begin(progress);
        }
        self.bar.set_position(progress.bytes);
    }

    fn begin(&self, progress: &RescueProgress) {
        let doing = match progress.phase {
            RescuePhase::Verifying => "verifying",
            _ => "copying",
        };
        self.bar.reset_eta();
        match progress.of_bytes {
            Some(bytes) => {
                self.bar.set_length(bytes);
                self.bar.set_style(style("{msg} {wide_bar} {bytes}/{total_bytes} {rate} {eta} left"));
            }
            None => {
                self.bar.set_style(style("{spinner} {msg}"));
                self.bar.enable_steady_tick(std::time::Duration::from_millis(120));
            }
        }
        self.bar.set_message(doing);
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        // What the bar cannot show, it leaves out.
        let _ = write!(out, "{}/s", render::size(state.per_sec() as u64));
    })
}
