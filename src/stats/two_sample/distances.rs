//! All Euclidean distances between the pooled rows of two samples.

use crate::error::{Error, Result};
use crate::stats::check;
use crate::stats::rows::{Real, Rows, same_dimension};

/// Rows of both samples, at most: the distances then take 1.6 GB.
pub const MOST_ROWS: usize = 20_000;

/// Rows of a tile: two tiles of 768 numbers stay in the second cache.
const TILE: usize = 16;
/// Sums that run side by side, so that additions need not wait for each other.
const LANES: usize = 8;

/// Distances between every pair of pooled rows, those of x first. Takes 4·(n + m)² bytes: 16 MB for 1,000 and 1,000.
#[derive(Debug, Clone, PartialEq)]
pub struct Distances {
    x_len: usize,
    len: usize,
    // Row i holds its distances to i + 1 .. len.
    triangle: Vec<f64>,
}

impl Distances {
    /// Those of `x` and `y`, summed in `f64`. Costs (n + m)²·d/2 multiplications.
    ///
    /// # Errors
    /// Dimensions that differ, fewer than two rows in a sample, or more than [`MOST_ROWS`] in both.
    pub fn between<T: Real>(x: Rows<'_, T>, y: Rows<'_, T>) -> Result<Distances> {
        same_dimension(&x, &y)?;
        check::at_least("the first sample", x.len(), 2)?;
        check::at_least("the second sample", y.len(), 2)?;
        check::at_most("the pooled sample", x.len() + y.len(), MOST_ROWS)?;
        let (d, len) = (x.dimension(), x.len() + y.len());
        let mut rows = x.to_f64();
        rows.extend(y.to_f64());
        let mut distances = Distances { x_len: x.len(), len, triangle: vec![0.0; len * (len - 1) / 2] };
        for from in (0..len).step_by(TILE) {
            for to in (from..len).step_by(TILE) {
                for i in from..len.min(from + TILE) {
                    let (line, offset) = (&rows[i * d..(i + 1) * d], distances.offset(i));
                    for j in to.max(i + 1)..len.min(to + TILE) {
                        distances.triangle[offset + j - i - 1] = euclidean(line, &rows[j * d..(j + 1) * d]);
                    }
                }
            }
        }
        Ok(distances)
    }

    /// Distances that were computed elsewhere, such as by a faster kernel on many threads: for every row in turn those to
    /// all later rows, of which the first `x_len` are x.
    ///
    /// # Errors
    /// A list of another length, a distance below 0 or not finite, or fewer than two rows in a sample.
    pub fn from_triangle(x_len: usize, y_len: usize, triangle: Vec<f64>) -> Result<Distances> {
        check::at_least("the first sample", x_len, 2)?;
        check::at_least("the second sample", y_len, 2)?;
        check::at_most("the first sample", x_len, MOST_ROWS)?;
        check::at_most("the second sample", y_len, MOST_ROWS)?;
        let len = x_len + y_len;
        check::same_length("the distances and the pairs of rows", triangle.len(), len * (len - 1) / 2)?;
        check::finite("the list of distances", &triangle)?;
        if triangle.iter().any(|&distance| distance < 0.0) {
            return Err(Error::invalid("a distance is below 0").mend("give Euclidean distances"));
        }
        Ok(Distances { x_len, len, triangle })
    }

    /// Rows of the first sample.
    pub fn x_len(&self) -> usize {
        self.x_len
    }

    /// Rows of both.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The distance between two pooled rows; panics where there are none.
    pub fn get(&self, i: usize, j: usize) -> f64 {
        match i.cmp(&j) {
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Less => self.triangle[self.offset(i) + j - i - 1],
            std::cmp::Ordering::Greater => self.get(j, i),
        }
    }

    /// The median over all pairs. Costs a selection.
    pub fn median(&self) -> f64 {
        let mut all = self.triangle.clone();
        let middle = all.len() / 2;
        let (below, &mut upper, _) = all.select_nth_unstable_by(middle, f64::total_cmp);
        if !self.triangle.len().is_multiple_of(2) {
            return upper;
        }
        0.5 * (below.iter().copied().fold(0.0, f64::max) + upper)
    }

    fn offset(&self, i: usize) -> usize {
        i * (2 * self.len - i - 1) / 2
    }

    pub(super) fn pairs(&self, of: impl Fn(f64) -> f64) -> Pairs {
        let triangle: Vec<f64> = self.triangle.iter().map(|&distance| of(distance)).collect();
        let (mut row_sums, mut place) = (vec![0.0; self.len], 0);
        for i in 0..self.len {
            for j in i + 1..self.len {
                let value = triangle[place];
                row_sums[i] += value;
                row_sums[j] += value;
                place += 1;
            }
        }
        let total = row_sums.iter().sum::<f64>() / 2.0;
        Pairs { len: self.len, triangle, row_sums, total }
    }
}

fn euclidean(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (x_parts, y_parts) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f64 = x_parts.remainder().iter().zip(y_parts.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
    for (x, y) in x_parts.zip(y_parts) {
        for lane in 0..LANES {
            let step = x[lane] - y[lane];
            sums[lane] += step * step;
        }
    }
    (sums.iter().sum::<f64>() + rest).sqrt()
}

/// A symmetric function of pairs of rows, with the sums that make a permutation cheap.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    len: usize,
    triangle: Vec<f64>,
    row_sums: Vec<f64>,
    total: f64,
}

/// Sums over the pairs i < j of one label, of the other, and of both.
pub(super) struct Sums {
    pub(super) xx: f64,
    pub(super) yy: f64,
    pub(super) xy: f64,
}

impl Pairs {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Sums where `x` are the places of the first label, rising. Costs x²/2 additions over the smaller label: the other
    /// sums follow from those of rows.
    pub(super) fn sums(&self, x: &[usize]) -> Sums {
        if x.len() * 2 > self.len {
            let mut is_x = vec![false; self.len];
            x.iter().for_each(|&place| is_x[place] = true);
            let y: Vec<usize> = (0..self.len).filter(|&place| !is_x[place]).collect();
            let Sums { xx, yy, xy } = self.sums(&y);
            return Sums { xx: yy, yy: xx, xy };
        }
        let rows: f64 = x.iter().map(|&place| self.row_sums[place]).sum();
        let xx: f64 = x.iter().enumerate().map(|(at, &i)| self.line_sum(i, &x[at + 1..])).sum();
        let xy = rows - 2.0 * xx;
        Sums { xx, xy, yy: self.total - xx - xy }
    }

    fn line_sum(&self, i: usize, others: &[usize]) -> f64 {
        let from = i * (2 * self.len - i - 1) / 2;
        let line = &self.triangle[from..from + self.len - i - 1];
        let (mut sums, parts) = ([0.0; 4], others.chunks_exact(4));
        let rest: f64 = parts.remainder().iter().map(|&j| line[j - i - 1]).sum();
        for part in parts {
            for lane in 0..4 {
                sums[lane] += line[part[lane] - i - 1];
            }
        }
        sums.iter().sum::<f64>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_all_pairs() {
        let values: Vec<f64> = (0..90).map(|k| f64::from(k * k % 31)).collect();
        let rows = Rows::new(&values, 3).unwrap();
        let distances = Distances::between(rows, Rows::new(&values[..33], 3).unwrap()).unwrap();
        let pairs = distances.pairs(|distance| distance);
        for x in [vec![0, 5, 6, 40], (1..38).collect()] {
            let sum = |first: bool, second: bool| -> f64 {
                let all = (0..41).flat_map(|i| (i + 1..41).map(move |j| (i, j)));
                let kept = all.filter(|(i, j)| {
                    let labels = (x.contains(i), x.contains(j));
                    labels == (first, second) || labels == (second, first)
                });
                kept.map(|(i, j)| distances.get(j, i)).sum()
            };
            let sums = pairs.sums(&x);
            assert!((sums.xx - sum(true, true)).abs() < 1e-8);
            assert!((sums.yy - sum(false, false)).abs() < 1e-8);
            assert!((sums.xy - sum(true, false)).abs() < 1e-8);
        }
    }

    #[test]
    fn given_distances_are_checked() {
        assert!(Distances::from_triangle(2, 2, vec![1.0; 6]).is_ok());
        assert!(Distances::from_triangle(2, 2, vec![1.0; 5]).is_err());
        assert!(Distances::from_triangle(1, 3, vec![1.0; 6]).is_err());
        assert!(Distances::from_triangle(2, 2, vec![-1.0; 6]).is_err());
    }
}
