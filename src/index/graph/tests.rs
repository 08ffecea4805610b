//! What a graph promises, against comparing with every row.

use super::super::comparison::Comparison;
use super::super::stored::Memory;
use super::super::{
    Building, Effort, Found, HnswSpec, IndexFacts, Layout, Live, Query, Scope, VectorIndex, Vectors, build, flat, graph,
};
use super::plan::{Course, aimed_at};
use super::search::Asked;
use super::{Form, Graph};
use crate::error::{ErrorKind, Result};
use crate::ids::RowId;
use crate::index::IndexSpec;
use crate::pool::Pool;
use crate::random::Random;
use crate::rows::RowSet;
use crate::vector::VectorRef;
use crate::vector::kernel;
use crate::vector::matrix::{Rows, Shape};
use crate::vector::metric::Metric;

const METRICS: [Metric; 4] = [Metric::L2, Metric::Cosine, Metric::Dot, Metric::L1];
pub(super) const DIMENSION: usize = 50;

/// Rows around twenty centres, and queries of the same kind.
pub(super) fn clustered(rows: usize, seed: u64) -> Vec<f32> {
    around(20, rows, seed)
}

/// Rows around so many centres.
fn around(count: usize, rows: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::seeded(9, 0);
    let mut normal = move || (0..6).map(|_| random.unit() as f32).sum::<f32>() - 3.0;
    let centres: Vec<f32> = (0..count * DIMENSION).map(|_| normal() * 2.0).collect();
    let mut random = Random::seeded(seed, 1);
    let mut values = Vec::with_capacity(rows * DIMENSION);
    for _ in 0..rows {
        let centre = random.below(count as u64) as usize;
        for at in 0..DIMENSION {
            let noise = (0..6).map(|_| random.unit() as f32).sum::<f32>() - 3.0;
            values.push(centres[centre * DIMENSION + at] + noise);
        }
    }
    values
}

fn rows(values: &[f32]) -> Rows<'_> {
    Rows::F32 { values, dimension: DIMENSION, inverse_norms: None }
}

fn stored(rows: &Rows<'_>, metric: Metric, pool: &Pool) -> Memory {
    stored_as(Layout::Auto, rows, metric, pool)
}

pub(super) fn stored_as(layout: Layout, rows: &Rows<'_>, metric: Metric, pool: &Pool) -> Memory {
    let building = Building { vectors: rows, metric, pool, stop: &|| false, budget: u64::MAX };
    let built =
        build(&IndexSpec::Hnsw(HnswSpec { layout, ..HnswSpec::default() }), &building).unwrap().expect("enough rows");
    let mut memory = Memory::default();
    built.write(&mut memory).unwrap();
    memory
}

fn opened(memory: &Memory, rows: &Rows<'_>, metric: Metric) -> Walking {
    Walking(graph::open(memory, rows.len() as u32, rows.shape(), metric).unwrap())
}

/// A graph that is always walked, to the end: so few rows are compared sooner.
#[derive(Debug)]
struct Walking(Graph);

impl VectorIndex for Walking {
    fn search(&self, vectors: &dyn Vectors, query: &Query<'_>, scope: &Scope<'_>, _: &Pool) -> Result<Found> {
        let graph = &self.0;
        let (rank, reach) = match query.effort {
            Effort::Recall(recall) => (query.k, graph.curves.at(query.k, aimed_at(recall)).reach),
            Effort::Ef(ef) => (ef.max(query.k), 1.0),
            Effort::Exact => (query.k, f32::INFINITY),
        };
        let comparison = Comparison::new(vectors.shape(), query)?;
        let asked = Asked { query, comparison: &comparison };
        let mut memory = graph.take_memory();
        let walked = graph.walk(&mut memory, vectors, &asked, Course::unbounded(rank, reach), None, scope)?;
        graph.settle(&memory, vectors, &comparison, query, scope, walked)
    }

    fn search_many(
        &self,
        vectors: &dyn Vectors,
        queries: &[Query<'_>],
        scope: &Scope<'_>,
        pool: &Pool,
    ) -> Result<Vec<Found>> {
        queries.iter().map(|query| self.search(vectors, query, scope, pool)).collect()
    }

    fn facts(&self) -> IndexFacts {
        self.0.facts()
    }
}

fn query(vector: &[f32], metric: Metric, k: usize, recall: f32) -> Query<'_> {
    let effort = Effort::Recall(recall);
    Query { vector: VectorRef::F32(vector), metric, k, bound: f32::INFINITY, floor: None, without: None, effort }
}

fn search(index: &dyn VectorIndex, rows: &Rows<'_>, query: &Query<'_>, live: &RowSet) -> Found {
    let order = |a: RowId, b: RowId| a < b;
    let scope = Scope { live, count: Some(live.count()), order: &order, stop: &|| false };
    index.search(rows, query, &scope, &Pool::inline()).unwrap()
}

fn all(rows: usize) -> RowSet {
    RowSet::from_words(rows as u32, |_| u64::MAX)
}

/// The share of what exact search finds that the index finds too.
fn recall(index: &dyn VectorIndex, rows: &Rows<'_>, metric: Metric, live: &RowSet, wanted: f32) -> f64 {
    let queries = clustered(100, 77);
    let (mut found, mut wanted_hits) = (0, 0);
    for vector in queries.chunks_exact(DIMENSION) {
        let query = query(vector, metric, 10, wanted);
        let truth = search(flat(), rows, &query, live).hits;
        let hits = search(index, rows, &query, live).hits;
        assert_eq!(hits.len(), truth.len());
        wanted_hits += truth.len();
        assert!(hits.is_sorted_by(|a, b| a.0 <= b.0) && hits.iter().all(|hit| live.contains(hit.1)));
        for hit in hits {
            // Distances are those of exact search, bit for bit.
            let exact = truth.iter().find(|it| it.1 == hit.1);
            exact.inspect(|exact| assert_eq!(exact.0.to_bits(), hit.0.to_bits()));
            found += u32::from(exact.is_some());
        }
    }
    f64::from(found) / wanted_hits as f64
}

#[test]
fn the_recall_that_is_asked_for_is_found_under_every_metric() {
    let values = clustered(6000, 1);
    let rows = rows(&values);
    for (metric, layout) in METRICS.into_iter().flat_map(|metric| [(metric, Layout::Auto), (metric, Layout::Compact)]) {
        let stored = stored_as(layout, &rows, metric, &Pool::inline());
        let index = graph::open(&stored, 6000, rows.shape(), metric).unwrap();
        let fused = layout == Layout::Auto && metric != Metric::L1;
        assert_eq!(index.facts().layout, Some(if fused { "fused" } else { "compact" }));
        for wanted in [0.9, 0.99] {
            let got = recall(&index, &rows, metric, &all(6000), wanted);
            assert!(got >= f64::from(wanted) - 0.03, "{metric} {layout:?}: {got} of {wanted}");
        }
    }
}

#[test]
fn a_graph_does_not_depend_on_threads() {
    let values = clustered(3000, 2);
    let rows = rows(&values);
    let one = stored(&rows, Metric::L2, &Pool::inline());
    let three = stored(&rows, Metric::L2, &Pool::new(3).unwrap());
    for number in one.numbers() {
        assert!(one.clone().bytes(number) == three.clone().bytes(number), "section {number}");
    }
}

#[test]
fn equal_rows_and_few_rows_are_found() {
    for count in [1, 2, 33, 400] {
        let values = vec![1.5; count * DIMENSION];
        let rows = rows(&values);
        let spec = HnswSpec::default();
        let building =
            Building { vectors: &rows, metric: Metric::L2, pool: &Pool::inline(), stop: &|| false, budget: u64::MAX };
        let built = super::build(&spec, &building).unwrap();
        let mut memory = Memory::default();
        built.write(&mut memory).unwrap();
        let index = graph::open(&memory, count as u32, rows.shape(), Metric::L2).unwrap();
        let hits = search(&index, &rows, &query(&values[..DIMENSION], Metric::L2, 10, 0.95), &all(count)).hits;
        assert_eq!(hits.len(), count.min(10));
        assert!(hits.iter().all(|hit| hit.0 == 0.0));
    }
}

#[test]
fn a_stopped_build_says_so() {
    let values = clustered(1000, 3);
    let rows = rows(&values);
    let pool = Pool::inline();
    let building = Building { vectors: &rows, metric: Metric::L2, pool: &pool, stop: &|| true, budget: u64::MAX };
    let refused = build(&IndexSpec::Hnsw(HnswSpec::default()), &building).err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::Cancelled));
}

/// Whatever is written over a stored graph: an error, or rows that are there.
#[test]
fn harmed_bytes_give_an_error_or_rows_that_are_there() {
    let values = clustered(600, 4);
    let rows = rows(&values);
    let sound = stored(&rows, Metric::Dot, &Pool::inline());
    let mut random = Random::seeded(5, 0);
    let mut errors = 0;
    for round in 0..4000 {
        let mut harmed = sound.clone();
        let numbers = sound.numbers();
        let bytes = harmed.bytes(numbers[round % numbers.len()]);
        let place = random.below(bytes.len() as u64) as usize;
        match round % 3 {
            0 => bytes[place] ^= 1 << random.below(8),
            1 => bytes.truncate(place),
            _ => bytes[place..].iter_mut().take(8).for_each(|byte| *byte = 0xff),
        }
        let Ok(index) = graph::open(&harmed, 600, Shape::F32(DIMENSION), Metric::Dot).map(Walking) else {
            errors += 1;
            continue;
        };
        let order = |a: RowId, b: RowId| a < b;
        let live = all(600);
        let scope = Scope { live: &live, count: None, order: &order, stop: &|| false };
        let found = index.search(&rows, &query(&values[..DIMENSION], Metric::Dot, 10, 0.99), &scope, &Pool::inline());
        assert!(found.is_err() || found.unwrap().hits.iter().all(|hit| hit.1.0 < 600));
    }
    assert!(errors > 1000, "{errors}");
}

/// What a hundred queries cost in all: visited, distances of codes, of vectors, and bytes. Whoever changes these numbers
/// has changed how much work a search is, and writes the new ones down.
#[test]
fn searches_cost_what_they_did() {
    let values = clustered(6000, 1);
    let rows = rows(&values);
    let cost = |layout, asked| {
        let index = opened(&stored_as(layout, &rows, Metric::L2, &Pool::inline()), &rows, Metric::L2);
        clustered(100, 77).chunks_exact(DIMENSION).fold([0; 4], |sum, vector| {
            let found = search(&index, &rows, &query(vector, Metric::L2, 10, asked), &all(6000));
            let Found { visited, code_distances, distances, bytes, .. } = found;
            std::array::from_fn(|at| sum[at] + [visited, code_distances, distances, bytes][at])
        })
    };
    let found = [Layout::Fused, Layout::Compact].map(|layout| [0.9, 0.99].map(|asked| cost(layout, asked)));
    // Sums of floats are rounded otherwise by other instructions, which may turn a walk aside.
    if kernel::name() == "avx2" {
        let fused = [[3472, 127276, 1400, 2502080], [6814, 237562, 1400, 4640960]];
        let compact = [[12407, 45360, 1400, 4136096]; 2];
        assert_eq!(found, [fused, compact]);
    }
}

/// Whoever may be found is found, however far from the query.
#[test]
fn rows_behind_others_are_reached() {
    let values = clustered(6000, 6);
    let rows = rows(&values);
    let index = opened(&stored(&rows, Metric::L2, &Pool::inline()), &rows, Metric::L2);
    let mut missed = 0;
    for row in (0..6000).step_by(7) {
        let query = query(&values[row * DIMENSION..][..DIMENSION], Metric::L2, 1, 0.95);
        let hits = search(&index, &rows, &Query { effort: Effort::Ef(500), ..query }, &all(6000));
        missed += usize::from(hits.hits.first().map(|hit| hit.1.index()) != Some(row));
    }
    assert_eq!(missed, 0);
}

#[test]
fn rows_far_from_all_others_take_nothing_from_their_graph() {
    for odd in [1.7e6, 1.7e12, 1e25, f32::MAX] {
        let mut values = clustered(6000, 9);
        values[70 * DIMENSION] = odd;
        values[4000 * DIMENSION..][..DIMENSION].fill(-odd);
        let rows = rows(&values);
        let index = opened(&stored(&rows, Metric::L2, &Pool::inline()), &rows, Metric::L2);
        let got = recall(&index, &rows, Metric::L2, &all(6000), 0.95);
        assert!(got >= 0.92, "{odd:e}: {got}");
        let found = search(&index, &rows, &query(&clustered(1, 77), Metric::L2, 10, 0.95), &all(6000));
        assert!(found.code_distances < 3000 && found.distances < 600, "{odd:e}: {found:?}");
    }
}

#[test]
fn bits_are_searched_by_links_alone() {
    const BYTES: usize = 32;
    let mut random = Random::seeded(11, 0);
    let mut bytes = vec![0; 3000 * BYTES];
    random.fill(&mut bytes[..30 * BYTES]);
    for row in 30..3000 {
        // A copy of an earlier row in which some bits differ.
        let model = random.below(row as u64) as usize * BYTES;
        bytes.copy_within(model..model + BYTES, row * BYTES);
        for _ in 0..6 {
            bytes[row * BYTES + random.below(BYTES as u64) as usize] ^= 1 << random.below(8);
        }
    }
    let rows = Rows::Bits { bytes: &bytes, stride: BYTES };
    let index = opened(&stored(&rows, Metric::Hamming, &Pool::inline()), &rows, Metric::Hamming);
    let (mut found, live) = (0, all(3000));
    for row in (0..3000).step_by(30) {
        let vector = VectorRef::Bits(&bytes[row * BYTES..(row + 1) * BYTES]);
        let query = Query { vector, ..query(&[], Metric::Hamming, 10, 0.95) };
        let furthest = search(flat(), &rows, &query, &live).hits[9].0;
        let hits = search(&index, &rows, &query, &live).hits;
        found += hits.iter().filter(|hit| hit.0 <= furthest).count();
    }
    assert!(found >= 920, "{found} of 1000");
}

/// What is wanted lies behind rows that are not: a bound must not end the way there.
#[test]
fn a_bound_leaves_the_way_open() {
    let values = clustered(6000, 6);
    let rows = rows(&values);
    for layout in [Layout::Fused, Layout::Compact] {
        let stored = stored_as(layout, &rows, Metric::L2, &Pool::inline());
        let walking = opened(&stored, &rows, Metric::L2);
        // Links alone lead to too few of such rows, so that a query would compare with all.
        let index: &dyn VectorIndex = if layout == Layout::Fused { &walking } else { &walking.0 };
        let (mut found, mut wanted) = (0, 0);
        for vector in clustered(60, 78).chunks_exact(DIMENSION) {
            let exact = search(flat(), &rows, &query(vector, Metric::L2, 10, 0.95), &all(6000)).hits;
            let bounded = Query { bound: exact[4].0, ..query(vector, Metric::L2, 10, 0.95) };
            let hits = search(index, &rows, &bounded, &all(6000)).hits;
            assert!(hits.iter().all(|hit| hit.0 <= exact[4].0));
            (found, wanted) = (found + hits.len(), wanted + 5);
        }
        assert!(found * 100 >= wanted * 90, "{layout:?}: {found} of {wanted}");
    }
}

struct Odd;

impl Live for Odd {
    fn word(&self, _: usize) -> u64 {
        0xaaaa_aaaa_aaaa_aaaa
    }
}

#[test]
fn many_queries_find_what_each_finds() {
    let values = clustered(3000, 8);
    let rows = rows(&values);
    let index =
        graph::open(&stored(&rows, Metric::Cosine, &Pool::inline()), 3000, rows.shape(), Metric::Cosine).unwrap();
    let vectors = clustered(40, 9);
    let queries: Vec<Query<'_>> =
        vectors.chunks_exact(DIMENSION).map(|vector| query(vector, Metric::Cosine, 5, 0.9)).collect();
    let order = |a: RowId, b: RowId| a < b;
    let scope = Scope { live: &Odd, count: None, order: &order, stop: &|| false };
    let together = index.search_many(&rows, &queries, &scope, &Pool::new(2).unwrap()).unwrap();
    for (query, together) in queries.iter().zip(together) {
        assert_eq!(index.search(&rows, query, &scope, &Pool::inline()).unwrap(), together);
    }
}

#[test]
fn of_two_layouts_the_one_that_is_expected_to_cost_less_is_kept() {
    let values = clustered(6000, 1);
    let rows = rows(&values);
    let built = |layout| {
        let stored = stored_as(layout, &rows, Metric::L2, &Pool::inline());
        graph::open(&stored, 6000, rows.shape(), Metric::L2).unwrap()
    };
    let (compact, fused) = (built(Layout::Compact), built(Layout::Fused));
    let cheaper = compact.usual_cost(rows.shape()) < fused.usual_cost(rows.shape());
    assert_eq!(built(Layout::Auto).head.layout, if cheaper { graph::COMPACT } else { graph::FUSED });
}

#[test]
fn hubs_are_as_many_as_pay() {
    const ROWS: usize = 40_000;
    let kept = |centres: usize| {
        let values = around(centres, ROWS, 3);
        let rows = rows(&values);
        let memory = stored_as(Layout::Fused, &rows, Metric::L2, &Pool::new(2).unwrap());
        let Form::Fused(fused) = opened(&memory, &rows, Metric::L2).0.form else { panic!("not fused") };
        fused.hubs.len()
    };
    // Of 156 that are drawn, some twice: a trial decides whether all stay or every second one.
    assert!((60..80).contains(&kept(300)), "half of them make a query cheaper here");
    assert!((120..157).contains(&kept(600)), "and dearer here");
}
