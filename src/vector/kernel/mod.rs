//! The loops that compute distances, chosen once per task and not per distance.
//!
//! Work that measures many distances is a [`Task`], generic over the kernels it is given; [`with`] runs it with the best
//! that this processor has. `DRIFTLINE_KERNELS=scalar`, `=simsimd` or `=avx2` in the environment forces the choice, for
//! tests and for narrowing down a suspicion. The plain kernels are the truth the others are held to.
//!
//! Sums of floats differ between kernels in their last digits, because each adds in an order of its own; sums of codes
//! are sums of whole numbers, and the same everywhere.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_scan;
mod scalar;
pub(crate) mod scan;
mod simsimd;

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use self::avx2::Avx2;
use self::scalar::Scalar;
use self::scan::{Block, Room, Tables};
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

    /// The inner products of a query with the rows of `codes`, as many as `dots`, one behind the other and each as long
    /// as the query: a multiple of [`CODES`]. No sum may leave `i32`, which is for whoever makes the query to see to.
    fn code_dots(self, query: &[i16], codes: &[i8], dots: &mut [i32]);
    /// The inner products of a row of codes with four others of its length, a multiple of [`WIDE_CODES`]. All codes are
    /// from -127 to 127.
    fn codes_by_four(self, codes: &[i8], others: [&[i8]; 4]) -> [i32; 4];
    /// The sum of absolute differences of a query and `scale` times a row of codes of the same length, a multiple of
    /// [`CODES`].
    fn code_l1(self, query: &[f32], codes: &[i8], scale: f32) -> f32;
    /// The inner products of [`TILE_QUERIES`] queries with [`TILE_ROWS`] rows, both in pairs of positions: first the
    /// first two positions of each vector, then the next two of each.
    fn tile(self, queries: &[i16], rows: &[i16], dots: &mut TileDots);

    /// Estimates the distances of the neighbours of a row that is `own` away, puts those that are near enough at the
    /// front of `room`, and returns how many they are. `ahead` is what will be read next: it is asked for meanwhile.
    fn scan(self, block: &Block<'_>, tables: &Tables<'_>, own: f32, _ahead: &[u8], room: &mut Room<'_>) -> usize {
        scan::scan(block, tables, own, room)
    }

    /// Where the smallest of some numbers is, the first of equal ones; 0 when there are none.
    fn smallest(self, values: &[f32]) -> usize {
        scan::smallest(values)
    }

    /// Asks for codes that will be compared soon. Changes nothing but how long that takes.
    #[inline(always)]
    fn prefetch(self, _codes: &[i8]) {}
}

/// Rows of codes are padded with zeros to a multiple of this: what one instruction takes.
pub(crate) const CODES: usize = 16;

/// What one instruction takes of rows that are compared with each other.
pub(crate) const WIDE_CODES: usize = 32;

/// Queries that a tile compares at once.
pub(crate) const TILE_QUERIES: usize = 6;

/// Rows that a tile compares at once.
pub(crate) const TILE_ROWS: usize = 16;

/// What comes out of a tile: for each query its inner product with each row.
pub(crate) type TileDots = [[i32; TILE_ROWS]; TILE_QUERIES];

/// Work that needs kernels. Its `run` and what that calls per distance should be `#[inline(always)]`, so that the
/// whole loop is compiled for the processor the kernels are for.
pub(crate) trait Task {
    type Output;
    fn run<K: Kernels>(self, kernels: K) -> Self::Output;
}

/// Runs `task` with the kernels of this process.
pub(crate) fn with<T: Task>(task: T) -> T::Output {
    chosen().run(task)
}

/// Asks memory for bytes that are read soon: who reads here and there waits once instead of every time.
pub(crate) fn prefetch<'a>(slices: impl IntoIterator<Item = &'a [u8]>) {
    with(Prefetch(slices));
}

struct Prefetch<I>(I);

impl<'a, I: IntoIterator<Item = &'a [u8]>> Task for Prefetch<I> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        self.0.into_iter().for_each(|bytes| kernels.prefetch(bytemuck::cast_slice(bytes)));
    }
}

/// The kernels of this process.
fn chosen() -> Choice {
    static CHOSEN: OnceLock<Choice> = OnceLock::new();
    *CHOSEN.get_or_init(|| Choice::from_environment(std::env::var(VARIABLE).ok().as_deref()))
}

/// What the kernels of this process are called.
#[cfg(test)]
pub(crate) fn name() -> &'static str {
    chosen().name()
}

/// The names of the kernels, which the environment may give.
pub(crate) const NAMES: [&str; 3] = ["scalar", "simsimd", "avx2"];

const VARIABLE: &str = "DRIFTLINE_KERNELS";

/// A set of kernels that this processor can run.
#[derive(Debug, Clone, Copy)]
enum Choice {
    Scalar(Scalar),
    SimSimd(SimSimd),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Choice {
    /// The kernels of this name, where the processor has what they need.
    fn named(name: &str) -> Option<Choice> {
        match name {
            "scalar" => Some(Choice::Scalar(Scalar)),
            "simsimd" => Some(Choice::SimSimd(SimSimd)),
            #[cfg(target_arch = "x86_64")]
            "avx2" => Avx2::detect().map(Choice::Avx2),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Choice::Scalar(_) => "scalar",
            Choice::SimSimd(_) => "simsimd",
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(_) => "avx2",
        }
    }

    /// Our own where the processor has the instructions; the SIMD crate's, which know more processors, elsewhere.
    fn best() -> Choice {
        Choice::named("avx2").unwrap_or(Choice::SimSimd(SimSimd))
    }

    fn from_environment(wish: Option<&str>) -> Choice {
        let Some(name) = wish.filter(|name| !name.is_empty()) else { return Choice::best() };
        Choice::named(name).unwrap_or_else(|| {
            let using = Choice::best().name();
            let why = match NAMES.contains(&name) {
                true => "this processor lacks the instructions for these kernels".to_owned(),
                false => format!("there are no such kernels; use {}", NAMES.join(", ")),
            };
            tracing::warn!(value = name, using, "{VARIABLE}: {why}");
            Choice::best()
        })
    }

    fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Choice::Scalar(kernels) => task.run(kernels),
            Choice::SimSimd(kernels) => task.run(kernels),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(kernels) => kernels.enter(task),
        }
    }
}

/// Runs `task` with the kernels of this name; `None` where there are none or the processor cannot run them.
pub(crate) fn with_named<T: Task>(name: &str, task: T) -> Option<T::Output> {
    Choice::named(name).map(|choice| choice.run(task))
}

/// The result of `task` with each of the kernels that this processor can run, and their names, the plain ones first.
#[cfg(test)]
pub(crate) fn with_each<T: Task>(task: impl Fn() -> T) -> Vec<(&'static str, T::Output)> {
    let kernels = NAMES.into_iter().filter_map(Choice::named);
    kernels.map(|choice| (choice.name(), choice.run(task()))).collect()
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
        for name in NAMES {
            if Choice::named(name).is_some() {
                assert_eq!(Choice::from_environment(Some(name)).name(), name);
            }
        }
        for wish in [None, Some(""), Some("avx9")] {
            assert_eq!(Choice::from_environment(wish).name(), Choice::best().name());
        }
    }

    /// All that is computed of codes: of each row by itself, and of tiles.
    struct Codes<'a> {
        query: &'a [i16],
        floats: &'a [f32],
        rows: &'a [i8],
        tile_queries: &'a [i16],
        tile_rows: &'a [i16],
    }

    impl Task for Codes<'_> {
        type Output = (Vec<i32>, Vec<f32>, TileDots);
        fn run<K: Kernels>(self, k: K) -> Self::Output {
            let rows = self.rows.chunks_exact(self.query.len());
            let mut dots = vec![0; rows.len()];
            k.code_dots(self.query, self.rows, &mut dots);
            let mut tile = TileDots::default();
            k.tile(self.tile_queries, self.tile_rows, &mut tile);
            (dots, rows.map(|row| k.code_l1(self.floats, row, 0.25)).collect(), tile)
        }
    }

    #[test]
    fn sums_of_codes_are_whole_numbers_and_the_same_everywhere() {
        let mut random = Random::seeded(3, 0);
        for length in [16, 32, 48, 128, 784, 16_384] {
            for count in [1, 2, 3, 4, 5, 11] {
                // As large as they may be without a sum leaving i32.
                let most = ((i32::MAX as usize / 128 / length).min(32_767)) as u64;
                let mut draw = |most: u64| random.below(2 * most + 1) as i64 - most as i64;
                let query: Vec<i16> = (0..length).map(|_| draw(most) as i16).collect();
                let rows: Vec<i8> = (0..length * count).map(|_| draw(127) as i8).collect();
                let floats: Vec<f32> = query.iter().map(|value| f32::from(*value) * 0.01).collect();
                let tile_queries: Vec<i16> = (0..length * TILE_QUERIES).map(|_| draw(most) as i16).collect();
                let tile_rows: Vec<i16> = (0..length * TILE_ROWS).map(|_| draw(128) as i16).collect();
                let codes = || Codes {
                    query: &query,
                    floats: &floats,
                    rows: &rows,
                    tile_queries: &tile_queries,
                    tile_rows: &tile_rows,
                };
                let row = |row: usize| &rows[row * length..][..length];
                let dot = |row: &[i8]| row.iter().zip(&query).map(|(c, q)| i32::from(*c) * i32::from(*q)).sum::<i32>();
                let l1 = |row: &[i8]| {
                    let terms = row.iter().zip(&floats).map(|(c, q)| (f64::from(*q) - 0.25 * f64::from(*c)).abs());
                    terms.sum::<f64>()
                };
                let each = with_each(codes);
                for (name, (dots, sums, tile)) in &each {
                    for place in 0..count {
                        assert_eq!(dots[place], dot(row(place)), "{name} {length} {place} of {count}");
                        let (sum, truth) = (f64::from(sums[place]), l1(row(place)));
                        assert!((sum - truth).abs() <= 1e-5 * truth, "{name} {length}: {sum} for {truth}");
                    }
                    for (query, row) in (0..TILE_QUERIES).flat_map(|q| (0..TILE_ROWS).map(move |r| (q, r))) {
                        let pair = |values: &[i16], width: usize, of: usize, at: usize| {
                            i32::from(values[at / 2 * 2 * width + 2 * of + at % 2])
                        };
                        let expected: i32 = (0..length)
                            .map(|at| {
                                pair(&tile_queries, TILE_QUERIES, query, at) * pair(&tile_rows, TILE_ROWS, row, at)
                            })
                            .sum();
                        assert_eq!(tile[query][row], expected, "{name} {length} {query} {row}");
                    }
                }
            }
        }
    }

    /// One row of codes against four.
    struct ByFour<'a>(&'a [i8], [&'a [i8]; 4]);

    impl Task for ByFour<'_> {
        type Output = [i32; 4];
        fn run<K: Kernels>(self, k: K) -> [i32; 4] {
            k.codes_by_four(self.0, self.1)
        }
    }

    #[test]
    fn rows_of_codes_are_compared_with_each_other_exactly() {
        let mut random = Random::seeded(4, 0);
        for length in [0, 32, 64, 96, 128, 832, 16_384] {
            for most in [3, 127] {
                let mut row = || (0..length).map(|_| (random.below(2 * most + 1) as i64 - most as i64) as i8).collect();
                let mut rows: [Vec<i8>; 5] = std::array::from_fn(|_| row());
                if most == 127 {
                    // The largest sums there are, which sixteen bits only just hold.
                    rows[0].fill(-127);
                    rows[1].fill(127);
                    rows[2].fill(-127);
                }
                let [codes, others @ ..] = &rows;
                let dot = |other: &Vec<i8>| codes.iter().zip(other).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
                let expected: [i32; 4] = others.each_ref().map(dot);
                for (name, found) in with_each(|| ByFour(codes, others.each_ref().map(Vec::as_slice))) {
                    assert_eq!(found, expected, "{name} {length} {most}");
                }
            }
        }
    }

    mod scans {
        use super::super::scan::{Block, NEIGHBOURS, Room, SLACK, Tables, from_half, to_half};
        use super::super::{Kernels, Task, with_each};
        use crate::random::Random;

        struct Scan<'a>(Block<'a>, Tables<'a>, f32);

        impl Task for Scan<'_> {
            type Output = Vec<(u32, f32)>;
            #[inline(always)]
            fn run<K: Kernels>(self, kernels: K) -> Self::Output {
                let (mut estimates, mut rows) = ([0.0; SLACK], [0; SLACK]);
                let ahead = [0; 300];
                let mut room = Room { below: self.2, estimates: &mut estimates, rows: &mut rows };
                let count = kernels.scan(&self.0, &self.1, 3.0, &ahead, &mut room);
                rows[..count].iter().copied().zip(estimates).collect()
            }
        }

        struct Smallest<'a>(&'a [f32]);

        impl Task for Smallest<'_> {
            type Output = usize;
            #[inline(always)]
            fn run<K: Kernels>(self, kernels: K) -> usize {
                kernels.smallest(self.0)
            }
        }

        #[test]
        fn all_kernels_estimate_the_same_neighbours() {
            let mut random = Random::seeded(3, 0);
            for numbers in [64, 128, 192, 1024, 4096] {
                let mut codes = vec![0; numbers * 4];
                random.fill(&mut codes);
                let entries: Vec<u8> = (0..numbers * 4).map(|_| random.below(61) as u8).collect();
                let halves = |random: &mut Random| std::array::from_fn(|_| to_half(random.unit() as f32 * 20.0 - 10.0));
                let (adds, scales) = (halves(&mut random), halves(&mut random));
                let rows: [u32; NEIGHBOURS] = std::array::from_fn(|at| 1000 + at as u32);
                let block = Block { codes: &codes, adds: &adds, scales: &scales, rows: &rows, unit: 0.5 };
                let tables = Tables { entries: &entries, step: 0.01, base: -1.5 };
                for below in [f32::INFINITY, 3.0, f32::NEG_INFINITY] {
                    let each = with_each(|| Scan(block, tables, below));
                    let (_, truth) = &each[0];
                    assert!(truth.iter().all(|(_, estimate)| *estimate < below));
                    assert_eq!(truth.len() == NEIGHBOURS, below == f32::INFINITY);
                    for (name, found) in &each {
                        assert_eq!(found.len(), truth.len(), "{name} {numbers} below {below}");
                        for (found, truth) in found.iter().zip(truth) {
                            assert_eq!(found.0, truth.0, "{name} {numbers}");
                            assert!(
                                (found.1 - truth.1).abs() <= 1e-4 * truth.1.abs().max(1.0),
                                "{name} {found:?} {truth:?}"
                            );
                        }
                    }
                }
            }
        }

        #[test]
        fn the_smallest_is_the_first_of_equals() {
            let mut random = Random::seeded(4, 0);
            for length in (0..70).chain([255, 256, 1000]) {
                let values: Vec<f32> = (0..length).map(|_| random.below(20) as f32 - 10.0).collect();
                let least = values.iter().copied().fold(f32::INFINITY, f32::min);
                let place = values.iter().position(|value| *value == least).unwrap_or(0);
                for (name, found) in with_each(|| Smallest(&values)) {
                    assert_eq!(found, place, "{name} {length}");
                }
            }
        }

        #[test]
        fn halves_are_the_nearest_there_are() {
            for bits in (0..0x7bef).chain(0x8000..0xfbef) {
                assert_eq!(to_half(from_half(bits)), bits);
            }
            for (value, expected) in [(1.0, 0x3c00), (-2.0, 0xc000), (65_000.0, 0x7bef), (1e9, 0x7bef), (6e-8, 1)] {
                assert_eq!(to_half(value), expected, "{value}");
            }
            let (low, high) = (from_half(0x3c00), from_half(0x3c01));
            assert_eq!(to_half(low + (high - low) * 0.49), 0x3c00);
            assert_eq!(to_half(low + (high - low) * 0.51), 0x3c01);
        }
    }
}
