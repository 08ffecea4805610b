//! The energy distance (Székely and Rizzo 2013): sees any difference of laws; strong for means and spreads.

use super::distances::{Distances, Pairs};
use super::permutation::Statistic;

/// 2·E|X - Y| - E|X - X'| - E|Y - Y'| over all pairs, a row with itself included; in units of the distance.
#[derive(Debug, Clone)]
pub struct Energy {
    x_len: usize,
    pairs: Pairs,
}

impl Energy {
    /// Of distances. A permutation costs min(n, m)²/2 additions.
    pub fn new(distances: &Distances) -> Energy {
        Energy { x_len: distances.x_len(), pairs: distances.pairs(|distance| distance) }
    }

    /// The effect: the unbiased energy over 2·E|X - Y|, from about 0 without drift to 1 for samples apart from each
    /// other. May be a little below 0; 0 where all rows are equal.
    pub fn coefficient(&self) -> f64 {
        let (xx, yy, xy) = self.means(&(0..self.x_len).collect::<Vec<_>>(), 1.0);
        if xy == 0.0 { 0.0 } else { (2.0 * xy - xx - yy) / (2.0 * xy) }
    }

    /// Mean distances within and between the labels; `own` of a row's own pair is left out, 0 or 1.
    fn means(&self, x: &[usize], own: f64) -> (f64, f64, f64) {
        let (n, m) = (x.len() as f64, (self.pairs.len() - x.len()) as f64);
        let sums = self.pairs.sums(x);
        (2.0 * sums.xx / (n * (n - own)), 2.0 * sums.yy / (m * (m - own)), sums.xy / (n * m))
    }
}

impl Statistic for Energy {
    fn pooled(&self) -> usize {
        self.pairs.len()
    }

    fn x_len(&self) -> usize {
        self.x_len
    }

    fn value(&self, x: &[usize]) -> f64 {
        let (xx, yy, xy) = self.means(x, 0.0);
        2.0 * xy - xx - yy
    }
}
