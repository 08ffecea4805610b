//! The neighbours that vote, and what each vote weighs.

use serde::Serialize;

use crate::collection::hits::{Hit, Hits};
use crate::collection::select::Select;
use crate::database::collection::Collection;
use crate::database::query::Query;
use crate::error::{Error, Result};
use crate::filter::{self, Filter, IntoFilter};
use crate::key::Key;
use crate::payload::Value;
use crate::vector::Vector;
use crate::vector::metric::Metric;

/// Queries that go out together.
const BATCH: usize = 256;

/// What the vote of a neighbour weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weights {
    /// All votes are equal.
    #[default]
    Uniform,
    /// One over the distance: the length of the difference under `l2`, else the metric's own distance. Where neighbours
    /// are at distance 0, these alone vote, equally. Refused under `dot`, whose distances may be negative.
    Distance,
}

/// A record that voted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Neighbour<L> {
    /// Its key.
    pub key: Key,
    /// How far away it is, by the metric of the collection.
    pub distance: f32,
    /// What it says.
    pub label: L,
    /// What its vote weighs; those of all neighbours add up to 1.
    pub weight: f64,
}

/// Who votes on a vector, nearest first, and how many of the nearest could not.
#[derive(Debug)]
pub(super) struct Voters<L> {
    pub(super) neighbours: Vec<Neighbour<L>>,
    pub(super) unlabelled: usize,
}

/// How neighbours are found and read.
#[derive(Debug, Clone)]
pub(super) struct Search<L> {
    collection: Collection,
    field: String,
    /// Takes a label from its field; none where it is none.
    read: fn(&Value) -> Option<L>,
    /// Lets only records through that have a label.
    labelled: Filter,
    pub(super) k: usize,
    pub(super) weights: Weights,
    pub(super) recall: Option<f32>,
    filter: Option<Filter>,
}

impl<L> Search<L> {
    pub(super) fn new(
        collection: &Collection,
        field: String,
        read: fn(&Value) -> Option<L>,
        labelled: Filter,
    ) -> Search<L> {
        let (collection, weights) = (collection.clone(), Weights::Uniform);
        Search { collection, field, read, labelled, k: 5, weights, recall: None, filter: None }
    }

    pub(super) fn filtered(mut self, filter: impl IntoFilter) -> Result<Search<L>> {
        let filter = filter.into_filter()?;
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
        Ok(self)
    }

    /// Who votes on each of these vectors, in their order.
    pub(super) fn voters(&self, vectors: Vec<Vector>) -> Result<Vec<Voters<L>>> {
        let metric = self.metric()?;
        let mut all = Vec::with_capacity(vectors.len());
        for part in vectors.chunks(BATCH) {
            let answers = self.query()?.run_many(part.iter().cloned())?;
            for (vector, hits) in part.iter().zip(answers) {
                all.push(self.voters_of(vector, hits, metric)?);
            }
        }
        Ok(all)
    }

    /// Where some of the nearest have no label, others further away take their places.
    fn voters_of(&self, vector: &Vector, hits: Hits, metric: Metric) -> Result<Voters<L>> {
        let found = hits.len();
        let mut neighbours = self.labels(hits);
        let unlabelled = found - neighbours.len();
        if unlabelled > 0 {
            let labelled = self.query()?.filter(&self.labelled)?.nearest(vector.clone());
            neighbours = self.labels(labelled.run()?);
        }
        if neighbours.is_empty() {
            return Err(self.nobody(vector));
        }
        weigh(&mut neighbours, self.weights, metric);
        Ok(Voters { neighbours, unlabelled })
    }

    fn query(&self) -> Result<Query> {
        let query = self.collection.query().k(self.k).select(Select::fields([self.field.clone()]));
        let query = self.recall.into_iter().fold(query, Query::recall);
        self.filter.iter().try_fold(query, |query, filter| query.filter(filter))
    }

    fn labels(&self, hits: Hits) -> Vec<Neighbour<L>> {
        let labelled = |hit: Hit| {
            let record = hit.record.as_ref()?;
            let label = (self.read)(record.payload.get(&self.field)?)?;
            Some(Neighbour { key: hit.key, distance: hit.distance, label, weight: 0.0 })
        };
        hits.into_iter().filter_map(labelled).collect()
    }

    fn metric(&self) -> Result<Metric> {
        let place = || format!("collection {}", self.collection.name());
        let metric = self.collection.schema()?.metric().ok_or_else(|| {
            Error::invalid("a collection without vectors has no neighbours")
                .at(place())
                .mend("learn from one with vectors")
        })?;
        if self.weights == Weights::Distance && metric == Metric::Dot {
            return Err(Error::invalid("distances of `dot` may be negative and cannot weigh votes")
                .at(place())
                .mend("take Weights::Uniform, or a collection by cosine or l2"));
        }
        Ok(metric)
    }

    /// Nobody has a label: the field may be misspelt, so it is held against those of the nearest record.
    fn nobody(&self, vector: &Vector) -> Error {
        let error = Error::invalid(format!("no record has a label in the field `{}`", self.field))
            .at(format!("collection {}", self.collection.name()));
        let nearest = self.collection.query().k(1).select(Select::Record).nearest(vector.clone()).run();
        let record = nearest.ok().and_then(|hits| hits.into_iter().next()).and_then(|hit| hit.record);
        let fields = record.as_ref().and_then(|record| record.payload.as_object());
        match fields.and_then(|fields| filter::suggest(&self.field, fields.keys().map(String::as_str))) {
            Some(field) => error.mend(format!("did you mean `{field}`?")),
            None => error.mend("name the field that holds the labels, or let more records through the filter"),
        }
    }
}

fn weigh<L>(neighbours: &mut [Neighbour<L>], weights: Weights, metric: Metric) {
    let length = |distance: f32| match metric {
        Metric::L2 => f64::from(distance).sqrt(),
        _ => f64::from(distance),
    };
    let touching = neighbours.iter().any(|neighbour| neighbour.distance <= 0.0);
    for neighbour in neighbours.iter_mut() {
        neighbour.weight = match weights {
            Weights::Uniform => 1.0,
            Weights::Distance if touching => f64::from(u8::from(neighbour.distance <= 0.0)),
            Weights::Distance => length(neighbour.distance).recip(),
        };
    }
    let sum: f64 = neighbours.iter().map(|neighbour| neighbour.weight).sum();
    // Distances that overflowed weigh nothing; where all did, all are equally far away.
    let count = neighbours.len() as f64;
    let share = |weight: f64| if sum > 0.0 { weight / sum } else { count.recip() };
    neighbours.iter_mut().for_each(|neighbour| neighbour.weight = share(neighbour.weight));
}
