//! How far a walk has to reach for the recall that is wanted, as measured when the graph was built.

use crate::bytes::{Reader, Truncated, Write};

/// A curve has at most so many points.
const MAX_POINTS: usize = 256;

/// What walks of one reach found and took, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) reach: f32,
    /// The share of the true neighbours that was found.
    pub(super) recall: f32,
    /// Rows looked at from within.
    pub(super) hops: f32,
}

/// For some number of neighbours, points by rising reach.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    pub(super) k: u32,
    pub(super) points: Vec<Point>,
}

/// Curves for rising numbers of neighbours.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Curves(pub(super) Vec<Curve>);

impl Curve {
    /// The point where this recall is reached, between those that were measured; the last one where none does.
    fn at(&self, recall: f32) -> Point {
        let fallback = Point { reach: 1.5, recall: 1.0, hops: 0.0 };
        let after = self.points.partition_point(|point| point.recall < recall);
        match (after.checked_sub(1).and_then(|before| self.points.get(before)), self.points.get(after)) {
            (Some(before), Some(after)) => {
                let share = (recall - before.recall) / (after.recall - before.recall).max(f32::MIN_POSITIVE);
                let between = |of: fn(&Point) -> f32| of(before) + share * (of(after) - of(before));
                Point { reach: between(|p| p.reach), recall, hops: between(|p| p.hops) }
            }
            (None, Some(first)) => *first,
            (Some(last), None) => *last,
            (None, None) => fallback,
        }
    }
}

impl Curves {
    /// What it takes to find this share of the `k` nearest: between the curves of the numbers of neighbours around `k`.
    pub(super) fn at(&self, k: usize, recall: f32) -> Point {
        let k = k.max(1) as f32;
        let after = self.0.partition_point(|curve| (curve.k as f32) < k);
        match (after.checked_sub(1).and_then(|before| self.0.get(before)), self.0.get(after)) {
            (Some(before), Some(after)) => {
                let share = (k / before.k as f32).ln() / (after.k as f32 / before.k as f32).ln();
                let (low, high) = (before.at(recall), after.at(recall));
                let between = |of: fn(&Point) -> f32| of(&low) + share * (of(&high) - of(&low));
                Point { reach: between(|p| p.reach), recall, hops: between(|p| p.hops) }
            }
            (_, Some(curve)) => curve.at(recall),
            // Rows to look at grow with the neighbours that are wanted.
            (Some(last), None) => {
                let point = last.at(recall);
                Point { hops: point.hops * k / last.k as f32, ..point }
            }
            (None, None) => Curve { k: 1, points: Vec::new() }.at(recall),
        }
    }

    /// The stored form (frozen).
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u32(self.0.len() as u32);
        for curve in &self.0 {
            bytes.put_u32(curve.k);
            bytes.put_u32(curve.points.len() as u32);
            for Point { reach, recall, hops } in &curve.points {
                [reach, recall, hops].into_iter().for_each(|value| bytes.put_u32(value.to_bits()));
            }
        }
        bytes
    }

    /// Reads what `encode` wrote; `None` when these are no curves.
    pub(super) fn decode(bytes: &[u8]) -> Option<Curves> {
        let mut reader = Reader::new(bytes);
        let mut read = || -> Result<Curves, Truncated> {
            let mut curves = Vec::new();
            for _ in 0..reader.count(8)? {
                let k = reader.u32()?;
                let mut points = Vec::new();
                for _ in 0..reader.count(12)? {
                    let mut float = || reader.u32().map(f32::from_bits);
                    points.push(Point { reach: float()?, recall: float()?, hops: float()? });
                }
                curves.push(Curve { k, points });
            }
            Ok(Curves(curves))
        };
        let curves = read().ok()?;
        let sound =
            reader.is_empty() && curves.0.is_sorted_by(|a, b| a.k < b.k) && curves.0.iter().all(Curve::is_sound);
        sound.then_some(curves)
    }
}

impl Curve {
    fn is_sound(&self) -> bool {
        let finite = |point: &Point| {
            point.reach.is_finite() && point.reach > 0.0 && (0.0..=1.0).contains(&point.recall) && point.hops >= 0.0
        };
        self.k > 0
            && (1..=MAX_POINTS).contains(&self.points.len())
            && self.points.iter().all(finite)
            && self.points.is_sorted_by(|a, b| a.reach < b.reach && a.recall <= b.recall)
    }
}
