//! Features that are vectors: of which dimension, how long, and which of their numbers vary.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::payload::Value;

/// Longer arrays are not taken for vectors.
const MAX_DIMENSION: usize = 16_384;
/// By which share of itself a length may lie beyond those of the baseline: rounding is no finding.
const MARGIN: f64 = 0.01;

/// What vectors look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorShape {
    /// Numbers in each.
    pub dimension: usize,
    /// The least and the greatest length (L2).
    pub norms: (f64, f64),
    /// Dimensions that always have the same value, counted from 0.
    pub constant_dimensions: BTreeSet<usize>,
}

impl VectorShape {
    /// Of values that are all vectors of one dimension.
    pub(super) fn of(values: &[&Value]) -> Option<VectorShape> {
        let first = numbers(values.first()?)?;
        let mut open = OpenVector { varies: vec![false; first.len()], first, constant_before: BTreeSet::new() };
        let mut norms = (f64::INFINITY, 0.0f64);
        for value in values {
            let norm = norm(value).filter(|_| dimension(value) == Some(open.first.len()))?;
            norms = (norms.0.min(norm), norms.1.max(norm));
            open.note(value);
        }
        let constant_dimensions = (0..open.varies.len()).filter(|place| !open.varies[*place]).collect();
        Some(VectorShape { dimension: open.first.len(), norms, constant_dimensions })
    }

    pub(super) fn has_dimension_of(&self, value: &Value) -> bool {
        numbers(value).is_some_and(|numbers| numbers.len() == self.dimension)
    }

    /// Whether vectors of this length are usual.
    pub(super) fn is_usual(&self, norm: f64) -> bool {
        (self.norms.0 * (1.0 - MARGIN)..=self.norms.1 * (1.0 + MARGIN)).contains(&norm)
    }
}

/// Which dimensions of a window's vectors vary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OpenVector {
    first: Vec<f64>,
    varies: Vec<bool>,
    constant_before: BTreeSet<usize>,
}

impl OpenVector {
    /// Begins with the first vector of a window; none where it is no vector.
    pub(super) fn of(value: &Value, baseline: Option<&VectorShape>) -> Option<OpenVector> {
        let first = numbers(value)?;
        let constant_before = baseline.map(|shape| shape.constant_dimensions.clone()).unwrap_or_default();
        Some(OpenVector { varies: vec![false; first.len()], first, constant_before })
    }

    /// Looks at another one; those of another dimension tell nothing.
    pub(super) fn note(&mut self, value: &Value) {
        let Some(numbers) = numbers(value).filter(|numbers| numbers.len() == self.first.len()) else { return };
        for ((varies, first), number) in self.varies.iter_mut().zip(&self.first).zip(numbers) {
            *varies |= *first != number;
        }
    }

    pub(super) fn dimension(&self) -> u64 {
        self.varies.len() as u64
    }

    /// Dimensions that did not vary and did before.
    pub(super) fn dead(&self) -> u64 {
        let is_dead = |place: &usize| !self.varies[*place] && !self.constant_before.contains(place);
        (0..self.varies.len()).filter(is_dead).count() as u64
    }
}

fn dimension(value: &Value) -> Option<usize> {
    value.as_array().map(<[Value]>::len)
}

/// The numbers of a vector; none for what is none.
fn numbers(value: &Value) -> Option<Vec<f64>> {
    let values = value.as_array().filter(|values| (1..=MAX_DIMENSION).contains(&values.len()))?;
    values.iter().map(Value::as_f64).collect()
}

/// The length of a vector; none where it is beyond all numbers.
pub(super) fn norm(value: &Value) -> Option<f64> {
    let norm = numbers(value)?.iter().map(|number| number * number).sum::<f64>().sqrt();
    norm.is_finite().then_some(norm)
}
