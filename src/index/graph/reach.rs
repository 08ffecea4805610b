//! Whether a stored graph leads to every row.

use super::super::{Stop, stopped};
use super::rows::StoredRows;
use super::{Form, Graph, damaged};
use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::rows::RowSet;

/// Rows between two looks at whether to stop.
const ROWS_PER_LOOK: usize = 4096;

impl Graph {
    /// Follows all links from where walks begin; fails where they name a row that is not there, or leave one out.
    pub(super) fn check_reach(&self, stop: &Stop<'_>) -> Result<()> {
        let rows = self.head.rows;
        let mut met = RowSet::empty(rows);
        let mut ahead = Vec::new();
        let mut meet = |row: u32, ahead: &mut Vec<u32>| {
            if row < rows && !met.contains(RowId(row)) {
                met.insert(RowId(row));
                ahead.push(row);
            }
            if row < rows { Ok(()) } else { Err(damaged("a link leads to a row that is not there")) }
        };
        self.entries().iter().try_for_each(|entry| meet(*entry, &mut ahead))?;
        let stored = self.stored_rows();
        let mut looks = 0;
        while let Some(row) = ahead.pop() {
            looks += 1;
            if looks % ROWS_PER_LOOK == 0 && stop() {
                return Err(stopped());
            }
            self.links(&stored, row, |link| meet(link, &mut ahead))?;
        }
        match rows - met.count() {
            0 => Ok(()),
            lost => Err(damaged(&format!("no walk gets to {lost} of {rows} rows"))),
        }
    }

    fn entries(&self) -> &[u32] {
        match &self.form {
            Form::Fused(fused) => fused.hubs.rows(),
            Form::Compact(compact) => &compact.entries,
        }
    }

    fn stored_rows(&self) -> StoredRows<'_> {
        match &self.form {
            Form::Fused(fused) => StoredRows::new(&*fused.rows, fused.layout.stride()),
            Form::Compact(compact) => compact.rows(),
        }
    }

    fn links(&self, rows: &StoredRows<'_>, row: u32, mut each: impl FnMut(u32) -> Result<()>) -> Result<()> {
        let bytes = rows.get(row)?;
        match &self.form {
            Form::Compact(_) => bytes.as_chunks::<4>().0.iter().try_for_each(|link| each(u32::from_le_bytes(*link))),
            Form::Fused(fused) => {
                let out_of_place = || -> Error { rows.damaged("a row is out of place") };
                let view = fused.layout.read(bytes).ok_or_else(out_of_place)?;
                view.block.rows.iter().try_for_each(|link| each(*link))
            }
        }
    }
}
