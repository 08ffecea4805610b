//! Features that are vectors: of which dimension, how long, and which of their numbers vary.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::repeats::{LEAST_CHANCE, chance_of_none};
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
    /// Vectors that it was learned from.
    #[serde(default)]
    pub rows: u64,
    /// How many of them have another number than most, in dimensions where most have the same.
    #[serde(default)]
    pub seldom: BTreeMap<usize, u64>,
}

impl VectorShape {
    /// Of values that are all vectors of one dimension.
    pub(super) fn of(values: &[&Value]) -> Option<VectorShape> {
        let first = numbers(values.first()?)?;
        let mut open = OpenVector { varies: vec![false; first.len()], first, before: None };
        let mut norms = (f64::INFINITY, 0.0f64);
        for value in values {
            let norm = norm(value).filter(|_| dimension(value) == Some(open.first.len()))?;
            norms = (norms.0.min(norm), norms.1.max(norm));
            open.note(value);
        }
        let constant_dimensions = (0..open.varies.len()).filter(|place| !open.varies[*place]).collect();
        let (dimension, rows) = (open.first.len(), values.len() as u64);
        Some(VectorShape { dimension, norms, constant_dimensions, rows, seldom: seldom(values, dimension) })
    }

    /// Whether so many vectors may well have one number there.
    fn may_rest(&self, place: usize, rows: u64) -> bool {
        let seldom = self.seldom.get(&place);
        self.constant_dimensions.contains(&place)
            || seldom.is_some_and(|odd| chance_of_none(self.rows, *odd, rows) >= LEAST_CHANCE)
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
    before: Option<VectorShape>,
}

impl OpenVector {
    /// Begins with the first vector of a window; none where it is no vector.
    pub(super) fn of(value: &Value, baseline: Option<&VectorShape>) -> Option<OpenVector> {
        let first = numbers(value)?;
        Some(OpenVector { varies: vec![false; first.len()], first, before: baseline.cloned() })
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

    /// Dimensions that did not vary in so many vectors, and did before.
    pub(super) fn dead(&self, rows: u64) -> u64 {
        let may_rest = |place| self.before.as_ref().is_some_and(|before| before.may_rest(place, rows));
        let is_dead = |place: &usize| !self.varies[*place] && !may_rest(*place);
        (0..self.varies.len()).filter(is_dead).count() as u64
    }
}

/// Of dimensions in which most vectors have the same number and some another: how many have another.
fn seldom(values: &[&Value], dimension: usize) -> BTreeMap<usize, u64> {
    // The one number that may be that of most (Boyer and Moore 1991), and how many are left for it.
    let mut most = vec![(0.0, 0u64); dimension];
    let vectors = || values.iter().filter_map(|value| numbers(value));
    for vector in vectors() {
        for ((number, left), value) in most.iter_mut().zip(vector) {
            match *left {
                0 => (*number, *left) = (value, 1),
                _ if *number == value => *left += 1,
                _ => *left -= 1,
            }
        }
    }
    let mut odd = vec![0u64; dimension];
    for vector in vectors() {
        for ((odd, (number, _)), value) in odd.iter_mut().zip(&most).zip(vector) {
            *odd += u64::from(*number != value);
        }
    }
    let some = |(_, odd): &(usize, u64)| *odd > 0 && odd * 2 < values.len() as u64;
    odd.into_iter().enumerate().filter(some).collect()
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
