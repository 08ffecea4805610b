//! What rows do by chance: come more than once, and rest at one value. And from when on it is a fault.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// So many standard deviations more than expected are still chance.
const DEVIATIONS: f64 = 3.0;
/// What has one value by a smaller chance than this has stopped to vary.
pub(super) const LEAST_CHANCE: f64 = 0.001;

/// How often rows repeat where all is well.
///
/// Rows of flags, categories and small numbers come again and again, and nothing is wrong with that; rows of measurements
/// hardly do. How many of a window are to be expected follows from how often those of the baseline came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeats {
    /// How many different rows came once, twice and so on.
    pub different: BTreeMap<u64, u64>,
}

impl Repeats {
    /// Of rows by their hashes.
    pub(super) fn of(rows: impl IntoIterator<Item = u64>) -> Repeats {
        let mut times: HashMap<u64, u64> = HashMap::new();
        rows.into_iter().for_each(|row| *times.entry(row).or_default() += 1);
        let mut different = BTreeMap::new();
        times.into_values().for_each(|times| *different.entry(times).or_default() += 1);
        Repeats { different }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.different.is_empty()
    }

    /// How many of so many rows are to be expected to be the same as an earlier one.
    ///
    /// Of fewer rows than the baseline has, by drawing that many of it; of more, by how many different rows were not seen
    /// yet (Chao 1984), of which later ones are drawn (Colwell et al. 2012, equation 9).
    pub(super) fn expected(&self, rows: u64) -> f64 {
        let groups = || self.different.iter().map(|(times, count)| (*times as f64, *count as f64));
        let (known, count) = (groups().map(|(times, count)| times * count).sum::<f64>(), rows as f64);
        if count <= known {
            let missed = |times: f64| (1.0 - count / known).powf(times);
            return count - groups().map(|(times, count)| count * (1.0 - missed(times))).sum::<f64>();
        }
        let of = |times: u64| self.different.get(&times).map_or(0.0, |count| *count as f64);
        let (once, twice, more) = (of(1), of(2), (known - 1.0).max(0.0) / known.max(1.0));
        let pairs = if twice > 0.0 { once * once / (2.0 * twice) } else { once * (once - 1.0) / 2.0 };
        let unseen = (more * pairs).max(0.0);
        let met = if unseen > 0.0 { 1.0 - (-(count - known) * once / (known * unseen + once)).exp() } else { 0.0 };
        (count - groups().map(|(_, count)| count).sum::<f64>() - unseen * met).max(0.0)
    }

    /// How many of these repeats, among so many rows, chance does not explain. Where features have no more than so many
    /// values together, that many rows of them are not all different either, whether or not the baseline holds each once.
    pub(super) fn too_many(&self, repeats: u64, rows: u64, kinds: f64) -> u64 {
        let expected = self.expected(rows).max(of_equal_kinds(rows, kinds));
        // How often different rows come varies by less than what is expected of repeats.
        (repeats as f64 - expected - DEVIATIONS * expected.max(0.0).sqrt()).max(0.0) as u64
    }
}

/// The chance that none of so many rows is one of the `odd` ones, where the `known` rows of a baseline and these are
/// shuffled: (known / (known + rows)) to the power of `odd`, about.
pub(super) fn chance_of_none(known: u64, odd: u64, rows: u64) -> f64 {
    (known as f64 / (known as f64 + rows as f64)).powf(odd as f64)
}

/// How many of so many rows repeat an earlier one, where each of so many kinds comes equally often.
fn of_equal_kinds(rows: u64, kinds: f64) -> f64 {
    if kinds.is_infinite() {
        return 0.0;
    }
    let missed = rows as f64 * (-1.0 / kinds.max(1.0)).ln_1p();
    (rows as f64 + kinds.max(1.0) * missed.exp_m1()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// So many draws of so many rows that come equally often.
    fn drawn(random: &mut Random, rows: u64, kinds: u64) -> Vec<u64> {
        (0..rows).map(|_| random.below(kinds)).collect()
    }

    fn repeats(rows: &[u64]) -> u64 {
        rows.len() as u64 - rows.iter().collect::<std::collections::BTreeSet<_>>().len() as u64
    }

    #[test]
    fn windows_of_the_same_kind_repeat_no_more_than_expected() {
        let mut random = Random::seeded(16, 0);
        for kinds in [1, 2, 12, 100, 700, 3_000, 1 << 40] {
            for (known, rows) in [(200, 50), (1_000, 1_000), (1_000, 300), (500, 1_500)] {
                let before = Repeats::of(drawn(&mut random, known, kinds));
                let wrong: u64 = (0..20)
                    .map(|_| before.too_many(repeats(&drawn(&mut random, rows, kinds)), rows, f64::INFINITY))
                    .sum();
                assert!(wrong <= rows / 5, "{kinds} kinds, {known} known, {rows} rows: {wrong} in 20 windows");
            }
        }
    }

    #[test]
    fn what_is_sent_twice_is_found_where_rows_hardly_repeat() {
        let mut random = Random::seeded(16, 1);
        for (kinds, least) in [(1 << 40, 500), (10_000, 350)] {
            let before = Repeats::of(drawn(&mut random, 1_000, kinds));
            let once = drawn(&mut random, 500, kinds);
            let twice: Vec<u64> = once.iter().chain(&once).copied().collect();
            assert!(before.too_many(repeats(&twice), 1_000, f64::INFINITY) >= least, "{kinds}");
        }
    }

    #[test]
    fn a_baseline_that_holds_each_row_once_does_not_make_repeats_a_fault() {
        let mut random = Random::seeded(16, 2);
        let each_once = Repeats::of(0..100);
        let window = drawn(&mut random, 1_000, 100);
        assert_eq!(each_once.too_many(repeats(&window), 1_000, 100.0), 0);
        assert!(each_once.too_many(repeats(&window), 1_000, f64::INFINITY) > 500);
        assert_eq!((of_equal_kinds(10, 1.0), of_equal_kinds(0, 7.0)), (9.0, 0.0));
        assert!((of_equal_kinds(2, 4.0) - 0.25).abs() < 1e-12 && of_equal_kinds(1_000, f64::INFINITY) == 0.0);
    }

    #[test]
    fn expectations_are_those_of_drawing_from_the_baseline() {
        let of = |groups: &[(u64, u64)]| Repeats { different: groups.iter().copied().collect() };
        assert_eq!(of(&[(1, 100)]).expected(100), 0.0);
        assert_eq!(of(&[(50, 2)]).expected(100), 98.0);
        assert_eq!(of(&[(50, 2)]).expected(1_000), 998.0, "all that there are have been seen");
        // 60 rows once and 20 twice: 90 - 60, and half of each pair is met by half of them.
        assert!((of(&[(1, 60), (2, 20)]).expected(50) - 5.0).abs() < 1e-12);
        assert_eq!(Repeats::default().expected(0), 0.0);
    }
}
