//! Which rows of a sealed segment pass a filter.

use crate::error::{Error, Result};
use crate::filter::{Bound, Row};
use crate::ids::RowId;
use crate::pool::Pool;
use crate::rows::RowSet;
use crate::segment::RowSource;
use crate::segment::sealed::SealedFile;

/// Rows that one piece of work looks at.
const CHUNK_ROWS: u32 = 4096;

/// The rows that pass, and what it took to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matches {
    pub(crate) rows: RowSet,
    /// Fields that an index answered.
    pub(crate) by_index: Vec<String>,
    /// Fields that were read from payloads.
    pub(crate) by_payload: Vec<String>,
    /// Rows whose payloads were read.
    pub(crate) evaluated: u64,
}

/// The rows of `file`, among the `candidates` where they are given, that pass `filter`.
pub(crate) fn matching(file: &SealedFile, filter: &Bound, candidates: Option<&RowSet>, pool: &Pool) -> Result<Matches> {
    let count = file.rows();
    let chunks = pool.map(count.div_ceil(CHUNK_ROWS) as usize, |chunk| {
        let first = chunk as u32 * CHUNK_ROWS;
        let rows = (first..count.min(first + CHUNK_ROWS)).map(RowId);
        let asked = rows.filter(|row| candidates.is_none_or(|rows| rows.contains(*row)));
        let mut passing = Vec::new();
        let mut evaluated = 0;
        for row in asked {
            evaluated += 1;
            let facts = Row { key: file.key(row)?, created: file.meta(row)?.created, payload: file.payload(row)? };
            if filter.matches(&facts).map_err(|_: Error| file.damaged("a payload cannot be read"))? {
                passing.push(row);
            }
        }
        Ok((passing, evaluated))
    })?;
    let mut rows = RowSet::empty(count);
    let evaluated = chunks.iter().map(|chunk| chunk.1).sum();
    chunks.into_iter().flat_map(|chunk| chunk.0).for_each(|row| _ = rows.insert(row));
    Ok(Matches { rows, by_index: Vec::new(), by_payload: Vec::new(), evaluated })
}
