//! Rows as a graph is built over them.

use bytemuck::{Pod, Zeroable};

use crate::error::Result;
use crate::pool::Pool;
use crate::vector::kernel::Kernels;

/// Rows that have a distance from each other: nearer means a smaller number, never below zero, the same both ways and
/// whatever the kernels.
pub(crate) trait Points: Sync {
    /// How many rows there are.
    fn len(&self) -> usize;

    /// The distances of row `from` from the rows `to`, which are as many as `out`.
    fn distances<K: Kernels>(&self, kernels: K, from: u32, to: &[u32], out: &mut [f32]);

    /// Asks for a row that will be compared soon.
    fn prefetch<K: Kernels>(&self, kernels: K, row: u32);
}

/// A cache line of codes, so that rows begin where lines do.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([i8; LINE]);

const LINE: usize = 64;

/// So many times the scale of the middle row may be that of another.
const LARGEST_RATIO: f32 = 1e12;

/// Rows that one piece of work encodes.
const PIECE: usize = 1024;

/// Rows as codes of eight bits, compared by the squared Euclidean distance of what the codes stand for.
///
/// Each row has a scale of its own, so that one long row takes no precision from the others. The distance of two rows is
/// |a|² + |b|² - 2·a·b, whose last term is a product of whole numbers and the same with any kernels.
#[derive(Debug)]
pub(crate) struct CodedPoints {
    lines: Vec<Line>,
    /// Codes of a row, a multiple of a cache line.
    stride: usize,
    /// What a step of a code is worth, the largest of all taken as 1 so that squares stay in the range of `f32`, and the
    /// squared length of the row that the codes stand for.
    factors: Vec<[f32; 2]>,
    /// What the factors were divided by: what a distance of 1 is in truth, not squared.
    unit: f32,
}

impl CodedPoints {
    /// Encodes `count` rows of `dimension` numbers, each written by `row` into the slice it is given.
    pub(crate) fn encode(
        count: usize,
        dimension: usize,
        row: impl Fn(usize, &mut [f32]) -> Result<()> + Sync,
        pool: &Pool,
    ) -> Result<CodedPoints> {
        let stride = dimension.max(1).next_multiple_of(LINE);
        let pieces = pool.map(count.div_ceil(PIECE), |piece| {
            let rows = piece * PIECE..count.min((piece + 1) * PIECE);
            let (mut lines, mut factors) = (vec![Line([0; LINE]); rows.len() * stride / LINE], Vec::new());
            let mut values = vec![0f32; dimension];
            let codes: &mut [i8] = bytemuck::cast_slice_mut(&mut lines);
            for (number, codes) in rows.zip(codes.chunks_exact_mut(stride)) {
                row(number, &mut values)?;
                factors.push(encode_row(&values, codes));
            }
            Ok((lines, factors))
        })?;
        let (mut lines, mut factors) = (Vec::with_capacity(count * stride / LINE), Vec::with_capacity(count));
        for (more_lines, more_factors) in pieces {
            lines.extend_from_slice(&more_lines);
            factors.extend_from_slice(&more_factors);
        }
        let limit = scale_limit(&factors);
        let limited = |scale: f32| if scale <= limit { scale } else { 0.0 };
        let largest = factors.iter().fold(0f32, |largest, [scale, _]: &[f32; 2]| largest.max(limited(*scale)));
        for [scale, square] in &mut factors {
            *scale = if largest > 0.0 { limited(*scale) / largest } else { 0.0 };
            *square *= *scale * *scale;
        }
        Ok(CodedPoints { lines, stride, factors, unit: largest })
    }

    /// What one step of a row's codes is worth.
    pub(crate) fn scale(&self, row: u32) -> f32 {
        self.factors[row as usize][0] * self.unit
    }

    /// The squared length of the point that a row's codes stand for.
    pub(crate) fn square(&self, row: u32) -> f32 {
        self.factors[row as usize][1] * self.unit * self.unit
    }

    /// A row's codes.
    #[inline(always)]
    pub(crate) fn codes(&self, row: u32) -> &[i8] {
        let lines = self.stride / LINE;
        bytemuck::cast_slice(&self.lines[row as usize * lines..(row as usize + 1) * lines])
    }
}

/// The largest scale beside which squares of the middle one are still told from zero. A row of a larger one stands where its
/// codes are all zero: it is far from whoever is not as far out, which exact distances say.
fn scale_limit(factors: &[[f32; 2]]) -> f32 {
    let mut scales: Vec<f32> = factors.iter().map(|[scale, _]| *scale).filter(|scale| *scale > 0.0).collect();
    let Some(middle) = scales.len().checked_sub(1).map(|last| last / 2) else { return 0.0 };
    (*scales.select_nth_unstable_by(middle, f32::total_cmp).1 * LARGEST_RATIO).min(f32::MAX)
}

/// The scale of a row and the sum of the squares of its codes.
fn encode_row(values: &[f32], codes: &mut [i8]) -> [f32; 2] {
    let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let mut squares = 0i32;
    for (code, value) in codes.iter_mut().zip(values) {
        *code = (value * inverse).round().clamp(-127.0, 127.0) as i8;
        squares += i32::from(*code) * i32::from(*code);
    }
    [largest / 127.0, squares as f32]
}

impl Points for CodedPoints {
    fn len(&self) -> usize {
        self.factors.len()
    }

    #[inline(always)]
    fn distances<K: Kernels>(&self, kernels: K, from: u32, to: &[u32], out: &mut [f32]) {
        let (codes, [scale, square]) = (self.codes(from), self.factors[from as usize]);
        let distance = |row: u32, dot: i32| {
            let [other_scale, other_square] = self.factors[row as usize];
            ((square + other_square) - 2.0 * ((scale * other_scale) * dot as f32)).max(0.0)
        };
        let (fours, rest) = to.as_chunks::<4>();
        let (out_fours, out_rest) = out.as_chunks_mut::<4>();
        for (four, out) in fours.iter().zip(out_fours) {
            let dots = kernels.codes_by_four(codes, four.map(|row| self.codes(row)));
            for ((out, row), dot) in out.iter_mut().zip(four).zip(dots) {
                *out = distance(*row, dot);
            }
        }
        if let [first, ..] = rest {
            // The first row stands in for those that are missing.
            let row = |place: usize| self.codes(*rest.get(place).unwrap_or(first));
            let dots = kernels.codes_by_four(codes, [row(0), row(1), row(2), row(0)]);
            for ((out, row), dot) in out_rest.iter_mut().zip(rest).zip(dots) {
                *out = distance(*row, dot);
            }
        }
    }

    #[inline(always)]
    fn prefetch<K: Kernels>(&self, kernels: K, row: u32) {
        kernels.prefetch(self.codes(row));
    }
}
