//! A process that writes until it is killed, and looking for what it had been told was written.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use driftline::{Create, Database, Key, Metric, Options, Record, Schema, Value, json};

use super::digits::{DIMENSION, Digits};
use crate::failure::{Failure, Outcome};

/// Each batch puts a record of its number into both collections.
const WRITTEN: &str = "written";
const JOURNAL: &str = "journal";

/// The writer is killed after so many acknowledged batches, or after so long.
const ENOUGH: u64 = 500;
const LONG_ENOUGH: Duration = Duration::from_secs(2);

pub(crate) fn prepare(db: &Database) -> Outcome {
    db.create_collection(WRITTEN, Schema::vector(DIMENSION, Metric::L2))?;
    db.create_collection(JOURNAL, Schema::payload_only())?;
    Ok(())
}

/// The child process: writes one batch after the other, each durable, and tells its number on stdout once it has been
/// acknowledged. It never ends by itself, unless whoever listened is gone.
pub(crate) fn write_until_killed(path: &Path) -> Outcome {
    let digits = Digits::bundled()?;
    let db = Options::new().create(Create::Never).open(path).map_err(|error| Failure::opening(&error))?;
    let (written, journal) = (db.collection(WRITTEN)?, db.collection(JOURNAL)?);
    let mut out = std::io::stdout().lock();
    for number in 0.. {
        let [record, entry] = records(&digits, number);
        db.batch().put(&written, record).put(&journal, entry).commit()?;
        writeln!(out, "{number}")?;
        out.flush()?;
    }
    Ok(())
}

/// What batch `number` puts, which can be told from its number alone.
fn records(digits: &Digits, number: u64) -> [Record; 2] {
    let row = number % digits.len();
    let mut vector = digits.vector(row);
    vector[0] = number as f32;
    let payload = json!({"number": number, "digit": digits.label(row)});
    [Record::new(number).vector(vector).payload(payload), Record::new(number).payload(json!({"wrote": number}))]
}

/// A run of the writer.
pub(crate) struct Run {
    /// Batches 0 up to this, without it, were acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) elapsed: Duration,
}

/// Starts the writer and kills it while it writes.
pub(crate) fn run(path: &Path) -> Outcome<Run> {
    let failed = |error| Failure::failed(format!("could not run the process that writes: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.arg("demo-writer").arg(path).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let run = listen(&mut child);
    // After a failure it must not go on either; and only a process that was waited for has given its lock back.
    let killed = child.kill();
    let status = child.wait().map_err(failed)?;
    let run = run?;
    killed.map_err(failed)?;
    if status.success() || run.acknowledged == 0 {
        return Err(Failure::failed(format!("the process that writes ended by itself ({status})")));
    }
    Ok(run)
}

/// Counts what is acknowledged until it is enough, kills the writer, and counts what it had still been told.
fn listen(child: &mut Child) -> Outcome<Run> {
    let Some(stdout) = child.stdout.take() else { return Err(Failure::failed("the writer has no stdout")) };
    let mut lines = BufReader::new(stdout);
    let mut run = Run { acknowledged: 0, elapsed: Duration::ZERO };
    let mut first = None;
    let mut alive = true;
    let mut line = String::new();
    loop {
        line.clear();
        lines.read_line(&mut line).map_err(|error| Failure::failed(format!("could not hear the writer: {error}")))?;
        // A line without its end was cut off by the kill: nobody was told.
        if !line.ends_with('\n') {
            return Ok(run);
        }
        if line.trim_end().parse() != Ok(run.acknowledged) {
            return Err(Failure::failed(format!("the writer said {line:?} after {} batches", run.acknowledged)));
        }
        run.acknowledged += 1;
        let start = *first.get_or_insert_with(Instant::now);
        if alive {
            run.elapsed = start.elapsed();
        }
        if alive && (run.acknowledged >= ENOUGH || run.elapsed >= LONG_ENOUGH) {
            child.kill().map_err(|error| Failure::failed(format!("could not kill the writer: {error}")))?;
            alive = false;
        }
    }
}

/// What of the writer's batches is there.
pub(crate) struct Found {
    /// Acknowledged batches of which a record is not there.
    pub(crate) missing: u64,
    /// Acknowledged batches of which a record is not what was written.
    pub(crate) altered: u64,
    /// Whole batches beyond the acknowledged ones.
    pub(crate) unacknowledged: u64,
    /// Batches of which one record is there and the other not.
    pub(crate) half_written: u64,
}

pub(crate) fn look_for(db: &Database, digits: &Digits, acknowledged: u64) -> Outcome<Found> {
    let (written, journal) = (db.collection(WRITTEN)?, db.collection(JOURNAL)?);
    let mut found = Found { missing: 0, altered: 0, unacknowledged: 0, half_written: 0 };
    for number in 0..acknowledged {
        match (written.get(number)?, journal.get(number)?) {
            (Some(record), Some(entry)) => {
                let [expected_record, expected_entry] = records(digits, number);
                let same = alike(&record, &expected_record) && alike(&entry, &expected_entry);
                found.altered += u64::from(!same);
            }
            _ => found.missing += 1,
        }
    }
    let keys = |scan: driftline::Scan| scan.map(|record| Ok(record?.key)).collect::<driftline::Result<Vec<Key>>>();
    let (written, journal) = (keys(written.scan())?, keys(journal.scan())?);
    found.unacknowledged = (written.len().min(journal.len()) as u64).saturating_sub(acknowledged);
    let lonely = |these: &[Key], those: &[Key]| these.iter().filter(|key| those.binary_search(key).is_err()).count();
    found.half_written = (lonely(&written, &journal) + lonely(&journal, &written)) as u64;
    Ok(found)
}

fn alike(found: &Record, expected: &Record) -> bool {
    found.vector == expected.vector && found.payload == expected.payload && found.payload != Value::Null
}
