//! Hash tables against flat search: what they may miss, and what they never may.

use super::super::stored::Memory;
use super::super::{Building, Effort, Found, IndexSpec, Live, Query, Scope, VectorIndex, Vectors, build, flat, open};
use crate::error::{ErrorKind, Result};
use crate::ids::RowId;
use crate::index::spec::LshSpec;
use crate::pool::Pool;
use crate::quantization::int8::{self, Codes};
use crate::random::Random;
use crate::vector::kernel;
use crate::vector::matrix::{Rows, Shape};
use crate::vector::metric::Metric;
use crate::vector::{VectorRef, inverse_norm};

/// Vectors around twenty centers, in turn.
fn values(seed: u64, count: usize, dimension: usize) -> Vec<f32> {
    let normal = |random: &mut Random| (0..6).map(|_| random.unit()).sum::<f64>() as f32 - 3.0;
    let (mut random, mut other) = (Random::seeded(11, 0), Random::seeded(seed, 1));
    let centers: Vec<f32> = (0..20 * dimension).map(|_| normal(&mut random)).collect();
    let places = (0..count).flat_map(|row| row % 20 * dimension..(row % 20 + 1) * dimension);
    places.map(|place| centers[place] + 0.4 * normal(&mut other)).collect()
}

/// Rows in clusters, with codes where rows of their kind have them.
struct Data {
    metric: Metric,
    dimension: usize,
    values: Vec<f32>,
    bytes: Vec<u8>,
    norms: Vec<f32>,
    codes: Vec<i8>,
    factors: Vec<f32>,
}

impl Data {
    fn clusters(metric: Metric, count: usize, dimension: usize) -> Data {
        Data::new(metric, dimension, values(11, count, dimension))
    }

    fn new(metric: Metric, dimension: usize, values: Vec<f32>) -> Data {
        let bit = |bits: &[f32]| bits.iter().rev().fold(0, |byte, value| byte << 1 | u8::from(*value > 0.0));
        let bytes = values.chunks(8).map(bit).collect();
        let norms: Vec<f32> = values.chunks(dimension).map(inverse_norm).collect();
        let stride = int8::stride(metric, dimension).unwrap_or(0);
        let mut codes = vec![0; norms.len() * stride];
        let mut columns: [Vec<f32>; 3] = Default::default();
        for ((row, norm), codes) in values.chunks(dimension).zip(&norms).zip(codes.chunks_mut(stride.max(1))) {
            let factors = int8::encode(metric, row, *norm, codes);
            let factors = [factors.scale, factors.length, factors.error];
            columns.iter_mut().zip(factors).for_each(|(column, factor)| column.push(factor));
        }
        Data { metric, dimension, values, bytes, norms, codes, factors: columns.concat() }
    }

    fn rows(&self) -> Rows<'_> {
        let inverse_norms = (self.metric == Metric::Cosine).then_some(&self.norms[..]);
        match self.metric {
            Metric::Hamming => Rows::Bits { bytes: &self.bytes, stride: self.dimension / 8 },
            _ => Rows::F32 { values: &self.values, dimension: self.dimension, inverse_norms },
        }
    }

    fn build(&self, spec: LshSpec, threads: usize) -> Memory {
        let pool = Pool::new(threads).unwrap();
        let (vectors, metric) = (self as &dyn Vectors, self.metric);
        let building = Building { vectors, metric, pool: &pool, stop: &|| false, budget: 1 << 30 };
        let mut memory = Memory::default();
        build(&IndexSpec::Lsh(spec), &building).unwrap().unwrap().write(&mut memory).unwrap();
        memory
    }

    fn open(&self, memory: &Memory) -> Result<Box<dyn VectorIndex>> {
        open(memory, self.len() as u32, self.shape(), self.metric)
    }

    fn index(&self, spec: LshSpec) -> Box<dyn VectorIndex> {
        self.open(&self.build(spec, 2)).unwrap()
    }

    /// A query that is like the rows and none of them.
    fn query(&self, number: usize) -> Probe {
        let values =
            values(1_000 + number as u64, number % 20 + 1, self.dimension).split_off(number % 20 * self.dimension);
        let other = Data::new(self.metric, self.dimension, values.clone());
        Probe { metric: self.metric, values, bytes: other.bytes }
    }
}

impl Vectors for Data {
    fn len(&self) -> usize {
        self.norms.len()
    }

    fn shape(&self) -> Shape {
        self.rows().shape()
    }

    fn all(&self, _: &Pool) -> Result<Rows<'_>> {
        Ok(self.rows())
    }

    fn row(&self, row: RowId) -> Result<VectorRef<'_>> {
        Ok(self.rows().row(row))
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        Ok(self.norms[row.index()])
    }

    fn codes(&self, _: &Pool) -> Result<Option<Codes<'_>>> {
        let stride = int8::stride(self.metric, self.dimension);
        Ok(stride.and_then(|stride| Codes::new(&self.codes, stride, &self.factors)))
    }
}

/// A vector to search for.
struct Probe {
    metric: Metric,
    values: Vec<f32>,
    bytes: Vec<u8>,
}

impl Probe {
    fn ask(&self, k: usize) -> Query<'_> {
        let vector = match self.metric {
            Metric::Hamming => VectorRef::Bits(&self.bytes),
            _ => VectorRef::F32(&self.values),
        };
        Query {
            vector,
            metric: self.metric,
            k,
            bound: f32::INFINITY,
            floor: None,
            without: None,
            effort: Effort::Recall(0.95),
        }
    }
}

/// Every row but those whose number leaves this remainder.
struct Without {
    divisor: u64,
    remainders: std::ops::Range<u64>,
}

const ALL: Without = Without { divisor: 1, remainders: 1..1 };

impl Without {
    fn contains(&self, row: RowId) -> bool {
        !self.remainders.contains(&(u64::from(row.0) % self.divisor))
    }

    fn count(&self, rows: usize) -> u32 {
        (0..rows as u32).filter(|row| self.contains(RowId(*row))).count() as u32
    }
}

impl Live for Without {
    fn word(&self, number: usize) -> u64 {
        (0..64).filter(|bit| self.contains(RowId(number as u32 * 64 + bit))).fold(0, |word, bit| word | 1 << bit)
    }
}

fn lower_first(a: RowId, b: RowId) -> bool {
    a < b
}

fn scope(live: &Without, count: Option<u32>) -> Scope<'_> {
    Scope { live, count, order: &lower_first, stop: &|| false }
}

fn bits(found: &Found) -> Vec<(u32, RowId)> {
    found.hits.iter().map(|hit| (hit.0.to_bits(), hit.1)).collect()
}

/// The share of the rows that flat search finds that are found, and what share of all rows was compared.
fn recall(data: &Data, index: &dyn VectorIndex, effort: Effort, k: usize, scope: &Scope<'_>) -> (f32, f32) {
    let (mut hits, mut compared) = (0, 0);
    for row in 0..100 {
        let probe = data.query(row * 29 % data.len());
        let query = Query { effort, ..probe.ask(k) };
        let truth = bits(&flat().search(data, &query, scope, &Pool::inline()).unwrap());
        let found = index.search(data, &query, scope, &Pool::inline()).unwrap();
        assert_eq!(found.hits.len(), truth.len());
        assert!(found.hits.iter().all(|hit| scope.live.word(hit.1.index() / 64) >> (hit.1.0 % 64) & 1 == 1));
        // A row that was found has the very distance that flat search gives it.
        let one = Query { k: data.len(), effort: Effort::Exact, ..query };
        if row % 10 == 0 {
            let all = bits(&flat().search(data, &one, scope, &Pool::inline()).unwrap());
            assert!(bits(&found).iter().all(|hit| all.contains(hit)));
        }
        hits += bits(&found).iter().filter(|hit| truth.contains(hit)).count();
        compared += found.code_distances.max(found.distances);
    }
    (hits as f32 / (100 * k) as f32, compared as f32 / (100 * data.len()) as f32)
}

#[test]
fn the_recall_that_is_asked_for_is_found_among_few_rows() {
    for metric in Metric::ALL {
        let data = Data::clusters(metric, 6_000, 64);
        let index = data.index(LshSpec::default());
        for (asked, most) in [(0.8, 0.2), (0.9, 0.3), (0.98, 0.5)] {
            let (found, compared) = recall(&data, &*index, Effort::Recall(asked), 10, &scope(&ALL, None));
            assert!(found >= asked - 0.03 && compared <= most, "{metric} {asked}: {found} {compared}");
        }
        let (found, _) = recall(&data, &*index, Effort::Recall(0.9), 50, &scope(&ALL, None));
        assert!(found >= 0.87, "{metric}: {found}");
        assert_eq!(recall(&data, &*index, Effort::Exact, 10, &scope(&ALL, None)).0, 1.0);
    }
}

#[test]
fn vectors_without_codes_and_of_odd_dimensions_are_found_too() {
    for metric in [Metric::L2, Metric::Cosine, Metric::Dot, Metric::L1] {
        for dimension in [3, 17, 100] {
            let data = Data::clusters(metric, 3_000, dimension);
            let index = data.index(LshSpec::default().seed(5));
            let (found, _) = recall(&data, &*index, Effort::Recall(0.9), 10, &scope(&ALL, None));
            assert!(found >= 0.85, "{metric} {dimension}: {found}");
        }
    }
}

#[test]
fn no_answer_is_short_while_enough_rows_are_live() {
    let data = Data::clusters(Metric::L2, 4_000, 40);
    let index = data.index(LshSpec::default());
    for remainders in [1..2, 5..100, 1..100, 3..100] {
        let live = Without { divisor: 100, remainders };
        let count = live.count(data.len());
        for k in [1, 10, 60] {
            for count in [None, Some(count)] {
                for effort in [Effort::Recall(0.5), Effort::Recall(0.95), Effort::Ef(1), Effort::Ef(200)] {
                    recall(&data, &*index, effort, k, &scope(&live, count));
                }
            }
        }
    }
    // By chance, and by cluster, so that half of the queries are far from all live rows.
    for (divisor, remainders) in [(11, 0..5), (10, 0..5)] {
        let live = Without { divisor, remainders };
        let (found, _) = recall(&data, &*index, Effort::Recall(0.9), 10, &scope(&live, Some(live.count(4_000))));
        assert!(found >= 0.87, "{divisor}: {found}");
    }
}

#[test]
fn a_larger_effort_compares_more_rows() {
    let data = Data::clusters(Metric::Cosine, 5_000, 64);
    let index = data.index(LshSpec::default());
    let compared = |effort| recall(&data, &*index, effort, 10, &scope(&ALL, None)).1 * 5_000.0;
    assert!((100.0..170.0).contains(&compared(Effort::Ef(100))), "{}", compared(Effort::Ef(100)));
    assert!(compared(Effort::Recall(0.7)) < compared(Effort::Recall(0.9)));
    assert!(compared(Effort::Recall(0.9)) < compared(Effort::Recall(0.98)));
}

/// What a hundred queries cost in all: visited, distances of codes, of vectors, and bytes. Whoever changes these numbers
/// has changed how much work a search is, and writes the new ones down.
#[test]
fn searches_cost_what_they_did() {
    let cost = |metric, asked| {
        let data = Data::clusters(metric, 6_000, 64);
        let index = data.index(LshSpec::default());
        (0..100).fold([0; 4], |sum, number| {
            let probe = data.query(number);
            let query = Query { effort: Effort::Recall(asked), ..probe.ask(10) };
            let found = index.search(&data, &query, &scope(&ALL, None), &Pool::inline()).unwrap();
            let Found { visited, code_distances, distances, bytes, .. } = found;
            std::array::from_fn(|at| sum[at] + [visited, code_distances, distances, bytes][at])
        })
    };
    let found = [Metric::L2, Metric::Cosine, Metric::Hamming].map(|metric| cost(metric, 0.9));
    // Sums of floats are rounded otherwise by other instructions, which may turn a hash over.
    if kernel::name() == "avx2" {
        let expected = [[27368, 27368, 1376, 2432224], [27392, 27392, 2011, 2596608], [17136, 0, 17136, 137088]];
        assert_eq!(found, expected);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let data = Data::clusters(Metric::Dot, 3_000, 48);
    let sections = |spec, threads| {
        let mut memory = data.build(spec, threads);
        memory.numbers().into_iter().map(|number| memory.bytes(number).clone()).collect::<Vec<_>>()
    };
    let one = sections(LshSpec::default(), 1);
    assert_eq!(sections(LshSpec::default(), 3), one);
    assert_ne!(sections(LshSpec::default().seed(1), 1), one);
}

#[test]
fn what_a_search_takes_is_the_same_every_time() {
    let data = Data::clusters(Metric::L2, 3_000, 48);
    let index = data.index(LshSpec::default());
    let queries: Vec<Probe> = (0..40).map(|row| data.query(row * 7)).collect();
    let queries: Vec<Query<'_>> = queries.iter().map(|query| query.ask(10)).collect();
    let one = |query: &Query<'_>| index.search(&data, query, &scope(&ALL, None), &Pool::new(2).unwrap()).unwrap();
    let ones: Vec<Found> = queries.iter().map(one).collect();
    assert_eq!(queries.iter().map(one).collect::<Vec<_>>(), ones);
    let many = index.search_many(&data, &queries, &scope(&ALL, None), &Pool::new(2).unwrap()).unwrap();
    assert_eq!(many, ones);
}

#[test]
fn few_rows_equal_rows_and_more_neighbours_than_rows() {
    for metric in Metric::ALL {
        for (count, kind) in [(256, 0), (256, 1), (256, 2), (1_000, 1)] {
            let mut data = Data::clusters(metric, count, 16);
            if kind > 0 {
                // All the same, and all the same but two.
                let first = data.values[..16].to_vec();
                let until = if kind == 1 { count } else { count - 2 };
                data.values[..until * 16].chunks_mut(16).for_each(|row| row.copy_from_slice(&first));
                data = Data::new(metric, 16, data.values);
            }
            let index = data.index(LshSpec::default());
            for k in [1, 10, 5_000] {
                let probe = data.query(0);
                let query = probe.ask(k);
                let found = index.search(&data, &query, &scope(&ALL, None), &Pool::inline()).unwrap();
                assert_eq!(found.hits.len(), k.min(count), "{metric} {count} {kind} {k}");
            }
        }
    }
}

#[test]
fn pages_follow_one_another_and_bounds_hold() {
    let data = Data::clusters(Metric::L2, 3_000, 48);
    let index = data.index(LshSpec::default());
    let (mut found, mut wanted) = (0, 0);
    for row in 0..20 {
        let probe = data.query(row);
        let all = flat().search(&data, &probe.ask(60), &scope(&ALL, None), &Pool::inline()).unwrap();
        let mut floor = None;
        for _ in 0..6 {
            let page = Query { floor, ..probe.ask(10) };
            let page = index.search(&data, &page, &scope(&ALL, None), &Pool::inline()).unwrap();
            assert_eq!(page.hits.len(), 10);
            assert!(page.hits.iter().all(|hit| floor.is_none_or(|floor| hit.0 >= floor)));
            found += page.hits.iter().filter(|hit| all.hits.contains(hit)).count();
            wanted += 10;
            floor = page.hits.last().map(|hit| hit.0.next_up());
        }
        let bound = all.hits[20].0;
        let within = Query { bound, ..probe.ask(60) };
        let within = index.search(&data, &within, &scope(&ALL, None), &Pool::inline()).unwrap();
        assert!(within.hits.iter().all(|hit| hit.0 <= bound) && within.hits.len() <= 21);
    }
    assert!(found as f32 >= 0.9 * wanted as f32, "{found} of {wanted}");
}

#[test]
fn a_search_that_is_stopped_says_so_and_a_build_fails() {
    let data = Data::clusters(Metric::L2, 3_000, 48);
    let index = data.index(LshSpec::default());
    let probe = data.query(1);
    let stopped = Scope { stop: &|| true, ..scope(&ALL, None) };
    assert!(index.search(&data, &probe.ask(10), &stopped, &Pool::inline()).unwrap().cut);
    let pool = Pool::inline();
    let (vectors, metric) = (&data as &dyn Vectors, data.metric);
    let building = Building { vectors, metric, pool: &pool, stop: &|| true, budget: 1 << 30 };
    let failed = build(&IndexSpec::Lsh(LshSpec::default()), &building).err().map(|error| error.kind());
    assert_eq!(failed, Some(ErrorKind::Cancelled));
}

/// Opens and searches; what comes back are rows that are there, or an error that says that the index is damaged.
fn survives(data: &Data, memory: &Memory, what: &str) {
    let corrupt = |error: crate::error::Error| {
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{what}: {error}");
    };
    let index = match data.open(memory) {
        Ok(index) => index,
        Err(error) => return corrupt(error),
    };
    for effort in [Effort::Recall(0.9), Effort::Ef(30)] {
        let probe = data.query(3);
        let query = Query { effort, ..probe.ask(5) };
        match index.search(data, &query, &scope(&ALL, None), &Pool::inline()) {
            Ok(found) => assert!(found.hits.iter().all(|hit| hit.1.index() < data.len()), "{what}"),
            Err(error) => corrupt(error),
        }
    }
}

#[test]
fn damage_is_an_error_or_costs_recall_and_nothing_else() {
    for metric in Metric::ALL {
        let data = Data::clusters(metric, 300, 8);
        let whole = data.build(LshSpec::default().tables(2), 1);
        for number in whole.numbers() {
            let length = whole.clone().bytes(number).len();
            for place in 0..length {
                // Directories are long; every byte of a few entries stands for the others.
                if number == 2 && place % 97 > 7 {
                    continue;
                }
                for flip in [0xFF, 0x01, 0x80] {
                    let mut damaged = whole.clone();
                    damaged.bytes(number)[place] ^= flip;
                    survives(&data, &damaged, &format!("{metric} section {number} byte {place}"));
                }
            }
            for length in (0..length).step_by(1 + length / 50) {
                let mut damaged = whole.clone();
                damaged.bytes(number).truncate(length);
                survives(&data, &damaged, &format!("{metric} section {number} cut to {length}"));
            }
        }
    }
}

#[test]
fn tables_of_other_rows_are_refused() {
    let data = Data::clusters(Metric::L2, 300, 8);
    let memory = data.build(LshSpec::default().tables(2), 1);
    for (rows, dimension, metric) in [(299, 8, Metric::L2), (300, 9, Metric::L2), (300, 8, Metric::Cosine)] {
        let error = open(&memory, rows, Shape::F32(dimension), metric).err().map(|error| error.kind());
        assert_eq!(error, Some(ErrorKind::Corrupt));
    }
    let facts = data.open(&memory).unwrap().facts();
    assert_eq!((facts.kind.as_str(), facts.rows), ("lsh(tables=2)", 300));
    assert!(!facts.curve.is_empty() && facts.bytes > 0);
}

#[test]
fn what_is_built_can_be_opened_however_many_tables_are_asked_for() {
    for metric in Metric::ALL {
        for (dimension, tables) in [(8, 512), (1_024, 512), (1_024, 1)] {
            let data = Data::clusters(metric, 256, dimension);
            let index = data.index(LshSpec::default().tables(tables));
            let found = index.search(&data, &data.query(1).ask(3), &scope(&ALL, None), &Pool::inline()).unwrap();
            assert_eq!(found.hits.len(), 3, "{metric} {dimension} {tables}");
        }
    }
}

#[test]
fn few_live_rows_that_nobody_counted_are_found() {
    let data = Data::clusters(Metric::L2, 4_000, 40);
    let index = data.index(LshSpec::default());
    let live = Without { divisor: 2_000, remainders: 3..2_000 };
    for effort in [Effort::Recall(0.5), Effort::Ef(20)] {
        let probe = data.query(1);
        let query = Query { effort, ..probe.ask(10) };
        let found = index.search(&data, &query, &scope(&live, None), &Pool::inline()).unwrap();
        assert_eq!(found.hits.len(), 6);
    }
}

#[test]
fn a_row_in_no_bucket_is_found_out() {
    let data = Data::clusters(Metric::L2, 500, 20);
    let check = |memory: &Memory| open(memory, 500, data.rows().shape(), Metric::L2).unwrap().check(&|| false);
    let mut memory = data.build(LshSpec::default().tables(3), 1);
    check(&memory).unwrap();
    // In the second table the first entry gives way to the row of the next.
    let table = &mut memory.bytes(3)[4 * 500..];
    table.copy_within(4..8, 0);
    let message = check(&memory).unwrap_err().to_string();
    assert!(message.contains("1 rows are in no bucket of table 1"), "{message}");
}
