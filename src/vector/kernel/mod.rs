//! The loops that compute distances, chosen once per task and not per distance.
//!
//! Work that measures many distances is a [`Task`], generic over the kernels it is given; [`with`] runs it with the best
//! that this processor has. `DRIFTLINE_KERNELS=scalar` or `=simsimd` in the environment forces the choice, for tests and
//! for narrowing down a suspicion. The plain kernels are the truth the others are held to.

mod scalar;
mod simsimd;

use std::sync::OnceLock;

use self::scalar::Scalar;
use self::simsimd::SimSimd;

/// Distances between two slices of one length.
pub(crate) trait Kernels: Copy + Send + Sync {
    /// The inner product.
    fn dot(self, a: &[f32], b: &[f32]) -> f32;
    /// The squared Euclidean distance.
    fn l2(self, a: &[f32], b: &[f32]) -> f32;
    /// The sum of absolute differences.
    fn l1(self, a: &[f32], b: &[f32]) -> f32;
    /// The number of bits that differ.
    fn hamming(self, a: &[u8], b: &[u8]) -> u32;
}

/// Work that needs kernels. Its `run` and what that calls per distance should be `#[inline(always)]`, so that the
/// whole loop is compiled for the processor the kernels are for.
pub(crate) trait Task {
    type Output;
    fn run<K: Kernels>(self, kernels: K) -> Self::Output;
}

/// Runs `task` with the kernels of this process.
pub(crate) fn with<T: Task>(task: T) -> T::Output {
    static CHOSEN: OnceLock<Choice> = OnceLock::new();
    let choice = CHOSEN.get_or_init(|| Choice::from_environment(std::env::var(VARIABLE).ok().as_deref()));
    choice.run(task)
}

const VARIABLE: &str = "DRIFTLINE_KERNELS";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Scalar,
    SimSimd,
}

impl Choice {
    const DEFAULT: Choice = Choice::SimSimd;

    fn from_environment(wish: Option<&str>) -> Choice {
        match wish {
            None | Some("") => Choice::DEFAULT,
            Some("scalar") => Choice::Scalar,
            Some("simsimd") => Choice::SimSimd,
            Some(unknown) => {
                tracing::warn!(
                    value = unknown,
                    using = ?Choice::DEFAULT,
                    "{VARIABLE} names no kernels; use scalar or simsimd"
                );
                Choice::DEFAULT
            }
        }
    }

    fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Choice::Scalar => task.run(Scalar),
            Choice::SimSimd => task.run(SimSimd),
        }
    }
}

/// The result of `task` with each of the kernels, and their names, the plain ones first.
#[cfg(test)]
pub(crate) fn with_each<T: Task>(task: impl Fn() -> T) -> Vec<(String, T::Output)> {
    [Choice::Scalar, Choice::SimSimd].map(|choice| (format!("{choice:?}"), choice.run(task()))).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const LENGTHS: [usize; 14] = [0, 1, 2, 3, 7, 8, 15, 16, 17, 64, 100, 384, 769, 16_384];

    /// All four distances of two vectors.
    struct All<'a>(&'a [f32], &'a [f32], &'a [u8], &'a [u8]);

    impl Task for All<'_> {
        type Output = [f64; 4];
        fn run<K: Kernels>(self, k: K) -> [f64; 4] {
            let All(a, b, c, d) = self;
            [k.dot(a, b).into(), k.l2(a, b).into(), k.l1(a, b).into(), k.hamming(c, d).into()]
        }
    }

    /// The same in f64, one after the other, and for each the sum of the absolute terms, which rounding grows with.
    fn truth(All(a, b, c, d): &All<'_>) -> ([f64; 4], [f64; 4]) {
        let pairs = || a.iter().zip(*b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let dot: f64 = pairs().map(|(a, b)| a * b).sum();
        let l2: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
        let l1: f64 = pairs().map(|(a, b)| (a - b).abs()).sum();
        let bit = |bytes: &[u8], bit: usize| bytes[bit / 8] >> (bit % 8) & 1;
        let hamming = (0..c.len() * 8).filter(|place| bit(c, *place) != bit(d, *place)).count() as f64;
        ([dot, l2, l1, hamming], [pairs().map(|(a, b)| (a * b).abs()).sum(), l2, l1, 0.0])
    }

    fn vectors(random: &mut Random, length: usize, scale: f64) -> (Vec<f32>, Vec<u8>) {
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        ((0..length).map(|_| ((random.unit() * 2.0 - 1.0) * scale) as f32).collect(), bytes)
    }

    #[test]
    fn every_kernel_agrees_with_the_sum_in_f64() {
        let mut random = Random::seeded(1, 0);
        for length in LENGTHS {
            for scale in [1e-10, 1.0, 1e10] {
                let ((a, c), (b, d)) = (vectors(&mut random, length, scale), vectors(&mut random, length, 3.0 * scale));
                let (expected, size) = truth(&All(&a, &b, &c, &d));
                for (name, found) in with_each(|| All(&a, &b, &c, &d)) {
                    for (which, ((found, expected), size)) in found.iter().zip(expected).zip(size).enumerate() {
                        let error = (found - expected).abs();
                        assert!(error <= 1e-5 * size, "{name} {which} {length}: {found} for {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn whole_numbers_are_summed_exactly_and_a_vector_is_at_distance_zero_from_itself() {
        let mut random = Random::seeded(2, 0);
        for length in LENGTHS {
            let mut whole = || (0..length).map(|_| random.below(17) as f32 - 8.0).collect::<Vec<f32>>();
            let (a, b) = (whole(), whole());
            let bytes: Vec<u8> = a.iter().map(|value| *value as i8 as u8).collect();
            let expected = truth(&All(&a, &b, &bytes, &bytes)).0;
            for (name, found) in with_each(|| All(&a, &b, &bytes, &bytes)) {
                assert_eq!(found, expected, "{name} {length}");
            }
            for (name, found) in with_each(|| All(&a, &a, &bytes, &bytes)) {
                assert_eq!(found[1..], [0.0; 3], "{name} {length}");
            }
        }
    }

    #[test]
    fn every_single_position_counts() {
        for length in [1, 7, 17, 64, 100] {
            for place in 0..length {
                let (zeros, mut one) = (vec![0.0; length], vec![0.0; length]);
                let (no_bits, mut one_bit) = (vec![0; length], vec![0; length]);
                (one[place], one_bit[place]) = (2.0, 0b1000);
                for (name, found) in with_each(|| All(&zeros, &one, &no_bits, &one_bit)) {
                    assert_eq!(found, [0.0, 4.0, 2.0, 1.0], "{name} {length} {place}");
                }
            }
        }
    }

    #[test]
    fn the_environment_chooses() {
        assert_eq!(Choice::from_environment(Some("scalar")), Choice::Scalar);
        assert_eq!(Choice::from_environment(Some("simsimd")), Choice::SimSimd);
        for wish in [None, Some(""), Some("avx9")] {
            assert_eq!(Choice::from_environment(wish), Choice::DEFAULT);
        }
    }
}
