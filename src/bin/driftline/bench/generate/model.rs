//! What generated rows look like: three families, each with few degrees of freedom around a point and a spectrum that
//! decays, as embeddings have. docs/guide/bench.md describes them for users.
//!
//! Only sums, products, quotients and square roots are used, so that a seed gives the same bytes on every machine.

use driftline::{Metric, Random};

use super::chance::{between, normal, normals, rough};
use super::rotation::Rotation;

/// The family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Topics of clusters of unequal sizes, each flat in most directions
    Clustered,
    /// A curved surface of 24 dimensions in the space
    LowDimension,
    /// One cloud, off the origin, long in a few directions and thin in the others
    Anisotropic,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Clustered => "clustered",
            Kind::LowDimension => "low-dimension",
            Kind::Anisotropic => "anisotropic",
        }
    }
}

/// Streams of the seed: the model has one, each block of rows and of queries one of its own.
const MODEL: u64 = 0;
const ROWS: u64 = 1 << 32;
const QUERIES: u64 = 2 << 32;

/// Clusters share their directions, as documents share what they are about.
const DIRECTIONS: usize = 512;
/// Directions in which one cluster is wide.
const LEAST_RANK: u64 = 24;
const MOST_RANK: u64 = 64;
const CLUSTERS_PER_TOPIC: usize = 16;
/// How wide clusters are where the centres of topics lie about 1 from their mean.
const WIDTH: (f32, f32) = (0.7, 1.3);
/// The share of a row's length that is noise in all directions.
const NOISE: f32 = 0.2;

const LATENT: usize = 24;
const HIDDEN: usize = 64;
const PATCHES: usize = 256;

/// How far a mean lies from the origin, where rows lie about 1 from the mean.
const OFFSET: f32 = 0.6;

/// Makes rows. The same for every thread.
#[derive(Debug)]
pub(in super::super) struct Model {
    dimension: usize,
    metric: Metric,
    seed: u64,
    shape: Shape,
    /// How queries are off, where they are not drawn as the rows are.
    shift: Option<Vec<f32>>,
}

#[derive(Debug)]
enum Shape {
    Clustered { clusters: Vec<Cluster>, upto: Vec<f32>, directions: Vec<f32> },
    LowDimension { patches: Vec<f32>, first: Vec<f32>, second: Vec<f32> },
    Anisotropic { mean: Vec<f32>, spectrum: Vec<f32>, rotation: Rotation },
}

#[derive(Debug)]
struct Cluster {
    centre: Vec<f32>,
    /// Directions, by number, and how wide it is in them.
    axes: Vec<(u32, f32)>,
    noise: f32,
}

impl Model {
    pub(in super::super) fn new(
        kind: Kind,
        dimension: usize,
        rows: u64,
        metric: Metric,
        seed: u64,
        shifted: bool,
    ) -> Model {
        let mut random = Random::seeded(seed, MODEL);
        let shape = match kind {
            Kind::Clustered => clustered(dimension, rows, &mut random),
            Kind::LowDimension => low_dimension(dimension, &mut random),
            Kind::Anisotropic => anisotropic(dimension, &mut random),
        };
        let shift = shifted.then(|| of_length(OFFSET, normals(&mut random, dimension)));
        Model { dimension, metric, seed, shape, shift }
    }

    /// The rows of block `block`, `count` of them, one behind the other.
    pub(in super::super) fn rows(&self, block: u64, count: usize) -> Vec<f32> {
        let mut random = Random::seeded(self.seed, ROWS + block);
        let mut spare = Spare::default();
        let mut numbers = vec![0.0; count * self.dimension];
        for row in numbers.chunks_exact_mut(self.dimension) {
            self.draw(&mut random, row, &mut spare);
            self.finish(&mut random, row);
        }
        numbers
    }

    /// The queries of a block, drawn as the rows are, or off them.
    pub(super) fn queries(&self, block: u64, count: usize) -> Vec<f32> {
        let mut random = Random::seeded(self.seed, QUERIES + block);
        let (mut spare, mut other) = (Spare::default(), vec![0.0; self.dimension]);
        let mut numbers = vec![0.0; count * self.dimension];
        for row in numbers.chunks_exact_mut(self.dimension) {
            self.draw(&mut random, row, &mut spare);
            if let Some(shift) = &self.shift {
                // Between two rows, where there are few, and moved to a side where there is none.
                self.draw(&mut random, &mut other, &mut spare);
                for ((number, other), shift) in row.iter_mut().zip(&other).zip(shift) {
                    *number = 0.6 * *number + 0.4 * other + shift;
                }
            }
            self.finish(&mut random, row);
        }
        numbers
    }

    fn draw(&self, random: &mut Random, row: &mut [f32], spare: &mut Spare) {
        match &self.shape {
            Shape::Clustered { clusters, upto, directions } => {
                let at = random.unit() as f32;
                let cluster = &clusters[upto.partition_point(|upto| *upto < at).min(clusters.len() - 1)];
                cluster.draw(random, row, directions);
            }
            Shape::LowDimension { patches, first, second } => surface(random, row, spare, [patches, first, second]),
            Shape::Anisotropic { mean, spectrum, rotation } => {
                let far = between(random, 0.6, 1.4);
                row.iter_mut().zip(spectrum).for_each(|(number, spread)| *number = far * spread * normal(random));
                rotation.apply(row, &mut spare.numbers);
                row.iter_mut().zip(mean).for_each(|(number, mean)| *number += mean);
            }
        }
    }

    /// Lengths as the metric has them: all 1, or differing, so that the largest product is not the smallest angle.
    fn finish(&self, random: &mut Random, row: &mut [f32]) {
        match self.metric {
            Metric::Cosine => scale_to(1.0, row),
            Metric::Dot => scale_to(between(random, 0.7, 1.3), row),
            _ => {}
        }
    }
}

impl Cluster {
    fn draw(&self, random: &mut Random, row: &mut [f32], directions: &[f32]) {
        row.copy_from_slice(&self.centre);
        // Some rows are typical of their cluster, some are at its edge.
        let far = between(random, 0.5, 1.5);
        for (direction, width) in &self.axes {
            let along = far * width * normal(random);
            let direction = directions.chunks_exact(row.len()).nth(*direction as usize).unwrap_or_default();
            row.iter_mut().zip(direction).for_each(|(number, part)| *number += along * part);
        }
        row.iter_mut().for_each(|number| *number += self.noise * rough(random));
    }
}

/// Memory to work in.
#[derive(Debug, Default)]
struct Spare {
    numbers: Vec<f32>,
}

fn clustered(dimension: usize, rows: u64, random: &mut Random) -> Shape {
    let rotation = Rotation::random(dimension, random);
    let spectrum = spectrum(dimension, false);
    let mut spare = Vec::new();
    let mut coloured = |random: &mut Random, length: f32| {
        let mut vector: Vec<f32> = spectrum.iter().map(|spread| spread * normal(random)).collect();
        rotation.apply(&mut vector, &mut spare);
        vector.iter_mut().for_each(|number| *number *= length);
        vector
    };
    let directions: Vec<f32> = (0..DIRECTIONS).flat_map(|_| of_length(1.0, coloured(random, 1.0))).collect();
    // A cluster holds some hundreds of rows, until there are many clusters.
    let count = (rows / 250).clamp(16, 4096) as usize;
    let topics: Vec<Vec<f32>> = (0..count.div_ceil(CLUSTERS_PER_TOPIC)).map(|_| coloured(random, 0.8)).collect();
    let mut clusters = Vec::with_capacity(count);
    for number in 0..count {
        let topic = &topics[number % topics.len()];
        let centre = topic.iter().zip(coloured(random, 0.6)).map(|(topic, own)| topic + own).collect();
        clusters.push(cluster(centre, dimension, random));
    }
    // The largest is some hundred times the smallest: sizes fall as the square root of the rank, times chance.
    let sizes = (0..count).map(|rank| between(random, 0.2, 1.0) / ((rank + 4) as f32).sqrt());
    Shape::Clustered { clusters, upto: shares(sizes.collect()), directions }
}

fn cluster(centre: Vec<f32>, dimension: usize, random: &mut Random) -> Cluster {
    let rank = (LEAST_RANK + random.below(MOST_RANK - LEAST_RANK + 1)).min(dimension as u64);
    let width = between(random, WIDTH.0, WIDTH.1);
    let falling = |axis: u64| 1.0 / ((axis + 6) as f32).sqrt();
    let whole: f32 = (0..rank).map(|axis| falling(axis) * falling(axis)).sum::<f32>().sqrt();
    let axis = |axis| (random.below(DIRECTIONS as u64) as u32, width * falling(axis) / whole);
    let axes = (0..rank).map(axis).collect();
    Cluster { centre, axes, noise: NOISE * width / (dimension as f32).sqrt() }
}

/// Standard deviations that fall with the rank, of a whole length of 1: slowly, as its root, or steeply, as its power of
/// 3/4.
fn spectrum(dimension: usize, steep: bool) -> Vec<f32> {
    let falling = |rank: usize| {
        let root = ((rank + 4) as f32).sqrt();
        if steep { 1.0 / (root * root.sqrt()) } else { 1.0 / root }
    };
    of_length(1.0, (0..dimension).map(falling).collect())
}

fn low_dimension(dimension: usize, random: &mut Random) -> Shape {
    let patches = normals(random, PATCHES * LATENT);
    let first = normals(random, HIDDEN * LATENT).iter().map(|it| it / (LATENT as f32).sqrt()).collect();
    let second = normals(random, HIDDEN * dimension).iter().map(|it| it / (HIDDEN as f32).sqrt()).collect();
    Shape::LowDimension { patches, first, second }
}

/// A point of a few dimensions, near one of the patches, bent into all of them.
fn surface(random: &mut Random, row: &mut [f32], spare: &mut Spare, [patches, first, second]: [&[f32]; 3]) {
    let patch = random.below(PATCHES as u64) as usize;
    let centre = &patches[patch * LATENT..][..LATENT];
    spare.numbers.clear();
    spare.numbers.extend(centre.iter().map(|centre| centre + 0.8 * normal(random)));
    row.iter_mut().for_each(|number| *number = 0.01 * rough(random));
    for (weights, outward) in first.chunks_exact(LATENT).zip(second.chunks_exact(row.len())) {
        let sum: f32 = weights.iter().zip(&spare.numbers).map(|(weight, number)| weight * number).sum();
        let bent = 2.0 * sum / (1.0 + 2.0 * sum.abs());
        row.iter_mut().zip(outward).for_each(|(number, part)| *number += bent * part);
    }
}

fn anisotropic(dimension: usize, random: &mut Random) -> Shape {
    let rotation = Rotation::random(dimension, random);
    Shape::Anisotropic {
        mean: of_length(OFFSET, normals(random, dimension)),
        spectrum: spectrum(dimension, true),
        rotation,
    }
}

/// Sizes as shares of all, each added to those before.
fn shares(mut sizes: Vec<f32>) -> Vec<f32> {
    let whole: f32 = sizes.iter().sum();
    let mut before = 0.0;
    for size in &mut sizes {
        before += *size / whole;
        *size = before;
    }
    sizes
}

fn of_length(length: f32, mut vector: Vec<f32>) -> Vec<f32> {
    scale_to(length, &mut vector);
    vector
}

fn scale_to(length: f32, vector: &mut [f32]) {
    let own = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    let scale = if own > 0.0 { length / own } else { 0.0 };
    vector.iter_mut().for_each(|number| *number *= scale);
}
