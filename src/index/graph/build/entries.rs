//! Where searches begin.

use crate::index::graph::points::Points;
use crate::random::Random;
use crate::vector::kernel::{self, Kernels, Task};

/// Rows to an entry, where there are rows enough: groups of rows smaller than this may be left without one, and a search
/// that stops early may not find its way there (200,000 vectors of 768 numbers in 1,000 groups: an eighth more queries a
/// second for a recall of 0.95).
const ROWS: usize = 256;

/// Entries where rows are few, and where links are looked for.
const FEW: usize = 128;

/// Entries at most.
const ENTRIES: usize = 1024;

/// Rows that entries are chosen from, for each that is.
const CHOICE: usize = 32;

/// Of the random numbers that follow from the seed: the entries.
const STREAM: u64 = 2;

/// Some rows spread over all of `points`, at least one where there are any.
///
/// Every second one is any row. The others are drawn the more likely the further they are from all before (k-means++:
/// Arthur and Vassilvitskii, SODA 2007), so that no group of rows that lies apart goes without.
pub(super) fn choose<P: Points>(points: &P, seed: u64) -> Vec<u32> {
    let mut random = Random::seeded(seed, STREAM);
    let rows = points.len() as u64;
    let count = points.len().div_ceil(16).min(FEW).max(points.len() / ROWS).min(ENTRIES);
    let mut sample: Vec<u32> = (0..count * CHOICE).map(|_| random.below(rows) as u32).collect();
    sample.sort_unstable();
    sample.dedup();
    let mut entries = kernel::with(Spread { points, sample: &sample, count, random: &mut random });
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// Some of the entries, spread over them: a walk that looks for links is long and finds its way from few, and all rows are
/// to be compared with them.
pub(super) fn few(entries: &[u32]) -> Vec<u32> {
    entries.iter().step_by(entries.len().div_ceil(FEW).max(1)).copied().collect()
}

/// Drawing `count` rows of a sample, far from one another.
struct Spread<'a, P> {
    points: &'a P,
    sample: &'a [u32],
    count: usize,
    random: &'a mut Random,
}

impl<P: Points> Task for Spread<'_, P> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Vec<u32> {
        let Spread { points, sample, count, random } = self;
        let mut apart = vec![f32::INFINITY; sample.len()];
        let mut distances = vec![0.0; sample.len()];
        let mut drawn: Vec<u32> = Vec::with_capacity(count);
        while drawn.len() < count {
            let far = drawn.len() % 2 == 1;
            let place = if far { draw(&apart, random) } else { random.below(sample.len() as u64) as usize };
            drawn.push(sample[place]);
            points.distances(kernels, sample[place], sample, &mut distances);
            for (apart, distance) in apart.iter_mut().zip(&distances) {
                *apart = apart.min(*distance);
            }
        }
        drawn
    }
}

/// A place, drawn by weight; any where all weigh nothing.
fn draw(weights: &[f32], random: &mut Random) -> usize {
    let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    let mut left = random.unit() * total;
    for (place, weight) in weights.iter().enumerate() {
        left -= f64::from(*weight);
        if left < 0.0 {
            return place;
        }
    }
    random.below(weights.len() as u64) as usize
}
