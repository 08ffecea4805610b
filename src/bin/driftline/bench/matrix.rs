//! Rows of numbers in memory.

use sha2::{Digest, Sha256};

/// Rows of one dimension, one behind the other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matrix {
    dimension: usize,
    numbers: Vec<f32>,
}

impl Matrix {
    /// Of `numbers`, which are whole rows of `dimension`, at least 1.
    pub(crate) fn new(dimension: usize, numbers: Vec<f32>) -> Matrix {
        Matrix { dimension: dimension.max(1), numbers }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn rows(&self) -> usize {
        self.numbers.len() / self.dimension
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        self.range(row, 1)
    }

    /// `count` rows from `first` on.
    pub(crate) fn range(&self, first: usize, count: usize) -> &[f32] {
        &self.numbers[first * self.dimension..(first + count) * self.dimension]
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.numbers.truncate(rows.saturating_mul(self.dimension));
    }

    /// These rows, in this order.
    pub(crate) fn select(&self, rows: &[u32]) -> Matrix {
        let numbers = rows.iter().flat_map(|row| self.row(*row as usize)).copied().collect();
        Matrix { dimension: self.dimension, numbers }
    }

    /// Adds the bytes of all numbers to a hash.
    pub(crate) fn hash_into(&self, hash: &mut Sha256) {
        hash.update(bytemuck::cast_slice(&self.numbers));
    }
}
