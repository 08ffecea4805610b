//! Samples by smallest hash: of a stream, those whose hashes are the smallest are a uniform sample, the same in whichever
//! order the stream came, and samples of parts merge to that of the whole (Cohen and Kaplan 2007, "Summarizing data using
//! bottom-k sketches").

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Distinct inputs whose repetitions are counted.
const INPUTS: usize = 256;

/// The hash that decides whether the row of a key is in the sample.
pub(super) fn hash(key: u64, seed: u64) -> u64 {
    xxh3_64_with_seed(&key.to_le_bytes(), seed)
}

/// A uniform sample of rows, without replacement: those of the smallest hashes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RowSample {
    limit: usize,
    seed: u64,
    /// Hash and key.
    kept: BTreeSet<(u64, u64)>,
}

impl RowSample {
    pub(super) fn new(limit: usize, seed: u64) -> RowSample {
        RowSample { limit, seed, kept: BTreeSet::new() }
    }

    pub(super) fn add(&mut self, key: u64) {
        self.offer((hash(key, self.seed), key));
    }

    fn offer(&mut self, row: (u64, u64)) {
        if self.kept.len() == self.limit {
            if self.kept.last().is_none_or(|last| *last <= row) {
                return;
            }
            self.kept.pop_last();
        }
        self.kept.insert(row);
    }

    pub(super) fn merge(&mut self, other: &RowSample) {
        other.kept.iter().for_each(|row| self.offer(*row));
    }

    /// The keys, in the order of their hashes.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = u64> {
        self.kept.iter().map(|(_, key)| *key)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// How many it holds at most.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

/// How often inputs come again: exact while at most [`INPUTS`] of them differ; of more, those of the smallest hashes are
/// counted, each from its first to its last time.
///
/// One that is among the smallest in the end was so all the time, since what counts as small only gets smaller. So its
/// count is exact, in parts and in their merge.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct InputSample {
    total: u64,
    kept: BTreeMap<u64, u64>,
}

impl InputSample {
    /// The sample that was stored; none if no calls make it.
    pub(super) fn stored(total: u64, kept: Vec<(u64, u64)>) -> Option<InputSample> {
        let sum = kept.iter().try_fold(0u64, |sum, (_, times)| sum.checked_add(*times))?;
        let rising = kept.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let full = kept.len() == INPUTS;
        let fits =
            kept.len() <= INPUTS && kept.iter().all(|(_, times)| *times > 0) && (sum == total || full && sum < total);
        (rising && fits).then(|| InputSample { total, kept: kept.into_iter().collect() })
    }

    pub(super) fn kept(&self) -> Vec<(u64, u64)> {
        self.kept.iter().map(|(input, times)| (*input, *times)).collect()
    }

    pub(super) fn add(&mut self, input: u64) {
        self.total += 1;
        self.count(input, 1);
    }

    fn count(&mut self, input: u64, times: u64) {
        if self.kept.len() == INPUTS
            && !self.kept.contains_key(&input)
            && let Some(last) = self.kept.last_entry()
        {
            if *last.key() < input {
                return;
            }
            last.remove();
        }
        *self.kept.entry(input).or_default() += times;
    }

    pub(super) fn merge(&mut self, other: &InputSample) {
        self.total += other.total;
        other.kept.iter().for_each(|(input, times)| self.count(*input, *times));
    }

    /// Rows that named their input.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// About the share of these whose input had come before; 0 where there are none.
    pub(super) fn repeated_share(&self) -> f64 {
        let counted: u64 = self.kept.values().sum();
        if counted == 0 { 0.0 } else { (counted - self.kept.len() as u64) as f64 / counted as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn samples_of_parts_merge_to_that_of_the_whole() {
        let parts = |from: u64, to: u64| {
            let (mut rows, mut inputs) = (RowSample::new(50, 7), InputSample::default());
            for key in from..to {
                rows.add(key);
                inputs.add(hash(key % 400, 1));
            }
            (rows, inputs)
        };
        let whole = parts(0, 1_000);
        for cut in [0, 1, 499, 1_000] {
            let (left, right) = (parts(0, cut), parts(cut, 1_000));
            for (mut first, second) in [(left.clone(), right.clone()), (right, left)] {
                first.0.merge(&second.0);
                first.1.merge(&second.1);
                assert_eq!(first, whole, "cut at {cut}");
            }
        }
    }

    #[test]
    fn each_row_is_as_likely_in_the_sample_as_any_other() {
        let mut hits = [0u32; 10];
        for seed in 0..2_000 {
            let mut sample = RowSample::new(3, seed);
            (0..10).for_each(|key| sample.add(key));
            sample.keys().for_each(|key| hits[key as usize] += 1);
        }
        // 600 each, with a standard deviation of 20.
        assert!(hits.iter().all(|hits| (500..700).contains(hits)), "{hits:?}");
    }

    #[test]
    fn repeated_inputs_are_counted_and_beyond_the_limit_estimated() {
        let mut few = InputSample::default();
        (0..200u64).for_each(|key| few.add(hash(key % 100, 0)));
        assert_eq!((few.total(), few.repeated_share()), (200, 0.5));
        let mut many = InputSample::default();
        let mut random = Random::seeded(3, 0);
        (0..60_000).for_each(|_| many.add(hash(random.below(20_000), 0)));
        // Of 20,000 inputs drawn 60,000 times 19,004 came, so 0.683 of the draws came again.
        assert!((many.repeated_share() - 0.683).abs() < 0.03, "{}", many.repeated_share());
        assert_eq!(InputSample::stored(many.total(), many.kept()).as_ref(), Some(&many));
        assert_eq!(InputSample::stored(1, vec![(2, 1), (1, 1)]), None);
        assert_eq!(InputSample::stored(3, vec![(2, 1)]), None);
    }
}
