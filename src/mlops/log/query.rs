//! Searching the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::EmbeddingLog;
use super::entry::Logged;
use super::rows::{Slices, in_times};
use super::space::Space;
use crate::collection::hits::{Completeness, Hit, QueryStats};
use crate::database::cancel::CancelToken;
use crate::database::query::{Query, check_k};
use crate::error::{Error, Result};
use crate::filter::{Filter, IntoFilter};
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;

const DEFAULT_K: usize = 10;

/// How much of the nearest is to be found.
#[derive(Debug, Clone, Copy)]
enum Effort {
    Usual,
    Recall(f32),
    Ef(usize),
    Exact,
}

/// A search for the logged vectors of one model that are nearest to a vector, built step by step and run once.
///
/// Every slice of time that meets the range is searched as a collection is, see [`Query`]; the answer is the nearest of all,
/// equal distances in the order in which they were logged.
#[derive(Debug)]
#[must_use = "a query does nothing until it is run"]
pub struct LogQuery {
    log: EmbeddingLog,
    model: ModelId,
    vector: Option<Vec<f32>>,
    k: usize,
    times: TimeRange,
    within: f32,
    filter: Option<Filter>,
    effort: Effort,
    deadline: Option<Duration>,
    cancel: CancelToken,
}

/// A logged vector near to that of a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogHit {
    /// The logged vector, with its model and time.
    #[serde(flatten)]
    pub logged: Logged,
    /// How far it is: lower is closer, in the units of the space's metric.
    pub distance: f32,
    /// How alike it is: higher is closer, see [`Hit::similarity`](crate::Hit::similarity).
    pub similarity: f32,
}

/// The answer to a search of the log, nearest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogHits {
    /// The hits.
    pub hits: Vec<LogHit>,
    /// Whether they are all there is.
    pub completeness: Completeness,
    /// What finding them cost, over all slices.
    pub stats: QueryStats,
}

impl LogHits {
    /// The numbers of the hits, nearest first.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.hits.iter().map(|hit| hit.logged.key)
    }
}

impl EmbeddingLog {
    /// Begins a search of the vectors of a model.
    pub fn query(&self, model: &ModelId) -> LogQuery {
        LogQuery {
            log: self.clone(),
            model: model.clone(),
            vector: None,
            k: DEFAULT_K,
            times: TimeRange::ALL,
            within: f32::INFINITY,
            filter: None,
            effort: Effort::Usual,
            deadline: None,
            cancel: CancelToken::new(),
        }
    }
}

impl LogQuery {
    /// The vector to search around, made by the model.
    pub fn nearest(mut self, vector: impl Into<Vec<f32>>) -> LogQuery {
        self.vector = Some(vector.into());
        self
    }

    /// How many to return: 1 to 100,000, default 10.
    pub fn k(mut self, k: usize) -> LogQuery {
        self.k = k;
        self
    }

    /// Only vectors of this time. Default all.
    pub fn within_times(mut self, times: TimeRange) -> LogQuery {
        self.times = times;
        self
    }

    /// Only vectors at most this far away. Default any distance.
    pub fn within(mut self, distance: f32) -> LogQuery {
        self.within = distance;
        self
    }

    /// Only vectors whose payload, number (`@key`) and time (`@time`) pass: text such as `lang = 'en'`, or a [`Filter`]. A
    /// second filter is asked beside the first. Fails with `Filter` when it cannot be read.
    pub fn filter(mut self, filter: impl IntoFilter) -> Result<LogQuery> {
        let filter = filter.into_filter()?;
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
        Ok(self)
    }

    /// As [`Query::recall`], in every slice.
    pub fn recall(mut self, recall: f32) -> LogQuery {
        self.effort = Effort::Recall(recall);
        self
    }

    /// As [`Query::ef`], in every slice.
    pub fn ef(mut self, ef: usize) -> LogQuery {
        self.effort = Effort::Ef(ef);
        self
    }

    /// As [`Query::exact`].
    pub fn exact(mut self) -> LogQuery {
        self.effort = Effort::Exact;
        self
    }

    /// How long the search may take; one that takes longer ends with what it has found, and says so.
    pub fn deadline(mut self, time: Duration) -> LogQuery {
        self.deadline = Some(time);
        self
    }

    /// Lets `token` stop the search, which then fails with `Cancelled`.
    pub fn cancel(mut self, token: &CancelToken) -> LogQuery {
        self.cancel = token.clone();
        self
    }

    /// Runs the search. Fails with `NotFound` when nothing was logged of the model, and with `Dimension` for a vector of
    /// another dimension.
    pub fn run(self) -> Result<LogHits> {
        let start = Instant::now();
        let space = self.log.space(&self.model)?;
        check_k(self.k)?;
        let vector = self.vector.as_deref();
        let vector =
            vector.ok_or_else(|| Error::invalid("the query has no vector").mend("give one with LogQuery::nearest"))?;
        if vector.len() != space.plan.dimension {
            return Err(space.plan.wrong_dimension(&space.model, vector.len()));
        }
        let mut found = Found { k: self.k, ..Found::default() };
        let times = TimeRange { from: self.times.from.max(space.floor()), ..self.times };
        let slices = Slices::of(&self.log.db, space.number)?;
        // The newest first: a search that is cut then has what most ask for.
        let meeting: Vec<i64> = slices.within(&space.plan, times).collect();
        for slice in meeting.into_iter().rev() {
            let left = self.deadline.map(|time| time.saturating_sub(start.elapsed()));
            let query = self.of_slice(&slices, slice, &space, times)?.nearest(vector);
            let query = left.into_iter().fold(query, Query::deadline);
            found.add(slice, query.run()?);
        }
        found.stats.elapsed = start.elapsed();
        self.answer(&space, &slices, found)
    }

    /// The search of one slice, but for its vector.
    fn of_slice(&self, slices: &Slices, slice: i64, space: &Space, times: TimeRange) -> Result<Query> {
        let mut query = slices.collection(slice)?.query().k(self.k).within(self.within).cancel(&self.cancel);
        query = match self.effort {
            Effort::Usual => query,
            Effort::Recall(recall) => query.recall(recall),
            Effort::Ef(ef) => query.ef(ef),
            Effort::Exact => query.exact(),
        };
        let own = space.plan.times_of(slice);
        if own.from < times.from || times.to < own.to {
            query = query.filter(in_times(times))?;
        }
        self.filter.iter().try_fold(query, Query::filter)
    }

    fn answer(&self, space: &Space, slices: &Slices, found: Found) -> Result<LogHits> {
        let mut hits = Vec::with_capacity(found.nearest.len());
        for (hit, slice) in found.nearest {
            self.cancel.check()?;
            let key = hit.key.as_number().unwrap_or_default();
            let Some(record) = slices.get(slice, key)? else { continue };
            let logged = Logged::of(&Arc::clone(&space.model), record)?;
            hits.push(LogHit { logged, distance: hit.distance, similarity: hit.similarity() });
        }
        let short = hits.len() < self.k && self.filter.is_some() && self.within == f32::INFINITY;
        let completeness = match () {
            () if found.cut => Completeness::BudgetHit,
            () if short => Completeness::FilterExhausted,
            () => Completeness::Complete,
        };
        Ok(LogHits { hits, completeness, stats: found.stats })
    }
}

/// The nearest of the slices so far, each with its slice.
#[derive(Debug, Default)]
struct Found {
    k: usize,
    nearest: Vec<(Hit, i64)>,
    stats: QueryStats,
    cut: bool,
}

impl Found {
    fn add(&mut self, slice: i64, hits: crate::collection::hits::Hits) {
        self.cut |= hits.completeness == Completeness::BudgetHit;
        let QueryStats { segments, visited, distances, code_distances, evaluated, bytes, .. } = hits.stats;
        self.stats.segments += segments;
        self.stats.visited += visited;
        self.stats.distances += distances;
        self.stats.code_distances += code_distances;
        self.stats.evaluated += evaluated;
        self.stats.bytes += bytes;
        self.nearest.extend(hits.into_iter().map(|hit| (hit, slice)));
        self.nearest.sort_by(|(a, _), (b, _)| a.distance.total_cmp(&b.distance).then_with(|| a.key.cmp(&b.key)));
        self.nearest.truncate(self.k);
    }
}
