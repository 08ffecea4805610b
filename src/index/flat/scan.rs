//! Reading the rows themselves.

use std::ops::Range;

use super::super::comparison::Comparison;
use super::super::{Found, Query, Scope, live_word, rows_of};
use super::CHUNK_BYTES;
use crate::error::Result;
use crate::ids::RowId;
use crate::pool::Pool;
use crate::vector::inverse_norm;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::matrix::Rows;
use crate::vector::metric::{Metric, cosine_distance, dot_distance};
use crate::vector::top_k::TopK;

/// One query: the rows are split among the threads.
pub(super) fn search(
    rows: &Rows<'_>,
    comparison: &Comparison<'_>,
    query: &Query<'_>,
    scope: &Scope<'_>,
    pool: &Pool,
) -> Result<Found> {
    let chunks: Vec<Range<usize>> = chunks(rows).collect();
    let parts = pool.map(chunks.len(), |chunk| {
        let mut part = Part::new(query);
        part.read(rows, comparison, query, scope, chunks[chunk].clone());
        Ok(part)
    })?;
    let mut nearest = TopK::new(query.k).within(query.bound);
    let mut found = Found::default();
    for part in parts {
        let part = part.finish(scope);
        found.distances += part.distances;
        found.visited += part.visited;
        found.bytes += part.bytes;
        found.cut |= part.cut;
        part.hits.into_iter().for_each(|(distance, row)| nearest.offer(distance, row, scope.order));
    }
    found.hits = nearest.into_sorted(scope.order);
    Ok(found)
}

/// Several queries on this thread: each chunk of rows is read for all of them while it is in the cache.
pub(super) fn search_many(
    rows: &Rows<'_>,
    comparisons: &[Comparison<'_>],
    queries: &[Query<'_>],
    scope: &Scope<'_>,
) -> Result<Vec<Found>> {
    let mut parts: Vec<Part> = queries.iter().map(Part::new).collect();
    for chunk in chunks(rows) {
        for ((part, comparison), query) in parts.iter_mut().zip(comparisons).zip(queries) {
            part.read(rows, comparison, query, scope, chunk.clone());
        }
    }
    Ok(parts.into_iter().map(|part| part.finish(scope)).collect())
}

/// Pieces of about a MiB, each of whole words of live rows.
fn chunks(rows: &Rows<'_>) -> impl Iterator<Item = Range<usize>> + use<> {
    let count = rows.len();
    let chunk_rows = (CHUNK_BYTES / rows.shape().row_bytes().max(1)).next_multiple_of(64).max(64);
    (0..count.div_ceil(chunk_rows)).map(move |chunk| chunk * chunk_rows..count.min((chunk + 1) * chunk_rows))
}

/// What some of the rows gave.
struct Part {
    nearest: TopK,
    found: Found,
}

impl Part {
    fn new(query: &Query<'_>) -> Part {
        Part { nearest: TopK::new(query.k).within(query.bound), found: Found::default() }
    }

    fn read(
        &mut self,
        rows: &Rows<'_>,
        comparison: &Comparison<'_>,
        query: &Query<'_>,
        scope: &Scope<'_>,
        range: Range<usize>,
    ) {
        if self.found.cut || (scope.stop)() {
            self.found.cut = true;
            return;
        }
        let distances = kernel::with(Scan { comparison, rows, query, scope, range: range.clone(), part: self });
        self.found.distances += distances;
        self.found.visited += range.len() as u64;
        self.found.bytes += distances * rows.shape().row_bytes() as u64;
    }

    fn finish(self, scope: &Scope<'_>) -> Found {
        Found { hits: self.nearest.into_sorted(scope.order), ..self.found }
    }
}

/// Comparing with some of the rows; how many were live.
struct Scan<'a> {
    comparison: &'a Comparison<'a>,
    rows: &'a Rows<'a>,
    query: &'a Query<'a>,
    scope: &'a Scope<'a>,
    range: Range<usize>,
    part: &'a mut Part,
}

impl Task for Scan<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> u64 {
        match (self.comparison, self.rows) {
            (Comparison::Bits { query }, Rows::Bits { bytes, .. }) => {
                let row = |row: usize| &bytes[row * query.len()..][..query.len()];
                self.measure_each(|index| kernels.hamming(query, row(index)) as f32)
            }
            (Comparison::F32 { query, metric }, Rows::F32 { values, inverse_norms, .. }) => {
                let row = |row: usize| &values[row * query.len()..][..query.len()];
                match metric {
                    Metric::L2 => self.measure_each(|index| kernels.l2(query, row(index))),
                    Metric::L1 => self.measure_each(|index| kernels.l1(query, row(index))),
                    Metric::Cosine => self.measure_each(|index| {
                        let inverse_norm = inverse_norms.map_or_else(|| inverse_norm(row(index)), |norms| norms[index]);
                        cosine_distance(kernels.dot(query, row(index)), inverse_norm)
                    }),
                    // Hamming does not come with numbers: `Comparison::new` sees to that.
                    Metric::Dot | Metric::Hamming => {
                        self.measure_each(|index| dot_distance(kernels.dot(query, row(index))))
                    }
                }
            }
            _ => 0,
        }
    }
}

impl Scan<'_> {
    #[inline(always)]
    fn measure_each(self, distance: impl Fn(usize) -> f32) -> u64 {
        let Scan { query, scope, range, part, .. } = self;
        let mut distances = 0;
        for number in range.start / 64..range.end.div_ceil(64) {
            let word = live_word(scope.live, number, range.end);
            distances += u64::from(word.count_ones());
            for index in rows_of(number, word) {
                let (distance, row) = (distance(index), RowId(index as u32));
                if query.reaches(distance, row, scope.order) {
                    part.nearest.offer(distance, row, scope.order);
                }
            }
        }
        distances
    }
}
