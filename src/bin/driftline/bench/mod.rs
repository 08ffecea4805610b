//! `driftline bench`: measuring the engine, on the library's public face alone.
//!
//! `data` reads sets and `generate` makes them, `truth` works out the neighbours, `run` measures and writes lines,
//! `report` draws them and `compare` sets two runs side by side. Outside harnesses drive the engine through `drive`.

pub(crate) mod args;
mod compare;
mod data;
mod drive;
mod effort;
mod generate;
mod line;
mod matrix;
mod metric;
mod report;
mod request;
mod run;
mod store;
mod truth;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use driftline::{Error, ErrorKind, Result};
use indicatif::{ProgressBar, ProgressStyle};

use self::args::Bench;
use self::line::Line;
use crate::failure::Outcome;
use crate::files;
use crate::render::{Look, Output, Row};

/// Does what was asked for.
pub(crate) fn bench(asked: &Bench, quiet: bool, output: &mut Output) -> Outcome {
    match asked {
        Bench::Drive => drive::run(io::stdin().lock(), io::stdout().lock())?,
        Bench::Run(asked) => measure(asked, quiet, output)?,
        Bench::Generate(asked) => {
            let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(asked.rows) };
            let said = generate::generate(asked, &mut |rows| bar.set_position(rows));
            bar.finish_and_clear();
            output.line(&said?)?;
        }
        Bench::Report(asked) => {
            let lines = asked.results.iter().map(|path| line::read(path)).collect::<Result<Vec<_>>>()?.concat();
            write_report(&asked.out, &lines)?;
            output.line(&format!("{}: {} settings", asked.out.display(), lines.len()))?;
        }
        Bench::Compare(asked) => {
            let (before, after) = (line::read(&asked.before)?, line::read(&asked.after)?);
            let ratios = compare::compare(&before, &after, &asked.recall)?;
            output.many(&compare::HEADINGS, ratios.into_iter().map(Ok))?;
        }
    }
    Ok(())
}

/// Runs, then prints and draws what was measured.
fn measure(asked: &args::Run, quiet: bool, output: &mut Output) -> Outcome {
    let sink = asked.out.as_deref().map(|path| append_to(path).map(|file| run::Sink(file, path.display().to_string())));
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut told = Told { bar, sink: sink.transpose()?, lines: Vec::new() };
    let done = run::run(asked, &mut told);
    told.bar.finish_and_clear();
    // What was measured before something went wrong is shown all the same.
    if !told.lines.is_empty() {
        if let Some(path) = &asked.report {
            write_report(path, &told.lines)?;
        }
        output.many(&HEADINGS, told.lines.into_iter().map(Ok))?;
    }
    Ok(done?)
}

/// Shows how it goes, keeps the results and writes them as they come.
struct Told {
    bar: ProgressBar,
    sink: Option<run::Sink>,
    lines: Vec<Line>,
}

impl run::Listener for Told {
    fn step(&mut self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    fn line(&mut self, line: &Line) -> Result<()> {
        self.lines.push(line.clone());
        self.sink.as_mut().map_or(Ok(()), |sink| sink.write(line))
    }
}

const HEADINGS: [&str; 12] = [
    "index",
    "asked",
    "threads",
    "filter",
    "recall",
    "min",
    "queries/s",
    "batch/s",
    "p50 us",
    "p99 us",
    "codes",
    "vectors",
];

impl Row for Line {
    fn cells(&self, _look: Look) -> Vec<String> {
        vec![
            self.index.spec.clone(),
            self.query.effort.to_string(),
            self.query.threads.to_string(),
            self.query.filter.clone().unwrap_or_default(),
            format!("{:.4}", self.recall.mean),
            format!("{:.2}", self.recall.min),
            format!("{:.0}", self.qps.single),
            self.qps.batch.map_or(String::new(), |rate| format!("{rate:.0}")),
            format!("{:.0}", self.lat_us.p50),
            format!("{:.0}", self.lat_us.p99),
            format!("{:.0}", self.code_dist_per_query),
            format!("{:.0}", self.dist_per_query),
        ]
    }
}

fn write_report(path: &Path, lines: &[Line]) -> Result<()> {
    let name = path.display().to_string();
    let page = report::html(lines)?;
    let written = files::create(&name)?.write_all(page.as_bytes());
    written.map_err(|error| Error::new(ErrorKind::Io, format!("could not write the report: {error}")).at(name))
}

/// Opens a file of the user's to add lines to.
fn append_to(path: &Path) -> Result<std::fs::File> {
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|error| {
        Error::new(ErrorKind::Io, format!("could not open the file for results: {error}"))
            .at(path.display().to_string())
    })
}
