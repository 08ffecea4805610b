//! A set of rows of one segment, one bit each.

use crate::ids::RowId;

/// Which rows of a segment are meant: those deleted, or those a filter lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowSet {
    words: Vec<u64>,
    rows: u32,
    count: u32,
}

impl RowSet {
    /// No row of a segment of `rows` rows.
    pub(crate) fn empty(rows: u32) -> RowSet {
        RowSet { words: vec![0; words_for(rows)], rows, count: 0 }
    }

    /// The set whose stored form (see [`RowSet::to_bytes`]) is `bytes`; `None` when it has another length or names
    /// rows past the end.
    pub(crate) fn from_bytes(rows: u32, bytes: &[u8]) -> Option<RowSet> {
        if bytes.len() != words_for(rows) * 8 {
            return None;
        }
        let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let spare = words.len() * 64 - rows as usize;
        if spare > 0 && words.last().is_some_and(|last| last.leading_zeros() < spare as u32) {
            return None;
        }
        let count = words.iter().map(|word| word.count_ones()).sum();
        Some(RowSet { words, rows, count })
    }

    /// The stored form (frozen): little-endian words of 64 rows, row 0 the lowest bit of the first.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Rows of the segment, in the set or not.
    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// Rows in the set.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn contains(&self, row: RowId) -> bool {
        self.words.get(row.index() / 64).is_some_and(|word| word >> (row.0 % 64) & 1 == 1)
    }

    /// Adds a row; false when it was there. The row must be one of the segment's.
    pub(crate) fn insert(&mut self, row: RowId) -> bool {
        assert!(row.0 < self.rows, "row {} of a segment of {}", row.0, self.rows);
        let word = &mut self.words[row.index() / 64];
        let bit = 1 << (row.0 % 64);
        let new = *word & bit == 0;
        *word |= bit;
        self.count += u32::from(new);
        new
    }
}

fn words_for(rows: u32) -> usize {
    (rows as usize).div_ceil(64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set(rows in 1u32..300, picks in prop::collection::vec(any::<u32>(), 0..80)) {
            let picks: Vec<u32> = picks.into_iter().map(|pick| pick % rows).collect();
            let mut set = RowSet::empty(rows);
            let mut model = BTreeSet::new();
            for pick in &picks {
                prop_assert_eq!(set.insert(RowId(*pick)), model.insert(*pick));
            }
            prop_assert_eq!(set.count() as usize, model.len());
            for row in 0..rows {
                prop_assert_eq!(set.contains(RowId(row)), model.contains(&row));
            }
            prop_assert_eq!(RowSet::from_bytes(rows, &set.to_bytes()), Some(set));
        }
    }

    #[test]
    fn a_bit_past_the_end_is_refused() {
        assert!(RowSet::from_bytes(3, &[0b111, 0, 0, 0, 0, 0, 0, 0]).is_some());
        assert!(RowSet::from_bytes(3, &[0b1000, 0, 0, 0, 0, 0, 0, 0]).is_none());
        assert!(RowSet::from_bytes(3, &[0; 7]).is_none());
        assert!(RowSet::from_bytes(64, &[0xFF; 8]).is_some());
    }
}
