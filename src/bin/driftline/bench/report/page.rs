//! The page: a section for each set, with its plots and, at the end, every figure.

use std::fmt::Write;

use driftline::Result;

use super::curve::{front, rate_at};
use crate::bench::line::{Engine, Line, Machine};
use crate::draw::axes::{self, of_recall, short};
use crate::draw::page::{escaped, legend, whole};
use crate::draw::plots::{self, Axis, Bar, Series};

/// Recalls for which rates are written out.
const LEVELS: [f64; 3] = [0.9, 0.95, 0.99];

/// The page that shows these results, as it is written to a file.
pub(crate) fn html(lines: &[Line]) -> Result<String> {
    let mut sections = String::new();
    let mut sets: Vec<&Line> = Vec::new();
    for line in lines {
        if !sets.iter().any(|set| same_set(set, line)) {
            sets.push(line);
        }
    }
    for set in &sets {
        let own: Vec<&Line> = lines.iter().filter(|line| same_set(set, line)).collect();
        sections += &section(&own)?;
    }
    let names: Vec<&str> = sets.iter().map(|set| set.dataset.name.as_str()).collect();
    let title = format!("Driftline bench: {}", names.join(", "));
    Ok(whole(&title, &(lines.first().map_or(String::new(), about) + &sections)))
}

fn same_set(a: &Line, b: &Line) -> bool {
    let key = |line: &Line| (line.dataset.sha256.clone(), line.dataset.metric.clone(), line.query.k);
    key(a) == key(b)
}

/// The program and the machine.
fn about(line: &Line) -> String {
    on(&line.engine, &line.machine)
}

/// A program and a machine.
pub(super) fn on(engine: &Engine, machine: &Machine) -> String {
    let commit = engine.commit.as_deref().map_or(String::new(), |commit| format!(" at {commit}"));
    let text = format!(
        "Driftline {}{commit}, {} build. {}, {} cores, {:.0} GiB, {}; Linux {}. Written by driftline bench.",
        engine.version,
        engine.profile,
        machine.cpu,
        machine.cores,
        machine.ram as f64 / f64::from(1 << 30),
        machine.simd.join(" "),
        machine.kernel,
    );
    format!("<p class=\"soft\">{}</p>\n", escaped(&text))
}

fn section(lines: &[&Line]) -> Result<String> {
    let mut specs: Vec<&str> = Vec::new();
    for line in lines {
        if !specs.contains(&line.index.spec.as_str()) {
            specs.push(&line.index.spec);
        }
    }
    let Some(first) = lines.first() else { return Ok(String::new()) };
    let set = &first.dataset;
    let mut html = format!("<h2>{}</h2>\n", escaped(&set.name));
    let queries = lines.iter().filter(|line| line.query.filter.is_none()).map(|line| line.query.queries).max();
    let _ = writeln!(
        html,
        "<p class=\"soft\">{} rows of {} numbers by {}, {} queries for {} neighbours each; neighbours {}, set {}</p>",
        set.n,
        set.d,
        set.metric,
        queries.unwrap_or(0),
        first.query.k,
        set.truth,
        &set.sha256.get(..12).unwrap_or(&set.sha256),
    );
    html += &legend(&specs);
    let shown = Shown { lines, specs: &specs };
    html += "<div class=\"cards\">\n";
    for (title, about, svg) in shown.plots()? {
        let _ =
            writeln!(html, "<div class=\"card\"><h3>{title}</h3><p class=\"soft\">{}</p>{svg}</div>", escaped(&about));
    }
    html += "</div>\n";
    html += &shown.levels();
    html += &shown.table();
    Ok(html)
}

/// A plot with its title and a line below that.
type Plot = (&'static str, String, String);

/// The results of one set; a spec's place is its colour.
struct Shown<'a> {
    lines: &'a [&'a Line],
    specs: &'a [&'a str],
}

impl Shown<'_> {
    fn of<'b>(&'b self, spec: &'b str) -> impl Iterator<Item = &'b Line> {
        self.lines.iter().copied().filter(move |line| line.index.spec == spec)
    }

    /// Of all rows, on so many threads.
    fn unfiltered<'b>(&'b self, spec: &'b str, threads: usize) -> impl Iterator<Item = &'b Line> {
        self.of(spec).filter(move |line| line.query.filter.is_none() && line.query.threads == threads)
    }

    fn threads(&self) -> Vec<usize> {
        let mut threads: Vec<usize> = self.lines.iter().map(|line| line.query.threads).collect();
        threads.sort_unstable();
        threads.dedup();
        threads
    }

    fn plots(&self) -> Result<Vec<Plot>> {
        let threads = self.threads();
        let (Some(least), Some(most)) = (threads.first(), threads.last()) else { return Ok(Vec::new()) };
        let mut plots = Vec::new();
        let single = self.pareto(*least, |line| Some(line.qps.single))?;
        plots.push((
            "Recall and speed",
            format!("one query at a time, {least} thread(s); up and right is better"),
            single,
        ));
        let batch = self.pareto(*most, |line| line.qps.batch)?;
        plots.push(("Recall and speed of batches", format!("all queries in one call, {most} thread(s)"), batch));
        plots.push((
            "Latency",
            "queries by time, at the setting nearest to recall 0.95".into(),
            self.latencies(*least)?,
        ));
        if self.lines.iter().any(|line| line.query.filter_kind.as_deref() == Some("random")) {
            plots.push(("Recall under filters", "drawn at random; 0.95 was asked for".into(), self.selectivity(true)?));
            plots.push(("Speed under filters", "one query at a time".into(), self.selectivity(false)?));
        }
        plots.push((
            "Time to build",
            "seconds, rows and index".into(),
            self.bars(|line| (line.build.s, seconds(line.build.s)))?,
        ));
        let memory = |line: &Line| line.build.peak_rss as f64;
        plots.push((
            "Memory to build",
            "the most at any moment, beside the set".into(),
            self.bars(|line| (memory(line), size(memory(line))))?,
        ));
        let disk = |line: &Line| line.build.bytes_per_vector;
        let raw = self.lines.first().map_or(0, |line| line.dataset.d * 4);
        let about = format!("of all files, keys and payloads included; a vector alone has {raw}");
        plots.push(("Bytes per vector", about, self.bars(|line| (disk(line), with_index(line)))?));
        Ok(plots)
    }

    fn pareto(&self, threads: usize, rate: fn(&Line) -> Option<f64>) -> Result<String> {
        let of = |spec: &str| -> Vec<(f64, f64)> {
            let lines = self.unfiltered(spec, threads);
            lines.filter_map(|line| Some((line.recall.mean, rate(line)?))).collect()
        };
        let all: Vec<(f64, f64)> = self.specs.iter().flat_map(|spec| of(spec)).collect();
        let x = axes::recall("recall", all.iter().map(|point| point.0));
        let y = axes::powers("queries a second", all.iter().map(|point| point.1));
        let place = |points: Vec<(f64, f64)>| points.iter().map(|it| (of_recall(it.0), it.1.log10())).collect();
        let series = self.specs.iter().enumerate().map(|(colour, spec)| {
            let points = of(spec);
            Series { colour, line: place(front(&points)), dots: place(points) }
        });
        plots::lines(&x, &y, &series.collect::<Vec<_>>())
    }

    fn latencies(&self, threads: usize) -> Result<String> {
        let mut series = Vec::new();
        for (colour, spec) in self.specs.iter().enumerate() {
            let far = |line: &&Line| (line.recall.mean - 0.95).abs();
            let Some(line) = self.unfiltered(spec, threads).min_by(|a, b| far(a).total_cmp(&far(b))) else { continue };
            let whole = line.query.queries.max(1) as f64;
            let steps = &line.lat_us.histogram;
            // As stairs: each step goes up to its end and begins where the one before it ended.
            let mut stairs = Vec::new();
            let width = 2f64.powf(0.25).log10();
            for (upper, count) in steps {
                let (end, height) = (upper.log10(), *count as f64 / whole * 100.0);
                if stairs.last().is_none_or(|last: &(f64, f64)| (last.0 - (end - width)).abs() > 1e-6) {
                    stairs.extend(stairs.last().map(|last| (last.0, 0.0)));
                    stairs.push((end - width, 0.0));
                }
                stairs.extend([(end - width, height), (end, height)]);
            }
            stairs.extend(stairs.last().map(|last| (last.0, 0.0)));
            series.push(Series { colour, line: stairs, dots: Vec::new() });
        }
        let points = || series.iter().flat_map(|series| &series.line);
        let x = axes::powers("microseconds", points().map(|point| 10f64.powf(point.0)));
        plots::lines(&x, &percent("% of queries", points().map(|point| point.1).fold(1.0, f64::max)), &series)
    }

    /// Recall, or speed, by the share of the rows that a filter lets through.
    fn selectivity(&self, recall: bool) -> Result<String> {
        let value = |line: &Line| if recall { line.recall.mean } else { line.qps.single };
        let of = |spec: &str| -> Vec<(f64, f64)> {
            let random = self.of(spec).filter(|line| line.query.filter_kind.as_deref() == Some("random"));
            let mut points: Vec<_> = random.map(|line| (line.query.filter_selectivity * 100.0, value(line))).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        };
        let all: Vec<(f64, f64)> = self.specs.iter().flat_map(|spec| of(spec)).collect();
        let x = axes::powers("% of the rows pass", all.iter().map(|point| point.0));
        let values = all.iter().map(|point| point.1);
        let y = if recall { axes::recall("recall", values) } else { axes::powers("queries a second", values) };
        let height = |value: f64| if recall { of_recall(value) } else { value.log10() };
        let series = self.specs.iter().enumerate().map(|(colour, spec)| {
            let line: Vec<_> = of(spec).into_iter().map(|point| (point.0.log10(), height(point.1))).collect();
            Series { colour, dots: line.clone(), line }
        });
        plots::lines(&x, &y, &series.collect::<Vec<_>>())
    }

    /// One bar for each index.
    fn bars(&self, value: impl Fn(&Line) -> (f64, String)) -> Result<String> {
        let bar = |(colour, spec): (usize, &&str)| {
            let (value, label) = value(self.of(spec).next()?);
            let name = if self.specs.len() <= 4 { (*spec).to_owned() } else { String::new() };
            Some(Bar { colour, name, value, label })
        };
        plots::bars(&self.specs.iter().enumerate().filter_map(bar).collect::<Vec<_>>())
    }

    /// Rates at equal recall.
    fn levels(&self) -> String {
        let mut html = String::from(
            "<div class=\"card scroll\"><h3>Queries a second at equal recall</h3>\n<table><tr><th>index</th><th>threads</th>",
        );
        for level in LEVELS {
            let _ = write!(html, "<th>one by one, {level}</th><th>batch, {level}</th>");
        }
        html += "</tr>\n";
        for spec in self.specs {
            for threads in self.threads() {
                let points = |rate: fn(&Line) -> Option<f64>| -> Vec<(f64, f64)> {
                    self.unfiltered(spec, threads).filter_map(|line| Some((line.recall.mean, rate(line)?))).collect()
                };
                let rates = [points(|line| Some(line.qps.single)), points(|line| line.qps.batch)];
                let cell = |points: &[(f64, f64)], level| rate_at(points, level).map_or("–".into(), short);
                let _ = write!(html, "<tr><td>{}</td><td>{threads}</td>", escaped(spec));
                for level in LEVELS {
                    let _ = write!(html, "<td>{}</td><td>{}</td>", cell(&rates[0], level), cell(&rates[1], level));
                }
                html += "</tr>\n";
            }
        }
        html + "</table></div>\n"
    }

    /// Every setting.
    fn table(&self) -> String {
        let heads = [
            "index",
            "asked",
            "threads",
            "filter",
            "recall",
            "95 % interval",
            "min",
            "queries/s",
            "batch/s",
            "p50 µs",
            "p95 µs",
            "p99 µs",
            "max µs",
            "visited",
            "codes",
            "vectors",
            "KiB read",
            "short",
        ];
        let mut html =
            String::from("<details open><summary>All settings</summary>\n<div class=\"card scroll\"><table><tr>");
        heads.iter().for_each(|head| html += &format!("<th>{head}</th>"));
        html += "</tr>\n";
        for line in self.lines {
            let (lat, recall) = (&line.lat_us, &line.recall);
            let share = line.query.filter_selectivity * 100.0;
            let filter = line.query.filter.as_ref().map_or(String::new(), |filter| {
                format!("{filter} ({}, {} %)", line.query.filter_kind.as_deref().unwrap_or(""), short(share))
            });
            let cells = [
                line.index.spec.clone(),
                line.query.effort.to_string(),
                line.query.threads.to_string(),
                filter,
                format!("{:.4}", recall.mean),
                format!("{:.4} – {:.4}", recall.ci95[0], recall.ci95[1]),
                format!("{:.2}", recall.min),
                short(line.qps.single),
                line.qps.batch.map_or(String::new(), short),
                short(lat.p50),
                short(lat.p95),
                short(lat.p99),
                short(lat.max),
                short(line.visited_per_query),
                short(line.code_dist_per_query),
                short(line.dist_per_query),
                short(line.bytes_read / 1024.0),
                line.short_answers.to_string(),
            ];
            html += "<tr>";
            cells.iter().for_each(|cell| html += &format!("<td>{}</td>", escaped(cell)));
            html += "</tr>\n";
        }
        html + "</table></div></details>\n"
    }
}

/// An axis of percents from 0.
fn percent(title: &'static str, most: f64) -> Axis {
    let step = [1.0, 2.0, 5.0, 10.0, 20.0].into_iter().find(|step| most / step <= 6.0).unwrap_or(25.0);
    let count = (most / step).ceil() as u32;
    let ticks = (0..=count).map(|tick| f64::from(tick) * step).map(|place| (place, short(place))).collect();
    Axis { title, from: 0.0, to: f64::from(count) * step, ticks }
}

/// Bytes per vector, and how many of them are the index.
fn with_index(line: &Line) -> String {
    let index = line.index.bytes as f64 / line.dataset.n.max(1) as f64;
    let whole = short(line.build.bytes_per_vector);
    if index > 0.0 { format!("{whole}, index {}", short(index)) } else { whole }
}

fn seconds(seconds: f64) -> String {
    format!("{} s", short(seconds))
}

fn size(bytes: f64) -> String {
    format!("{} MiB", short(bytes / f64::from(1 << 20)))
}
