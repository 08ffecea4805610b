//! Statistics of one column that are permuted: of numbers along a line, and of rows in bins.

use crate::stats::two_sample::Statistic;

/// Rows of both samples that are permuted at most: a test then takes some seconds.
pub(super) const MOST_ROWS: usize = 200_000;

/// Wasserstein-1 along one line or, on average, along several: the area between two distribution functions.
pub(super) struct Areas {
    lines: Vec<Line>,
    pooled: usize,
    x_len: usize,
}

/// The pooled rows from left to right, and the step from each to the next.
struct Line {
    order: Vec<u32>,
    steps: Vec<f64>,
}

impl Areas {
    /// Of lines that hold the pooled values, those of x first, and are of one length.
    pub(super) fn new(lines: Vec<Vec<f64>>, x_len: usize) -> Areas {
        let pooled = lines.first().map_or(0, Vec::len);
        Areas { lines: lines.iter().map(|values| Line::new(values)).collect(), pooled, x_len }
    }
}

impl Line {
    fn new(values: &[f64]) -> Line {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]));
        let steps = order.windows(2).map(|pair| values[pair[1] as usize] - values[pair[0] as usize]).collect();
        Line { order, steps }
    }

    fn area(&self, is_x: &[bool], up: f64, down: f64) -> f64 {
        let (mut gap, mut area) = (0.0, 0.0);
        for (&row, step) in self.order.iter().zip(&self.steps) {
            gap += if is_x[row as usize] { up } else { -down };
            area += gap.abs() * step;
        }
        area
    }
}

impl Statistic for Areas {
    fn pooled(&self) -> usize {
        self.pooled
    }

    fn x_len(&self) -> usize {
        self.x_len
    }

    fn value(&self, x: &[usize]) -> f64 {
        let is_x = labels(self.pooled, x);
        let (up, down) = (1.0 / x.len() as f64, 1.0 / (self.pooled - x.len()) as f64);
        self.lines.iter().map(|line| line.area(&is_x, up, down)).sum::<f64>() / self.lines.len() as f64
    }
}

/// Any measure of two lists of counts.
pub(super) struct Binned<M> {
    bins: Vec<u32>,
    total: Vec<u64>,
    x_len: usize,
    measure: M,
}

impl<M: Fn(&[u64], &[u64]) -> f64> Binned<M> {
    /// Of the bin of each pooled row, those of x first, below `count`.
    pub(super) fn new(bins: Vec<u32>, count: usize, x_len: usize, measure: M) -> Binned<M> {
        let mut total = vec![0; count];
        bins.iter().for_each(|&bin| total[bin as usize] += 1);
        Binned { bins, total, x_len, measure }
    }

    /// Bins that have rows.
    pub(super) fn occupied(&self) -> u64 {
        self.total.iter().filter(|count| **count > 0).count() as u64
    }
}

impl<M: Fn(&[u64], &[u64]) -> f64> Statistic for Binned<M> {
    fn pooled(&self) -> usize {
        self.bins.len()
    }

    fn x_len(&self) -> usize {
        self.x_len
    }

    fn value(&self, x: &[usize]) -> f64 {
        let mut counts = vec![0; self.total.len()];
        x.iter().for_each(|&row| counts[self.bins[row] as usize] += 1);
        let rest: Vec<u64> = self.total.iter().zip(&counts).map(|(total, count)| total - count).collect();
        (self.measure)(&counts, &rest)
    }
}

fn labels(pooled: usize, x: &[usize]) -> Vec<bool> {
    let mut is_x = vec![false; pooled];
    x.iter().for_each(|&row| is_x[row] = true);
    is_x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::wasserstein;

    #[test]
    fn areas_are_wasserstein_distances() {
        let (x, y) = ([3.0, 1.0, 4.0, 1.0], [5.0, 9.0, 2.0]);
        let areas = Areas::new(vec![[&x[..], &y[..]].concat()], 4);
        let wanted = wasserstein::distance(&x[..], &y[..]).unwrap();
        assert!((areas.observed() - wanted).abs() < 1e-12);
    }

    #[test]
    fn bins_are_counted_by_label() {
        let gap = |x: &[u64], y: &[u64]| x[0] as f64 * 100.0 + y[1] as f64;
        let binned = Binned::new(vec![0, 0, 1, 1, 1], 2, 2, gap);
        assert_eq!((binned.observed(), binned.value(&[2, 3])), (203.0, 1.0));
    }
}
