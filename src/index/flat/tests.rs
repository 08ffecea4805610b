//! Flat search against sums in f64, one row after the other; and search by codes against search by rows.

use super::super::comparison::Comparison;
use super::super::{Effort, Found, Live, Query, Scope, VectorIndex, Vectors};
use super::Flat;
use crate::error::Result;
use crate::ids::RowId;
use crate::pool::Pool;
use crate::quantization::int8::{self, Codes};
use crate::random::Random;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::matrix::{Rows, Shape};
use crate::vector::metric::Metric;
use crate::vector::{Vector, VectorRef, inverse_norm};

const EXACT: Effort = Effort::Exact;

struct AllBut(Vec<usize>);

impl Live for AllBut {
    fn word(&self, number: usize) -> u64 {
        let gone = self.0.iter().filter(|row| **row / 64 == number);
        !gone.fold(0, |word, row| word | 1 << (row % 64))
    }
}

/// Rows that are live, in the order of `ties`, with nobody to stop the search.
fn scope(live: &AllBut) -> Scope<'_> {
    Scope { live, count: None, order: &ties, stop: &|| false }
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
        Query { vector: self.query.view(), metric: self.metric, k, bound, floor: None, without: None, effort: EXACT }
    }

    fn search(&self, k: usize, bound: f32, live: &AllBut, threads: usize) -> Found {
        let pool = Pool::new(threads).unwrap();
        Flat.search(&self.rows(), &self.query(k, bound), &scope(live), &pool).unwrap()
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
        let (rows, query) = (data.rows(), data.query(500, f32::INFINITY));
        let comparison = Comparison::new(rows.shape(), &query).unwrap();
        let results = kernel::with_each(|| EachRow { rows: &rows, comparison: &comparison });
        for (name, found) in &results {
            for (row, (a, b)) in results[0].1.iter().zip(found).enumerate() {
                let slack = 1e-5 * data.truth(row).1 + 1e-12;
                assert!(f64::from((a - b).abs()) <= slack, "{name} {metric} {row} {a} {b}");
            }
        }
    }
}

struct EachRow<'a> {
    rows: &'a Rows<'a>,
    comparison: &'a Comparison<'a>,
}

impl Task for EachRow<'_> {
    type Output = Vec<f32>;
    fn run<K: Kernels>(self, kernels: K) -> Vec<f32> {
        let distance = |row| {
            let inverse_norm = Vectors::inverse_norm(self.rows, row).unwrap();
            self.comparison.distance(kernels, Rows::row(self.rows, row), inverse_norm)
        };
        (0..self.rows.len() as u32).map(|row| distance(RowId(row))).collect()
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
    let query = Query {
        vector: VectorRef::F32(&[0.0, 0.0]),
        metric: Metric::L2,
        k: 2,
        bound: 2.0,
        floor: None,
        without: None,
        effort: EXACT,
    };
    let found = Flat.search(&rows, &query, &scope(&AllBut(vec![])), &Pool::inline()).unwrap();
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
            let query = Query {
                vector: (&vector).into(),
                metric: Metric::Cosine,
                k: 3,
                bound: f32::INFINITY,
                floor: None,
                without: None,
                effort: EXACT,
            };
            let hits = Flat.search(&rows, &query, &scope(&AllBut(vec![])), &Pool::inline()).unwrap().hits;
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
        let query = Query {
            vector: VectorRef::F32(&[-2.0, -2.0]),
            metric,
            k: 3,
            bound: f32::INFINITY,
            floor: None,
            without: None,
            effort: EXACT,
        };
        let hits = Flat.search(&rows, &query, &scope(&AllBut(vec![])), &Pool::inline()).unwrap().hits;
        assert_eq!(hits.len(), 3, "{metric}");
        assert!(hits.iter().all(|hit| !hit.0.is_nan()), "{metric}");
    }
}

#[test]
fn empty_rows_no_neighbours_and_queries_that_do_not_fit() {
    let rows = Rows::F32 { values: &[], dimension: 2, inverse_norms: None };
    let query = Query {
        vector: VectorRef::F32(&[1.0, 2.0]),
        metric: Metric::L2,
        k: 5,
        bound: f32::INFINITY,
        floor: None,
        without: None,
        effort: EXACT,
    };
    let live = AllBut(vec![]);
    let search = |rows: &Rows<'_>, query: &Query<'_>| Flat.search(rows, query, &scope(&live), &Pool::inline());
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

/// Rows with codes, which count how many of them were read.
struct Coded {
    data: Data,
    codes: Vec<i8>,
    factors: Vec<f32>,
}

impl Coded {
    fn new(data: Data) -> Coded {
        let stride = int8::stride(data.metric, data.dimension).unwrap();
        let mut codes = vec![0; data.count() * stride];
        let rows = data.values.chunks_exact(data.dimension).zip(&data.norms).zip(codes.chunks_exact_mut(stride));
        let each: Vec<_> = rows.map(|((row, n), codes)| int8::encode(data.metric, row, *n, codes)).collect();
        let scales = each.iter().map(|row| row.scale);
        let factors = scales.chain(each.iter().map(|row| row.length)).chain(each.iter().map(|row| row.error)).collect();
        Coded { data, codes, factors }
    }

    fn query<'a>(&self, vector: &'a [f32], k: usize) -> Query<'a> {
        Query {
            vector: vector.into(),
            metric: self.data.metric,
            k,
            bound: f32::INFINITY,
            floor: None,
            without: None,
            effort: EXACT,
        }
    }

    /// By codes and by rows, which must agree to the last bit.
    fn both(&self, query: &Query<'_>, scope: &Scope<'_>, threads: usize) -> (Found, Found) {
        let pool = Pool::new(threads).unwrap();
        let by_codes = Flat.search(self, query, scope, &pool).unwrap();
        let by_rows = Flat.search(&self.data.rows(), query, scope, &pool).unwrap();
        assert_eq!(bits(&by_codes), bits(&by_rows), "{query:?}");

        (by_codes, by_rows)
    }
}

/// Hits with the bits of their distances, so that zeros of two signs differ.
fn bits(found: &Found) -> Vec<(u32, RowId)> {
    found.hits.iter().map(|hit| (hit.0.to_bits(), hit.1)).collect()
}

impl Vectors for Coded {
    fn len(&self) -> usize {
        self.data.count()
    }

    fn shape(&self) -> Shape {
        self.data.rows().shape()
    }

    fn all(&self, _: &Pool) -> Result<Rows<'_>> {
        Ok(self.data.rows())
    }

    fn row(&self, row: RowId) -> Result<VectorRef<'_>> {
        Ok(self.data.rows().row(row))
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        Ok(self.data.norms[row.index()])
    }

    fn codes(&self, _: &Pool) -> Result<Option<Codes<'_>>> {
        let stride = int8::stride(self.data.metric, self.data.dimension).unwrap();
        Ok(Codes::new(&self.codes, stride, &self.factors))
    }
}

const CODED: [Metric; 4] = [Metric::L2, Metric::Cosine, Metric::Dot, Metric::L1];

/// Data of several kinds: drawn evenly, whole numbers with many ties, near zero with a few large ones, tiny, huge.
fn coded_data(metric: Metric, kind: usize, dimension: usize) -> Coded {
    let count = 2_000;
    Coded::new(Data::new(count, dimension, metric, |random| match (kind, random.unit() as f32) {
        (0, draw) => draw - 0.5,
        (1, draw) => (draw * 3.0).floor(),
        (2, draw) => {
            if draw > 0.97 {
                draw * 100.0
            } else {
                0.001 * draw
            }
        }
        (3, draw) => draw * 1e-20,
        (_, draw) => (draw - 0.5) * 1e15,
    }))
}

#[test]
fn codes_change_neither_a_hit_nor_a_bit_of_a_distance() {
    for metric in CODED {
        for kind in 0..5 {
            for dimension in [32, 100, 257] {
                let coded = coded_data(metric, kind, dimension);
                let live = AllBut((0..2_000).filter(|row| row % 7 == 3).collect());
                let none = AllBut(vec![]);
                let mut random = Random::seeded(8, kind as u64);
                for round in 0..4 {
                    let row = random.below(2_000) as usize * dimension;
                    let mut vector = coded.data.values[row..row + dimension].to_vec();
                    vector.iter_mut().for_each(|value| *value *= 1.0 + 0.3 * round as f32 * random.unit() as f32);
                    for k in [1, 10, 100] {
                        let scope = scope(if round % 2 == 0 { &live } else { &none });
                        let query = coded.query(&vector, k);
                        let (found, all) = coded.both(&query, &scope, 1 + round % 2);
                        // A radius, and the page after.
                        let (tenth, last) = (all.hits[all.hits.len() / 2].0, all.hits[all.hits.len() - 1].0);
                        coded.both(&Query { bound: tenth, k: 2_000, ..query }, &scope, 1);
                        coded.both(&Query { floor: Some(last), ..query }, &scope, 2);
                        assert_eq!(found.visited, 2_000);
                    }
                }
            }
        }
    }
}

#[test]
fn codes_spare_reading_most_rows() {
    for metric in CODED {
        let coded = coded_data(metric, 0, 257);
        let (found, _) =
            coded.both(&coded.query(coded.data.query.view().as_f32().unwrap(), 10), &scope(&AllBut(vec![])), 1);
        assert!(found.distances < 200, "{metric}: {}", found.distances);
        assert_eq!(found.code_distances, 2_000);
        assert_eq!(found.bytes, 2_000 * (272 + 12) + found.distances * 257 * 4);
    }
}

#[test]
fn a_page_begins_after_the_rows_that_were_on_the_one_before() {
    struct Later;
    impl crate::vector::top_k::Order for Later {
        fn before(&self, a: RowId, b: RowId) -> bool {
            a < b
        }
        fn passed(&self, row: RowId) -> bool {
            row <= RowId(70)
        }
    }
    // All rows are equally far.
    let values = vec![1.0; 2_000 * 32];
    let coded = Coded::new(Data { values, norms: vec![1.0; 2_000], ..Data::whole(2_000, 32, Metric::L2) });
    let live = AllBut(vec![72]);
    let scope = Scope { live: &live, count: None, order: &Later, stop: &|| false };
    let query = Query { floor: Some(32.0), ..coded.query(&[0.0; 32], 3) };
    let (found, _) = coded.both(&query, &scope, 1);
    assert_eq!(found.hits, [71, 73, 74].map(|row| (32.0, RowId(row))));
}

#[test]
fn a_batch_finds_what_its_queries_find_one_by_one() {
    for metric in Metric::ALL {
        for (kind, dimension) in [(0, 96), (1, 33), (4, 32), (0, 7)] {
            let live = AllBut((0..1_000).map(|row| row * 2 % 1_999).collect());
            let coded = match metric {
                Metric::Hamming => None,
                _ if dimension < 32 => None,
                _ => Some(coded_data(metric, kind, dimension)),
            };
            let plain = Data::fractions(2_000, dimension, metric);
            let data = coded.as_ref().map_or(&plain, |coded| &coded.data);
            let rows = data.rows();
            let vectors: &dyn Vectors = coded.as_ref().map_or(&rows, |coded| coded as &dyn Vectors);
            let queries: Vec<Query<'_>> = (0..53u32)
                .map(|row| Query {
                    vector: rows.row(RowId(row * 31)),
                    bound: if row % 5 == 4 {
                        data.search(40, f32::INFINITY, &live, 1).hits[20].0
                    } else {
                        f32::INFINITY
                    },
                    ..data.query(1 + row as usize % 9, f32::INFINITY)
                })
                .collect();
            for (live, threads) in [(&live, 1), (&AllBut(vec![]), 2)] {
                let pool = Pool::new(threads).unwrap();
                let many = Flat.search_many(vectors, &queries, &scope(live), &pool).unwrap();
                assert_eq!(many.len(), queries.len());
                for (query, found) in queries.iter().zip(&many) {
                    let one = Flat.search(vectors, query, &scope(live), &Pool::inline()).unwrap();
                    assert_eq!(bits(found), bits(&one), "{metric} {kind} {dimension}");
                    assert_eq!(found, &one, "{metric} {kind} {dimension}");
                }
            }
        }
    }
}

#[test]
fn a_search_that_is_stopped_says_so() {
    let coded = coded_data(Metric::L2, 0, 257);
    let live = AllBut(vec![]);
    let stopped = Scope { stop: &|| true, ..scope(&live) };
    let vector = vec![0.0; 257];
    let query = coded.query(&vector, 3);
    for vectors in [&coded as &dyn Vectors, &coded.data.rows()] {
        assert!(Flat.search(vectors, &query, &stopped, &Pool::inline()).unwrap().cut);
        let many = Flat.search_many(vectors, &[query; 3], &stopped, &Pool::inline()).unwrap();
        assert!(many.iter().all(|found| found.cut || found.hits.len() == 3));
        assert!(!Flat.search(vectors, &query, &scope(&live), &Pool::inline()).unwrap().cut);
    }
}
