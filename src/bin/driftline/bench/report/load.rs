//! The page of a load: latencies and what was taken, over time.

use std::fmt::Write;

use driftline::Result;

use super::page::on;
use crate::bench::load::{Calls, Interval, Judged};
use crate::bench::machine;
use crate::draw::axes;
use crate::draw::page::{escaped, legend, whole};
use crate::draw::plots::{self, Series};

/// The page that shows a load, as it is written to a file.
pub(crate) fn html(intervals: &[Interval], judged: &[Judged]) -> Result<String> {
    let seconds = intervals.last().map_or(0.0, |last| last.at);
    let mut content = on(&machine::engine(), &machine::machine());
    let kinds: Vec<&str> =
        intervals.first().map_or_else(Vec::new, |first| first.calls.iter().map(|it| it.what).collect());
    content += &legend(&kinds);
    content += "<div class=\"cards\">\n";
    let over = Over { intervals };
    let cards = [
        ("Median latency", "microseconds, by kind of call", over.latency(&kinds, |calls| calls.p50)?),
        ("99th percentile", "microseconds, by kind of call", over.latency(&kinds, |calls| calls.p99)?),
        ("Slowest call", "microseconds, by kind of call", over.latency(&kinds, |calls| calls.max)?),
        ("Calls a second", "by kind of call", over.rates(&kinds)?),
        ("Memory", "MiB that are no files", over.taken("MiB", |it| it.taken.memory as f64 / MIB)?),
        ("Disk", "MiB of the store's files", over.taken("MiB", |it| it.taken.disk as f64 / MIB)?),
        ("Files", "of the store", over.taken("files", |it| it.taken.files as f64)?),
        ("Descriptors", "open in the process", over.taken("descriptors", |it| it.taken.descriptors as f64)?),
        ("Rows in memory", "MiB that wait to be flushed", over.taken("MiB", |it| it.unsealed as f64 / MIB)?),
        ("Rows without an index", "in files", over.taken("rows", |it| it.unindexed_rows as f64)?),
    ];
    for (title, about, svg) in cards {
        let _ = writeln!(content, "<div class=\"card\"><h3>{title}</h3><p class=\"soft\">{about}</p>{svg}</div>");
    }
    content += "</div>\n";
    content += &table(judged);
    Ok(whole(&format!("Driftline under load for {:.0} minutes", seconds / 60.0), &content))
}

const MIB: f64 = (1 << 20) as f64;

/// What was seen, over time.
struct Over<'a> {
    intervals: &'a [Interval],
}

impl Over<'_> {
    fn latency(&self, kinds: &[&str], of: fn(&Calls) -> u64) -> Result<String> {
        self.by_kind(kinds, "microseconds", |calls| of(calls) as f64)
    }

    fn rates(&self, kinds: &[&str]) -> Result<String> {
        self.by_kind(kinds, "calls a second", |calls| calls.rate)
    }

    fn by_kind(&self, kinds: &[&str], title: &'static str, of: impl Fn(&Calls) -> f64) -> Result<String> {
        let series: Vec<Series> = (0..kinds.len())
            .map(|kind| {
                let points = self.intervals.iter().filter_map(|it| Some((it.at, it.calls.get(kind)?)));
                let points = points.filter(|(_, calls)| calls.count > 0 && of(calls) > 0.0);
                Series {
                    colour: kind,
                    line: points.map(|(at, calls)| (at, of(calls).log10())).collect(),
                    dots: Vec::new(),
                }
            })
            .collect();
        let values = series.iter().flat_map(|it| &it.line).map(|point| 10f64.powf(point.1));
        plots::lines(&self.time(), &axes::powers(title, values), &series)
    }

    fn taken(&self, title: &'static str, of: impl Fn(&Interval) -> f64) -> Result<String> {
        let line: Vec<(f64, f64)> = self.intervals.iter().map(|it| (it.at, of(it))).collect();
        let most = line.iter().map(|point| point.1).fold(0.0, f64::max);
        plots::lines(&self.time(), &axes::from_zero(title, most), &[Series { colour: 0, line, dots: Vec::new() }])
    }

    fn time(&self) -> plots::Axis {
        axes::from_zero("seconds", self.intervals.last().map_or(1.0, |last| last.at))
    }
}

fn table(judged: &[Judged]) -> String {
    let mut html = String::from(
        "<div class=\"card scroll\"><h3>Did anything grow?</h3>\n<table><tr><th>taken</th><th>second quarter</th>\
         <th>last quarter</th><th>most</th><th>verdict</th></tr>\n",
    );
    for it in judged {
        let verdict = if it.grew { "grew" } else { "steady" };
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{verdict}</td></tr>",
            escaped(it.what),
            it.second_quarter,
            it.last_quarter,
            it.most
        );
    }
    html + "</table></div>\n"
}
