//! The page of a drift check: the verdict, how it came about over time, and the rows and dimensions that show it.
//!
//! What comes from a store is text and is escaped; nothing on the page runs or is loaded.

use std::fmt::Write;

use driftline::Result;
use driftline::mlops::TimeRange;
use driftline::mlops::drift::embedding::EmbeddingVerdict;
use driftline::mlops::drift::{DriftReport, DriftResult, ReferenceOf, Verdict};

use super::axes;
use super::page::{escaped, legend, whole};
use super::plots::{self, Axis, Bar, SERIES, Series};
use crate::render::{self, figure};

/// No p is drawn below this.
const LEAST_P: f64 = 1e-9;
const HOUR_US: f64 = 3_600e6;
/// Characters that have room below all bars of a plot.
const WIDE_BARS: usize = 72;

/// Rows of a reference and of a window, on the plane of the two main directions of the reference.
#[derive(Debug, Default)]
pub(crate) struct Plane {
    pub(crate) reference: Vec<(f64, f64)>,
    pub(crate) current: Vec<(f64, f64)>,
    /// The share of the reference's variance that the plane shows.
    pub(crate) explained: f64,
}

/// The page of `report`, with what was recorded of the same subject before it, oldest first.
pub(crate) fn html(report: &DriftReport, before: &[DriftReport], plane: Option<&Plane>) -> Result<String> {
    let subject = report.subject.to_string();
    let mut content = head(report);
    let windows = Windows::new(before, report);
    content += &legend(&windows.features);
    content += "<div class=\"cards\">\n";
    let over_floor = match report.results.iter().any(|it| it.effect.value.is_some() && it.effect.floor == 0.0) {
        true => "over what an alarm asks for: from 1 on they matter; where it asks for none, as they are",
        false => "over what an alarm asks for: from 1 on they matter",
    };
    match windows.reports.len() {
        1 => card(&mut content, "Effects", over_floor, &windows.of_one()?),
        shown => {
            let about = format!("adjusted; {shown} windows; red strokes mark the levels");
            card(&mut content, "p-values", &about, &windows.p()?);
            card(&mut content, "Effects", over_floor, &windows.effects()?);
        }
    }
    if let Some(plane) = plane {
        let about =
            format!("on the main directions of the reference, {:.0} % of its variance", plane.explained * 100.0);
        card(&mut content, "Rows", &about, &(legend(&["reference", "current"]) + &scatter(plane)?));
    }
    let embedding = report.results.iter().find_map(|result| result.embedding.as_deref());
    if let Some(embedding) = embedding.filter(|embedding| !embedding.dimensions.is_empty()) {
        card(&mut content, "Dimensions", "the largest gaps between distributions", &dimensions(embedding)?);
    }
    content += "</div>\n";
    content += &results(report);
    embedding.into_iter().for_each(|embedding| content += &tests(embedding));
    content += &evidence(report);
    Ok(whole(&format!("Drift of {subject}"), &content))
}

fn card(content: &mut String, title: &str, about: &str, body: &str) {
    let about = escaped(about);
    let _ = writeln!(content, "<div class=\"card\"><h3>{title}</h3><p class=\"soft\">{about}</p>{body}</div>");
}

fn times(range: &TimeRange) -> String {
    format!("{} to {}", render::time(range.from), render::time(range.to))
}

/// The verdict, what was held against what, and the figures that sum it up.
fn head(report: &DriftReport) -> String {
    let against = match &report.reference {
        ReferenceOf::Times(range) => times(range),
        ReferenceOf::Baseline(baseline) => format!("baseline {baseline}"),
        _ => "another reference".into(),
    };
    let drifted = report.results.iter().filter(|result| result.drift).count();
    let judged = report.results.iter().filter(|result| result.verdict != Verdict::Insufficient).count();
    let figures = [
        ("verdict", report.verdict.to_string()),
        ("smallest p, adjusted", report.p.map_or("–".into(), p_text)),
        ("features that drifted", format!("{drifted} of {judged}")),
        ("centroids, 1 - cosine", report.centroid_cosine.map_or("–".into(), |it| figure(it as f32))),
    ];
    let mut html = format!(
        "<p class=\"soft\">{} against {}. Judged at {} by Driftline {}.</p>\n<div class=\"cards\">\n",
        escaped(&times(&report.current)),
        escaped(&against),
        escaped(&render::time(report.judged)),
        env!("CARGO_PKG_VERSION"),
    );
    for (name, value) in figures {
        let (name, value) = (escaped(name), escaped(&value));
        let _ = writeln!(html, "<div class=\"card\"><p class=\"soft\">{name}</p><p class=\"figure\">{value}</p></div>");
    }
    html + "</div>\n"
}

/// Reports over time; a feature's place is its colour.
struct Windows<'a> {
    reports: Vec<&'a DriftReport>,
    features: Vec<&'a str>,
}

impl<'a> Windows<'a> {
    fn new(before: &'a [DriftReport], report: &'a DriftReport) -> Windows<'a> {
        let earlier = before.iter().filter(|it| it.current.from < report.current.from);
        let reports: Vec<&DriftReport> = earlier.chain([report]).collect();
        // The surest come first, and have a colour of their own.
        let mut results: Vec<&DriftResult> = report.results.iter().collect();
        results.sort_by(|a, b| a.adjusted_p.unwrap_or(1.0).total_cmp(&b.adjusted_p.unwrap_or(1.0)));
        let features = results.iter().take(SERIES).map(|result| result.feature.as_str()).collect();
        Windows { reports, features }
    }

    fn p(&self) -> Result<String> {
        let height = |result: &DriftResult| result.adjusted_p.map(|p| p.max(LEAST_P).log10());
        let mut series = self.series(height);
        let least = heights(&series).fold(-3.0, f64::min).floor();
        let x = self.time();
        // Short strokes at both ends, so that a level is no series.
        let width = (x.to - x.from) * 0.03;
        for at in self.levels().into_iter().map(f64::log10) {
            for from in [x.from, x.to - width] {
                series.push(Series { colour: 4, line: vec![(from, at), (from + width, at)], dots: Vec::new() });
            }
        }
        let ticks = (least as i32..=0).map(|power| (f64::from(power), p_text(10f64.powi(power)))).collect();
        plots::lines(&x, &Axis { title: "p", from: least, to: 0.1, ticks }, &series)
    }

    /// The levels that the features of this report are held against, each once: vectors have one of their own.
    fn levels(&self) -> Vec<f64> {
        let results = self.reports.last().into_iter().flat_map(|report| &report.results);
        let shown = results.filter(|result| self.features.contains(&result.feature.as_str()));
        let mut levels: Vec<f64> = shown.map(|result| result.level).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        levels
    }

    fn effects(&self) -> Result<String> {
        let series = self.series(over_floor);
        let most = heights(&series).fold(1.0, f64::max);
        plots::lines(&self.time(), &axes::from_zero("effect over its floor", most), &series)
    }

    /// The effects of one check: there is no course where nothing was recorded before it.
    fn of_one(&self) -> Result<String> {
        let found = |name: &&str| self.reports.last()?.results.iter().find(|result| result.feature == **name);
        let bar = |(colour, result): (usize, &DriftResult)| Bar {
            colour,
            name: clipped(&result.feature, WIDE_BARS / self.features.len().max(1)),
            value: over_floor(result).unwrap_or(0.0),
            label: over_floor(result).map_or("–".into(), |over| figure(over as f32)),
        };
        plots::bars(&self.features.iter().filter_map(found).enumerate().map(bar).collect::<Vec<_>>())
    }

    fn series(&self, height: impl Fn(&DriftResult) -> Option<f64>) -> Vec<Series> {
        let of = |(colour, feature): (usize, &&str)| {
            let found = self.reports.iter().filter_map(|report| {
                let result = report.results.iter().find(|result| result.feature == **feature)?;
                Some((self.since(report), height(result)?))
            });
            let line: Vec<(f64, f64)> = found.collect();
            Series { colour, dots: line.clone(), line }
        };
        self.features.iter().enumerate().map(of).collect()
    }

    /// Hours from the first window to this one.
    fn since(&self, report: &DriftReport) -> f64 {
        let first = self.reports.first().map_or(0, |first| first.current.from.0);
        report.current.from.0.saturating_sub(first) as f64 / HOUR_US
    }

    fn time(&self) -> Axis {
        axes::from_zero("hours since the first window", self.reports.last().map_or(1.0, |last| self.since(last)))
    }
}

/// How large an effect is over what is needed for an alarm; where nothing is needed, how large it is.
fn over_floor(result: &DriftResult) -> Option<f64> {
    let floor = if result.effect.floor > 0.0 { result.effect.floor } else { 1.0 };
    let over = result.effect.value? / floor;
    over.is_finite().then_some(over)
}

/// The beginning of a name that is too long.
fn clipped(name: &str, room: usize) -> String {
    if name.chars().count() <= room {
        return name.to_owned();
    }
    name.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn heights(series: &[Series]) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|series| &series.dots).map(|dot| dot.1)
}

fn p_text(p: f64) -> String {
    if p >= 0.001 { figure(p as f32) } else { format!("{p:.0e}") }
}

fn scatter(plane: &Plane) -> Result<String> {
    let all = || plane.reference.iter().chain(&plane.current);
    let x = axes::around("first direction", all().map(|point| point.0));
    let y = axes::around("second direction", all().map(|point| point.1));
    let of = |colour, dots: &Vec<(f64, f64)>| Series { colour, line: Vec::new(), dots: dots.clone() };
    plots::scatter(&x, &y, &[of(0, &plane.reference), of(1, &plane.current)])
}

fn dimensions(embedding: &EmbeddingVerdict) -> Result<String> {
    let bar = |it: &driftline::mlops::drift::embedding::DriftedDimension| Bar {
        colour: usize::from(it.adjusted_p <= 0.05) * 4,
        name: format!("dimension {}", it.dimension),
        value: it.statistic,
        label: format!("{}, p {}", figure(it.statistic as f32), p_text(it.adjusted_p)),
    };
    plots::bars(&embedding.dimensions.iter().take(5).map(bar).collect::<Vec<_>>())
}

fn table(title: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut html = format!("<div class=\"card scroll\"><h3>{}</h3>\n<table><tr>", escaped(title));
    heads.iter().for_each(|head| html += &format!("<th>{}</th>", escaped(head)));
    html += "</tr>\n";
    for row in rows {
        html += "<tr>";
        row.iter().for_each(|cell| html += &format!("<td>{}</td>", escaped(cell)));
        html += "</tr>\n";
    }
    html + "</table></div>\n"
}

fn number(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| figure(value as f32))
}

fn results(report: &DriftReport) -> String {
    let heads =
        ["feature", "verdict", "test", "statistic", "adjusted p", "level", "effect", "", "floor", "rows", "notes"];
    let row = |it: &DriftResult| {
        let notes: Vec<String> = it.notes.iter().map(ToString::to_string).collect();
        vec![
            it.feature.clone(),
            it.verdict.to_string(),
            it.test.to_string(),
            number(it.statistic),
            it.adjusted_p.map_or("–".into(), p_text),
            number(Some(it.level)),
            number(it.effect.value),
            it.effect.name.clone(),
            number(Some(it.effect.floor)),
            format!("{} / {}", it.reference.rows, it.current.rows),
            notes.join("; "),
        ]
    };
    table("Features", &heads, report.results.iter().map(row))
}

fn tests(embedding: &EmbeddingVerdict) -> String {
    let row = |it: &driftline::mlops::drift::embedding::TestOutcome| {
        vec![
            it.test.to_string(),
            figure(it.statistic as f32),
            it.p.map_or("–".into(), p_text),
            it.adjusted_p.map_or("–".into(), p_text),
        ]
    };
    let all = embedding.tests.iter().chain(&embedding.extra);
    let mut html = table("Tests of the vectors", &["test", "statistic", "p", "adjusted p"], all.map(row));
    if let Some(effects) = &embedding.effects {
        let rows = [
            ("energy coefficient", Some(effects.energy_coefficient)),
            ("excess of neighbours", Some(effects.neighbor_excess)),
            ("share of dimensions that drifted", Some(effects.drifted_dimensions)),
            ("centroids, 1 - cosine", effects.centroid_cosine),
            ("share of novel rows", Some(effects.novelty_share)),
        ];
        let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), number(value)]);
        html += &table("Effects on the vectors", &["effect", "value"], rows);
    }
    html
}

fn evidence(report: &DriftReport) -> String {
    if report.evidence.is_empty() {
        return String::new();
    }
    let rows = report.evidence.iter().map(|row| {
        let near = row.nearest.iter().filter(|(key, _)| !key.is_empty());
        let near: Vec<String> = near.map(|(key, distance)| format!("{key} at {}", figure(*distance as f32))).collect();
        vec![row.feature.clone(), row.key.clone(), figure(row.distance as f32), near.join(", ")]
    });
    let heads = ["feature", "row", "distance to the reference", "nearest rows of the reference"];
    table("Rows farthest from the reference", &heads, rows)
}

#[cfg(test)]
mod tests {
    use driftline::mlops::drift::{Column, DriftDetector, Method};

    use super::*;

    #[test]
    fn an_effect_is_drawn_where_an_alarm_asks_for_none() {
        let ramp = |from: u32| Column::numbers((from..from + 100).map(f64::from));
        for (floor, times) in [(0.5, 2.0), (0.0, 1.0)] {
            let mut detector = DriftDetector::new(Method::Auto).effect_floor(floor);
            detector.set_reference([("x", ramp(0))]).unwrap();
            let result = detector.detect([("x", ramp(50))]).unwrap().remove(0);
            assert_eq!(over_floor(&result), result.effect.value.map(|value| value * times));
            assert!(result.effect.value.is_some());
        }
    }
}
