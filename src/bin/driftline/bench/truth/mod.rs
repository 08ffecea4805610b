//! Who the nearest really are: every row compared with every query in double precision, on all threads.

mod tile;

use driftline::Metric;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

pub(crate) use self::tile::distance;
use self::tile::{Packed, distances, packed};
use super::matrix::Matrix;

/// Queries that one thread works on at a time: the rows it has unpacked are used so often.
const QUERIES_AT_ONCE: usize = 64;
/// Rows unpacked at a time, in numbers: 256 KiB of double precision, to stay in a core's cache.
const NUMBERS_AT_ONCE: usize = 32 << 10;

/// The nearest of each query: row numbers and distances, nearest first, equal distances in the order of rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Truth {
    /// Neighbours of each query; fewer where there are fewer rows.
    pub(crate) depth: usize,
    ids: Vec<u32>,
    distances: Vec<f64>,
}

impl Truth {
    /// Of `depth` neighbours for each query, read from somewhere.
    pub(crate) fn new(depth: usize, ids: Vec<u32>, distances: Vec<f64>) -> Truth {
        Truth { depth, ids, distances }
    }

    pub(crate) fn queries(&self) -> usize {
        self.ids.len().checked_div(self.depth).unwrap_or(0)
    }

    pub(crate) fn ids(&self, query: usize) -> &[u32] {
        &self.ids[query * self.depth..][..self.depth]
    }

    pub(crate) fn distances(&self, query: usize) -> &[f64] {
        &self.distances[query * self.depth..][..self.depth]
    }

    /// The share of the `k` nearest that is among `found`. Who is as near as the k-th counts, too; where there are fewer
    /// than `k` rows, all of them is 1.
    pub(crate) fn recall(&self, query: usize, k: usize, found: impl Iterator<Item = u32>) -> f64 {
        let (ids, distances) = (self.ids(query), self.distances(query));
        let wanted = k.min(ids.len());
        let Some(last) = wanted.checked_sub(1).and_then(|last| distances.get(last)) else { return 1.0 };
        // Files keep distances in single precision, in which neighbours tie that do not.
        let slack = last.abs() * 1e-12;
        let nearer = distances[..wanted].partition_point(|distance| *distance < last - slack);
        let ties = nearer + distances[nearer..].partition_point(|distance| *distance <= last + slack);
        let sorted = |ids: &[u32]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        };
        let (near, level) = (sorted(&ids[..nearer]), sorted(&ids[nearer..ties]));
        let found: Vec<u32> = found.take(k).collect();
        let among = |ids: &[u32]| found.iter().filter(|id| ids.binary_search(id).is_ok()).count();
        (among(&near) + among(&level).min(wanted - nearer)) as f64 / wanted as f64
    }

    /// A name for these neighbours: the same truth was used where it is the same.
    pub(crate) fn sha256(&self) -> String {
        hex(&self.ids.iter().fold(Sha256::new(), |hash, id| hash.chain_update(id.to_le_bytes())).finalize())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Collects the nearest while rows come by.
#[derive(Debug)]
pub(crate) struct Finder<'a> {
    metric: Metric,
    queries: &'a Matrix,
    depth: usize,
    /// The nearest so far of each query, nearest first.
    nearest: Vec<Vec<(f64, u32)>>,
}

impl<'a> Finder<'a> {
    /// Looks for the `depth` nearest of each query.
    pub(crate) fn new(metric: Metric, queries: &'a Matrix, depth: usize) -> Finder<'a> {
        Finder { metric, queries, depth, nearest: vec![Vec::new(); queries.rows()] }
    }

    /// Compares rows, one behind the other, whose numbers are `id(0)`, `id(1)` and so on, rising.
    pub(crate) fn look(&mut self, rows: &[f32], id: impl Fn(usize) -> u32 + Sync) {
        let (queries, metric, depth) = (self.queries, self.metric, self.depth);
        let dimension = queries.dimension();
        let threads = rayon::current_num_threads();
        let at_once = queries.rows().div_ceil(threads).clamp(1, QUERIES_AT_ONCE);
        self.nearest.par_chunks_mut(at_once).enumerate().for_each(|(chunk, nearest)| {
            let queries = packed(queries, chunk * at_once, nearest.len());
            let mut unpacked = Packed::default();
            let rows_at_once = (NUMBERS_AT_ONCE / dimension).max(4);
            for (block, rows) in rows.chunks(rows_at_once * dimension).enumerate() {
                unpacked.fill(rows, dimension);
                distances(metric, &queries, &unpacked, |query, row, distance| {
                    insert(&mut nearest[query], depth, distance, id(block * rows_at_once + row));
                });
            }
        });
    }

    pub(crate) fn finish(self) -> Truth {
        let depth = self.nearest.iter().map(Vec::len).min().unwrap_or(0);
        let (distances, ids) = self.nearest.iter().flatten().copied().unzip();
        Truth { depth, ids, distances }
    }
}

/// Keeps the nearest `depth`; what comes later stands behind what is as near.
fn insert(nearest: &mut Vec<(f64, u32)>, depth: usize, distance: f64, id: u32) {
    if nearest.len() == depth && nearest.last().is_none_or(|last| distance >= last.0) {
        return;
    }
    let place = nearest.partition_point(|(other, other_id)| (*other, *other_id) < (distance, id));
    nearest.insert(place, (distance, id));
    nearest.truncate(depth);
}

/// The `depth` nearest of each query among all rows, or among those of `among`.
pub(crate) fn exact(metric: Metric, base: &Matrix, among: Option<&[u32]>, queries: &Matrix, depth: usize) -> Truth {
    let mut finder = Finder::new(metric, queries, depth);
    match among {
        None => finder.look(base.range(0, base.rows()), |row| row as u32),
        Some(among) => {
            for some in among.chunks(1 << 14) {
                let rows: Vec<f32> = some.iter().flat_map(|row| base.row(*row as usize)).copied().collect();
                finder.look(&rows, |row| some[row]);
            }
        }
    }
    finder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::matrix::Matrix;
    use driftline::Random;

    fn random(rows: usize, dimension: usize, stream: u64) -> Matrix {
        let mut random = Random::seeded(9, stream);
        Matrix::new(dimension, (0..rows * dimension).map(|_| (random.unit() * 4.0 - 2.0) as f32).collect())
    }

    #[test]
    fn it_is_what_a_plain_double_loop_finds() {
        for (rows, dimension, queries) in [(1, 1, 1), (37, 3, 5), (700, 17, 70), (300, 129, 9)] {
            let (base, asked) = (random(rows, dimension, 0), random(queries, dimension, 1));
            for metric in [Metric::L2, Metric::L1, Metric::Cosine, Metric::Dot] {
                for among in [None, Some((0..rows as u32).step_by(3).collect::<Vec<_>>())] {
                    let truth = exact(metric, &base, among.as_deref(), &asked, 10);
                    let among = among.unwrap_or_else(|| (0..rows as u32).collect());
                    for query in 0..queries {
                        let from = |row: u32| distance(metric, asked.row(query), base.row(row as usize));
                        let mut all: Vec<(f64, u32)> = among.iter().map(|row| (from(*row), *row)).collect();
                        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
                        all.truncate(10);
                        let (distances, ids): (Vec<f64>, Vec<u32>) = all.into_iter().unzip();
                        assert_eq!((truth.ids(query), truth.distances(query)), (&ids[..], &distances[..]), "{metric}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_that_come_in_pieces_make_no_difference() {
        let (base, asked) = (random(1000, 8, 0), random(20, 8, 1));
        let mut finder = Finder::new(Metric::L2, &asked, 7);
        for start in (0..1000).step_by(130) {
            finder.look(base.range(start, 130.min(1000 - start)), |row| (start + row) as u32);
        }
        assert_eq!(finder.finish(), exact(Metric::L2, &base, None, &asked, 7));
    }

    #[test]
    fn ties_with_the_last_neighbour_are_hits() {
        let base = Matrix::new(1, vec![0.0, 1.0, 1.0, 1.0, 2.0]);
        let truth = exact(Metric::L2, &base, None, &Matrix::new(1, vec![0.0]), 5);
        assert_eq!(truth.ids(0), [0, 1, 2, 3, 4]);
        let recall = |k, found: &[u32]| truth.recall(0, k, found.iter().copied());
        assert_eq!(recall(2, &[0, 3]), 1.0);
        assert_eq!(recall(2, &[0, 4]), 0.5);
        assert_eq!(recall(2, &[3, 2]), 0.5, "the nearest is missing");
        assert_eq!(recall(2, &[]), 0.0);
        assert_eq!(recall(9, &[4, 3, 2, 1, 0]), 1.0);
        assert_eq!(recall(4, &[0, 1, 2]), 0.75);
    }
}
