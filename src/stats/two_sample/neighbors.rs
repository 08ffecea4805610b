//! The nearest-neighbour test (Schilling 1986; Henze 1988): strong for new clusters and changes of spread.

use super::distances::Distances;
use super::permutation::Statistic;
use crate::error::{Error, Result};
use crate::stats::check;

/// The share of every row's `k` nearest others that carry its own label.
#[derive(Debug, Clone)]
pub struct Neighbors {
    x_len: usize,
    k: usize,
    nearest: Vec<u32>,
}

impl Neighbors {
    /// Of distances; equal ones by the place of the row. Costs a selection of `k` per row.
    ///
    /// # Errors
    /// A `k` of 0, or of as many as there are rows.
    pub fn new(distances: &Distances, k: usize) -> Result<Neighbors> {
        let len = distances.len();
        check::within("the number of neighbours", k as f64, 1.0, (len - 1) as f64)?;
        let mut nearest = Vec::with_capacity(len * k);
        let mut others: Vec<(f64, u32)> = Vec::with_capacity(len);
        for i in 0..len {
            others.clear();
            others.extend((0..len).filter(|&j| j != i).map(|j| (distances.get(i, j), j as u32)));
            others.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            nearest.extend(others[..k].iter().map(|other| other.1));
        }
        Ok(Neighbors { x_len: distances.x_len(), k, nearest })
    }

    /// Of a graph that was found elsewhere, such as by an index: for every pooled row in turn the places of its `k`
    /// nearest others. An approximate graph keeps the test valid, as permutations move labels only.
    ///
    /// # Errors
    /// A list that is not whole, a place beyond the rows, or no rows of a label.
    pub fn from_graph(x_len: usize, k: usize, nearest: Vec<u32>) -> Result<Neighbors> {
        check::at_least("the list of neighbours", k, 1)?;
        let len = nearest.len() / k;
        check::same_length("the neighbours and k per row", nearest.len(), len * k)?;
        check::within("the rows of x", x_len as f64, 1.0, len.saturating_sub(1) as f64)?;
        if nearest.iter().any(|&place| place as usize >= len) {
            return Err(
                Error::invalid(format!("a neighbour lies beyond the {len} rows")).mend("give places of pooled rows")
            );
        }
        Ok(Neighbors { x_len, k, nearest })
    }

    /// The effect: how much the share exceeds what equal laws would give, on average.
    pub fn excess(&self) -> f64 {
        let (n, all) = (self.x_len as f64, self.pooled() as f64);
        let m = all - n;
        self.observed() - (n * (n - 1.0) + m * (m - 1.0)) / (all * (all - 1.0))
    }
}

impl Statistic for Neighbors {
    fn pooled(&self) -> usize {
        self.nearest.len() / self.k
    }

    fn x_len(&self) -> usize {
        self.x_len
    }

    fn value(&self, x: &[usize]) -> f64 {
        let mut is_x = vec![false; self.pooled()];
        x.iter().for_each(|&place| is_x[place] = true);
        let lists = self.nearest.chunks_exact(self.k).zip(&is_x);
        let same =
            |(list, &label): (&[u32], &bool)| list.iter().filter(|&&place| is_x[place as usize] == label).count();
        lists.map(same).sum::<usize>() as f64 / self.nearest.len() as f64
    }
}
