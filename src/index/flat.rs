//! Comparing with every row: exact, nothing to build, and bound by how fast memory delivers the rows.

use std::borrow::Cow;
use std::ops::Range;

use super::{Found, Live, Query, VectorIndex};
use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::pool::Pool;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::matrix::Rows;
use crate::vector::metric::{Metric, cosine_distance, dot_distance};
use crate::vector::top_k::{Ties, TopK};
use crate::vector::{VectorRef, inverse_norm, normalize};

/// Bytes of rows that one piece of work reads: large against the cost of handing it to a thread, small against the whole.
/// The pieces follow from the rows alone, so what is found does not depend on the threads.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The index that is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat;

impl VectorIndex for Flat {
    fn search(
        &self,
        rows: &Rows<'_>,
        query: &Query<'_>,
        live: &dyn Live,
        ties: &dyn Ties,
        pool: &Pool,
    ) -> Result<Found> {
        let comparison = Comparison::new(rows, query)?;
        let chunk_rows = (CHUNK_BYTES / rows.row_bytes().max(1)).max(1);
        let chunks = pool.map(rows.len().div_ceil(chunk_rows), |chunk| {
            let first = chunk * chunk_rows;
            let range = first..rows.len().min(first + chunk_rows);
            let nearest = TopK::new(query.k).within(query.bound);
            Ok(kernel::with(Scan { comparison: &comparison, range, live, ties, nearest }))
        })?;
        let mut nearest = TopK::new(query.k).within(query.bound);
        let mut found = Found::default();
        for chunk in chunks {
            found.distances += chunk.distances;
            found.visited += chunk.visited;
            chunk.hits.into_iter().for_each(|(distance, row)| nearest.offer(distance, row, ties));
        }
        found.hits = nearest.into_sorted(ties);
        Ok(found)
    }
}

/// A query and the rows it is compared with, which fit each other.
enum Comparison<'a> {
    F32 {
        /// Scaled to length 1 under cosine, so that neither its length nor that of the rows makes a product overflow.
        query: Cow<'a, [f32]>,
        rows: &'a [f32],
        metric: Metric,
        inverse_norms: Option<&'a [f32]>,
    },
    Bits {
        query: &'a [u8],
        rows: &'a [u8],
    },
}

impl<'a> Comparison<'a> {
    fn new(rows: &Rows<'a>, query: &Query<'a>) -> Result<Comparison<'a>> {
        match (*rows, query.vector, query.metric) {
            (Rows::F32 { values, dimension, inverse_norms }, VectorRef::F32(vector), metric)
                if vector.len() == dimension && metric != Metric::Hamming =>
            {
                let mut query = Cow::Borrowed(vector);
                if metric == Metric::Cosine {
                    normalize(query.to_mut())?;
                }
                Ok(Comparison::F32 { query, rows: values, metric, inverse_norms })
            }
            (Rows::Bits { bytes, stride }, VectorRef::Bits(vector), Metric::Hamming) if vector.len() == stride => {
                Ok(Comparison::Bits { query: vector, rows: bytes })
            }
            (_, vector, metric) => Err(Error::internal(format!(
                "a query of dimension {} under {metric} met rows of {} bytes",
                vector.dimension(),
                rows.row_bytes()
            ))),
        }
    }
}

/// Comparing with some of the rows.
struct Scan<'a> {
    comparison: &'a Comparison<'a>,
    range: Range<usize>,
    live: &'a dyn Live,
    ties: &'a dyn Ties,
    nearest: TopK,
}

impl Task for Scan<'_> {
    type Output = Found;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Found {
        match self.comparison {
            Comparison::Bits { query, rows } => {
                let row = |row: usize| &rows[row * query.len()..][..query.len()];
                self.measure_each(|index| kernels.hamming(query, row(index)) as f32)
            }
            Comparison::F32 { query, rows, metric, inverse_norms } => {
                let row = |row: usize| &rows[row * query.len()..][..query.len()];
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
        }
    }
}

impl Scan<'_> {
    #[inline(always)]
    fn measure_each(mut self, distance: impl Fn(usize) -> f32) -> Found {
        let mut distances = 0;
        let all = self.live.all();
        let visited = self.range.len() as u64;
        for index in self.range {
            let row = RowId(index as u32);
            if all || self.live.is_live(row) {
                distances += 1;
                self.nearest.offer(distance(index), row, self.ties);
            }
        }
        Found { hits: self.nearest.into_sorted(self.ties), distances, visited }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IndexSpec, create};
    use super::*;
    use crate::random::Random;
    use crate::vector::Vector;

    struct AllBut(Vec<usize>);

    impl Live for AllBut {
        fn is_live(&self, row: RowId) -> bool {
            !self.0.contains(&row.index())
        }

        fn all(&self) -> bool {
            self.0.is_empty()
        }
    }

    /// Rows and a query, with a few rows equal to one another and one equal to the query, so that there are ties.
    struct Data {
        values: Vec<f32>,
        bytes: Vec<u8>,
        norms: Vec<f32>,
        dimension: usize,
        metric: Metric,
        query: Vector,
    }

    /// The lower row has the higher key.
    fn ties(a: RowId, b: RowId) -> bool {
        a > b
    }

    impl Data {
        fn new(count: usize, dimension: usize, metric: Metric, draw: impl Fn(&mut Random) -> f32) -> Data {
            let mut random = Random::seeded(7, dimension as u64);
            let mut values: Vec<f32> = (0..count * dimension).map(|_| draw(&mut random)).collect();
            values.iter_mut().step_by(dimension).for_each(|first| *first += 0.5);
            values.copy_within(0..3 * dimension, 5 * dimension);
            let query = values[5 * dimension..6 * dimension].to_vec();
            let mut bytes = vec![0; count * dimension];
            random.fill(&mut bytes);
            bytes.copy_within(0..3 * dimension, 5 * dimension);
            let norms = values.chunks_exact(dimension).map(inverse_norm).collect();
            let query = match metric {
                Metric::Hamming => Vector::Bits(bytes[5 * dimension..6 * dimension].to_vec()),
                _ => Vector::F32(query),
            };
            Data { values, bytes, norms, dimension, metric, query }
        }

        /// Values whose sums no kernel has to round.
        fn whole(count: usize, dimension: usize, metric: Metric) -> Data {
            Data::new(count, dimension, metric, |random| random.below(5) as f32 - 2.0)
        }

        fn fractions(count: usize, dimension: usize, metric: Metric) -> Data {
            Data::new(count, dimension, metric, |random| random.unit() as f32 - 0.5)
        }

        fn rows(&self) -> Rows<'_> {
            match self.metric {
                Metric::Hamming => Rows::Bits { bytes: &self.bytes, stride: self.dimension },
                Metric::Cosine => {
                    Rows::F32 { values: &self.values, dimension: self.dimension, inverse_norms: Some(&self.norms) }
                }
                _ => Rows::F32 { values: &self.values, dimension: self.dimension, inverse_norms: None },
            }
        }

        fn query(&self, k: usize, bound: f32) -> Query<'_> {
            Query { vector: self.query.view(), metric: self.metric, k, bound }
        }

        fn search(&self, k: usize, bound: f32, live: &AllBut, threads: usize) -> Found {
            let pool = Pool::new(threads).unwrap();
            create(&IndexSpec::Flat).search(&self.rows(), &self.query(k, bound), live, &ties, &pool).unwrap()
        }

        /// The distance in f64, and how large the terms are that were summed for it.
        fn truth(&self, row: usize) -> (f64, f64) {
            match (self.rows().row(RowId(row as u32)), self.query.view()) {
                (VectorRef::F32(row), VectorRef::F32(query)) => {
                    let pairs = || row.iter().zip(query).map(|(a, b)| (f64::from(*a), f64::from(*b)));
                    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
                    let dots: f64 = pairs().map(|(a, b)| (a * b).abs()).sum();
                    let norms: f64 = [row, query]
                        .map(|v| v.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt())
                        .iter()
                        .product();
                    let l2: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
                    let l1: f64 = pairs().map(|(a, b)| (a - b).abs()).sum();
                    match self.metric {
                        Metric::L2 => (l2, l2),
                        Metric::L1 => (l1, l1),
                        Metric::Dot => (-dot, dots),
                        _ => (1.0 - dot / norms, 1.0),
                    }
                }
                (VectorRef::Bits(row), VectorRef::Bits(query)) => {
                    (row.iter().zip(query).map(|(a, b)| f64::from((a ^ b).count_ones())).sum(), 0.0)
                }
                _ => unreachable!(),
            }
        }

        fn count(&self) -> usize {
            self.rows().len()
        }
    }

    const DIMENSIONS: [usize; 8] = [1, 3, 7, 8, 64, 100, 384, 769];

    #[test]
    fn agrees_exactly_with_brute_force_where_nothing_is_rounded() {
        for metric in [Metric::L2, Metric::Dot, Metric::L1, Metric::Hamming] {
            for dimension in DIMENSIONS {
                let data = Data::whole(200, dimension, metric);
                let live = AllBut(vec![0, 17, 199]);
                let mut expected: Vec<(f32, RowId)> = (0..data.count())
                    .filter(|row| !live.0.contains(row))
                    .map(|row| (data.truth(row).0 as f32 + 0.0, RowId(row as u32)))
                    .collect();
                expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
                for k in [1, 10, 197, 500] {
                    let found = data.search(k, f32::INFINITY, &live, 1);
                    assert_eq!(found.hits, expected[..k.min(197)], "{metric} {dimension} {k}");
                    assert_eq!((found.distances, found.visited), (197, 200));
                }
            }
        }
    }

    #[test]
    fn agrees_with_brute_force_up_to_rounding() {
        for metric in Metric::ALL {
            for dimension in DIMENSIONS {
                let data = Data::fractions(300, dimension, metric);
                let found = data.search(20, f32::INFINITY, &AllBut(vec![]), 1);
                let mut expected: Vec<f64> = (0..data.count()).map(|row| data.truth(row).0).collect();
                expected.sort_by(f64::total_cmp);
                assert_eq!(found.hits.len(), 20);
                for ((distance, row), expected) in found.hits.iter().zip(&expected) {
                    let (truth, size) = data.truth(row.index());
                    let slack = 1e-5 * size + 1e-12;
                    assert!((f64::from(*distance) - truth).abs() <= slack, "{metric} {dimension}: {distance} {truth}");
                    assert!((truth - expected).abs() <= 2.0 * slack, "{metric} {dimension}: {truth} {expected}");
                }
            }
        }
    }

    #[test]
    fn kernels_and_threads_do_not_change_what_is_found() {
        // Several chunks each: a row of 769 numbers takes 3 KiB, one of 3 numbers 12 bytes.
        for (count, dimension) in [(1200, 769), (200_000, 3)] {
            for metric in Metric::ALL {
                let data = Data::fractions(count, dimension, metric);
                let one = data.search(50, f32::INFINITY, &AllBut(vec![4, 700]), 1);
                assert_eq!(one, data.search(50, f32::INFINITY, &AllBut(vec![4, 700]), 3), "{metric} {dimension}");
                assert_eq!((one.hits.len(), one.distances), (50, count as u64 - 2));
            }
        }
        for metric in Metric::ALL {
            let data = Data::fractions(500, 100, metric);
            let (rows, query, live) = (data.rows(), data.query(500, f32::INFINITY), AllBut(vec![3]));
            let comparison = Comparison::new(&rows, &query).unwrap();
            let results = kernel::with_each(|| Scan {
                comparison: &comparison,
                range: 0..500,
                live: &live,
                ties: &ties,
                nearest: TopK::new(500),
            });
            let by_row = |found: &Found| {
                let mut hits = found.hits.clone();
                hits.sort_by_key(|hit| hit.1);
                hits
            };
            for (name, found) in &results {
                for (a, b) in by_row(&results[0].1).iter().zip(by_row(found)) {
                    let slack = 1e-5 * data.truth(a.1.index()).1 + 1e-12;
                    assert!(a.1 == b.1 && f64::from((a.0 - b.0).abs()) <= slack, "{name} {metric} {a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn equal_rows_come_in_the_order_of_their_keys() {
        for metric in Metric::ALL {
            let data = Data::whole(40, 8, metric);
            let found = data.search(40, f32::INFINITY, &AllBut(vec![]), 1);
            for pair in found.hits.windows(2) {
                let ((near, a), (far, b)) = (pair[0], pair[1]);
                assert!(near < far || (near == far && a > b), "{metric} {pair:?}");
            }
            // Rows 0 and 5 are the query itself; under dot another row may be longer and so closer.
            let place = |row| found.hits.iter().position(|hit| hit.1 == RowId(row)).unwrap();
            assert_eq!(place(5) + 1, place(0), "{metric}");
        }
    }

    #[test]
    fn a_tie_with_the_last_wanted_is_decided_by_key_across_chunks() {
        let values = vec![1.0; 600_000];
        let rows = Rows::F32 { values: &values, dimension: 2, inverse_norms: None };
        let query = Query { vector: VectorRef::F32(&[0.0, 0.0]), metric: Metric::L2, k: 2, bound: 2.0 };
        let found = Flat.search(&rows, &query, &AllBut(vec![]), &ties, &Pool::inline()).unwrap();
        assert_eq!(found.hits, [(2.0, RowId(299_999)), (2.0, RowId(299_998))]);
    }

    #[test]
    fn nothing_beyond_the_bound_is_found() {
        for metric in Metric::ALL {
            let data = Data::whole(60, 7, metric);
            let all = data.search(60, f32::INFINITY, &AllBut(vec![]), 1).hits;
            for bound in [all[0].0, all[20].0, all[59].0, f32::NEG_INFINITY] {
                let found = data.search(60, bound, &AllBut(vec![]), 1);
                let expected: Vec<_> = all.iter().copied().filter(|hit| hit.0 <= bound).collect();
                assert_eq!(found.hits, expected, "{metric} {bound}");
                assert_eq!(found.distances, 60);
            }
        }
    }

    #[test]
    fn cosine_ignores_lengths_from_tiny_to_huge() {
        for (query_scale, row_scale) in [(1.0, 1.0), (1e-30, 1e30), (1e30, 1e-30), (1e-36, 1e-36), (1e37, 1e37)] {
            let values: Vec<f32> = [3.0, 4.0, -3.0, -4.0, 4.0, -3.0].iter().map(|value| value * row_scale).collect();
            let norms: Vec<f32> = values.chunks_exact(2).map(inverse_norm).collect();
            for inverse_norms in [None, Some(&norms[..])] {
                let rows = Rows::F32 { values: &values, dimension: 2, inverse_norms };
                let vector = [3.0 * query_scale, 4.0 * query_scale];
                let query = Query { vector: (&vector).into(), metric: Metric::Cosine, k: 3, bound: f32::INFINITY };
                let hits = Flat.search(&rows, &query, &AllBut(vec![]), &ties, &Pool::inline()).unwrap().hits;
                let expected = [(0.0, 0), (1.0, 2), (2.0, 1)];
                for ((distance, row), (truth, place)) in hits.iter().zip(expected) {
                    assert!((distance - truth).abs() < 1e-6 && row.0 == place, "{query_scale} {row_scale} {hits:?}");
                }
            }
        }
    }

    #[test]
    fn sums_that_overflow_are_furthest_and_not_lost() {
        let values = [f32::MAX, f32::MAX, f32::MAX, -f32::MAX, 1.0, 0.0];
        let rows = Rows::F32 { values: &values, dimension: 2, inverse_norms: None };
        for metric in [Metric::Dot, Metric::L2, Metric::L1] {
            let query = Query { vector: VectorRef::F32(&[-2.0, -2.0]), metric, k: 3, bound: f32::INFINITY };
            let hits = Flat.search(&rows, &query, &AllBut(vec![]), &ties, &Pool::inline()).unwrap().hits;
            assert_eq!(hits.len(), 3, "{metric}");
            assert!(hits.iter().all(|hit| !hit.0.is_nan()), "{metric}");
        }
    }

    #[test]
    fn empty_rows_no_neighbours_and_queries_that_do_not_fit() {
        let rows = Rows::F32 { values: &[], dimension: 2, inverse_norms: None };
        let query = Query { vector: VectorRef::F32(&[1.0, 2.0]), metric: Metric::L2, k: 5, bound: f32::INFINITY };
        let live = AllBut(vec![]);
        let search = |rows: &Rows<'_>, query: &Query<'_>| Flat.search(rows, query, &live, &ties, &Pool::inline());
        assert_eq!(search(&rows, &query).unwrap(), Found::default());
        let data = Data::whole(60, 2, Metric::L2);
        let none = search(&data.rows(), &Query { k: 0, ..query }).unwrap();
        assert_eq!((none.hits.len(), none.distances), (0, 60));
        for wrong in [
            Query { vector: VectorRef::F32(&[1.0]), ..query },
            Query { vector: VectorRef::Bits(&[1, 2]), ..query },
            Query { metric: Metric::Hamming, ..query },
            Query { vector: VectorRef::F32(&[0.0, 0.0]), metric: Metric::Cosine, ..query },
        ] {
            assert!(search(&data.rows(), &wrong).is_err(), "{wrong:?}");
        }
    }
}
