//! A random rotation that costs a few additions a number: signs are flipped at random and a Hadamard transform spreads
//! every number over all others, a few times over.
//!
//! Rotated vectors have the lengths and inner products they had, but no position that stands out, which is what codes of
//! few bits and random projections want. One round of random signs (D) and a Hadamard transform (H) is orthonormal; three
//! are as good as a rotation drawn evenly from all, for our purposes (Andoni et al., Practical and Optimal LSH for
//! Angular Distance, §4). H exists for powers of two. For other lengths the rounds transform the first and the last 2^k
//! numbers in turn, and after each the two halves of the whole are added and subtracted, as in Kac's walk; four such
//! rounds are what RaBitQ-Library uses.
//!
//! Nothing but additions, subtractions and products is computed, in one order: the result is the same on every
//! processor, bit for bit.

use std::ops::Range;

use crate::random::Random;

/// Lengths are padded to a multiple of this.
const UNIT: usize = 64;

/// Lanes that are mixed without leaving a vector register.
const LANES: usize = 8;

/// An orthonormal map drawn by a seed.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    padded: usize,
    /// What each number is multiplied with before each round: a random sign, and what makes the round orthonormal.
    factors: Vec<f32>,
}

impl Rotation {
    /// For vectors of `dimension` numbers. The same seed gives the same rotation (frozen: stored codes rely on it).
    pub(crate) fn new(dimension: usize, seed: u64) -> Rotation {
        let padded = dimension.max(1).next_multiple_of(UNIT);
        let mut random = Random::seeded(seed, padded as u64);
        let mut factors = Vec::new();
        for window in windows(padded) {
            let walk = if walks(padded) { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
            let inside = walk / (window.len() as f32).sqrt();
            for place in 0..padded {
                let sign = if random.draw() >> 63 == 0 { 1.0 } else { -1.0 };
                factors.push(sign * if window.contains(&place) { inside } else { walk });
            }
        }
        Rotation { padded, factors }
    }

    /// Numbers of a rotated vector: a multiple of 64.
    pub(crate) fn padded(&self) -> usize {
        self.padded
    }

    /// Rotates `from`, zeros behind its end, into the first `padded()` numbers of `to`.
    ///
    /// Fast where it is compiled into a task that runs inside `kernel::with`: about 0.4 µs for 128 numbers, 1 µs for 384 and
    /// 2 µs for 768.
    #[inline(always)]
    pub(crate) fn apply(&self, from: &[f32], to: &mut [f32]) {
        let to = &mut to[..self.padded];
        let given = from.len().min(self.padded);
        to[..given].copy_from_slice(&from[..given]);
        to[given..].fill(0.0);
        for (window, factors) in windows(self.padded).zip(self.factors.chunks_exact(self.padded)) {
            to.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
            hadamard(&mut to[window]);
            if walks(self.padded) {
                let (low, high) = to.split_at_mut(self.padded / 2);
                add_and_subtract(low, high);
            }
        }
    }
}

/// Whether rounds transform a part only, so that a step between the halves is needed.
#[inline(always)]
fn walks(padded: usize) -> bool {
    !padded.is_power_of_two()
}

/// What each round transforms.
#[inline(always)]
fn windows(padded: usize) -> impl Iterator<Item = Range<usize>> {
    let span = 1 << padded.ilog2();
    let rounds = if walks(padded) { 4 } else { 3 };
    (0..rounds).map(move |round| if round % 2 == 0 { 0..span } else { padded - span..padded })
}

/// The Hadamard transform, not scaled, of a power of two of numbers that is at least [`UNIT`].
#[inline(always)]
fn hadamard(values: &mut [f32]) {
    for block in values.as_chunks_mut::<UNIT>().0 {
        hadamard_block(block);
    }
    let mut half = UNIT;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            add_and_subtract(low, high);
        }
        half *= 2;
    }
}

/// The transform of one block, which fits the registers.
#[inline(always)]
fn hadamard_block(block: &mut [f32; UNIT]) {
    let mut vectors = [[0.0; LANES]; UNIT / LANES];
    for (vector, lanes) in vectors.iter_mut().zip(block.as_chunks::<LANES>().0) {
        *vector = mix::<4>(mix::<2>(mix::<1>(*lanes)));
    }
    for half in [1, 2, 4] {
        for place in 0..vectors.len() {
            if place & half == 0 {
                let (low, high) = (vectors[place], vectors[place | half]);
                for lane in 0..LANES {
                    vectors[place][lane] = low[lane] + high[lane];
                    vectors[place | half][lane] = low[lane] - high[lane];
                }
            }
        }
    }
    for (lanes, vector) in block.as_chunks_mut::<LANES>().0.iter_mut().zip(&vectors) {
        *lanes = *vector;
    }
}

/// Adds and subtracts the lanes that are `HALF` apart.
#[inline(always)]
fn mix<const HALF: usize>(lanes: [f32; LANES]) -> [f32; LANES] {
    let mut mixed = [0.0; LANES];
    for lane in 0..LANES {
        let sign = if lane & HALF == 0 { 1.0 } else { -1.0 };
        mixed[lane] = lanes[lane ^ HALF] + sign * lanes[lane];
    }
    mixed
}

#[inline(always)]
fn add_and_subtract(low: &mut [f32], high: &mut [f32]) {
    for (low, high) in low.iter_mut().zip(high) {
        (*low, *high) = (*low + *high, *low - *high);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vector::kernel::{self, Kernels, Task};

    struct Apply<'a>(&'a Rotation, &'a [f32]);

    impl Task for Apply<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<K: Kernels>(self, _: K) -> Vec<f32> {
            let mut to = vec![f32::NAN; self.0.padded()];
            self.0.apply(self.1, &mut to);
            to
        }
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    fn draw(dimension: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::seeded(seed, 1);
        (0..dimension).map(|_| random.unit() as f32 - 0.4).collect()
    }

    proptest! {
        #[test]
        fn lengths_and_inner_products_stay_as_they_are(
            dimension in prop_oneof![1usize..700, Just(768), Just(784), Just(1024), Just(1536), Just(16_384)],
            seed: u64,
        ) {
            let rotation = Rotation::new(dimension, seed);
            let (a, b) = (draw(dimension, seed), draw(dimension, seed ^ 1));
            let turned = [&a, &b].map(|vector| Apply(&rotation, vector)).map(kernel::with);
            prop_assert_eq!(rotation.padded(), dimension.next_multiple_of(64));
            let size = (dot(&a, &a) * dot(&b, &b)).sqrt();
            prop_assert!((dot(&turned[0], &turned[0]) - dot(&a, &a)).abs() <= 1e-5 * dot(&a, &a));
            prop_assert!((dot(&turned[0], &turned[1]) - dot(&a, &b)).abs() <= 1e-5 * size);
        }
    }

    #[test]
    fn a_block_is_transformed_as_the_definition_says() {
        let from = draw(128, 3);
        let mut values = from.clone();
        hadamard(&mut values);
        for (row, value) in values.iter().enumerate() {
            let sign = |place: usize| if (row & place).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            let expected: f64 = from.iter().enumerate().map(|(place, value)| sign(place) * f64::from(*value)).sum();
            assert!((f64::from(*value) - expected).abs() < 1e-4, "{row}: {value} for {expected}");
        }
    }

    #[test]
    fn one_number_is_spread_over_all_places() {
        for dimension in [64, 128, 192, 384, 768, 784, 960, 1536] {
            let rotation = Rotation::new(dimension, 5);
            for place in [0, dimension / 2, dimension - 1] {
                let mut from = vec![0.0; dimension];
                from[place] = 1.0;
                let to = kernel::with(Apply(&rotation, &from));
                let even = 1.0 / (rotation.padded() as f32).sqrt();
                let largest = to.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                assert!(largest < 6.0 * even, "{dimension} {place}: {largest} of {even}");
            }
        }
    }

    #[test]
    fn kernels_do_not_change_a_bit_and_seeds_do() {
        for dimension in [100, 384] {
            let from = draw(dimension, 9);
            let rotation = Rotation::new(dimension, 7);
            let each = kernel::with_each(|| Apply(&rotation, &from));
            assert!(each.iter().all(|(_, to)| *to == each[0].1));
            assert_ne!(kernel::with(Apply(&Rotation::new(dimension, 8), &from)), each[0].1);
        }
    }

    #[test]
    fn what_is_missing_counts_as_zeros() {
        let rotation = Rotation::new(100, 1);
        let mut longer = draw(70, 2);
        let short = kernel::with(Apply(&rotation, &longer));
        longer.resize(100, 0.0);
        assert_eq!(kernel::with(Apply(&rotation, &longer)), short);
        assert!(kernel::with(Apply(&rotation, &[])).iter().all(|value| *value == 0.0));
    }
}
