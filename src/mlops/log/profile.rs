//! What the log tells of a time: figures that were kept as vectors came, and a sample.

use std::sync::Arc;

use serde::Serialize;

use super::sketch::Sketch;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;
use crate::stats::quantile::Kll;
use crate::stats::rows::Rows;

/// What vectors of a model and a time are like: their count, the mean and variance of every dimension, quantiles of their
/// lengths, and what is odd about them.
///
/// It is made of what was kept while they were logged, so it costs no reading of vectors but at the ends of the range, where
/// that lies inside a window. A range begins no earlier than what is kept of the vectors.
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

    /// What is odd about the vectors, held against those of another time of the same model, where all was well.
    ///
    /// # Errors
    /// `Dimension` when the other has vectors of another dimension.
    pub fn quality(&self, normal: &Profile) -> Result<EmbeddingQuality> {
        let (now, before) = (self.variance(), normal.variance());
        if now.len() != before.len() {
            let message = format!("vectors of {} numbers are held against those of {}", now.len(), before.len());
            return Err(Error::new(ErrorKind::Dimension, message).mend("compare vectors of one model and version"));
        }
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let enough = self.count().min(normal.count()) >= LEAST_FOR_DEAD;
        let died = now.iter().zip(&before).filter(|(now, before)| enough && **now == 0.0 && **before > 0.0).count();
        let middle = |norms: &Kll| norms.quantile(0.5).map(|length| length.filter(|length| *length > 0.0));
        let shift = middle(self.norms())?.zip(middle(normal.norms())?).map(|(now, before)| now / before - 1.0);
        Ok(EmbeddingQuality {
            vectors: self.count(),
            zero_norm: share(self.zero_vectors(), self.count()),
            repeated_inputs: self.repeated_inputs(),
            dead_dimensions: share(died as u64, now.len() as u64),
            norm_shift: shift,
        })
    }

    /// The keys of a uniform sample of the vectors, as many as the space keeps of a window, in an order of chance.
    pub fn sample_keys(&self) -> impl ExactSizeIterator<Item = u64> {
        self.sketch.rows.keys()
    }
}

/// A dimension is called dead where so many vectors on both sides say so.
const LEAST_FOR_DEAD: u64 = 30;

/// What is odd about the vectors of a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EmbeddingQuality {
    /// Vectors.
    pub vectors: u64,
    /// The share of vectors of zeros.
    pub zero_norm: f64,
    /// The share of vectors whose input had come before.
    pub repeated_inputs: f64,
    /// The share of dimensions that have one value, and varied before; 0 below 30 vectors a side.
    pub dead_dimensions: f64,
    /// By which share of itself the median length (L2) has moved; none where one of them is 0 or unknown.
    pub norm_shift: Option<f64>,
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
