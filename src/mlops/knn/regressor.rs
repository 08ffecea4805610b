//! Labels that are numbers.

use serde::Serialize;

use super::neighbours::{Neighbour, Search, Weights};
use crate::database::collection::Collection;
use crate::error::{Error, Result};
use crate::filter::{IntoFilter, field};
use crate::payload::Value;
use crate::stats::performance::{Regression, regression};
use crate::vector::Vector;

/// Tells a number of a vector from those of its nearest records: their mean, or their mean by weight.
///
/// Records without a number in the field are passed over and counted. An estimate costs a query of `k`, and another where
/// one of the nearest has no number.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::mlops::KnnRegressor;
/// use driftline::{Database, Metric, Record, Schema, json};
/// let db = Database::in_memory()?;
/// let flats = db.create_collection("flats", Schema::vector(1, Metric::L2))?;
/// flats.put_all((1..=9u64).map(|rooms| {
///     Record::new(rooms).vector([rooms as f32]).payload(json!({"rent": rooms * 300}))
/// }))?;
/// let estimate = KnnRegressor::new(&flats, "rent").k(3).predict([4.1])?;
/// assert_eq!(estimate.value, 1200.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a regressor does nothing until it is asked"]
pub struct KnnRegressor(Search<f64>);

/// What a vector was estimated at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The mean of the neighbours' numbers, by weight.
    pub value: f64,
    /// Who voted, nearest first; fewer than `k` where the collection has no more records with a number.
    pub neighbours: Vec<Neighbour<f64>>,
    /// How many of the `k` nearest were passed over for want of a number.
    pub unlabelled: usize,
}

impl KnnRegressor {
    /// Learns from the numbers in `target_field`, a name or a path such as `size.net`.
    pub fn new(collection: &Collection, target_field: impl Into<String>) -> KnnRegressor {
        let name = target_field.into();
        let labelled = field(&name).ge(f64::MIN);
        KnnRegressor(Search::new(collection, name, Value::as_f64, labelled))
    }

    /// How many neighbours vote: 1 to 100,000, default 5.
    pub fn k(mut self, k: usize) -> KnnRegressor {
        self.0.k = k;
        self
    }

    /// What their votes weigh; default [`Weights::Uniform`].
    pub fn weights(mut self, weights: Weights) -> KnnRegressor {
        self.0.weights = weights;
        self
    }

    /// Which share of the neighbours an index finds on average, as [`Query::recall`](crate::Query::recall): default 0.95,
    /// and 1 for exactly the nearest.
    pub fn recall(mut self, recall: f32) -> KnnRegressor {
        self.0.recall = Some(recall);
        self
    }

    /// Only records that pass vote; a second filter is asked beside the first. Fails with `Filter` when it cannot be read.
    pub fn filter(self, filter: impl IntoFilter) -> Result<KnnRegressor> {
        Ok(KnnRegressor(self.0.filtered(filter)?))
    }

    /// The number of a vector. Fails as [`KnnClassifier::predict`](super::KnnClassifier::predict) does.
    pub fn predict(&self, vector: impl Into<Vector>) -> Result<Estimate> {
        let estimates = self.predict_all([vector])?;
        estimates.into_iter().next().ok_or_else(|| Error::internal("a vector without an estimate"))
    }

    /// The numbers of many vectors, in their order; faster than one by one.
    pub fn predict_all<V: Into<Vector>>(&self, vectors: impl IntoIterator<Item = V>) -> Result<Vec<Estimate>> {
        let voters = self.0.voters(vectors.into_iter().map(Into::into).collect())?;
        let estimate = |neighbours: Vec<Neighbour<f64>>, unlabelled| {
            // Weighted before they are added, so that no sum of large numbers overflows.
            let value = neighbours.iter().map(|neighbour| neighbour.weight * neighbour.label).sum();
            Estimate { value, neighbours, unlabelled }
        };
        Ok(voters.into_iter().map(|voters| estimate(voters.neighbours, voters.unlabelled)).collect())
    }

    /// How near the estimates come to the numbers of these rows, which must not be in the collection.
    pub fn evaluate<V: Into<Vector>>(&self, rows: impl IntoIterator<Item = (V, f64)>) -> Result<Regression> {
        let (vectors, truth): (Vec<V>, Vec<f64>) = rows.into_iter().unzip();
        let predicted: Vec<f64> = self.predict_all(vectors)?.iter().map(|estimate| estimate.value).collect();
        regression(&truth, &predicted)
    }
}
