//! `import` and `export`.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use driftline::exchange::{
    self, ExportOptions, Format, ImportOptions, ImportReport, Keys, Phase, Progress, Records, Source,
};
use driftline::json;
use driftline::statement::{Create, Export, Import, KeysFrom};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::inputs;
use crate::failure::{Failure, Outcome};
use crate::render;
use crate::session::Session;

pub(super) fn import(session: &mut Session, import: &Import) -> Outcome {
    let options = options(import)?;
    if import.file == "-" {
        inputs::claim_stdin(session)?;
    } else {
        // What cannot be read is told before a store is made for it.
        exchange::Input::open(Source::file(&import.file), &options)?;
    }
    let start = Instant::now();
    let bar = Bar::new(session);
    let report = run(session, import, &options, &bar);
    bar.bar.finish_and_clear();
    let report = report?;
    if report.rounded {
        session.note("the numbers were rounded to 32 bits");
    }
    imported(session, import, &report, start.elapsed())
}

fn run(session: &mut Session, import: &Import, options: &ImportOptions, bar: &Bar) -> Outcome<ImportReport> {
    let source = || match import.file.as_str() {
        "-" => Source::stream("stdin", io::stdin()),
        file => Source::file(file),
    };
    let token = session.token().clone();
    let mut show = |progress: Progress| {
        bar.show(&progress);
        if token.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let name = &import.collection;
    match import.create {
        Create::No => {
            let collection = session.store.writable(name)?;
            Ok(exchange::import(&collection, source(), options, &mut show)?)
        }
        Create::With(metric) => {
            let db = session.store.making()?;
            let report = exchange::import_new(&db, &name.text, metric, source(), options, &mut show);
            report.map_err(|error| match error.kind() {
                driftline::ErrorKind::Exists => Failure::from(error).about(name.span.clone()),
                _ => error.into(),
            })
        }
    }
}

fn options(import: &Import) -> Outcome<ImportOptions> {
    let mut options = ImportOptions::default();
    options = match (&import.format, import.file.as_str()) {
        (Some(format), _) => options.format(format.parse()?),
        (None, "-") => options.format(Format::Jsonl),
        (None, _) => options,
    };
    options = match &import.keys {
        KeysFrom::Format => options,
        KeysFrom::Rows(first) => options.keys(Keys::Rows { first: *first }),
        KeysFrom::Field(field) => options.keys(Keys::Field(field.clone())),
        KeysFrom::File(file) => options.keys(Keys::File(file.into())),
    };
    if let Some(vector) = &import.vector {
        options = options.vector(vector.parse()?);
    }
    if let Some((labels, field)) = &import.labels {
        options = options.labels(labels);
        options = field.iter().fold(options, |options, field| options.label_field(field));
    }
    options = import.payload.iter().fold(options, |options, payload| options.payload(payload));
    options = import.skip.iter().fold(options, |options, skip| options.skip(*skip));
    Ok(import.limit.iter().fold(options, |options, limit| options.limit(*limit)))
}

fn imported(session: &mut Session, import: &Import, report: &ImportReport, elapsed: Duration) -> Outcome {
    let name = &import.collection.text;
    if let Some(row) = report.resumed_at {
        session.note(&format!("went on at row {}, where an earlier run was cut off", render::count(row)));
    }
    if let Some(why) = &report.restarted {
        session.note(&format!("began anew: {why}"));
    }
    let answer = json!({
        "imported": report.rows, "into": name, "replaced": report.replaced, "lsn": report.lsn.0,
        "resumed_at": report.resumed_at, "elapsed_ms": elapsed.as_millis() as u64,
    });
    session.output.one(&answer, || {
        let replaced = match report.replaced {
            0 => String::new(),
            replaced => format!(", {} replaced", render::count(replaced)),
        };
        let rate = report.rows.saturating_sub(report.resumed_at.unwrap_or(0)) as f64 / elapsed.as_secs_f64().max(1e-9);
        format!(
            "imported {} into {name} in {}, {} rows/s{replaced}",
            render::counted(report.rows, "record"),
            render::elapsed(elapsed),
            render::count(rate as u64)
        )
    })
}

pub(super) fn export(session: &mut Session, export: &Export) -> Outcome {
    let collection = session.store.collection(&export.collection)?;
    let mut options = ExportOptions::default().replace(export.replace);
    if let Some(format) = &export.format {
        options = options.format(format.parse()?);
    }
    let start = Instant::now();
    let bar = Bar::new(session);
    let token = session.token().clone();
    let mut show = |progress: Progress| {
        bar.show(&progress);
        if token.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let path = Path::new(&export.file);
    let report = match &export.filter {
        None => exchange::export(&collection, path, &options, &mut show),
        Some(filter) => {
            let now = session.store.reading()?.snapshot()?.collection(collection.name())?;
            let scan = || Ok(Box::new(now.scan().filter(filter)?) as Records<'_>);
            exchange::export_records(&scan, &collection.schema()?, path, &options, &mut show)
        }
    };
    bar.bar.finish_and_clear();
    let report = report?;
    let files: Vec<_> = report.files.iter().map(|file| file.display().to_string()).collect();
    let answer = json!({"exported": report.rows, "files": files, "bytes": report.bytes});
    session.output.one(&answer, || {
        let count = render::counted(report.rows, "record");
        let size = render::size(report.bytes);
        format!("exported {count} to {}, {size} in {}", files.join(" and "), render::elapsed(start.elapsed()))
    })
}

/// How far an import or export is, with its rate and the time left; on a terminal only.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new(session: &Session) -> Bar {
        let bar = if session.shows_progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        Bar { bar }
    }

    fn show(&self, progress: &Progress) {
        if self.bar.is_hidden() {
            return;
        }
        if let Some(rows) = progress.of.filter(|rows| self.bar.length() != Some(*rows)) {
            self.bar.set_length(rows);
            self.bar.set_style(style("{wide_bar} {human_pos}/{human_len} {rate} {eta} left {msg}"));
        } else if progress.of.is_none() && progress.rows == 0 {
            self.bar.set_style(style("{spinner} {human_pos} rows {rate} {msg}"));
        }
        if let Phase::Finishing = progress.phase {
            self.bar.set_message("finishing");
        }
        self.bar.set_position(progress.rows);
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        // What the bar cannot show, it leaves out.
        let _ = write!(out, "{}/s", render::count(state.per_sec() as u64));
    })
}
