//! Comparing with every row: exact, nothing to build, and bound by how fast memory delivers the rows.
//!
//! Where the rows have codes, those are compared first and only the rows that may be among the nearest are read
//! (`coded` for one query, `tiles` for many); where they have none, or codes would not help, the rows themselves are
//! (`scan`). The answer is the same, hit for hit and bit for bit: `quantization::bounds` has the proof.

mod coded;
mod scan;
pub(super) mod shortlist;
mod tiles;

use super::comparison::Comparison;
use super::{Found, IndexFacts, Query, Scope, VectorIndex, Vectors};
use crate::error::Result;
use crate::pool::Pool;
use crate::quantization::int8::Codes;

/// Bytes of rows that one piece of work reads: large against the cost of handing it to a thread, small against the whole.
/// The pieces follow from the rows alone, so what is found does not depend on the threads.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Rows are worth their codes when there are this many for each neighbour that is wanted. Below, so many rows pass that
/// reading them one by one costs more than all.
const ROWS_PER_NEIGHBOUR: usize = 16;

/// A thread that searches for several queries gets at least so many.
const MIN_QUERIES: usize = 24;

/// The index that is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat;

impl VectorIndex for Flat {
    fn search(&self, vectors: &dyn Vectors, query: &Query<'_>, scope: &Scope<'_>, pool: &Pool) -> Result<Found> {
        let comparison = Comparison::new(vectors.shape(), query)?;
        if let Some(codes) = codes_for(vectors, query, pool)?
            && let Some(coded) = comparison.coded(codes.stride())
        {
            return coded::search(vectors, &codes, &coded, &comparison, query, scope, pool);
        }
        scan::search(&vectors.all(pool)?, &comparison, query, scope, pool)
    }

    fn search_many(
        &self,
        vectors: &dyn Vectors,
        queries: &[Query<'_>],
        scope: &Scope<'_>,
        pool: &Pool,
    ) -> Result<Vec<Found>> {
        if let [query] = queries {
            return Ok(vec![self.search(vectors, query, scope, pool)?]);
        }
        let comparisons: Result<Vec<_>> = queries.iter().map(|q| Comparison::new(vectors.shape(), q)).collect();
        let comparisons = comparisons?;
        let share = queries.len().div_ceil(pool.threads()).max(MIN_QUERIES);
        let most = queries.iter().max_by_key(|query| query.k);
        let codes = most.map(|query| codes_for(vectors, query, pool)).transpose()?.flatten();
        let rows = if codes.is_none() { Some(vectors.all(pool)?) } else { None };
        let shares = pool.map(queries.len().div_ceil(share), |number| {
            let range = number * share..queries.len().min((number + 1) * share);
            let (queries, comparisons) = (&queries[range.clone()], &comparisons[range]);
            match (&codes, &rows) {
                (Some(codes), _) => tiles::search(vectors, codes, comparisons, queries, scope),
                (None, Some(rows)) => scan::search_many(rows, comparisons, queries, scope),
                (None, None) => Ok(Vec::new()),
            }
        })?;
        Ok(shares.into_iter().flatten().collect())
    }

    fn facts(&self) -> IndexFacts {
        IndexFacts { kind: "flat".into(), ..IndexFacts::default() }
    }
}

/// The codes, where the rows have any and comparing them first is likely to be faster.
fn codes_for<'a>(vectors: &'a dyn Vectors, query: &Query<'_>, pool: &Pool) -> Result<Option<Codes<'a>>> {
    if are_codes_worth_it(vectors, query) { vectors.codes(pool) } else { Ok(None) }
}

fn are_codes_worth_it(vectors: &dyn Vectors, query: &Query<'_>) -> bool {
    let few = vectors.len() / ROWS_PER_NEIGHBOUR >= query.k;
    few || query.bound < f32::INFINITY
}

/// See [`super::flat_cost`].
pub(super) fn cost(vectors: &dyn Vectors, query: &Query<'_>, live: u64) -> Found {
    let row_bytes = vectors.shape().row_bytes() as u64;
    let visited = vectors.len() as u64;
    match vectors.code_row_bytes().filter(|_| are_codes_worth_it(vectors, query)) {
        Some(code_bytes) => {
            let distances = live.min(query.k as u64);
            let bytes = live * code_bytes as u64 + distances * row_bytes;
            Found { code_distances: live, distances, bytes, visited, ..Found::default() }
        }
        None => Found { distances: live, bytes: live * row_bytes, visited, ..Found::default() },
    }
}

#[cfg(test)]
mod tests;
