//! Labels that are one of several.

use serde::Serialize;

use super::neighbours::{Neighbour, Search, Weights};
use crate::database::collection::Collection;
use crate::error::Result;
use crate::filter::{IntoFilter, field};
use crate::payload::Value;
use crate::stats::performance::Confusion;
use crate::vector::Vector;

/// Tells the label of a vector from those of its nearest records.
///
/// A label is a text, a number or a truth value in a field of the payload. Records without one are passed over and
/// counted. The label of the largest weight wins; of equal ones that whose first record is nearest, where equal distances
/// come in key order. A prediction costs a query of `k`, and another where one of the nearest has no label.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::mlops::{KnnClassifier, Weights};
/// use driftline::{Database, Metric, Record, Schema, json};
/// let db = Database::in_memory()?;
/// let fruit = db.create_collection("fruit", Schema::vector(2, Metric::L2))?;
/// for (key, vector, kind) in [(1u64, [1.0, 0.0], "apple"), (2, [0.9, 0.1], "apple"), (3, [0.0, 1.0], "pear")] {
///     fruit.put(Record::new(key).vector(vector).payload(json!({"kind": kind})))?;
/// }
/// let learner = KnnClassifier::new(&fruit, "kind").k(3).weights(Weights::Distance);
/// let prediction = learner.predict([0.8, 0.1])?;
/// assert_eq!(prediction.label, "apple".into());
/// assert!(prediction.shares[0].share > 0.8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a classifier does nothing until it is asked"]
pub struct KnnClassifier(Search<Value>);

/// What a vector was taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Prediction {
    /// The label that won.
    pub label: Value,
    /// Every label that got a vote, the winner first.
    pub shares: Vec<LabelShare>,
    /// Who voted, nearest first; fewer than `k` where the collection has no more records with a label.
    pub neighbours: Vec<Neighbour<Value>>,
    /// How many of the `k` nearest were passed over for want of a label.
    pub unlabelled: usize,
}

/// A label and its share of the votes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LabelShare {
    /// The label.
    pub label: Value,
    /// From 0 to 1; the shares of all labels add up to 1.
    pub share: f64,
}

impl KnnClassifier {
    /// Learns from the labels in `label_field`, a name or a path such as `review.verdict`.
    pub fn new(collection: &Collection, label_field: impl Into<String>) -> KnnClassifier {
        let name = label_field.into();
        let named = || field(&name);
        let labelled = named().ge("").or(named().ge(f64::MIN)).or(named().ge(false));
        KnnClassifier(Search::new(collection, name, label, labelled))
    }

    /// How many neighbours vote: 1 to 100,000, default 5.
    pub fn k(mut self, k: usize) -> KnnClassifier {
        self.0.k = k;
        self
    }

    /// What their votes weigh; default [`Weights::Uniform`].
    pub fn weights(mut self, weights: Weights) -> KnnClassifier {
        self.0.weights = weights;
        self
    }

    /// Which share of the neighbours an index finds on average, as [`Query::recall`](crate::Query::recall): default 0.95,
    /// and 1 for exactly the nearest.
    pub fn recall(mut self, recall: f32) -> KnnClassifier {
        self.0.recall = Some(recall);
        self
    }

    /// Only records that pass vote; a second filter is asked beside the first. Fails with `Filter` when it cannot be read.
    pub fn filter(self, filter: impl IntoFilter) -> Result<KnnClassifier> {
        Ok(KnnClassifier(self.0.filtered(filter)?))
    }

    /// The label of a vector. Fails with `Invalid` where no record has a label, `k` is out of range, or the field is none;
    /// with `Dimension` for a vector that is not of the collection.
    pub fn predict(&self, vector: impl Into<Vector>) -> Result<Prediction> {
        let predictions = self.predict_all([vector])?;
        predictions.into_iter().next().ok_or_else(|| crate::error::Error::internal("a vector without a prediction"))
    }

    /// The labels of many vectors, in their order; faster than one by one.
    pub fn predict_all<V: Into<Vector>>(&self, vectors: impl IntoIterator<Item = V>) -> Result<Vec<Prediction>> {
        let voters = self.0.voters(vectors.into_iter().map(Into::into).collect())?;
        Ok(voters.into_iter().map(|voters| counted(voters.neighbours, voters.unlabelled)).collect())
    }

    /// How often the labels of these rows are found, which must not be in the collection. Labels are told apart by their
    /// text, so `1` and `"1"` are one.
    pub fn evaluate<V: Into<Vector>>(&self, rows: impl IntoIterator<Item = (V, Value)>) -> Result<Confusion<String>> {
        let (vectors, truth): (Vec<V>, Vec<Value>) = rows.into_iter().unzip();
        let predicted: Vec<String> = self.predict_all(vectors)?.iter().map(|it| text(&it.label)).collect();
        Confusion::of(&truth.iter().map(text).collect::<Vec<_>>(), &predicted)
    }
}

fn label(value: &Value) -> Option<Value> {
    let is_label = value.as_text().is_some() || value.as_f64().is_some() || value.as_bool().is_some();
    is_label.then(|| value.clone())
}

fn text(label: &Value) -> String {
    label.as_text().map_or_else(|| label.to_string(), str::to_owned)
}

/// Numbers are equal by value, not by how they are stored.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(x), other) | (other, Value::Float(x)) => other.as_f64() == Some(*x),
        _ => a == b,
    }
}

fn counted(neighbours: Vec<Neighbour<Value>>, unlabelled: usize) -> Prediction {
    let mut shares: Vec<LabelShare> = Vec::new();
    for neighbour in &neighbours {
        match shares.iter_mut().find(|share| same(&share.label, &neighbour.label)) {
            Some(share) => share.share += neighbour.weight,
            None => shares.push(LabelShare { label: neighbour.label.clone(), share: neighbour.weight }),
        }
    }
    // Sums of equal votes in another order differ in their last digits; a stable sort then keeps the nearest first.
    shares.sort_by_key(|share| std::cmp::Reverse((share.share * 1e12).round() as u64));
    let label = shares.first().map_or(Value::Null, |share| share.label.clone());
    Prediction { label, shares, neighbours, unlabelled }
}
