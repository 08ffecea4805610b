//! Which rows of a collection are live and pass a filter, segment by segment.

use crate::collection::view::CollectionView;
use crate::error::{Error, Result};
use crate::filter::{Bound, Row};
use crate::ids::{Lsn, RowId};
use crate::index::Stop;
use crate::pool::Pool;
use crate::rows::RowSet;
use crate::segment::block::Block;
use crate::segment::matching::{Matches, matching};
use crate::segment::sealed::Sealed;
use crate::segment::{Moment, RowSource};

/// Rows between two looks at whether to stop.
const ROWS_PER_LOOK: usize = 16;

/// A record that passes, as a batch needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passing {
    /// In stored form.
    pub(crate) key: Vec<u8>,
    /// The position that wrote it.
    pub(crate) lsn: Lsn,
    /// About what a batch takes that writes it again.
    pub(crate) bytes: usize,
}

/// The rows of a segment that are live at `moment` and pass.
pub(crate) fn in_sealed(
    segment: &Sealed,
    filter: &Bound,
    moment: Moment,
    stop: &Stop<'_>,
    pool: &Pool,
) -> Result<Matches> {
    let live = segment.live_rows(moment)?;
    matching(segment.file(), filter, Some(&live), stop, pool)
}

/// The rows of a block that are live at `moment` and pass, and whether it was stopped before all were asked.
pub(crate) fn in_block(block: &Block, filter: &Bound, moment: Moment, stop: &Stop<'_>) -> Result<(RowSet, bool)> {
    let mut rows = RowSet::empty(block.len() as u32);
    for row in (0..block.len() as u32).map(RowId) {
        if row.index() % ROWS_PER_LOOK == 0 && stop() {
            return Ok((rows, true));
        }
        if block.is_live(row, moment) && filter.matches(&facts(block, row)?).map_err(|_| damaged())? {
            rows.insert(row);
        }
    }
    Ok((rows, false))
}

/// What a filter looks at.
pub(crate) fn facts(source: &dyn RowSource, row: RowId) -> Result<Row<'_>> {
    Ok(Row { key: source.key(row)?, created: source.meta(row)?.created, payload: source.payload(row)? })
}

/// For what nobody can stop.
const TO_THE_END: &Stop<'static> = &|| false;

fn damaged() -> Error {
    Error::internal("a payload in memory cannot be read")
}

/// How many records are live at `moment` and pass.
pub(crate) fn count(view: &CollectionView, filter: &Bound, moment: Moment, pool: &Pool) -> Result<u64> {
    let mut count = 0;
    for segment in view.in_memory() {
        let blocks = segment.blocks();
        let counts = pool.map(blocks.len(), |number| in_block(&blocks[number], filter, moment, TO_THE_END))?;
        count += counts.iter().map(|(rows, _)| u64::from(rows.count())).sum::<u64>();
    }
    for segment in &view.sealed {
        count += u64::from(in_sealed(segment, filter, moment, TO_THE_END, pool)?.rows.count());
    }
    Ok(count)
}

/// The records that are live at `moment` and pass, in no order that means anything.
pub(crate) fn passing(view: &CollectionView, filter: &Bound, moment: Moment, pool: &Pool) -> Result<Vec<Passing>> {
    let mut found = Vec::new();
    for segment in view.in_memory() {
        let blocks = segment.blocks();
        let of_block = |block: &Block| described(block, &in_block(block, filter, moment, TO_THE_END)?.0);
        found.extend(pool.map(blocks.len(), |number| of_block(&blocks[number]))?.into_iter().flatten());
    }
    for segment in &view.sealed {
        let matches = in_sealed(segment, filter, moment, TO_THE_END, pool)?;
        found.extend(described(&**segment.file(), &matches.rows)?);
    }
    Ok(found)
}

fn described(source: &dyn RowSource, rows: &RowSet) -> Result<Vec<Passing>> {
    let describe = |row: RowId| {
        let key = source.key(row)?;
        let bytes = key.len() + source.vector_bytes(row)?.len() + source.payload(row)?.len();
        Ok(Passing { key: key.to_vec(), lsn: source.meta(row)?.lsn, bytes })
    };
    rows.iter().map(describe).collect()
}
