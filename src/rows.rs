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

    /// Adds rows among 64, numbered as [`RowSet::word`] numbers them; false when some are none of the segment's: then
    /// none is added.
    pub(crate) fn unite_word(&mut self, number: usize, bits: u64) -> bool {
        let past = (self.rows as usize).saturating_sub(64 * number);
        if past < 64 && bits >> past != 0 {
            return false;
        }
        if let Some(word) = self.words.get_mut(number) {
            self.count += (bits & !*word).count_ones();
            *word |= bits;
        }
        true
    }

    /// Every row of a segment of `rows` rows.
    pub(crate) fn full(rows: u32) -> RowSet {
        RowSet::empty(rows).complement()
    }

    /// The rows of a segment of `rows` rows whose bits are set in the words that `word` gives, numbered as
    /// [`RowSet::word`] numbers them. Bits past the end mean nothing.
    pub(crate) fn from_words(rows: u32, word: impl Fn(usize) -> u64) -> RowSet {
        let mut words: Vec<u64> = (0..words_for(rows)).map(word).collect();
        let spare = words.len() * 64 - rows as usize;
        if let Some(last) = words.last_mut() {
            *last &= u64::MAX >> spare;
        }
        let count = words.iter().map(|word| word.count_ones()).sum();
        RowSet { words, rows, count }
    }

    /// 64 rows, the first of them `64 * number`, as bits: row 0 the lowest. Rows past the end are in no set.
    pub(crate) fn word(&self, number: usize) -> u64 {
        self.words.get(number).copied().unwrap_or(0)
    }

    /// The rows of the segment that are not in the set.
    pub(crate) fn complement(&self) -> RowSet {
        RowSet::from_words(self.rows, |number| !self.word(number))
    }

    /// Keeps the rows that are in `other` too. Both are of one segment.
    pub(crate) fn intersect(&mut self, other: &RowSet) {
        self.combine(other, |a, b| a & b);
    }

    /// Adds the rows of `other`. Both are of one segment.
    pub(crate) fn unite(&mut self, other: &RowSet) {
        self.combine(other, |a, b| a | b);
    }

    /// The rows, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RowId> + '_ {
        self.words.iter().enumerate().flat_map(|(number, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(RowId(number as u32 * 64 + bit))
            })
        })
    }

    fn combine(&mut self, other: &RowSet, join: impl Fn(u64, u64) -> u64) {
        assert_eq!(self.rows, other.rows, "two sets of one segment");
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = join(*word, *other);
        }
        self.count = self.words.iter().map(|word| word.count_ones()).sum();
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
            prop_assert!(set.iter().map(|row| row.0).eq(model));
            prop_assert_eq!(RowSet::from_bytes(rows, &set.to_bytes()), Some(set));
        }

        #[test]
        fn sets_combine_row_by_row(rows in 1u32..300, a in any::<[u64; 5]>(), b in any::<[u64; 5]>()) {
            let set = |words: [u64; 5]| {
                let mut set = RowSet::empty(rows);
                let picked = (0..rows).filter(|row| words[*row as usize / 64] >> (row % 64) & 1 == 1);
                picked.for_each(|row| assert!(set.insert(RowId(row))));
                set
            };
            let (a, b) = (set(a), set(b));
            let (mut both, mut either) = (a.clone(), a.clone());
            both.intersect(&b);
            either.unite(&b);
            for row in (0..rows).map(RowId) {
                prop_assert_eq!(both.contains(row), a.contains(row) && b.contains(row));
                prop_assert_eq!(either.contains(row), a.contains(row) || b.contains(row));
                prop_assert_eq!(a.complement().contains(row), !a.contains(row));
                prop_assert_eq!(a.word(row.index() / 64) >> (row.0 % 64) & 1 == 1, a.contains(row));
            }
            for set in [both, either, a.complement(), RowSet::full(rows)] {
                prop_assert_eq!(set.count() as usize, set.iter().count());
                prop_assert_eq!(RowSet::from_bytes(rows, &set.to_bytes()), Some(set));
            }
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
