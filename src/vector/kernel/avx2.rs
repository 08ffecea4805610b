//! Kernels for x86-64 processors with AVX2 and FMA: eight floats, or sixteen codes, in one instruction.
//!
//! Four sums run side by side, because an addition takes four cycles and two can begin in each. That a processor has
//! the instructions is proved by having an [`Avx2`]: only [`Avx2::detect`] makes one.

#![expect(unsafe_code, reason = "instructions that not every processor has, and loads through pointers, are unsafe")]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _MM_HINT_T0, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadl_epi64,
    _mm_loadu_si128, _mm_movehl_ps, _mm_prefetch, _mm_shuffle_ps, _mm_storeu_si128, _mm256_abs_epi8, _mm256_add_epi32,
    _mm256_add_ps, _mm256_andnot_ps, _mm256_castps256_ps128, _mm256_castsi256_si128, _mm256_cvtepi8_epi16,
    _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_fmadd_ps,
    _mm256_fnmadd_ps, _mm256_hadd_epi32, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_maskload_ps, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_sign_epi8, _mm256_storeu_si256, _mm256_sub_ps,
};

use super::avx2_scan;
use super::scalar::Scalar;
use super::scan::{Block, Room, Tables};
use super::{CODES, Kernels, TILE_QUERIES, TILE_ROWS, Task, TileDots, WIDE_CODES};

const CACHE_LINE_BYTES: usize = 64;

/// Proof that this processor has AVX2, FMA and POPCNT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Avx2> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
            && is_x86_feature_detected!("popcnt");
        has_all.then_some(Avx2(()))
    }

    /// Runs `task` compiled for these instructions, its `run` inlined into a function that has them.
    #[inline]
    pub(super) fn enter<T: Task>(self, task: T) -> T::Output {
        #[target_feature(enable = "avx2,fma,f16c,popcnt")]
        fn entered<T: Task>(kernels: Avx2, task: T) -> T::Output {
            task.run(kernels)
        }
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { entered(self, task) }
    }
}

impl Kernels for Avx2 {
    #[inline(always)]
    fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { dot(a, b) }
    }

    #[inline(always)]
    fn l2(self, a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { l2(a, b) }
    }

    #[inline(always)]
    fn l1(self, a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { l1(a, b) }
    }

    #[inline(always)]
    fn hamming(self, a: &[u8], b: &[u8]) -> u32 {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { hamming(a, b) }
    }

    #[inline(always)]
    fn scan(self, block: &Block<'_>, tables: &Tables<'_>, own: f32, ahead: &[u8], room: &mut Room<'_>) -> usize {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { avx2_scan::scan(block, tables, own, ahead, room) }
    }

    #[inline(always)]
    fn smallest(self, values: &[f32]) -> usize {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { avx2_scan::smallest(values) }
    }

    #[inline(always)]
    fn prefetch(self, codes: &[i8]) {
        for line in codes.chunks(CACHE_LINE_BYTES) {
            // SAFETY: prefetching accesses no memory as far as the program can tell; the pointer is that of a slice.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr()) }
        }
    }

    #[inline(always)]
    fn code_dots(self, query: &[i16], codes: &[i8], dots: &mut [i32]) {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { code_dots(query, codes, dots) }
    }

    #[inline(always)]
    fn codes_by_four(self, codes: &[i8], others: [&[i8]; 4]) -> [i32; 4] {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { codes_by_four(codes, others) }
    }

    #[inline(always)]
    fn code_l1(self, query: &[f32], codes: &[i8], scale: f32) -> f32 {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { code_l1(query, codes, scale) }
    }

    #[inline(always)]
    fn tile(self, queries: &[i16], rows: &[i16], dots: &mut TileDots) {
        // SAFETY: `self` exists, so `detect` found the instructions on this processor.
        unsafe { tile(queries, rows, dots) }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b, sum| _mm256_fmadd_ps(a, b, sum))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn l2(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b, sum| {
        let difference = _mm256_sub_ps(a, b);
        _mm256_fmadd_ps(difference, difference, sum)
    })
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn l1(a: &[f32], b: &[f32]) -> f32 {
    let sign = _mm256_set1_ps(-0.0);
    sum(a, b, |a, b, sum| _mm256_add_ps(sum, _mm256_andnot_ps(sign, _mm256_sub_ps(a, b))))
}

/// What `add` makes of all positions of two slices of one length. Positions past the end are zero in both.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum(a: &[f32], b: &[f32], add: impl Fn(__m256, __m256, __m256) -> __m256) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let (a_fours, a_eights) = a.as_chunks::<4>();
    let (b_fours, b_eights) = b.as_chunks::<4>();
    let mut sums = [_mm256_setzero_ps(); 4];
    for (a, b) in a_fours.iter().zip(b_fours) {
        for lane in 0..4 {
            sums[lane] = add(load(&a[lane]), load(&b[lane]), sums[lane]);
        }
    }
    for (sum, (a, b)) in sums.iter_mut().zip(a_eights.iter().zip(b_eights)) {
        *sum = add(load(a), load(b), *sum);
    }
    if !a_rest.is_empty() {
        sums[3] = add(load_some(a_rest), load_some(b_rest), sums[3]);
    }
    total(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])))
}

#[inline]
#[target_feature(enable = "popcnt,avx2")]
fn hamming(a: &[u8], b: &[u8]) -> u32 {
    // The plain loop, compiled for these instructions, is as fast as memory.
    Scalar.hamming(a, b)
}

/// Row after row, because the processor foresees one stream of rows and not four side by side; four are added up at once.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn code_dots(query: &[i16], codes: &[i8], dots: &mut [i32]) {
    let (query, _) = query.as_chunks::<CODES>();
    let (codes, _) = codes.as_chunks::<CODES>();
    let mut rows = codes.chunks_exact(query.len().max(1)).map(|row| code_sums(query, row));
    let zero = _mm256_setzero_si256();
    for dots in dots.chunks_mut(4) {
        let mut next = || rows.next().unwrap_or(zero);
        let sums = match dots.len() {
            4 => [next(), next(), next(), next()],
            3 => [next(), next(), next(), zero],
            2 => [next(), next(), zero, zero],
            _ => [next(), zero, zero, zero],
        };
        dots.copy_from_slice(&totals(sums)[..dots.len()]);
    }
}

/// Thirty-two codes in one multiplication of bytes: it takes one side without signs, so the signs of `codes` go over to
/// the other. Two products fit sixteen bits, because no code is -128.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn codes_by_four(codes: &[i8], others: [&[i8]; 4]) -> [i32; 4] {
    let (codes, _) = codes.as_chunks::<WIDE_CODES>();
    let others = others.map(|other| &other.as_chunks::<WIDE_CODES>().0[..codes.len()]);
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_si256(); 4];
    for (at, codes) in codes.iter().enumerate() {
        let codes = load_i8(codes);
        let sizes = _mm256_abs_epi8(codes);
        for (sum, other) in sums.iter_mut().zip(others) {
            let pairs = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(load_i8(&other[at]), codes));
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
        }
    }
    totals(sums)
}

/// The inner product with one row, in eight sums.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn code_sums(query: &[[i16; CODES]], row: &[[i8; CODES]]) -> __m256i {
    let (query_pairs, query_rest) = query.as_chunks::<2>();
    let (row_pairs, row_rest) = row.as_chunks::<2>();
    let mut sums = [_mm256_setzero_si256(); 2];
    for (query, row) in query_pairs.iter().zip(row_pairs) {
        sums[0] = add_codes(sums[0], &query[0], &row[0]);
        sums[1] = add_codes(sums[1], &query[1], &row[1]);
    }
    for (query, row) in query_rest.iter().zip(row_rest) {
        sums[0] = add_codes(sums[0], query, row);
    }
    _mm256_add_epi32(sums[0], sums[1])
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn code_l1(query: &[f32], codes: &[i8], scale: f32) -> f32 {
    let (query, _) = query.as_chunks::<8>();
    let (codes, _) = codes.as_chunks::<8>();
    let (sign, scale) = (_mm256_set1_ps(-0.0), _mm256_set1_ps(scale));
    let mut sums = [_mm256_setzero_ps(); 2];
    for (query, codes) in query.as_chunks::<2>().0.iter().zip(codes.as_chunks::<2>().0) {
        for lane in 0..2 {
            let difference = _mm256_fnmadd_ps(scale, to_floats(&codes[lane]), load(&query[lane]));
            sums[lane] = _mm256_add_ps(sums[lane], _mm256_andnot_ps(sign, difference));
        }
    }
    total(_mm256_add_ps(sums[0], sums[1]))
}

/// Two registers of rows against six queries: twelve sums, which with what is loaded fill the sixteen registers.
#[target_feature(enable = "avx2,fma")]
fn tile(queries: &[i16], rows: &[i16], dots: &mut TileDots) {
    let mut sums = [[_mm256_setzero_si256(); 2]; TILE_QUERIES];
    let queries = queries.as_chunks::<2>().0.as_chunks::<TILE_QUERIES>().0;
    let rows = rows.as_chunks::<16>().0.as_chunks::<{ TILE_ROWS / 8 }>().0;
    for (queries, rows) in queries.iter().zip(rows) {
        let rows = [load_i16(&rows[0]), load_i16(&rows[1])];
        for (sums, query) in sums.iter_mut().zip(queries) {
            let pair = _mm256_set1_epi32(bytemuck::cast(*query));
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pair, rows));
            }
        }
    }
    for (dots, sums) in dots.iter_mut().zip(sums) {
        let (halves, _) = dots.as_chunks_mut::<8>();
        for (half, sum) in halves.iter_mut().zip(sums) {
            // SAFETY: `half` is 32 bytes that may be written, and the store asks for no alignment.
            unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast::<__m256i>(), sum) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(values: &[f32; 8]) -> __m256 {
    // SAFETY: `values` is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_i16(values: &[i16; 16]) -> __m256i {
    // SAFETY: `values` is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast::<__m256i>()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_i8(codes: &[i8; WIDE_CODES]) -> __m256i {
    // SAFETY: `codes` is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast::<__m256i>()) }
}

/// Adds the products of sixteen codes, two to a lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_codes(sum: __m256i, query: &[i16; CODES], codes: &[i8; CODES]) -> __m256i {
    // SAFETY: `codes` is 16 readable bytes, and the load asks for no alignment.
    let codes = unsafe { _mm_loadu_si128(codes.as_ptr().cast::<__m128i>()) };
    _mm256_add_epi32(sum, _mm256_madd_epi16(load_i16(query), _mm256_cvtepi8_epi16(codes)))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn to_floats(codes: &[i8; 8]) -> __m256 {
    // SAFETY: `codes` is 8 readable bytes, which is what this load reads, and it asks for no alignment.
    let codes = unsafe { _mm_loadl_epi64(codes.as_ptr().cast::<__m128i>()) };
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes))
}

/// Lanes to read and, behind them, lanes to leave out.
static LANES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Up to eight values, and zeros behind them. Copying them into a whole register's worth first takes three times as
/// long as all the rest of a distance of 100 numbers.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_some(values: &[f32]) -> __m256 {
    let lanes = &LANES[8 - values.len()..16 - values.len()];
    // SAFETY: `lanes` is 32 readable bytes, and the load asks for no alignment.
    let lanes = unsafe { _mm256_loadu_si256(lanes.as_ptr().cast::<__m256i>()) };
    // SAFETY: `lanes` has the load read as many values as there are, and no byte behind them.
    unsafe { _mm256_maskload_ps(values.as_ptr(), lanes) }
}

/// The sum of all lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn total(lanes: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

/// The sums of all lanes of each.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn totals(sums: [__m256i; 4]) -> [i32; 4] {
    let [a, b, c, d] = sums;
    let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let four = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
    let mut totals = [0; 4];
    // SAFETY: `totals` is 16 bytes that may be written, and the store asks for no alignment.
    unsafe { _mm_storeu_si128(totals.as_mut_ptr().cast::<__m128i>(), four) };
    totals
}
