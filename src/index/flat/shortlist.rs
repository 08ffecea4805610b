//! Rows that may be among the nearest, as far as their codes tell.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::super::comparison::Comparison;
use super::super::{Found, Query, Scope, Vectors};
use crate::error::Result;
use crate::ids::RowId;
use crate::quantization::bounds::Bounds;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::top_k::TopK;

/// Rows read between two looks at whether to stop.
const ROWS_PER_LOOK: usize = 1024;

/// Keeps every row whose lower bound is not above the k-th smallest upper bound so far.
///
/// That number only falls, and every row with one of the k smallest upper bounds has a lower bound below it. So what is
/// left at the end is the same in whichever order rows are offered.
#[derive(Debug)]
pub(in crate::index) struct Shortlist {
    k: usize,
    floor: Option<f32>,
    /// No wanted row is further away than this.
    most: f32,
    /// The k smallest upper bounds.
    uppers: BinaryHeap<Upper>,
    rows: Vec<(f32, RowId)>,
}

impl Shortlist {
    pub(in crate::index) fn new(query: &Query<'_>) -> Shortlist {
        Shortlist { k: query.k, floor: query.floor, most: query.bound, uppers: BinaryHeap::new(), rows: Vec::new() }
    }

    /// Rows with a lower bound above this need not be offered.
    pub(in crate::index) fn most(&self) -> f32 {
        self.most
    }

    pub(in crate::index) fn offer(&mut self, bounds: Bounds, row: RowId) {
        let passed = self.floor.is_some_and(|floor| bounds.upper < floor);
        if bounds.lower > self.most || passed || self.k == 0 {
            return;
        }
        self.rows.push((bounds.lower, row));
        // A row that may belong to the page before does not count as one of the k.
        let counts = self.floor.is_none_or(|floor| bounds.lower > floor);
        if !counts || bounds.upper > self.most {
            return;
        }
        self.uppers.push(Upper(bounds.upper));
        if self.uppers.len() > self.k {
            self.uppers.pop();
        }
        if self.uppers.len() == self.k
            && let Some(last) = self.uppers.peek()
        {
            self.most = self.most.min(last.0);
        }
    }

    /// Reads the rows that are left, those with the lowest bounds first, and stops when no other can be nearer.
    pub(in crate::index) fn settle(
        mut self,
        vectors: &dyn Vectors,
        comparison: &Comparison<'_>,
        query: &Query<'_>,
        scope: &Scope<'_>,
    ) -> Result<Found> {
        let most = self.most;
        self.rows.retain(|row| row.0 <= most);
        self.rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        kernel::with(Settle { rows: &self.rows, vectors, comparison, query, scope })
    }
}

/// Computing the distances of the rows on a shortlist.
struct Settle<'a> {
    rows: &'a [(f32, RowId)],
    vectors: &'a dyn Vectors,
    comparison: &'a Comparison<'a>,
    query: &'a Query<'a>,
    scope: &'a Scope<'a>,
}

impl Task for Settle<'_> {
    type Output = Result<Found>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Result<Found> {
        let Settle { vectors, query, scope, .. } = self;
        let mut nearest = TopK::new(query.k).within(query.bound);
        let mut found = Found::default();
        for (place, (lower, row)) in self.rows.iter().enumerate() {
            if *lower > nearest.bound() {
                break;
            }
            if place % ROWS_PER_LOOK == ROWS_PER_LOOK - 1 && (scope.stop)() {
                found.cut = true;
                break;
            }
            let inverse_norm = if self.comparison.is_cosine() { vectors.inverse_norm(*row)? } else { 1.0 };
            let distance = self.comparison.distance(kernels, vectors.row(*row)?, inverse_norm);
            found.distances += 1;
            if query.reaches(distance, *row, scope.order) {
                nearest.offer(distance, *row, scope.order);
            }
        }
        found.bytes = found.distances * vectors.shape().row_bytes() as u64;
        found.hits = nearest.into_sorted(scope.order);
        Ok(found)
    }
}

/// An upper bound, in the order of numbers.
#[derive(Debug, PartialEq)]
struct Upper(f32);

impl Eq for Upper {}

impl PartialOrd for Upper {
    fn partial_cmp(&self, other: &Upper) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Upper {
    fn cmp(&self, other: &Upper) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}
