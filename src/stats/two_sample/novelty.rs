//! How many rows of y lie where x has none: strong for outliers and small new clusters, which means do not show.

use super::distances::Distances;
use crate::error::Result;
use crate::stats::{check, special};

/// Rows of y that are farther from x than nearly all of x is from the rest of x.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Novelty {
    /// A row of y is novel where its score is greater than this: the score that `share_of_x` of x reaches.
    pub threshold: f64,
    /// Novel rows of y.
    pub count: u64,
    /// Their share of y: about `share_of_x` without drift.
    pub share: f64,
    /// The chance of so many or more where both samples come from one law.
    ///
    /// Counts how often the rows of y would come before the few of x that lie beyond the threshold: hypergeometric, so it
    /// knows that the threshold comes from a sample. A binomial p does not: of 1,000 rows a side, at a level of 0.01 and a
    /// share of 0.01, it would err in 4 of 100 draws.
    pub p: f64,
    /// The score of every row of y: its distance from its `k`-th nearest row of x.
    pub scores: Vec<f64>,
}

/// Scores every row by its distance from its `k`-th nearest row of x, itself left out, and counts those of y that lie
/// beyond the highest `share_of_x` (such as 0.01) of x. Costs a selection per row.
///
/// # Errors
/// A `k` of 0 or of as many as there are rows in x, or a share that is not above 0 and below 1.
pub fn novelty(distances: &Distances, k: usize, share_of_x: f64) -> Result<Novelty> {
    let (n, len) = (distances.x_len(), distances.len());
    check::within("the number of neighbours", k as f64, 1.0, (n - 1) as f64)?;
    check::open_unit("the share of x", share_of_x)?;
    let mut near = Vec::with_capacity(n);
    let mut score = |row: usize| {
        near.clear();
        near.extend((0..n).filter(|&other| other != row).map(|other| distances.get(row, other)));
        *near.select_nth_unstable_by(k - 1, f64::total_cmp).1
    };
    let mut own: Vec<f64> = (0..n).map(&mut score).collect();
    let scores: Vec<f64> = (n..len).map(&mut score).collect();
    own.sort_by(f64::total_cmp);
    let beyond = ((share_of_x * n as f64) as usize).clamp(1, n);
    let threshold = own[n - beyond];
    let count = scores.iter().filter(|&&score| score > threshold).count() as u64;
    let before = count + beyond as u64 - 1;
    let p = special::hypergeometric_tail(count, before, scores.len() as u64, n as u64);
    Ok(Novelty { threshold, count, share: count as f64 / scores.len() as f64, p, scores })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::stats::rows::Rows;

    fn draws(count: usize, random: &mut Random) -> Vec<f64> {
        (0..count * 3).map(|_| crate::stats::normal::draw(random)).collect()
    }

    #[test]
    fn without_drift_it_errs_as_often_as_it_says() {
        let mut alarms = 0;
        for draw in 0..400 {
            let mut random = Random::seeded(23, draw);
            let (x, y) = (draws(120, &mut random), draws(100, &mut random));
            let distances = Distances::between(Rows::new(&x, 3).unwrap(), Rows::new(&y, 3).unwrap()).unwrap();
            alarms += usize::from(novelty(&distances, 5, 0.05).unwrap().p <= 0.05);
        }
        assert!((1..=36).contains(&alarms), "{alarms} of 400");
    }

    #[test]
    fn rows_far_away_are_counted() {
        let mut random = Random::seeded(24, 0);
        let (x, mut y) = (draws(200, &mut random), draws(100, &mut random));
        y[..24].iter_mut().for_each(|value| *value += 20.0);
        let distances = Distances::between(Rows::new(&x, 3).unwrap(), Rows::new(&y, 3).unwrap()).unwrap();
        let novelty = novelty(&distances, 5, 0.01).unwrap();
        assert!((8..=11).contains(&novelty.count) && novelty.p < 1e-3, "{novelty:?}");
        assert!(novelty.scores[..8].iter().all(|&score| score > novelty.threshold));
    }

    #[test]
    fn more_neighbours_than_rows_are_refused() {
        let rows = Rows::new(&[1.0, 2.0, 3.0], 1).unwrap();
        let distances = Distances::between(rows, rows).unwrap();
        assert!(novelty(&distances, 3, 0.01).is_err() && novelty(&distances, 0, 0.01).is_err());
        assert!(novelty(&distances, 2, 0.0).is_err());
    }
}
