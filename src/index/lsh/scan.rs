//! Looking into buckets and comparing the rows in them: by their codes where they have any, then as they are.

use super::probes::Probes;
use super::seen::Seen;
use super::tables::Buckets;
use crate::error::Result;
use crate::ids::RowId;
use crate::index::comparison::Comparison;
use crate::index::flat::shortlist::Shortlist;
use crate::index::{Found, Query, Scope, Vectors};
use crate::quantization::bounds::{Bounds, CodedQuery, Limit};
use crate::quantization::int8::Codes;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::metric::Metric;
use crate::vector::top_k::TopK;

/// Rows whose codes memory is asked for before they are compared.
const BATCH: usize = 32;

/// Probes between two looks at whether to stop.
const PROBES_PER_LOOK: u32 = 16;

/// Candidates that tell something of others.
const SOME: u64 = 16;

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// No more probes than this in all.
    pub(super) probes: u32,
    /// No probe after so many rows were compared.
    pub(super) compared: u64,
}

/// What is looked for, and in what.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) query: &'a Query<'a>,
    pub(super) scope: &'a Scope<'a>,
    pub(super) vectors: &'a dyn Vectors,
    pub(super) comparison: &'a Comparison<'a>,
    /// Codes of all rows, where there are any.
    pub(super) codes: Option<Codes<'a>>,
}

/// One search, as far as it has come.
pub(super) struct Scan<'a> {
    ask: Ask<'a>,
    buckets: &'a dyn Buckets,
    /// How often a row must be seen to be compared.
    hits: u8,
    probes: Probes,
    seen: Seen,
    nearest: Nearest<'a>,
    tally: Tally,
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) probes: u32,
    /// Rows seen.
    pub(super) visited: u64,
    /// Rows seen often enough to be compared.
    pub(super) candidates: u64,
    /// Of those, the live ones, which were compared.
    pub(super) compared: u64,
    /// Of those again, how many are on an earlier page for sure.
    pub(super) behind: u64,
    /// Going on would take longer than comparing with all live rows.
    pub(super) hopeless: bool,
    pub(super) cut: bool,
}

impl Tally {
    /// Rows compared that are on no earlier page.
    pub(super) fn others(&self) -> u64 {
        self.compared - self.behind
    }

    /// About the share of the candidates that is live, once there were some; rather more than less.
    pub(super) fn live_share(&self) -> Option<f32> {
        (self.candidates >= SOME).then(|| (self.compared + 4) as f32 / (self.candidates + 4) as f32)
    }
}

/// The nearest so far.
enum Nearest<'a> {
    /// By codes, and compared as they are in the end.
    Coded(Box<Coded<'a>>),
    Plain(TopK),
}

/// A search by codes.
struct Coded<'a> {
    codes: Codes<'a>,
    query: CodedQuery,
    limit: Limit,
    list: Shortlist,
}

impl<'a> Scan<'a> {
    /// Ready to look into the buckets that `probes` say, with room for all rows in `seen`.
    pub(super) fn new(ask: &Ask<'a>, buckets: &'a dyn Buckets, hits: u8, probes: Probes, seen: Seen) -> Scan<'a> {
        let coded = ask.codes.and_then(|codes| ask.comparison.coded(codes.stride()).map(|coded| (codes, coded)));
        let nearest = match coded {
            Some((codes, coded)) => {
                let list = Shortlist::new(ask.query);
                Nearest::Coded(Box::new(Coded { codes, limit: coded.limit(list.most()), query: coded, list }))
            }
            None => Nearest::Plain(TopK::new(ask.query.k).within(ask.query.bound)),
        };
        Scan { ask: *ask, buckets, hits, probes, seen, nearest, tally: Tally::default() }
    }

    /// Goes on until a limit is reached or no probe is left; what was done so far.
    pub(super) fn run(&mut self, limits: Limits) -> Result<Tally> {
        kernel::with(Run { scan: self, limits })?;
        Ok(self.tally)
    }

    /// Compares what is left to compare. Gives the room back.
    pub(super) fn finish(self) -> Result<(Found, Seen)> {
        let Scan { ask, tally, .. } = self;
        let row_bytes = ask.vectors.shape().row_bytes() as u64;
        let found = match self.nearest {
            Nearest::Coded(coded) => {
                let Coded { codes, list, .. } = *coded;
                let found = list.settle(ask.vectors, ask.comparison, ask.query, ask.scope)?;
                let bytes = found.bytes + tally.compared * codes.row_bytes() as u64;
                Found { code_distances: tally.compared, bytes, ..found }
            }
            Nearest::Plain(nearest) => Found {
                hits: nearest.into_sorted(ask.scope.order),
                distances: tally.compared,
                bytes: tally.compared * row_bytes,
                ..Found::default()
            },
        };
        let cut = found.cut || tally.cut;
        Ok((Found { visited: tally.visited, cut, plan: super::super::Plan::Hashes, ..found }, self.seen))
    }
}

/// Going on with a scan.
struct Run<'s, 'a> {
    scan: &'s mut Scan<'a>,
    limits: Limits,
}

impl Task for Run<'_, '_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Result<()> {
        let Run { scan, limits } = self;
        let (mut bucket, mut fresh, mut batch) = (Vec::new(), Vec::new(), Vec::with_capacity(BATCH));
        while !scan.tally.cut
            && scan.tally.probes < limits.probes
            && scan.tally.compared + (batch.len() as u64) < limits.compared
        {
            if scan.tally.probes % PROBES_PER_LOOK == 0 && (scan.ask.scope.stop)() {
                scan.tally.cut = true;
                break;
            }
            let Some((table, hash)) = scan.probes.next() else { break };
            scan.tally.probes += 1;
            scan.buckets.bucket(table, hash, &mut bucket)?;
            scan.tally.visited += scan.seen.see(&bucket, scan.hits, &mut fresh);
            scan.tally.candidates += fresh.len() as u64;
            for row in &fresh {
                if scan.ask.scope.live.has(*row as usize) {
                    scan.nearest.prefetch(kernels, *row);
                    batch.push(*row);
                    if batch.len() == BATCH {
                        scan.compare(kernels, &mut batch)?;
                    }
                }
            }
        }
        scan.compare(kernels, &mut batch)
    }
}

impl Scan<'_> {
    /// Compares the rows of a batch and empties it.
    #[inline(always)]
    fn compare<K: Kernels>(&mut self, kernels: K, batch: &mut Vec<u32>) -> Result<()> {
        let Ask { query, scope, vectors, comparison, .. } = self.ask;
        self.tally.compared += batch.len() as u64;
        for row in batch.drain(..) {
            let row = RowId(row);
            let behind = match &mut self.nearest {
                Nearest::Coded(coded) => {
                    let Some(bounds) = coded.bounds(kernels, query.metric, row) else { continue };
                    coded.offer(bounds, row);
                    query.floor.is_some_and(|floor| bounds.upper < floor)
                }
                Nearest::Plain(nearest) => {
                    let inverse_norm = if comparison.is_cosine() { vectors.inverse_norm(row)? } else { 1.0 };
                    let distance = comparison.distance(kernels, vectors.row(row)?, inverse_norm);
                    let reaches = query.reaches(distance, row, scope.order);
                    if reaches {
                        nearest.offer(distance, row, scope.order);
                    }
                    !reaches
                }
            };
            self.tally.behind += u64::from(behind);
        }
        Ok(())
    }
}

impl Nearest<'_> {
    #[inline(always)]
    fn prefetch<K: Kernels>(&self, kernels: K, row: u32) {
        if let Nearest::Coded(coded) = self {
            let (codes, row) = (&coded.codes, row as usize);
            kernels.prefetch(codes.of(row, 1));
            let factors = codes.columns().of(row, 1);
            for factor in [factors.scales, factors.lengths, factors.errors] {
                kernels.prefetch(bytemuck::cast_slice(factor));
            }
        }
    }
}

impl Coded<'_> {
    /// Between which numbers the distance of a row lies; `None` where it is beyond the limit for sure.
    #[inline(always)]
    fn bounds<K: Kernels>(&self, kernels: K, metric: Metric, row: RowId) -> Option<Bounds> {
        let Coded { codes, query, limit, .. } = self;
        let (columns, row) = (codes.columns(), row.index());
        if metric == Metric::L1 {
            let factors = columns.row(row);
            return Some(query.l1_bounds(kernels.code_l1(&query.floats, codes.of(row, 1), factors.scale), factors));
        }
        let mut dot = [0];
        kernels.code_dots(&query.whole, codes.of(row, 1), &mut dot);
        limit.any_passes(&dot, columns.of(row, 1)).then(|| query.bounds(dot[0], columns.row(row)))
    }

    #[inline(always)]
    fn offer(&mut self, bounds: Bounds, row: RowId) {
        let most = self.list.most();
        self.list.offer(bounds, row);
        if self.list.most() != most {
            self.limit = self.query.limit(self.list.most());
        }
    }
}
