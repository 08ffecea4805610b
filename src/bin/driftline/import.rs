//! Imports from files.

use std::fmt;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use driftline::{Collection, Commit, Database, Error, ErrorKind, Metric, Record, Result, Schema, Value, Vector, json};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::args::{self, Global};
use crate::failure::{CANCELLED, Failure, Outcome};
use crate::jsonl::{Layout, Lines};
use crate::render::{self, Output};
use crate::{files, npy, store};

pub(crate) fn import(args: &args::Import, global: &Global, output: &mut Output) -> Outcome {
    let mut source = Source::open(args)?;
    let open = if args.create { store::write_or_create } else { store::write };
    let db = open(&args.place.store, global)?;
    let name = &args.place.collection;
    let start = Instant::now();
    let imported = if args.create {
        let collection = db.create_collection(name, source.schema(args.metric)?)?;
        // What cannot be filled is not left behind empty.
        run(&collection, &mut source).or_else(|error| db.drop_collection(name).and(Err(error)))
    } else {
        db.collection(name).and_then(|collection| run(&collection, &mut source))
    };
    let (rows, commit) = imported?;
    finish(args, db, rows, commit, start, &source, output)
}

fn finish(
    args: &args::Import,
    db: Database,
    rows: u64,
    commit: Commit,
    start: Instant,
    source: &Source,
    output: &mut Output,
) -> Outcome {
    db.close()?;
    let name = &args.place.collection;
    let elapsed = start.elapsed();
    let seconds = elapsed.as_secs_f64();
    let per_second = (rows as f64 / seconds.max(1e-9)).round();
    if source.rounds() {
        render::note("the file's numbers were rounded to f32, where they did not fit");
    }
    let answer = json!({
        "imported": rows, "replaced": commit.existed, "lsn": commit.lsn.0,
        "seconds": seconds, "rows_per_second": per_second,
    });
    output.one(&answer, || {
        let replaced =
            if commit.existed > 0 { format!(", {} replaced", render::count(commit.existed)) } else { "".into() };
        format!(
            "imported {} into {name}{replaced} in {}: {} rows/s",
            render::counted(rows, "record"),
            render::elapsed(elapsed),
            render::count(per_second as u64)
        )
    })
}

fn run(collection: &Collection, source: &mut Source) -> Result<(u64, Commit)> {
    let bits = collection.schema()?.metric() == Some(Metric::Hamming);
    let bar = progress(source.total());
    let cancelled = cancelled();
    let mut import = collection.import()?;
    let mut rows = 0;
    source.set_bits(bits)?;
    while let Some((number, record)) = source.next() {
        import.put(record?).map_err(|error| error.at(source.place(number)))?;
        rows += 1;
        if cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::Cancelled,
                format!("cancelled after {} rows; nothing was imported", rows),
            ));
        }
        bar.inc(1);
    }
    bar.set_message("finishing");
    let commit = import.finish();
    bar.finish_and_clear();
    Ok((rows, commit?))
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

/// A bar on stderr; on anything but a terminal it draws nothing.
fn progress(total: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{wide_bar} {human_pos}/{human_len} rows, {rate}, {eta} left {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos} rows, {rate} {msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        // What the bar cannot show, it leaves out.
        let _ = write!(out, "{}/s", render::count(state.per_sec() as u64));
    }))
}

/// What is imported.
enum Source {
    Rows { file: String, rows: npy::Rows, first_key: u64, labels: Option<(String, Vec<Value>)> },
    Lines { file: String, lines: std::iter::Peekable<Lines<Box<dyn BufRead>>> },
}

impl Source {
    fn open(args: &args::Import) -> Outcome<Source> {
        let path = Path::new(&args.file);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "npy" => {
                let rows = npy::Rows::open(path, 0, false)?;
                let labels = match &args.labels {
                    Some(file) => Some((args.label_field.clone(), labels(file, rows.total())?)),
                    None => None,
                };
                Ok(Source::Rows { file: args.file.clone(), rows, first_key: args.first_key, labels })
            }
            "jsonl" | "ndjson" => Ok(Source::lines(args, Box::new(files::open(path)?))),
            _ if args.file == "-" => Ok(Source::lines(args, Box::new(io::stdin().lock()))),
            _ => Err(Failure::usage(format!(
                "{} is neither .npy nor .jsonl; - reads lines of JSON from stdin",
                args.file
            ))),
        }
    }

    fn lines(args: &args::Import, reader: Box<dyn BufRead>) -> Source {
        let layout = match &args.key_field {
            Some(key) => Layout::Flat { key: key.clone(), vector: args.vector_field.clone() },
            None => Layout::Record,
        };
        let file = if args.file == "-" { "stdin".to_owned() } else { args.file.clone() };
        Source::Lines { lines: Lines::new(reader, &args.file, layout).peekable(), file }
    }

    /// How many rows there are, where that is known.
    fn total(&self) -> Option<u64> {
        match self {
            Source::Rows { rows, .. } => Some(rows.total()),
            Source::Lines { .. } => None,
        }
    }

    fn rounds(&self) -> bool {
        matches!(self, Source::Rows { rows, .. } if rows.rounded())
    }

    /// The schema of a collection that can hold this.
    fn schema(&mut self, metric: Option<Metric>) -> Outcome<Schema> {
        let needed = || metric.ok_or_else(|| Failure::usage("--create needs --metric: l2, cosine, dot, l1 or hamming"));
        match self {
            Source::Rows { rows, .. } if metric == Some(Metric::Hamming) => Ok(Schema::bits(rows.width() * 8)),
            Source::Rows { rows, .. } => Ok(Schema::vector(rows.width(), needed()?)),
            Source::Lines { lines, file } => match lines.peek() {
                None => Err(Failure::failed(format!("{file} holds no record to take the dimension from"))),
                Some((_, Err(error))) => Err(error.clone().into()),
                Some((_, Ok(record))) => match &record.vector {
                    None => Ok(Schema::payload_only()),
                    Some(Vector::Bits(bytes)) => Ok(Schema::bits(bytes.len() * 8)),
                    Some(vector) => Ok(Schema::vector(vector.dimension(), needed()?)),
                },
            },
        }
    }

    /// Whether the collection holds bits, so that an array must be of packed ones.
    fn set_bits(&mut self, bits: bool) -> Result<()> {
        match self {
            Source::Rows { rows, .. } => rows.set_bits(bits),
            Source::Lines { .. } => Ok(()),
        }
    }

    /// The next record and its number; what cannot be read says itself where it stands.
    fn next(&mut self) -> Option<(u64, Result<Record>)> {
        match self {
            Source::Lines { lines, .. } => lines.next(),
            Source::Rows { rows, first_key, labels, .. } => {
                let row = rows.upcoming();
                let vector = rows.next()?;
                Some((row, vector.and_then(|vector| labelled(*first_key, row, vector, labels.as_ref()))))
            }
        }
    }

    /// Where a record stands.
    fn place(&self, number: u64) -> String {
        match self {
            Source::Rows { file, .. } => format!("{file}, row {number}"),
            Source::Lines { file, .. } => format!("{file}, line {number}"),
        }
    }
}

fn labelled(first_key: u64, row: u64, vector: Vector, labels: Option<&(String, Vec<Value>)>) -> Result<Record> {
    let key = first_key.checked_add(row).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "the keys run past the highest number").mend("begin with a lower --first-key")
    })?;
    let record = Record::new(key).vector(vector);
    Ok(match labels {
        Some((name, labels)) => record.payload(Value::object([(name, labels[row as usize].clone())])),
        None => record,
    })
}

fn labels(file: &Path, rows: u64) -> Result<Vec<Value>> {
    let labels = npy::labels(file)?;
    if labels.len() as u64 == rows {
        return Ok(labels);
    }
    let message = format!("there are {} labels for {rows} rows", labels.len());
    Err(Error::new(ErrorKind::Invalid, message).at(file.display().to_string()).mend("give the labels of these rows"))
}
