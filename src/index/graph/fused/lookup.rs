//! A query as the fused layout compares it: small whole numbers for the points, tables for the signs.

use crate::vector::kernel::scan::{TABLE_BYTES, Tables};

/// The largest step of a number in a table: four of them, and four such sums, fit a byte.
const LARGEST_STEP: f32 = 15.0;

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
    pub(in super::super) fn prepare(&mut self, point: &[f32], apart: f32) {
        let largest = point.iter().fold(0f32, |largest, value| largest.max(value.abs())).max(f32::MIN_POSITIVE);
        self.norm = apart + point.iter().map(|value| value * value).sum::<f32>();
        // No sum of products with codes may leave `i32`.
        let steps = (i32::MAX as f32 / (127.0 * point.len() as f32)).min(f32::from(i16::MAX)).floor();
        self.step = largest / steps;
        let inverse = 1.0 / self.step;
        self.codes.clear();
        self.codes.extend(point.iter().map(|value| (value * inverse) as i16));
        self.fill_tables(point, largest / LARGEST_STEP);
    }

    /// A number of the query becomes k from -15 to 15. An entry is the sum of the |k| of those of four numbers whose sign
    /// is that of their bit, so that s·k = 2 · (sum of all entries) - (sum of all |k|).
    #[inline(always)]
    fn fill_tables(&mut self, point: &[f32], step: f32) {
        self.entries.resize(point.len() * TABLE_BYTES, 0);
        let inverse = 1.0 / step;
        let mut total = 0i32;
        for (values, entries) in point.as_chunks::<16>().0.iter().zip(self.entries.as_chunks_mut::<64>().0) {
            let (mut positive, mut negative) = ([0u8; 16], [0u8; 16]);
            for at in 0..16 {
                let rounded = (values[at] * inverse).round_ties_even() as i32;
                positive[at] = rounded.max(0) as u8;
                negative[at] = (-rounded).max(0) as u8;
            }
            total += (0..16).map(|at| i32::from(positive[at]) + i32::from(negative[at])).sum::<i32>();
            for (group, entries) in entries.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                let entry = |at: usize| spread(positive[4 * group + at], negative[4 * group + at], SET[at]);
                // Bytes do not carry into one another: four times 15 is below 256.
                *entries = (entry(0) + entry(1) + entry(2) + entry(3)).to_le_bytes();
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

/// The sixteen patterns of four bits, a byte each: all ones where the bit of that number is set.
const SET: [u128; 4] = [
    0xff00_ff00_ff00_ff00_ff00_ff00_ff00_ff00,
    0xffff_0000_ffff_0000_ffff_0000_ffff_0000,
    0xffff_ffff_0000_0000_ffff_ffff_0000_0000,
    0xffff_ffff_ffff_ffff_0000_0000_0000_0000,
];

/// Sixteen bytes: `positive` where `set` is, `negative` elsewhere.
#[inline(always)]
fn spread(positive: u8, negative: u8, set: u128) -> u128 {
    let ones = u128::from_le_bytes([1; 16]);
    ((u128::from(positive) * ones) & set) | ((u128::from(negative) * ones) & !set)
}
