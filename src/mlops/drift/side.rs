//! What of a column can be judged: its values, and how many are missing or broken.

use super::column::Column;
use super::verdict::{Counts, Note};
use crate::error::Result;
use crate::stats::ab::{Arm, proportions};

/// A share of missing values has changed where its p is at most this and it moved by at least [`MISSING_MOVE`].
const MISSING_LEVEL: f64 = 0.01;
const MISSING_MOVE: f64 = 0.05;

/// What of a column can be judged.
pub(super) enum Side<'a> {
    Numbers { values: Vec<f64>, counts: Counts },
    Categories { values: Vec<&'a str>, counts: Counts },
    Vectors { rows: Vec<f32>, dimension: usize, counts: Counts },
}

impl<'a> Side<'a> {
    pub(super) fn of(column: &'a Column) -> Side<'a> {
        let total = column.len() as u64;
        let counts = |rows: usize, missing: u64| {
            let rows = rows as u64;
            Counts { rows, missing, not_finite: total - rows - missing }
        };
        match column {
            Column::Numbers(values) => {
                let there: Vec<f64> = values.iter().flatten().copied().collect();
                let missing = total - there.len() as u64;
                let values: Vec<f64> = there.into_iter().filter(|value| value.is_finite()).collect();
                Side::Numbers { counts: counts(values.len(), missing), values }
            }
            Column::Categories(values) => {
                let values: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
                Side::Categories { counts: counts(values.len(), total - values.len() as u64), values }
            }
            Column::Vectors { values, dimension } => {
                let finite = |row: &&[f32]| row.iter().all(|value| value.is_finite());
                let rows: Vec<f32> = values.chunks_exact(*dimension).filter(finite).flatten().copied().collect();
                Side::Vectors { counts: counts(rows.len() / dimension, 0), rows, dimension: *dimension }
            }
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Side::Numbers { .. } => "numbers",
            Side::Categories { .. } => "categories",
            Side::Vectors { .. } => "vectors",
        }
    }

    pub(super) fn counts(&self) -> Counts {
        match self {
            Side::Numbers { counts, .. } | Side::Categories { counts, .. } | Side::Vectors { counts, .. } => *counts,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.counts().rows as usize
    }
}

/// Whether rows without a usable value have become more or fewer.
pub(super) fn missing_changed(reference: Counts, current: Counts) -> Result<Option<Note>> {
    let arm = |it: Counts| Arm { successes: it.missing + it.not_finite, trials: it.rows + it.missing + it.not_finite };
    let (before, now) = (arm(reference), arm(current));
    if before.trials == 0 || now.trials == 0 {
        return Ok(None);
    }
    let test = proportions(before, now)?;
    let changed = test.p <= MISSING_LEVEL && test.difference.abs() >= MISSING_MOVE;
    Ok(changed.then_some(Note::MissingShareChanged))
}
