//! `drift ... report FILE`: the page of a check.

use std::io::Write;

use driftline::mlops::drift::{Column, Columns, DriftCheck, DriftReport, VECTOR};
use driftline::stats::pca::Pca;
use driftline::stats::rows::Rows;
use driftline::{Database, Error, ErrorKind};

use crate::draw::drift::{Plane, html};
use crate::failure::Outcome;
use crate::files;

/// Windows that are shown at most, the newest.
const MOST_WINDOWS: usize = 500;
/// Rows that the main directions are taken from: they are drawn by chance already, and all would take minutes.
const MOST_FITTED: usize = 200;

/// Writes the page.
pub(super) fn write(name: &str, db: &Database, check: &DriftCheck, report: &DriftReport) -> Outcome {
    let before = db.newest_drift(report.subject.clone(), report.current.from, MOST_WINDOWS)?;
    // The rows of the report: by now there is another now.
    let (reference, current) = check.clone().current(report.current).samples()?;
    let plane = plane(&reference, &current);
    let page = html(report, &before, plane.as_ref())?;
    let written = files::create(name)?.write_all(page.as_bytes());
    written.map_err(|error| Error::new(ErrorKind::Io, format!("could not write the page: {error}")).at(name))?;
    Ok(())
}

/// Both samples on the two main directions of the reference; none without vectors of two numbers and more, or where they
/// do not vary.
fn plane(reference: &Columns, current: &Columns) -> Option<Plane> {
    let (reference, current) = (vectors(reference)?, vectors(current)?);
    let dimension = reference.1;
    if current.1 != dimension {
        return None;
    }
    let step = reference.0.len().div_ceil(MOST_FITTED).max(1);
    let fitted: Vec<f32> = reference.0.iter().step_by(step).flat_map(|row| row.iter().copied()).collect();
    let pca = Pca::of(Rows::new(&fitted, dimension).ok()?, 2).ok()?;
    let place = |row: &&[f32]| pca.project(row).ok().map(|at| (at[0], at[1]));
    Some(Plane {
        reference: reference.0.iter().filter_map(place).collect(),
        current: current.0.iter().filter_map(place).collect(),
        explained: pca.explained_variance_ratio.iter().sum(),
    })
}

/// The vectors that have no gaps, and their dimension.
fn vectors(columns: &Columns) -> Option<(Vec<&[f32]>, usize)> {
    match columns.get(VECTOR)? {
        Column::Vectors { values, dimension } => {
            let whole = |row: &&[f32]| row.iter().all(|number| number.is_finite());
            Some((values.chunks_exact(*dimension).filter(whole).collect(), *dimension))
        }
        _ => None,
    }
}
