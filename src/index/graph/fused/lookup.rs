//! A query as the fused layout compares it: small whole numbers for the points, tables for the signs.

use crate::vector::kernel::Kernels;
use crate::vector::kernel::scan::{TABLE_BYTES, Tables};

/// The largest step of a number in a table: four of them, and four such sums, fit a byte.
const LARGEST_STEP: f32 = 15.0;

/// What a query of zeros is taken to reach to, so that steps and their inverses are finite.
const LEAST: f32 = 1e-30;

/// The memory of one query, to be used again by the next.
#[derive(Debug, Default)]
pub(in super::super) struct Lookup {
    /// The query's point in whole numbers.
    pub(in super::super) codes: Vec<i16>,
    /// What one step of them is worth.
    pub(in super::super) step: f32,
    /// The squared length of the point, and what all distances have in common.
    pub(in super::super) norm: f32,
    entries: Vec<u8>,
    entry_step: f32,
    base: f32,
}

impl Lookup {
    /// Makes the query ready; `apart` is what all its distances have in common.
    #[inline(always)]
    pub(in super::super) fn prepare<K: Kernels>(&mut self, kernels: K, point: &[f32], apart: f32) {
        let largest = largest(point).max(LEAST);
        self.norm = apart + kernels.dot(point, point);
        // No sum of products with codes may leave `i32`.
        let steps = (i32::MAX as f32 / (127.0 * point.len() as f32)).min(f32::from(i16::MAX)).floor();
        self.step = largest / steps;
        let inverse = 1.0 / self.step;
        self.codes.clear();
        self.codes.extend(point.iter().map(|value| nearest(value * inverse) as i16));
        self.fill_tables(point, largest / LARGEST_STEP);
    }

    /// A number of the query becomes k from -15 to 15. An entry is the sum of the |k| of those of four numbers whose sign
    /// is that of their bit, so that s·k = 2 · (sum of all entries) - (sum of all |k|).
    #[inline(always)]
    fn fill_tables(&mut self, point: &[f32], step: f32) {
        self.entries.resize(point.len() * TABLE_BYTES, 0);
        let inverse = 1.0 / step;
        let mut total = 0;
        let groups = point.as_chunks::<4>().0.iter().zip(self.entries.as_chunks_mut::<16>().0);
        for (values, entries) in groups {
            let steps = values.map(|value| nearest(value * inverse));
            let [a, b, c, d] = steps.map(|k| k.max(0) as u32);
            let [not_a, not_b, not_c, not_d] = steps.map(|k| (-k).max(0) as u32);
            total += a + b + c + d + not_a + not_b + not_c + not_d;
            // Four entries to a word. The lowest bit of a pattern says whose side `a` is on, the next one `b`'s, and so on.
            let low = a * 0x0100_0100 + not_a * 0x0001_0001 + b * 0x0101_0000 + not_b * 0x0000_0101;
            let high = [not_c + not_d, c + not_d, not_c + d, c + d];
            for (word, high) in entries.as_chunks_mut::<4>().0.iter_mut().zip(high) {
                *word = (low + high * 0x0101_0101).to_le_bytes();
            }
        }
        self.entry_step = 2.0 * step;
        self.base = -step * total as f32;
    }

    #[inline(always)]
    pub(in super::super) fn tables(&self) -> Tables<'_> {
        Tables { entries: &self.entries, step: self.entry_step, base: self.base }
    }
}

/// Adding this moves the whole part of a small float into its lowest bits.
const WHOLE: f32 = 12_582_912.0;

/// The nearest whole number of a float up to four million, without a branch or a call.
#[inline(always)]
fn nearest(value: f32) -> i32 {
    (value + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits()) as i32
}

/// The largest magnitude, found in lanes that do not wait for one another.
#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [0f32; 16];
    for values in values.as_chunks::<16>().0 {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane = if value.abs() > *lane { value.abs() } else { *lane };
        }
    }
    lanes.into_iter().fold(0.0, f32::max)
}
