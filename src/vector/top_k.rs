//! Keeping the nearest rows while distances arrive.

use std::cmp::Ordering;

use crate::ids::RowId;

/// The order of rows at the same distance, which is that of their keys, and where in it a page begins.
///
/// Asked only for rows that tie. The answers must form a total order; where keys cannot be read, fall back to the order
/// of the rows for all of them alike.
pub(crate) trait Order: Sync {
    /// Whether `a` comes first.
    fn before(&self, a: RowId, b: RowId) -> bool;

    /// Whether a row at exactly the distance where a page begins was on an earlier page, and so is left out.
    fn passed(&self, row: RowId) -> bool;
}

/// An order of rows without pages.
impl<F: Fn(RowId, RowId) -> bool + Sync> Order for F {
    fn before(&self, a: RowId, b: RowId) -> bool {
        self(a, b)
    }

    fn passed(&self, _: RowId) -> bool {
        false
    }
}

/// The `k` nearest of the rows offered so far, whatever the order in which they were offered.
///
/// Candidates pile up behind the k-th and are cut back when there are as many again, so an offer costs a comparison
/// and, seldom, a push; keeping the best 100,000 is no dearer per row than keeping the best ten.
#[derive(Debug)]
pub(crate) struct TopK {
    k: usize,
    bound: f32,
    kept: Vec<(f32, RowId)>,
}

/// Room behind the k-th for small `k`, so that cutting back stays rare.
const MIN_SPARE: usize = 16;

impl TopK {
    pub(crate) fn new(k: usize) -> TopK {
        TopK { k, bound: f32::INFINITY, kept: Vec::new() }
    }

    /// The same, turning away what is further than `bound`.
    #[must_use]
    pub(crate) fn within(self, bound: f32) -> TopK {
        TopK { bound, ..self }
    }

    /// What is further away than this need not be offered. What is exactly as far may still win by its key.
    pub(crate) fn bound(&self) -> f32 {
        self.bound
    }

    /// Takes a row into account. A distance that is not a number is never among the nearest.
    #[inline(always)]
    pub(crate) fn offer(&mut self, distance: f32, row: RowId, order: &dyn Order) {
        if distance <= self.bound {
            self.keep(distance, row, order);
        }
    }

    /// The nearest first.
    pub(crate) fn into_sorted(mut self, order: &dyn Order) -> Vec<(f32, RowId)> {
        self.kept.sort_unstable_by(|a, b| compare(a, b, order));
        self.kept.truncate(self.k);
        self.kept
    }

    fn keep(&mut self, distance: f32, row: RowId, order: &dyn Order) {
        if self.k == 0 {
            return;
        }
        self.kept.push((distance, row));
        if self.kept.len() == self.k {
            let furthest = self.kept.iter().map(|kept| kept.0).max_by(f32::total_cmp);
            self.bound = furthest.unwrap_or(self.bound);
        } else if self.kept.len() >= self.k + self.k.max(MIN_SPARE) {
            let (_, last, _) = self.kept.select_nth_unstable_by(self.k - 1, |a, b| compare(a, b, order));
            self.bound = last.0;
            self.kept.truncate(self.k);
        }
    }
}

/// By distance, then as `order` says, then by row, so that even equal keys in a damaged segment have an order.
fn compare(a: &(f32, RowId), b: &(f32, RowId), order: &dyn Order) -> Ordering {
    a.0.total_cmp(&b.0).then_with(|| match () {
        () if a.1 == b.1 => Ordering::Equal,
        () if order.before(a.1, b.1) => Ordering::Less,
        () if order.before(b.1, a.1) => Ordering::Greater,
        () => a.1.cmp(&b.1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn falling(a: RowId, b: RowId) -> bool {
        a > b
    }

    proptest! {
        #[test]
        fn keeps_what_sorting_everything_would(
            distances in prop::collection::vec(0u8..20, 0..300),
            k in 0usize..70,
            bound in prop_oneof![Just(f32::INFINITY), (0u8..20).prop_map(f32::from)],
        ) {
            let rows: Vec<(f32, RowId)> =
                distances.iter().enumerate().map(|(row, d)| (f32::from(*d), RowId(row as u32))).collect();
            let mut top = TopK::new(k).within(bound);
            for (index, (distance, row)) in rows.iter().enumerate() {
                top.offer(*distance, *row, &falling);
                let mut sorted: Vec<f32> = rows[..=index].iter().map(|row| row.0).filter(|d| *d <= bound).collect();
                sorted.sort_by(f32::total_cmp);
                if let Some(kth) = k.checked_sub(1).and_then(|last| sorted.get(last)) {
                    prop_assert!(top.bound() >= *kth);
                }
            }
            let mut expected: Vec<_> = rows.into_iter().filter(|row| row.0 <= bound).collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            expected.truncate(k);
            prop_assert_eq!(top.into_sorted(&falling), expected);
        }
    }

    #[test]
    fn the_bound_tightens_as_soon_as_k_are_known() {
        let mut top = TopK::new(2);
        top.offer(5.0, RowId(0), &falling);
        assert_eq!(top.bound(), f32::INFINITY);
        top.offer(3.0, RowId(1), &falling);
        assert_eq!(top.bound(), 5.0);
    }

    #[test]
    fn infinite_distances_count_and_no_numbers_do_not() {
        let mut top = TopK::new(3);
        for (row, distance) in [f32::NAN, f32::INFINITY, -f32::NAN, 1.0].into_iter().enumerate() {
            top.offer(distance, RowId(row as u32), &falling);
        }
        assert_eq!(top.into_sorted(&falling), [(1.0, RowId(3)), (f32::INFINITY, RowId(1))]);
    }

    #[test]
    fn equal_keys_fall_back_to_the_order_of_rows() {
        let never = |_: RowId, _: RowId| false;
        let mut top = TopK::new(3);
        for row in (0..40).rev() {
            top.offer(1.0, RowId(row), &never);
        }
        assert_eq!(top.into_sorted(&never), [(1.0, RowId(0)), (1.0, RowId(1)), (1.0, RowId(2))]);
    }

    #[test]
    fn a_hundred_thousand_are_kept_from_falling_distances() {
        let mut top = TopK::new(100_000);
        for row in 0..400_000u32 {
            top.offer((400_000 - row) as f32, RowId(row), &falling);
        }
        let kept = top.into_sorted(&falling);
        assert_eq!((kept.len(), kept[0], kept[99_999]), (100_000, (1.0, RowId(399_999)), (100_000.0, RowId(300_000))));
    }
}
