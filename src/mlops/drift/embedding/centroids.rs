//! How far the mean vectors are apart, with a p: a line to watch. Blind to changes of spread.

use crate::error::Result;
use crate::stats::rows::Rows;
use crate::stats::two_sample::{self, PermutationTest, Permutations, Statistic, permute};

/// The cosine distance of the mean vectors, tested; none where one of them is 0 and has no direction.
pub(in crate::mlops::drift) fn test(
    x: Rows<'_, f32>,
    y: Rows<'_, f32>,
    permutations: Permutations,
) -> Result<Option<PermutationTest>> {
    if two_sample::centroids(x, y)?.cosine_distance.is_none() {
        return Ok(None);
    }
    permute(&Centroids::new(x, y), permutations).map(Some)
}

struct Centroids<'a> {
    rows: Vec<&'a [f32]>,
    x_len: usize,
    total: Vec<f64>,
}

impl<'a> Centroids<'a> {
    fn new(x: Rows<'a, f32>, y: Rows<'a, f32>) -> Centroids<'a> {
        let rows: Vec<&[f32]> = x.iter().chain(y.iter()).collect();
        let total = sum(&rows, 0..rows.len(), x.dimension());
        Centroids { rows, x_len: x.len(), total }
    }
}

fn sum(rows: &[&[f32]], places: impl Iterator<Item = usize>, dimension: usize) -> Vec<f64> {
    let mut sums = vec![0.0; dimension];
    for place in places {
        sums.iter_mut().zip(rows[place]).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums
}

impl Statistic for Centroids<'_> {
    fn pooled(&self) -> usize {
        self.rows.len()
    }

    fn x_len(&self) -> usize {
        self.x_len
    }

    fn value(&self, x: &[usize]) -> f64 {
        let (mut dot, mut left, mut right) = (0.0, 0.0, 0.0);
        for (x, total) in sum(&self.rows, x.iter().copied(), self.total.len()).into_iter().zip(&self.total) {
            let y = total - x;
            dot += x * y;
            left += x * x;
            right += y * y;
        }
        let norms = (left * right).sqrt();
        if norms > 0.0 { 1.0 - dot / norms } else { 0.0 }
    }
}
