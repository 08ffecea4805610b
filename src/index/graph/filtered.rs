//! What a graph promises where few rows may be found: recall, no answer short, and no query much dearer than exact.

use super::plan::Course;
use super::search::Asked;
use super::tests::{DIMENSION, stored_as};
use crate::error::Result;
use crate::ids::RowId;
use crate::index::comparison::Comparison;
use crate::index::{Effort, Found, Layout, Plan, Query, Scope, VectorIndex, Vectors, flat};
use crate::pool::Pool;
use crate::quantization::int8::{self, Codes};
use crate::random::Random;
use crate::rows::RowSet;
use crate::vector::VectorRef;
use crate::vector::matrix::{Rows, Shape};
use crate::vector::metric::Metric;

const ROWS: usize = 20_000;
const K: usize = 10;

/// Rows near a plane of six dimensions, and queries of the same kind.
fn folded(rows: usize, seed: u64) -> Vec<f32> {
    const INNER: usize = 6;
    let mut random = Random::seeded(9, 0);
    let mut normal = move || (0..6).map(|_| random.unit() as f32).sum::<f32>() - 3.0;
    let axes: Vec<f32> = (0..INNER * DIMENSION).map(|_| normal()).collect();
    let mut random = Random::seeded(seed, 1);
    let mut normal = move || (0..6).map(|_| random.unit() as f32).sum::<f32>() - 3.0;
    let mut values = Vec::with_capacity(rows * DIMENSION);
    for _ in 0..rows {
        let place: [f32; INNER] = std::array::from_fn(|_| normal());
        values.extend((0..DIMENSION).map(|at| {
            let axes = axes[at * INNER..][..INNER].iter();
            axes.zip(place).map(|(axis, place)| axis * place).sum::<f32>() + 0.1 * normal()
        }));
    }
    values
}

/// Rows with codes, as segments have them.
struct Coded<'a> {
    rows: Rows<'a>,
    codes: Vec<i8>,
    factors: Vec<f32>,
}

const STRIDE: usize = 64;

impl<'a> Coded<'a> {
    fn new(values: &'a [f32]) -> Coded<'a> {
        let count = values.len() / DIMENSION;
        let (mut codes, mut factors) = (vec![0; count * STRIDE], vec![0.0; 3 * count]);
        for (row, (values, codes)) in values.chunks(DIMENSION).zip(codes.chunks_mut(STRIDE)).enumerate() {
            let of = int8::encode(Metric::L2, values, 1.0, codes);
            (factors[row], factors[count + row], factors[2 * count + row]) = (of.scale, of.length, of.error);
        }
        Coded { rows: Rows::F32 { values, dimension: DIMENSION, inverse_norms: None }, codes, factors }
    }
}

impl Vectors for Coded<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn shape(&self) -> Shape {
        self.rows.shape()
    }

    fn all(&self, _: &Pool) -> Result<Rows<'_>> {
        Ok(self.rows)
    }

    fn row(&self, row: RowId) -> Result<VectorRef<'_>> {
        Ok(self.rows.row(row))
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        self.rows.inverse_norm(row)
    }

    fn codes(&self, _: &Pool) -> Result<Option<Codes<'_>>> {
        Ok(Codes::new(&self.codes, STRIDE, &self.factors))
    }
}

/// Which rows a filter lets through.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Filter {
    /// Any.
    Random,
    /// Half of those near the query.
    Near,
    /// Those furthest from it.
    Far,
}

impl Filter {
    fn rows(self, rows: &Rows<'_>, vector: &[f32], share: f64) -> RowSet {
        let mut random = Random::seeded(3, 0);
        let count = (ROWS as f64 * share) as usize;
        let mut passing = RowSet::empty(ROWS as u32);
        if self == Filter::Random {
            let drawn = (0..ROWS as u32).filter(|_| random.unit() < share);
            drawn.for_each(|row| _ = passing.insert(RowId(row)));
            return passing;
        }
        let order = |a: RowId, b: RowId| a < b;
        let all = RowSet::from_words(ROWS as u32, |_| u64::MAX);
        let scope = Scope { live: &all, count: None, order: &order, stop: &|| false };
        let sorted = flat().search(rows, &query(vector, ROWS), &scope, &Pool::inline()).unwrap().hits;
        let far = sorted.iter().rev().take(count);
        let near = sorted.iter().step_by(2).take(count);
        let rows: Vec<RowId> =
            if self == Filter::Far { far.map(|hit| hit.1).collect() } else { near.map(|hit| hit.1).collect() };
        rows.into_iter().for_each(|row| _ = passing.insert(row));
        passing
    }
}

fn query(vector: &[f32], k: usize) -> Query<'_> {
    let effort = Effort::default();
    Query {
        vector: VectorRef::F32(vector),
        metric: Metric::L2,
        k,
        bound: f32::INFINITY,
        floor: None,
        without: None,
        effort,
    }
}

fn search(index: &dyn VectorIndex, vectors: &Coded<'_>, vector: &[f32], live: &RowSet, count: Option<u32>) -> Found {
    let order = |a: RowId, b: RowId| a < b;
    let scope = Scope { live, count, order: &order, stop: &|| false };
    index.search(vectors, &query(vector, K), &scope, &Pool::inline()).unwrap()
}

/// Asks some queries under a filter, checks each answer and what it took, and returns the recall and all answers.
fn ask(index: &dyn VectorIndex, vectors: &Coded<'_>, filter: Filter, share: f64, counted: bool) -> (f64, Vec<Found>) {
    let mut found = Vec::new();
    let (mut same, mut wanted) = (0, 0);
    for vector in folded(if filter == Filter::Random { 60 } else { 20 }, 77).chunks_exact(DIMENSION) {
        let live = filter.rows(&vectors.rows, vector, share);
        let exact = search(flat(), vectors, vector, &live, None);
        let answer = search(index, vectors, vector, &live, counted.then(|| live.count()));
        assert_eq!(answer.hits.len(), exact.hits.len(), "{filter:?} {share}");
        assert!(answer.hits.iter().all(|hit| live.contains(hit.1)));
        assert!(answer.bytes <= 2 * exact.bytes, "{filter:?} {share}: {} of {} bytes", answer.bytes, exact.bytes);
        same += answer.hits.iter().filter(|hit| exact.hits.contains(hit)).count();
        wanted += exact.hits.len();
        found.push(answer);
    }
    (same as f64 / wanted as f64, found)
}

#[test]
fn no_filter_costs_recall_or_twice_the_bytes_of_exact() {
    let values = folded(ROWS, 1);
    let vectors = Coded::new(&values);
    for layout in [Layout::Fused, Layout::Compact] {
        let stored = stored_as(layout, &vectors.rows, Metric::L2, &Pool::inline());
        let index = super::open(&stored, ROWS as u32, vectors.shape(), Metric::L2).unwrap();
        for filter in [Filter::Random, Filter::Near, Filter::Far] {
            for share in [0.5, 0.1, 0.01, 0.001] {
                let (recall, _) = ask(&index, &vectors, filter, share, true);
                assert!(recall >= 0.95, "{layout:?} {filter:?} {share}: {recall}");
            }
        }
        // Deleted rows are a filter that nobody counted.
        for share in [0.97, 0.5, 0.1, 0.01, 0.0005] {
            let (recall, _) = ask(&index, &vectors, Filter::Random, share, false);
            assert!(recall >= 0.95, "{layout:?} {share} uncounted: {recall}");
        }
    }
}

#[test]
fn each_plan_is_chosen_where_it_is_cheapest() {
    let values = folded(ROWS, 1);
    let vectors = Coded::new(&values);
    let stored = stored_as(Layout::Fused, &vectors.rows, Metric::L2, &Pool::inline());
    let index = super::open(&stored, ROWS as u32, vectors.shape(), Metric::L2).unwrap();
    let plans = |filter, share| {
        let (_, found) = ask(&index, &vectors, filter, share, true);
        let of = |plan| found.iter().filter(|found| found.plan == plan).count() as f64 / found.len() as f64;
        (of(Plan::Exact), of(Plan::Graph), of(Plan::Fallback))
    };
    for share in [0.5, 0.2] {
        let (exact, graph, _) = plans(Filter::Random, share);
        assert!(exact == 0.0 && graph > 0.8, "{share}: {graph} by a walk");
    }
    assert_eq!(plans(Filter::Random, 0.01).0, 1.0);
    // What passes is nowhere near: nobody knows before the walk has gone some way.
    assert!(plans(Filter::Far, 0.2).2 > 0.8);
}

/// A walk that went to rows that do not pass as to all others would take far more steps.
#[test]
fn rows_that_do_not_pass_are_walked_through_only_where_they_lead_on() {
    let values = folded(ROWS, 1);
    let vectors = Coded::new(&values);
    let stored = stored_as(Layout::Fused, &vectors.rows, Metric::L2, &Pool::inline());
    let graph = super::open(&stored, ROWS as u32, vectors.shape(), Metric::L2).unwrap();
    let reach = graph.curves.at(K, 0.95).reach;
    let order = |a: RowId, b: RowId| a < b;
    let live = Filter::Random.rows(&vectors.rows, &[], 0.1);
    let scope = Scope { live: &live, count: Some(live.count()), order: &order, stop: &|| false };
    let (mut steps, mut plain) = (0, 0);
    for vector in folded(60, 77).chunks_exact(DIMENSION) {
        let query = query(vector, K);
        let asked = Asked { query: &query, comparison: &Comparison::new(vectors.shape(), &query).unwrap() };
        let course = graph.course(vectors.shape(), &query, &scope).unwrap();
        for (course, sum) in [(course, &mut steps), (Course::unbounded(K, reach), &mut plain)] {
            let mut memory = graph.take_memory();
            *sum += graph.walk(&mut memory, &vectors, &asked, course, None, &scope).unwrap().hops;
        }
    }
    assert!(steps * 4 < plain * 3, "{steps} steps of {plain}");
}

#[test]
fn many_filtered_queries_find_what_each_finds() {
    let values = folded(ROWS, 1);
    let vectors = Coded::new(&values);
    let stored = stored_as(Layout::Fused, &vectors.rows, Metric::L2, &Pool::inline());
    let index = super::open(&stored, ROWS as u32, vectors.shape(), Metric::L2).unwrap();
    let asked = folded(30, 5);
    let queries: Vec<Query<'_>> = asked.chunks_exact(DIMENSION).map(|vector| query(vector, K)).collect();
    for share in [0.2, 0.01] {
        let live = Filter::Random.rows(&vectors.rows, &[], share);
        let order = |a: RowId, b: RowId| a < b;
        let scope = Scope { live: &live, count: Some(live.count()), order: &order, stop: &|| false };
        let together = index.search_many(&vectors, &queries, &scope, &Pool::inline()).unwrap();
        for (query, together) in queries.iter().zip(together) {
            assert_eq!(index.search(&vectors, query, &scope, &Pool::inline()).unwrap().hits, together.hits);
        }
    }
}
