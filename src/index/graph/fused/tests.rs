//! What codes find by themselves, before anything corrects them.

use super::super::points::{CodedPoints, Points};
use super::super::space::Space;
use super::super::tests::{DIMENSION, clustered};
use super::encode::{Encode, EncodeAroundOrigin};
use super::layout::Layout;
use super::lookup::Lookup;
use crate::index::stored::aligned::AlignedBytes;
use crate::pool::Pool;
use crate::vector::kernel::scan::{NEIGHBOURS, Room, SLACK};
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::matrix::Rows;
use crate::vector::metric::Metric;

/// Neighbours that are to be found.
const K: usize = 10;

/// Rows as both kinds of codes have them.
struct Coded {
    space: Space,
    points: CodedPoints,
    layout: Layout,
    around_origin: AlignedBytes,
}

impl Coded {
    fn new(values: &[f32], dimension: usize) -> Coded {
        let space = Space::fit(&Rows::F32 { values, dimension, inverse_norms: None }, Metric::L2, dimension, 0);
        let place = |row: usize, point: &mut [f32]| {
            space.place(&values[row * dimension..][..dimension], 1.0, &mut Vec::new(), point);
            Ok(())
        };
        let count = values.len() / dimension;
        let points = CodedPoints::encode(count, space.padded(), place, &Pool::inline()).unwrap();
        let layout = Layout::new(space.padded());
        let mut around_origin = AlignedBytes::zeros(count.div_ceil(NEIGHBOURS) * layout.stride());
        let codes: Vec<i8> = (0..count as u32).flat_map(|row| points.codes(row)).copied().collect();
        let scales: Vec<f32> = (0..count as u32).map(|row| points.scale(row)).collect();
        kernel::with(EncodeAroundOrigin { layout, codes: &codes, scales: &scales, bytes: around_origin.as_mut() });
        Coded { space, points, layout, around_origin }
    }

    /// A row of which these are the neighbours.
    fn beside(&self, row: u32, neighbours: &[u32]) -> AlignedBytes {
        let mut links = vec![row; (row as usize + 1) * NEIGHBOURS];
        links[row as usize * NEIGHBOURS..].copy_from_slice(neighbours);
        let mut bytes = AlignedBytes::zeros(self.layout.stride());
        let (layout, points) = (self.layout, &self.points);
        kernel::with(Encode { layout, points, links: &links, before: None, first: row, bytes: bytes.as_mut() });
        bytes
    }
}

/// The distances of rows from a query, by codes of eight bits.
struct ByEightBits<'a>(&'a Coded, &'a [f32]);

impl Task for ByEightBits<'_> {
    type Output = Vec<f32>;

    fn run<K: Kernels>(self, kernels: K) -> Vec<f32> {
        let lookup = prepared(kernels, self.0, self.1);
        let points = &self.0.points;
        let distance = |row: u32| {
            let mut dot = [0];
            kernels.code_dots(&lookup.codes, points.codes(row), &mut dot);
            lookup.norm + points.square(row) - 2.0 * points.scale(row) * lookup.step * dot[0] as f32
        };
        (0..points.len() as u32).map(distance).collect()
    }
}

/// The distances of the neighbours of the rows in some bytes, by one bit a number; `own` is how far each row is.
struct ByOneBit<'a>(&'a Coded, &'a [f32], &'a [u8], Option<f32>);

impl Task for ByOneBit<'_> {
    type Output = Vec<f32>;

    fn run<K: Kernels>(self, kernels: K) -> Vec<f32> {
        let ByOneBit(coded, query, bytes, own) = self;
        let lookup = prepared(kernels, coded, query);
        let (mut estimates, mut rows) = ([0.0; SLACK], [0; SLACK]);
        let mut all = Vec::new();
        for bytes in bytes.chunks_exact(coded.layout.stride()) {
            let row = coded.layout.read(bytes).unwrap();
            let mut room = Room { below: f32::INFINITY, estimates: &mut estimates, rows: &mut rows };
            let count = kernels.scan(&row.block, &lookup.tables(), own.unwrap_or(lookup.norm), &[], &mut room);
            all.extend_from_slice(&estimates[..count]);
        }
        all
    }
}

fn prepared<K: Kernels>(kernels: K, coded: &Coded, query: &[f32]) -> Lookup {
    let (mut lookup, mut point) = (Lookup::default(), vec![0.0; coded.layout.padded()]);
    let apart = coded.space.place_query(query, &mut Vec::new(), &mut point);
    lookup.prepare(kernels, &point, apart);
    lookup
}

/// Where the smallest of some distances are.
fn nearest(distances: &[f32], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..distances.len()).collect();
    places.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]));
    places.truncate(count);
    places
}

fn shared(found: &[usize], truth: &[usize]) -> f64 {
    truth.iter().filter(|place| found.contains(place)).count() as f64 / truth.len() as f64
}

/// Of the ten nearest rows, the shares that are among the ten nearest by eight bits, the ten and the hundred nearest by one
/// bit around the middle; and of the ten nearest among the 32 neighbours of the nearest row, the share that is among the
/// ten nearest of them by one bit around that row, which is how walks use it.
fn recalls(values: &[f32], queries: &[f32], dimension: usize) -> [f64; 4] {
    let coded = Coded::new(values, dimension);
    let mut sums = [0.0; 4];
    for query in queries.chunks_exact(dimension) {
        let square = |row: &[f32]| row.iter().zip(query).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() as f32;
        let exact: Vec<f32> = values.chunks_exact(dimension).map(square).collect();
        let (truth, around) = (nearest(&exact, K), nearest(&exact, NEIGHBOURS + 1));
        let eight = kernel::with(ByEightBits(&coded, query));
        let one = kernel::with(ByOneBit(&coded, query, coded.around_origin.as_slice(), None));
        let [row, neighbours @ ..] = &around[..] else { panic!("there are more rows") };
        let links: Vec<u32> = neighbours.iter().map(|place| *place as u32).collect();
        let bytes = coded.beside(*row as u32, &links);
        let beside = kernel::with(ByOneBit(&coded, query, bytes.as_slice(), Some(eight[*row])));
        let of_neighbours: Vec<f32> = neighbours.iter().map(|place| exact[*place]).collect();
        sums[0] += shared(&nearest(&eight, K), &truth);
        sums[1] += shared(&nearest(&one, K), &truth);
        sums[2] += shared(&nearest(&one, 10 * K), &truth);
        sums[3] += shared(&nearest(&beside, K), &nearest(&of_neighbours, K));
    }
    sums.map(|sum| sum / (queries.len() / dimension) as f64)
}

#[test]
fn codes_find_what_they_are_relied_on_for() {
    let (values, queries) = (clustered(4000, 1), clustered(100, 77));
    let [eight, one, one_among_many, beside] = recalls(&values, &queries, DIMENSION);
    assert!(eight >= 0.97, "{eight}");
    assert!(one >= 0.2 && one_among_many >= 0.9, "{one} {one_among_many}");
    assert!(beside >= 0.45, "{beside}");
}
