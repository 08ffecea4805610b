//! Imports from files.

use std::fmt;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use driftline::exchange::{self, Format, ImportOptions, ImportReport, Keys, Phase, Progress, Source, VectorIn};
use driftline::{Database, json};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::args::{self, Global};
use crate::failure::{CANCELLED, Failure, Outcome};
use crate::render::{self, Output};
use crate::store;

pub(crate) fn import(args: &args::Import, global: &Global, output: &mut Output) -> Outcome {
    let (source, options) = (source(args)?, options(args));
    let open = if args.create { store::write_or_create } else { store::write };
    let db = open(&args.place.store, global)?;
    let name = &args.place.collection;
    let start = Instant::now();
    let cancelled = cancelled();
    let bar = ProgressBar::hidden();
    let mut progress = |progress: Progress| {
        show(&bar, progress);
        if cancelled.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let imported = if args.create {
        exchange::import_new(&db, name, args.metric, source, &options, &mut progress)
    } else {
        db.collection(name).and_then(|collection| exchange::import(&collection, source, &options, &mut progress))
    };
    bar.finish_and_clear();
    finish(args, db, &imported?, start, output)
}

fn source(args: &args::Import) -> Outcome<Source> {
    if args.file == "-" {
        return Ok(Source::stream("stdin", io::stdin()));
    }
    match Format::of_name(&args.file) {
        Ok(_) => Ok(Source::file(&args.file)),
        Err(error) => Err(Failure::usage(format!("{error}; - reads lines of JSON from stdin"))),
    }
}

fn options(args: &args::Import) -> ImportOptions {
    let mut options = ImportOptions::new().label_field(&args.label_field);
    if args.file == "-" {
        options = options.format(Format::Jsonl);
    }
    if let Some(labels) = &args.labels {
        options = options.labels(labels);
    }
    match &args.key_field {
        Some(key) => options.keys(Keys::Field(key.clone())).vector(VectorIn::Field(args.vector_field.clone())),
        None if args.first_key > 0 => options.keys(Keys::Rows { first: args.first_key }),
        None => options,
    }
}

fn finish(args: &args::Import, db: Database, report: &ImportReport, start: Instant, output: &mut Output) -> Outcome {
    db.close()?;
    let name = &args.place.collection;
    let elapsed = start.elapsed();
    let seconds = elapsed.as_secs_f64();
    let rows = report.rows;
    let per_second = (rows as f64 / seconds.max(1e-9)).round();
    if report.rounded {
        render::note("the file's numbers were rounded to f32, where they did not fit");
    }
    let answer = json!({
        "imported": rows, "replaced": report.replaced, "lsn": report.lsn.0,
        "seconds": seconds, "rows_per_second": per_second,
    });
    output.one(&answer, || {
        let replaced =
            if report.replaced > 0 { format!(", {} replaced", render::count(report.replaced)) } else { "".into() };
        format!(
            "imported {} into {name}{replaced} in {}: {} rows/s",
            render::counted(rows, "record"),
            render::elapsed(elapsed),
            render::count(per_second as u64)
        )
    })
}

/// Becomes true at the first Ctrl-C, so that what was begun can be taken back; the second one does not wait for that.
fn cancelled() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let handler = move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(CANCELLED.into());
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        // Then Ctrl-C ends the program at once, which leaves no record behind either.
        tracing::warn!(%error, "cannot wait for Ctrl-C");
    }
    flag
}

/// Moves the bar; on anything but a terminal it draws nothing.
fn show(bar: &ProgressBar, progress: Progress) {
    if bar.is_hidden() && io::stderr().is_terminal() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        bar.set_style(style(progress.of));
    }
    if let Some(of) = progress.of {
        bar.set_length(of);
    }
    bar.set_position(progress.rows);
    if progress.phase == Phase::Finishing {
        bar.set_message("finishing");
    }
}

fn style(total: Option<u64>) -> ProgressStyle {
    let template = match total {
        Some(_) => "{wide_bar} {human_pos}/{human_len} rows, {rate}, {eta} left {msg}",
        None => "{spinner} {human_pos} rows, {rate} {msg}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        // What the bar cannot show, it leaves out.
        let _ = write!(out, "{}/s", render::count(state.per_sec() as u64));
    })
}
