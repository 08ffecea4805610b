//! `driftline bench`: measuring the engine, on the library's public face alone.
//!
//! `load` is everything at once for long, `drift` asks detectors of drift about samples that it draws. `data` reads sets and `generate` makes them, `truth` works out the neighbours, `run` measures and writes lines,
//! `report` draws them and `compare` sets two runs side by side. Outside harnesses drive the engine through `drive`.

pub(crate) mod args;
mod compare;
mod data;
mod drift;
mod drive;
mod effort;
mod folder;
mod generate;
mod line;
mod load;
mod machine;
mod matrix;
mod report;
mod run;
mod sink;
mod store;
mod truth;

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use driftline::{Error, ErrorKind, Result};
use indicatif::{ProgressBar, ProgressStyle};

use self::args::Bench;
use self::line::Line;
use self::sink::Sink;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::interrupt::Interrupt;
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
        Bench::Load(asked) => load_up(asked, quiet, output)?,
        Bench::Drift(asked) => detect(asked, quiet, output)?,
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
    let sink = asked.out.as_deref().map(Sink::open);
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

/// Loads a store, then says what grew. Ctrl-C ends the load early.
fn load_up(asked: &args::Load, quiet: bool, output: &mut Output) -> Outcome {
    let mut sink = asked.out.as_deref().map(Sink::open).transpose()?;
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new((asked.minutes * 60.0) as u64) };
    let interrupt = Interrupt::listen()?;
    let running = interrupt.begin();
    let mut intervals = Vec::new();
    let done = load::load(asked, &running.token, &mut |interval| {
        bar.set_position(interval.at as u64);
        intervals.push(interval.clone());
        sink.as_mut().map_or(Ok(()), |sink| sink.write(interval))
    });
    bar.finish_and_clear();
    let judged = load::judge(&intervals);
    // What was seen before something went wrong is shown all the same.
    if !intervals.is_empty() {
        if let Some(path) = &asked.report {
            write_page(path, &report::load_html(&intervals, &judged)?)?;
        }
        load::show(&intervals, &judged, output)?;
    }
    done?;
    match judged.iter().find(|judged| judged.grew) {
        Some(judged) => Err(Failure::failed(format!("{} grew", judged.what))),
        None => Ok(()),
    }
}

/// Measures detectors of drift, then prints what was counted.
fn detect(asked: &args::Drift, quiet: bool, output: &mut Output) -> Outcome {
    let mut sink = asked.out.as_deref().map(Sink::open).transpose()?;
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(drift::draws(asked)) };
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} draws, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let start = Instant::now();
    let studies =
        drift::run(asked, &|| bar.inc(1), &mut |study| sink.as_mut().map_or(Ok(()), |sink| sink.write(study)));
    bar.finish_and_clear();
    let studies = studies?;
    if let Some(path) = &asked.report {
        write_page(path, &drift::markdown(&studies, asked, start.elapsed()))?;
    }
    drift::show(&studies, output)
}

/// Shows how it goes, keeps the results and writes them as they come.
struct Told {
    bar: ProgressBar,
    sink: Option<Sink>,
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
    write_page(path, &report::html(lines)?)
}

fn write_page(path: &Path, page: &str) -> Result<()> {
    let name = path.display().to_string();
    let written = files::create(&name)?.write_all(page.as_bytes());
    written.map_err(|error| Error::new(ErrorKind::Io, format!("could not write the report: {error}")).at(name))
}
