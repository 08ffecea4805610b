//! Tables for people: at the terminal, and in Markdown.

use std::fmt::Write;

use super::tally::{Detector, DetectorKind, LEVEL, Level, STRICT, Study};
use crate::bench::args::Drift;
use crate::failure::Outcome;
use crate::render::{Output, Plain};

/// Prints the tables, each under its title.
pub(in crate::bench) fn show(studies: &[Study], output: &mut Output) -> Outcome {
    for study in studies {
        if output.is_table() {
            output.line(&format!("\n{}: share of {} draws in which drift was reported", study.title, study.draws))?;
        }
        let headings = headings(study);
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        let row = |detector: &Detector| Ok(Plain { thing: detector.clone(), cells: cells(detector) });
        output.many(&headings, study.detectors.iter().map(row))?;
        if output.is_table() {
            output.line(&remark(study))?;
        }
    }
    Ok(())
}

/// The tables as a page of Markdown.
pub(in crate::bench) fn markdown(studies: &[Study], asked: &Drift, took: std::time::Duration) -> String {
    let dims = asked.dims.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let Drift { draws, rows, permutations, seed, .. } = asked;
    let mut page = format!(
        "`driftline bench drift --draws {draws} --dims {dims} --rows {rows} --permutations {permutations} --seed {seed}`, \
         {:.0} minutes.\n",
        took.as_secs_f64() / 60.0
    );
    for study in studies {
        let heads = headings(study);
        let _ = write!(page, "\n### {}\n\n|", study.title);
        heads.iter().for_each(|head| page += &format!(" {head} |"));
        page += "\n|";
        heads.iter().for_each(|_| page += "---|");
        page += "\n";
        for detector in &study.detectors {
            page += "|";
            cells(detector).iter().for_each(|cell| page += &format!(" {cell} |"));
            page += "\n";
        }
        let _ = writeln!(page, "\n{}", remark(study));
    }
    page
}

fn headings(study: &Study) -> Vec<String> {
    let mut headings = vec!["detector".to_owned()];
    headings.extend(study.columns.iter().map(|column| (*column).to_owned()));
    headings.extend([format!("no drift at {STRICT}"), "level".into(), "mean rank".into(), "furthest behind".into()]);
    headings
}

fn cells(detector: &Detector) -> Vec<String> {
    let rate = |rate: Option<f64>| rate.map_or("–".into(), |rate| format!("{rate:.3}"));
    let name = match detector.kind {
        DetectorKind::Shipped => detector.name.to_owned(),
        DetectorKind::Rule => format!("rule: {}", detector.name),
    };
    let level = match detector.level {
        Level::Kept => "kept",
        Level::Above => "above",
        Level::Below => "below",
        Level::Unknown => "–",
    };
    let mut cells = vec![name];
    cells.extend(detector.rates.iter().map(|it| rate(*it)));
    cells.extend([rate(detector.strict), level.into()]);
    cells.push(detector.mean_rank.map_or("–".into(), |rank| format!("{rank:.2}")));
    cells.push(match detector.behind {
        Some((_, 0.0)) => "nowhere".into(),
        Some((column, gap)) => format!("{:.0} points: {column}", gap * 100.0),
        None => "–".into(),
    });
    cells
}

fn remark(study: &Study) -> String {
    let ((low, high), (_, strict)) = (study.band, study.strict_band);
    format!(
        "A detector that keeps its level of {LEVEL} exactly reports in {low:.3} to {high:.3} of {} draws without drift, 19 \
         times in 20; at {STRICT} in up to {strict:.3}. Ranks and gaps are among the shipped detectors that are not above.",
        study.draws
    )
}
