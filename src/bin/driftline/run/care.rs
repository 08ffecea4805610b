//! Looking after a store: `stats`, `verify`, `compact`, `flush`.

use std::collections::BTreeSet;
use std::time::Duration;

use driftline::statement::Name;
use driftline::{
    Collection, CollectionStats, IndexSpec, IndexStats, Problem, VerifiedCollection, VerifyLevel, VerifyProgress,
    VerifyReport, json,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Failure, Outcome};
use crate::render::{self, Output, Plain};
use crate::session::Session;

pub(super) fn stats(session: &mut Session, name: Option<&Name>) -> Outcome {
    let mut stats = session.store.reading()?.stats()?;
    if let Some(name) = name {
        session.store.collection(name)?;
        stats.collections.retain(|it| it.name == name.text);
        let one = stats.collections.remove(0);
        return session.output.one(&one, || render::pairs(pairs(&one)));
    }
    if !session.output.is_table() {
        return session.output.one(&stats, String::new);
    }
    let mut pairs = vec![
        ("store", render::plain(&stats.location)),
        ("newest batch", format!("LSN {}", stats.lsn)),
        ("files", render::size(stats.file_bytes)),
        ("in memory", render::size(stats.unsealed_bytes)),
        ("log", format!("{}, {}", render::counted(stats.log_files, "file"), render::size(stats.log_bytes))),
        ("blobs", format!("{}, {}", render::count(stats.blobs), render::size(stats.blob_bytes))),
    ];
    pairs.extend(stats.free_bytes.map(|free| ("free on disk", render::size(free))));
    pairs.extend(stats.maintenance_failure.clone().map(|failure| ("maintenance failed", failure)));
    session.output.line(&render::pairs(pairs))?;
    if stats.collections.is_empty() {
        return Ok(());
    }
    session.output.line("")?;
    table(&mut session.output, &stats.collections)?;
    for collection in &stats.collections {
        if let Some(damage) = &collection.damage {
            session.output.line(&format!("{}: {}", collection.name, render::plain(damage)))?;
        }
    }
    Ok(())
}

fn table(output: &mut Output, collections: &[CollectionStats]) -> Outcome {
    let headings = ["collection", "records", "segments", "deleted", "size", "schema"];
    let row = |it: &CollectionStats| {
        let cells = vec![
            it.name.clone(),
            render::count(it.records),
            render::count(it.segments),
            render::count(it.deleted_rows),
            render::size(it.file_bytes),
            it.schema.clone(),
        ];
        Ok(Plain { thing: it.clone(), cells })
    };
    output.many(&headings, collections.iter().map(row))
}

fn pairs(it: &CollectionStats) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("collection", it.name.clone()),
        ("schema", it.schema.clone()),
        ("records", render::count(it.records)),
        ("segments", render::count(it.segments)),
        ("rows in files", render::count(it.sealed_rows)),
        ("deleted", render::count(it.deleted_rows)),
        ("rows in memory", render::count(it.unsealed_rows)),
        ("indexed", indexed(it)),
        ("memory", render::size(it.unsealed_bytes)),
        ("files", render::size(it.file_bytes)),
    ];
    pairs.extend(it.damage.as_deref().map(|damage| ("damage", render::plain(damage))));
    pairs
}

/// How many rows the indexes are over, what they are, and what is still to come.
fn indexed(it: &CollectionStats) -> String {
    let mut told = vec![render::counted(it.indexed_rows, "row")];
    let of = |index: &IndexStats| match index.layout {
        Some(layout) => format!("{} ({layout})", index.kind),
        None => index.kind.clone(),
    };
    let kinds: BTreeSet<String> = it.indexes.iter().filter(|index| index.damage.is_none()).map(of).collect();
    let bytes: u64 = it.indexes.iter().map(|index| index.bytes).sum();
    if !kinds.is_empty() {
        told.push(format!("{} in {}", kinds.into_iter().collect::<Vec<_>>().join(", "), render::size(bytes)));
    }
    if it.unindexed_rows > 0 {
        told.push(format!("{} to come", render::count(it.unindexed_rows)));
    }
    let unreachable: u64 = it.indexes.iter().map(|index| index.unreachable).sum();
    if unreachable > 0 {
        told.push(format!("{} out of reach", render::count(unreachable)));
    }
    let damaged = it.indexes.iter().filter(|index| index.damage.is_some()).count() as u64;
    if damaged > 0 {
        told.push(format!("{damaged} damaged"));
    }
    told.join("; ")
}

pub(super) fn verify(session: &mut Session, quick: bool) -> Outcome {
    let level = if quick { VerifyLevel::Quick } else { VerifyLevel::Full };
    let bar = bytes_bar(session, "checking");
    let shown = bar.clone();
    let check = session.store.reading()?.verification().level(level).cancel(session.token());
    let report = check.on_progress(move |progress| show(&shown, progress)).run();
    bar.finish_and_clear();
    let report = report?;
    session.output.one(&report, || verified(&report))?;
    if report.is_clean() { Ok(()) } else { session.output.finish().and(Err(Failure::damaged())) }
}

/// Reading bytes comes first, looking up rows after it; each is half of the bar.
fn show(bar: &ProgressBar, progress: &VerifyProgress) {
    bar.set_length(progress.of_bytes + progress.of_rows);
    bar.set_position(progress.bytes + progress.rows);
    let (rows, of) = (render::count(progress.rows), render::count(progress.of_rows));
    bar.set_message(format!(
        "checking {} of {}, {rows} of {of} rows",
        render::size(progress.bytes),
        render::size(progress.of_bytes)
    ));
}

/// A report for people.
fn verified(report: &VerifyReport) -> String {
    let mut told = format!("checked {} of {}", render::counted(report.files, "file"), render::size(report.bytes));
    if report.records > 0 {
        told += &format!(", {}", render::counted(report.records, "record"));
    }
    let sum = |of: fn(&VerifiedCollection) -> u64| report.collections.iter().map(of).sum::<u64>();
    let (asked, found) = (sum(|it| it.asked_rows), sum(|it| it.found_rows));
    if asked > 0 {
        told += &format!(", {} of {} found through their index", render::count(found), render::counted(asked, "row"));
    }
    if let Some(audit) = report.audit.as_ref().filter(|audit| audit.is_whole()) {
        told += &format!(", the audit log whole up to entry {}", render::count(audit.records));
    }
    if report.is_clean() {
        return told + ": all is well";
    }
    let broken = report.audit.as_ref().filter(|audit| !audit.is_whole());
    let (problems, warnings) = (report.problems.len() as u64, report.warnings.len() as u64);
    let breaks = u64::from(broken.is_some());
    let counts =
        [(problems, "problem"), (warnings, "warning"), (breaks, "break")].into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, what)| render::counted(count, what)).collect();
    let line = |problem: &Problem| format!("\n  {}", render::plain(&problem.to_string()));
    let lines: String = report.problems.iter().chain(&report.warnings).map(line).collect();
    let lines = broken.iter().fold(lines, |lines, broken| format!("{lines}\n  audit log: {broken}"));
    format!("{told}: {}{lines}", counts.join(", "))
}

/// Shows how much of the work is done.
fn bytes_bar(session: &Session, doing: &'static str) -> ProgressBar {
    if !session.shows_progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {percent}% {msg}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(doing)
}

/// It says only that work goes on.
pub(super) fn spinner(session: &Session, doing: &'static str) -> ProgressBar {
    if !session.shows_progress() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(doing);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

pub(super) fn compact(session: &mut Session, name: Option<&Name>) -> Outcome {
    let db = session.store.writing()?;
    let names = match name {
        Some(name) => vec![name.text.clone()],
        None => db.collections()?.into_iter().filter(|it| it.damage.is_none()).map(|it| it.name).collect(),
    };
    if let Some(name) = name {
        session.store.writable(name)?;
    }
    let spinner = spinner(session, "compacting");
    let before = db.stats()?.file_bytes;
    let done = names.iter().try_for_each(|name| {
        session.check()?;
        db.collection(name)?.compact()
    });
    spinner.finish_and_clear();
    done?;
    let after = db.stats()?.file_bytes;
    let answer = json!({"compacted": names, "bytes_before": before, "bytes_after": after});
    session.output.one(&answer, || {
        let count = render::counted(names.len() as u64, "collection");
        format!("compacted {count}: {} before, {} now", render::size(before), render::size(after))
    })
}

/// How often a wait looks whether it was interrupted.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) fn reindex(session: &mut Session, name: &Name, index: &IndexSpec) -> Outcome {
    build(session, name, |collection| collection.reindex(index.clone()))
}

pub(super) fn rebuild(session: &mut Session, name: &Name) -> Outcome {
    build(session, name, |collection| collection.rebuild_index().map(drop))
}

/// Has indexes built and waits for them.
fn build(session: &mut Session, name: &Name, begin: impl Fn(&Collection) -> driftline::Result<()>) -> Outcome {
    let collection = session.store.writable(name)?;
    let db = session.store.writing()?;
    let spinner = spinner(session, "building the index");
    let done = (|| {
        begin(&collection)?;
        while !collection.wait_indexed(LOOK_AGAIN)? {
            session.check()?;
            if let Some(failure) = db.stats()?.maintenance_failure {
                session.note(&format!("it has to wait: {failure}"));
                return Ok(());
            }
        }
        Outcome::Ok(())
    })();
    spinner.finish_and_clear();
    done?;
    let index = collection.schema()?.index_spec().clone();
    let stats = db.stats()?.collections.into_iter().find(|it| it.name == name.text);
    let (indexed, left) = stats.map_or((0, 0), |it| (it.indexed_rows, it.unindexed_rows));
    let answer = json!({"collection": name.text, "index": index, "indexed_rows": indexed, "unindexed_rows": left});
    session.output.one(&answer, || {
        let left = if left > 0 { format!(", {} to come", render::count(left)) } else { String::new() };
        format!("{}: {index}, {} indexed{left}", name.text, render::counted(indexed, "row"))
    })
}

pub(super) fn flush(session: &mut Session) -> Outcome {
    let db = session.store.writing()?;
    db.flush()?;
    session.output.one(&json!({"flushed": true, "lsn": db.lsn().0}), || format!("flushed up to LSN {}", db.lsn()))
}
