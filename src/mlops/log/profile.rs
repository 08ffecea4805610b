//! What the log tells of a time: figures that were kept as vectors came, and a sample.

use std::sync::Arc;

use super::sketch::Sketch;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;
use crate::stats::quantile::Kll;
use crate::stats::rows::Rows;

/// What vectors of a model and a time are like: their count, the mean and variance of every dimension, quantiles of their
/// lengths, and what is odd about them.
///
/// It is made of what was kept while they were logged, so it costs no reading of vectors but at the ends of the range, where
/// that lies inside a window. What is kept of a window stays when its vectors go, but a range begins no earlier than what is kept of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    model: Arc<ModelId>,
    range: TimeRange,
    sketch: Sketch,
}

impl Profile {
    pub(super) fn new(model: &Arc<ModelId>, range: TimeRange, sketch: Sketch) -> Profile {
        Profile { model: Arc::clone(model), range, sketch }
    }

    /// The model that made the vectors.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// The time it tells of.
    pub fn range(&self) -> TimeRange {
        self.range
    }

    /// Vectors.
    pub fn count(&self) -> u64 {
        self.sketch.count()
    }

    /// The mean vector; zeros where there are none.
    pub fn mean(&self) -> &[f64] {
        self.sketch.moments.mean()
    }

    /// The variance of every dimension, divided by the count; zeros where there are none.
    pub fn variance(&self) -> Vec<f64> {
        self.sketch.moments.population_variance()
    }

    /// The lengths of the vectors (L2).
    pub fn norms(&self) -> &Kll {
        &self.sketch.norms
    }

    /// When the oldest vector was made.
    pub fn first(&self) -> Option<Timestamp> {
        self.sketch.times.map(|times| times.0)
    }

    /// When the newest vector was made.
    pub fn last(&self) -> Option<Timestamp> {
        self.sketch.times.map(|times| times.1)
    }

    /// Vectors of zeros. The cosine takes none, so there only are any under another metric.
    pub fn zero_vectors(&self) -> u64 {
        self.sketch.zeros
    }

    /// Vectors that were logged with their input or its hash.
    pub fn with_input(&self) -> u64 {
        self.sketch.inputs.total()
    }

    /// The share of these whose input had come before in this time: exact while at most 256 inputs differ, and else
    /// estimated from 256 of them, drawn by their hashes.
    pub fn repeated_inputs(&self) -> f64 {
        self.sketch.inputs.repeated_share()
    }

    /// The keys of a uniform sample of the vectors, as many as the space keeps of a window, in an order of chance.
    pub fn sample_keys(&self) -> impl ExactSizeIterator<Item = u64> {
        self.sketch.rows.keys()
    }
}

/// Vectors drawn by chance from those of a model and a time, each as likely as any other, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Sample {
    /// Their numbers in the space.
    pub keys: Vec<u64>,
    /// When they were made.
    pub times: Vec<Timestamp>,
    /// The vectors, one after the other.
    pub vectors: Vec<f32>,
    /// Numbers in each.
    pub dimension: usize,
}

impl Sample {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The vectors for [`stats`](crate::stats). Fails with `Invalid` where there are none.
    pub fn rows(&self) -> Result<Rows<'_, f32>> {
        Rows::new(&self.vectors, self.dimension)
    }
}
