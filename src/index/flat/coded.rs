//! One query by codes: a quarter of the bytes of a scan.
//!
//! The threads share one shortlist, so that each leaves out what the others know to be too far.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::comparison::Comparison;
use super::super::{Found, Query, Scope, Vectors, live_word, rows_of};
use super::CHUNK_BYTES;
use super::shortlist::Shortlist;
use crate::error::Result;
use crate::ids::RowId;
use crate::pool::Pool;
use crate::quantization::bounds::{Bounds, CodedQuery, Limit};
use crate::quantization::int8::Codes;
use crate::sync::{AtomicU32, Mutex, Ordering};
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::metric::Metric;

/// Of a word with more live rows than this, all 64 are compared: one stream is read faster than its parts.
const DENSE: u32 = 24;

/// Rows that memory is asked for before they are compared, where few rows are live.
const AHEAD: usize = 8;

/// Rows whose bounds are compared in one go.
const GROUP: usize = 8;

pub(super) fn search(
    vectors: &dyn Vectors,
    codes: &Codes<'_>,
    coded: &CodedQuery,
    comparison: &Comparison<'_>,
    query: &Query<'_>,
    scope: &Scope<'_>,
    pool: &Pool,
) -> Result<Found> {
    let shared = Shared::new(query);
    let chunk_rows = (CHUNK_BYTES / codes.row_bytes()).next_multiple_of(64);
    let parts = pool.map(codes.len().div_ceil(chunk_rows), |chunk| {
        if (scope.stop)() {
            return Ok(None);
        }
        let range = chunk * chunk_rows..codes.len().min((chunk + 1) * chunk_rows);
        let compared =
            kernel::with(Pass { coded, codes, metric: query.metric, scope, shared: &shared, range: range.clone() });
        Ok(Some((compared, range.len() as u64)))
    })?;
    let found = shared.list.into_inner().settle(vectors, comparison, query, scope)?;
    let (compared, visited) = parts.iter().flatten().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    Ok(Found {
        code_distances: compared,
        visited,
        bytes: found.bytes + compared * codes.row_bytes() as u64,
        cut: found.cut || parts.contains(&None),
        ..found
    })
}

/// The shortlist of all threads, and its limit where it can be read without the lock.
struct Shared {
    list: Mutex<Shortlist>,
    most: AtomicU32,
}

impl Shared {
    fn new(query: &Query<'_>) -> Shared {
        let list = Shortlist::new(query);
        Shared { most: AtomicU32::new(list.most().to_bits()), list: Mutex::new(list) }
    }

    /// A limit that may be a moment old, and is then too high.
    #[inline(always)]
    fn most(&self) -> f32 {
        f32::from_bits(self.most.load(Ordering::Relaxed))
    }

    fn offer(&self, bounds: Bounds, row: usize) {
        if bounds.lower <= self.most() {
            let mut list = self.list.lock();
            list.offer(bounds, RowId(row as u32));
            self.most.store(list.most().to_bits(), Ordering::Relaxed);
        }
    }
}

/// Comparing some rows by their codes; how many were live.
struct Pass<'a> {
    coded: &'a CodedQuery,
    codes: &'a Codes<'a>,
    metric: Metric,
    scope: &'a Scope<'a>,
    shared: &'a Shared,
    range: Range<usize>,
}

impl Task for Pass<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> u64 {
        let (mut most, mut compared) = (self.shared.most(), 0);
        // Single rows, far from one another, that memory was asked for.
        let mut ahead = VecDeque::with_capacity(AHEAD + 1);
        let mut limit = self.coded.limit(most);
        for number in self.range.start / 64..self.range.end.div_ceil(64) {
            let word = live_word(self.scope.live, number, self.range.end);
            if word == 0 {
                continue;
            }
            compared += u64::from(word.count_ones());
            let now = self.shared.most();
            if now != most {
                (most, limit) = (now, self.coded.limit(now));
            }
            if self.metric != Metric::L1 && word.count_ones() > DENSE {
                self.offer_all(kernels, &limit, number, word);
                continue;
            }
            for row in rows_of(number, word) {
                kernels.prefetch(self.codes.of(row, 1));
                ahead.push_back(row);
                if ahead.len() > AHEAD
                    && let Some(row) = ahead.pop_front()
                {
                    self.offer_one(kernels, &limit, row);
                }
            }
        }
        ahead.into_iter().for_each(|row| self.offer_one(kernels, &limit, row));
        compared
    }
}

impl Pass<'_> {
    /// Compares all rows of a word and offers the live ones.
    #[inline(always)]
    fn offer_all<K: Kernels>(&self, kernels: K, limit: &Limit, number: usize, word: u64) {
        let first = number * 64;
        let mut dots = [0; 64];
        let dots = &mut dots[..(self.range.end - first).min(64)];
        kernels.code_dots(&self.coded.whole, self.codes.of(first, dots.len()), dots);
        if limit.any_passes(dots, self.codes.columns().of(first, dots.len())) {
            for (group, dots) in dots.chunks(GROUP).enumerate() {
                self.offer_passing(limit, first + group * GROUP, dots, word >> (group * GROUP));
            }
        }
    }

    /// Offers the live ones of some rows, given their inner products, unless none passes.
    #[inline(always)]
    fn offer_passing(&self, limit: &Limit, first: usize, dots: &[i32], live: u64) {
        if !limit.any_passes(dots, self.codes.columns().of(first, dots.len())) {
            return;
        }
        for (place, dot) in dots.iter().enumerate() {
            if live >> place & 1 == 1 {
                let row = first + place;
                self.shared.offer(self.coded.bounds(*dot, self.codes.columns().row(row)), row);
            }
        }
    }

    /// Compares one row and offers it.
    #[inline(always)]
    fn offer_one<K: Kernels>(&self, kernels: K, limit: &Limit, row: usize) {
        if self.metric == Metric::L1 {
            return self.offer_sum(kernels, row);
        }
        let mut dot = [0];
        kernels.code_dots(&self.coded.whole, self.codes.of(row, 1), &mut dot);
        self.offer_passing(limit, row, &dot, !0);
    }

    #[inline(always)]
    fn offer_sum<K: Kernels>(&self, kernels: K, row: usize) {
        let factors = self.codes.columns().row(row);
        let sum = kernels.code_l1(&self.coded.floats, self.codes.of(row, 1), factors.scale);
        self.shared.offer(self.coded.l1_bounds(sum, factors), row);
    }
}
