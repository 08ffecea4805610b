//! Files of indexes: whatever stands in their sections, behind checksums that are right, a search returns live rows in
//! order, at their true distances, or refuses.

use super::Seed;
use crate::bytes::{Reader, Truncated, Write};
use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::index::stored::aligned::AlignedBytes;
use crate::index::stored::{Bytes, Sink, Source};
use crate::index::{self, Building, Effort, IndexSpec, Query, Scope, VectorIndex, kind};
use crate::pool::Pool;
use crate::random::Random;
use crate::rows::RowSet;
use crate::vector::matrix::Rows;
use crate::vector::metric::Metric;

const ROWS: u32 = 20;
const DIMENSION: usize = 32;
const METRICS: [Metric; 5] = [Metric::L2, Metric::Cosine, Metric::Dot, Metric::L1, Metric::Hamming];

/// Reads `data` as the sections of a graph: a byte that chooses the metric, then pairs of a u16 and a block, each a
/// section's number and content.
pub fn hnsw(data: &[u8]) {
    check(kind::GRAPH, data);
}

/// Reads `data` as the sections of tables of hashes, in the same form.
pub fn lsh(data: &[u8]) {
    check(kind::LSH, data);
}

/// The rows that the index is over.
struct Data {
    metric: Metric,
    values: Vec<f32>,
    bytes: Vec<u8>,
}

impl Data {
    fn of(metric: Metric) -> Data {
        let mut random = Random::seeded(7, 90);
        let values = (0..ROWS as usize * DIMENSION).map(|_| random.unit() as f32 - 0.5).collect();
        let mut bytes = vec![0; ROWS as usize * DIMENSION / 8];
        random.fill(&mut bytes);
        Data { metric, values, bytes }
    }

    fn rows(&self) -> Rows<'_> {
        match self.metric {
            Metric::Hamming => Rows::Bits { bytes: &self.bytes, stride: DIMENSION / 8 },
            _ => Rows::F32 { values: &self.values, dimension: DIMENSION, inverse_norms: None },
        }
    }
}

/// Sections by their numbers, in the order in which they were written.
#[derive(Default)]
struct Sections(Vec<(u16, Vec<u8>)>);

impl Sink for Sections {
    fn section(&mut self, number: u16) -> Result<()> {
        self.0.push((number, Vec::new()));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.last_mut().iter_mut().for_each(|(_, section)| section.extend_from_slice(bytes));
        Ok(())
    }
}

impl Source for Sections {
    fn section(&self, number: u16) -> Result<Box<dyn Bytes>> {
        let found = self.0.iter().find(|(found, _)| *found == number);
        let (_, bytes) = found.ok_or_else(|| Error::corrupt("there is no such section", "a fuzzed index"))?;
        Ok(Box::new(AlignedBytes::copy(bytes)))
    }
}

fn check(kind: u8, data: &[u8]) {
    let Ok((metric, mut sections)) = decode(data) else { return };
    // Each target keeps to its kind.
    let first = sections.0.iter_mut().find(|(number, _)| *number == 1);
    let Some(byte) = first.and_then(|(_, first)| first.first_mut()) else { return };
    *byte = kind;
    let data = Data::of(metric);
    let rows = data.rows();
    let Ok(index) = index::open(&sections, ROWS, rows.shape(), metric) else { return };
    let pool = Pool::inline();
    let mut some = RowSet::empty(ROWS);
    (0..ROWS).filter(|row| row % 3 != 1).for_each(|row| _ = some.insert(RowId(row)));
    let all = RowSet::from_words(ROWS, |_| u64::MAX);
    for _ in 0..2 {
        for live in [&all, &some] {
            search(&*index, &data, live, &pool);
        }
        // And again with what is kept in memory.
        if index.keep_resident(&pool).is_err() {
            return;
        }
    }
    let _ = index.facts();
}

fn search(index: &dyn VectorIndex, data: &Data, live: &RowSet, pool: &Pool) {
    let (rows, metric) = (data.rows(), data.metric);
    let scope = Scope { live, count: None, order: &|a: RowId, b: RowId| a < b, stop: &|| false };
    for (k, effort) in [(1, Effort::Recall(0.9)), (7, Effort::Ef(9)), (200, Effort::Ef(1_000)), (7, Effort::Exact)] {
        let vector = rows.row(RowId(5));
        let query = Query { vector, metric, k, bound: f32::INFINITY, floor: None, without: None, effort };
        let one = index.search(&rows, &query, &scope, pool);
        let many = index.search_many(&rows, &[query; 3], &scope, pool);
        for found in one.into_iter().chain(many.into_iter().flatten()) {
            assert!(found.hits.len() <= k && found.hits.is_sorted_by(|a, b| a.0 <= b.0), "{:?}", found.hits);
            let mut ids: Vec<RowId> = found.hits.iter().map(|(_, row)| *row).collect();
            assert!(ids.iter().all(|row| row.0 < ROWS && live.contains(*row)), "a row that is not there");
            ids.sort_unstable();
            assert!(ids.is_sorted_by(|a, b| a < b), "a row was found twice");
        }
    }
}

fn decode(data: &[u8]) -> Result<(Metric, Sections), Truncated> {
    let mut reader = Reader::new(data);
    let metric = METRICS[usize::from(reader.u8()?) % METRICS.len()];
    let mut sections = Sections::default();
    while !reader.is_empty() {
        sections.0.push((reader.u16()?, reader.block()?.to_vec()));
    }
    Ok((metric, sections))
}

pub(super) fn graph_seeds() -> Vec<Seed> {
    let seeds = [
        seed("compact", 0, "hnsw(m=4, ef_construction=16, layout=compact)"),
        seed("fused", 0, "hnsw(ef_construction=16, layout=fused)"),
        seed("cosine", 1, "hnsw(ef_construction=16, layout=fused)"),
        seed("bits", 4, "hnsw(m=4, ef_construction=16)"),
    ];
    seeds.into_iter().flatten().collect()
}

pub(super) fn hash_seeds() -> Vec<Seed> {
    let seeds = [seed("one", 0, "lsh(tables=1)"), seed("cosine", 1, "lsh(tables=2)"), seed("bits", 4, "lsh(tables=1)")];
    seeds.into_iter().flatten().collect()
}

/// The sections of an index that was built in earnest.
fn seed(name: &'static str, metric: u8, spec: &str) -> Option<Seed> {
    let data = Data::of(METRICS[usize::from(metric)]);
    let (rows, pool, spec) = (data.rows(), Pool::inline(), spec.parse::<IndexSpec>().ok()?);
    let building = Building { vectors: &rows, metric: data.metric, pool: &pool, stop: &|| false, budget: 1 << 30 };
    let mut sections = Sections::default();
    index::build(&spec, &building).ok()??.write(&mut sections).ok()?;
    let mut bytes = vec![metric];
    for (number, section) in &sections.0 {
        bytes.put_u16(*number);
        bytes.put_block(section);
    }
    Some(Seed { name, bytes })
}
