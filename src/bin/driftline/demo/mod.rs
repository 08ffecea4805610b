//! `driftline demo`: what this program promises, shown on real data in a few seconds.
//!
//! `digits` is the data, `killed` the part where a process is killed while it writes, `models` the part about models.

mod digits;
mod killed;
mod models;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use driftline::{Collection, Database, Error, ErrorKind, Metric, Options, Record, RecoveryReport, Schema, VerifyLevel};
use driftline::{VerifyReport, json};
use serde::Serialize;

use crate::args;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Output};

pub(crate) use killed::write_until_killed;

use digits::{DIMENSION, Digits};
use killed::{Found, Run};
use models::Models;

/// The collection of the digits.
const DIGITS: &str = "digits";
/// Digits whose neighbours are shown.
const SHOWN: [u64; 3] = [6, 42, 700];
const NEIGHBOURS: usize = 5;

/// What the demo found, as the JSON formats print it.
#[derive(Debug, Serialize)]
struct Report {
    store: String,
    imported: u64,
    import_ms: f64,
    searches: u64,
    search_us: f64,
    same_label: u64,
    acknowledged: u64,
    writes_per_second: f64,
    found: u64,
    missing: u64,
    altered: u64,
    unacknowledged: u64,
    half_written: u64,
    reopen_ms: f64,
    replayed_batches: u64,
    dropped_bytes: u64,
    problems: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Models>,
}

impl Report {
    /// Whether everything that was promised held.
    fn is_good(&self) -> bool {
        self.missing == 0
            && self.altered == 0
            && self.half_written == 0
            && self.problems == 0
            && self.models.as_ref().is_none_or(|it| it.audit_whole)
    }
}

pub(crate) fn demo(args: &args::Demo, output: &mut Output) -> Outcome {
    let path = fresh_directory(args.directory.as_deref())?;
    let digits = Digits::bundled()?;
    let mut told = Story { output };
    told.line(&format!("Driftline shows what it does, in {}\n", path.display()))?;

    let db = Options::new().open(&path).map_err(|error| Failure::opening(&error))?;
    let (collection, import_time) = build(&db, &digits)?;
    told.built(&digits, import_time)?;
    let search = search_all(&collection, &digits)?;
    told.searched(&collection, &digits, &search)?;
    killed::prepare(&db)?;
    db.close()?;

    let run = killed::run(&path)?;
    told.killed(&run)?;
    let db = Options::new().open(&path).map_err(|error| Failure::opening(&error))?;
    let found = killed::look_for(&db, &digits, run.acknowledged)?;
    let verified = db.verify(VerifyLevel::Full)?;
    let recovery = db.recovery_report().clone();
    db.close()?;

    let mut report = report(&path, &digits, import_time, &search, &run, &found, &recovery, &verified);
    told.reopened(&report, &verified)?;
    let models = models::live_through(&path, &digits)?;
    told.lived_through(&models)?;
    report.models = Some(models);
    told.what_next(&path)?;
    if !told.output.is_table() {
        told.output.one(&report, String::new)?;
    }
    if report.is_good() { Ok(()) } else { output.finish().and(Err(Failure::damaged())) }
}

/// The directory that was named, or one of our own; it must not exist yet, so that nothing of the user's is touched.
fn fresh_directory(named: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(path) = named {
        if path.exists() {
            return Err(Failure::from(
                Error::new(ErrorKind::Exists, "the demo makes a directory of its own, and this one exists")
                    .at(path.display().to_string())
                    .mend("name one that does not exist"),
            ));
        }
        return Ok(path.to_owned());
    }
    let own = |n: u32| std::env::temp_dir().join(format!("driftline-demo-{}-{n}", std::process::id()));
    (0..100)
        .map(own)
        .find(|path| !path.exists())
        .ok_or_else(|| Failure::failed("no free name for a directory was found"))
}

fn build(db: &Database, digits: &Digits) -> Outcome<(Collection, Duration)> {
    let start = Instant::now();
    let collection = db.create_collection(DIGITS, Schema::vector(DIMENSION, Metric::L2))?;
    let mut import = collection.import()?;
    for row in 0..digits.len() {
        import.put(Record::new(row).vector(digits.vector(row)).payload(json!({"label": digits.label(row)})))?;
    }
    import.finish()?;
    Ok((collection, start.elapsed()))
}

/// What searching for each digit among the others found.
struct Search {
    same_label: u64,
    /// A digit whose nearest neighbour is another digit.
    mistaken: Option<u64>,
    elapsed: Duration,
}

fn search_all(collection: &Collection, digits: &Digits) -> Outcome<Search> {
    let start = Instant::now();
    let mut search = Search { same_label: 0, mistaken: None, elapsed: Duration::ZERO };
    for row in 0..digits.len() {
        let nearest = neighbours(collection, digits, row, 1)?;
        if nearest.first().is_some_and(|other| digits.label(*other) == digits.label(row)) {
            search.same_label += 1;
        } else {
            search.mistaken = search.mistaken.or(Some(row));
        }
    }
    search.elapsed = start.elapsed();
    Ok(search)
}

/// The `k` digits nearest to one, without itself.
fn neighbours(collection: &Collection, digits: &Digits, row: u64, k: usize) -> driftline::Result<Vec<u64>> {
    let hits = collection.query().nearest(digits.vector(row)).k(k + 1).run()?;
    let others = hits.keys().filter_map(|key| key.as_number()).filter(|other| *other != row);
    Ok(others.take(k).collect())
}

#[expect(clippy::too_many_arguments, reason = "each is one part of the story")]
fn report(
    path: &Path,
    digits: &Digits,
    import_time: Duration,
    search: &Search,
    run: &Run,
    found: &Found,
    recovery: &RecoveryReport,
    verified: &VerifyReport,
) -> Report {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    Report {
        store: path.display().to_string(),
        imported: digits.len(),
        import_ms: milliseconds(import_time),
        searches: digits.len(),
        search_us: milliseconds(search.elapsed) * 1e3 / digits.len() as f64,
        same_label: search.same_label,
        acknowledged: run.acknowledged,
        writes_per_second: run.acknowledged as f64 / run.elapsed.as_secs_f64().max(1e-9),
        found: run.acknowledged - found.missing - found.altered,
        missing: found.missing,
        altered: found.altered,
        unacknowledged: found.unacknowledged,
        half_written: found.half_written,
        reopen_ms: milliseconds(recovery.elapsed),
        replayed_batches: recovery.batches,
        dropped_bytes: recovery.discarded_bytes,
        problems: verified.problems.len() as u64,
        models: None,
    }
}

/// What people are told; the JSON formats print the report alone.
struct Story<'a> {
    output: &'a mut Output,
}

impl Story<'_> {
    /// Shows a line at once, since the next step may take a while.
    fn line(&mut self, text: &str) -> Outcome {
        if self.output.is_table() {
            self.output.line(text)?;
            self.output.finish()?;
        }
        Ok(())
    }

    fn built(&mut self, digits: &Digits, time: Duration) -> Outcome {
        self.line("1. It builds a store from real data")?;
        self.line(&format!(
            "   {} handwritten digits of 8 x 8 grey values, each a vector of {DIMENSION} numbers\n   with its label, \
             imported in {}.\n   (Optical Recognition of Handwritten Digits, UCI, CC BY 4.0)\n",
            digits.len(),
            render::elapsed(time)
        ))
    }

    fn searched(&mut self, collection: &Collection, digits: &Digits, search: &Search) -> Outcome {
        self.line("2. It finds what is alike")?;
        self.line("   On the left a digit, beside it the five nearest of all the others:\n")?;
        for row in SHOWN {
            self.pictures(collection, digits, row)?;
        }
        if let Some(row) = search.mistaken {
            self.line("   And one where the nearest is not the same digit:\n")?;
            self.pictures(collection, digits, row)?;
        }
        let count = digits.len();
        self.line(&format!(
            "   Asked for each of the {count}, the nearest other one has the same label {} times\n   ({:.1} %). An exact \
             search took {}.\n",
            search.same_label,
            search.same_label as f64 * 100.0 / count as f64,
            render::elapsed(search.elapsed / count as u32)
        ))
    }

    fn pictures(&mut self, collection: &Collection, digits: &Digits, row: u64) -> Outcome {
        let neighbours = neighbours(collection, digits, row, NEIGHBOURS)?;
        for line in digits.side_by_side(row, &neighbours) {
            self.line(&format!("      {line}"))?;
        }
        self.line("")
    }

    fn killed(&mut self, run: &Run) -> Outcome {
        self.line("3. It is killed while it writes")?;
        self.line(&format!(
            "   A second process wrote batches of two records, each durable before the next,\n   and told us every one \
             that the store had acknowledged: {} in {}.\n   Then it was killed with SIGKILL, without warning.\n",
            render::count(run.acknowledged),
            render::elapsed(run.elapsed)
        ))
    }

    fn reopened(&mut self, report: &Report, verified: &VerifyReport) -> Outcome {
        self.line("4. Nothing acknowledged is missing")?;
        self.line(&format!(
            "   Opened again in {:.1} ms, with {} replayed from the log.\n\n      acknowledged {:>8}\n      found        \
             {:>8}\n      missing      {:>8}\n      altered      {:>8}\n      half written {:>8}\n",
            report.reopen_ms,
            render::counted(report.replayed_batches, "batch").replace("batchs", "batches"),
            report.acknowledged,
            report.found,
            report.missing,
            report.altered,
            report.half_written
        ))?;
        if report.unacknowledged > 0 {
            self.line(&format!(
                "   {} more had been written whole when the kill came before the answer.",
                render::count(report.unacknowledged)
            ))?;
        }
        self.line(&format!(
            "   Every byte checked: {}, {}, {}: {}.\n",
            render::counted(verified.files, "file"),
            render::size(verified.bytes),
            render::counted(verified.records, "record"),
            if verified.is_clean() { "all is well".into() } else { render::counted(report.problems, "problem") }
        ))?;
        self.line(&format!(
            "   {:.0} durable batches a second, {:.0} µs a search, on this machine.\n",
            report.writes_per_second, report.search_us
        ))
    }

    fn lived_through(&mut self, models: &Models) -> Outcome {
        let [old, new] = models.right.map(|share| format!("{:.1} %", share * 100.0));
        let [users_old, users_new] = models.users.map(render::count);
        let [first, again, anew] = models.computed.map(render::count);
        let p = models.p_always_valid;
        let p = if p < 1e-4 { "below 0.0001".to_owned() } else { format!("{p:.4}") };
        let (verdict, serves) =
            if models.adopted { ("2.0.0 serves from now on", "2.0.0") } else { ("1.0.0 goes on serving", "1.0.0") };
        let whole = if models.audit_whole { "whole" } else { "broken" };
        self.line("5. It knows which model serves, and why")?;
        self.line("   Version 1.0.0 of a model names a digit after the nearest of 100 it knows, and")?;
        self.line("   serves. Version 2.0.0 knows all of them. Users get one of them by chance:\n")?;
        self.line(&format!("      1.0.0   {users_old:>4} users   right for {old:>7}"))?;
        self.line(&format!("      2.0.0   {users_new:>4} users   right for {new:>7}\n"))?;
        self.line(&format!("   By a test that may be looked at after every user p is {p}:\n   {verdict}.\n"))?;
        self.line(&format!(
            "   A cache was asked 50 questions. 1.0.0 computed {first} answers, then {again} when asked"
        ))?;
        self.line(&format!("   again. Now {serves} computes {anew}: no version gives the answers of another."))?;
        self.line(&format!("   Training was asked for ({}),", models.training_asked_for))?;
        self.line("   and waits until somebody approves it.\n")?;
        let entries = render::count(models.audit_entries);
        self.line(&format!("   Who did what stands in {entries} entries of the audit log, each with the hash of"))?;
        self.line(&format!("   the one before: {whole}.\n"))
    }

    fn what_next(&mut self, path: &Path) -> Outcome {
        let program = program();
        self.line("The store is still there. Try next:\n")?;
        self.line(&format!("   S={}", quoted(&path.display().to_string())))?;
        for command in [
            "$S stats",
            "$S find digits near @42 limit 5",
            "$S get digits 42 --format json",
            "$S scan written reverse limit 3",
            "$S create notes 'f32[3]' cosine",
            "$S put notes first '[0.1, 0.9, 0]'",
            "$S find notes near '[0, 1, 0]'",
            "$S model reader",
            "$S experiment reader-2",
            "$S alias rollback reader production by you",
            "$S alias history reader production",
            "$S audit limit 5",
            "$S verify",
        ] {
            self.line(&format!("   {program} {}", command.replace("$S", "\"$S\"")))?;
        }
        self.line(&format!("\nOr all of these in a shell: {program} \"$S\""))?;
        self.line("When you have seen enough: rm -r \"$S\"")
    }
}

/// This program as it was called, so that the commands can be typed again.
fn program() -> String {
    std::env::args().next().map_or_else(|| "driftline".into(), |name| quoted(&name))
}

/// A word that a shell takes as it stands.
fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
