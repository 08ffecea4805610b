//! How good a ranking is, and one ranking made of several.

use std::collections::{BTreeMap, BTreeSet};

use super::check;
use crate::error::{Error, Result};

/// Grades that are higher would leave nothing of the others in a sum.
const MOST_GRADE: u32 = 50;

/// What the first `k` of a ranking are worth, each from 0 to 1. An item is relevant where its grade is above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RankingQuality {
    /// The sum of `(2^grade - 1) / log2(rank + 1)` beside that of the best ranking there could be: nDCG (Järvelin and
    /// Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, with the gain of Burges et al., 2005).
    pub ndcg: f64,
    /// The share of all relevant items that is among the first `k`.
    pub recall: f64,
    /// The share of the first `k` that is relevant, or of all that were retrieved where these are fewer.
    pub precision: f64,
    /// 1 over the rank of the first relevant item, counted from 1; 0 where none is among them.
    pub reciprocal_rank: f64,
    /// The precisions at the ranks of relevant items, summed up, over the number of all relevant items.
    pub average_precision: f64,
}

/// Judges the first `k` of the items that were retrieved, the best first; `grades` has the grade of each item there is, and an
/// item is its place in them. Fails with `Invalid` where `k` is 0, no item is relevant, a grade is above 50, or an item was
/// retrieved twice or does not exist.
pub fn quality(grades: &[u32], retrieved: &[usize], k: usize) -> Result<RankingQuality> {
    check::at_least("what was retrieved", retrieved.len().min(k), 1)?;
    if let Some(item) = grades.iter().position(|grade| *grade > MOST_GRADE) {
        return Err(Error::invalid(format!("the grade of item {item} is {}", grades[item]))
            .mend(format!("take grades up to {MOST_GRADE}")));
    }
    let relevant = grades.iter().filter(|grade| **grade > 0).count();
    if relevant == 0 {
        return Err(Error::invalid("no item is relevant").mend("leave such queries out, and count them apart"));
    }
    let found = found(grades, retrieved)?;
    let first = &found[..found.len().min(k)];
    let mut best = grades.to_vec();
    best.sort_unstable_by(|a, b| b.cmp(a));
    best.truncate(k);
    let ranks: Vec<usize> = (1..).zip(first).filter(|(_, grade)| **grade > 0).map(|(rank, _)| rank).collect();
    let precisions: f64 = (1..).zip(&ranks).map(|(hits, rank)| f64::from(hits) / *rank as f64).sum();
    Ok(RankingQuality {
        ndcg: gain(first) / gain(&best),
        recall: ranks.len() as f64 / relevant as f64,
        precision: ranks.len() as f64 / first.len() as f64,
        reciprocal_rank: ranks.first().map_or(0.0, |rank| 1.0 / *rank as f64),
        average_precision: precisions / relevant as f64,
    })
}

/// The grades of what was retrieved.
fn found(grades: &[u32], retrieved: &[usize]) -> Result<Vec<u32>> {
    let mut known = BTreeSet::new();
    let grade = |&item: &usize| match grades.get(item) {
        None => Err(Error::invalid(format!("item {item} was retrieved, and there are {}", grades.len()))
            .mend("give a grade for each item")),
        Some(_) if !known.insert(item) => {
            Err(Error::invalid(format!("item {item} was retrieved twice")).mend("keep its first place"))
        }
        Some(grade) => Ok(*grade),
    };
    retrieved.iter().map(grade).collect()
}

fn gain(grades: &[u32]) -> f64 {
    (2u32..).zip(grades).map(|(place, grade)| (2f64.powi(*grade as i32) - 1.0) / f64::from(place).log2()).sum()
}

/// Makes one ranking of several by the sums of `1 / (k + rank)`, ranks counted from 1 (reciprocal rank fusion: Cormack, Clarke
/// and Büttcher, SIGIR 2009, who take 60 for `k`). Returns each item with its score, the best first, and of equal ones that
/// which is less. Fails with `Invalid` where `k` is not above 0, or a list has an item twice.
pub fn fuse<T: Ord + Clone>(rankings: &[Vec<T>], k: f64) -> Result<Vec<(T, f64)>> {
    check::positive("k", k)?;
    let mut scores: BTreeMap<&T, f64> = BTreeMap::new();
    for (place, ranking) in rankings.iter().enumerate() {
        if ranking.iter().collect::<BTreeSet<_>>().len() < ranking.len() {
            return Err(Error::invalid(format!("ranking {place} has an item twice")).mend("keep its first place"));
        }
        for (rank, item) in (1u32..).zip(ranking) {
            *scores.entry(item).or_default() += 1.0 / (k + f64::from(rank));
        }
    }
    let mut fused: Vec<(T, f64)> = scores.into_iter().map(|(item, score)| (item.clone(), score)).collect();
    fused.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(fused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_best_ranking_is_worth_one_and_nothing_found_is_worth_nothing() {
        let best = quality(&[1, 0, 3], &[2, 0], 2).unwrap();
        let all = [best.ndcg, best.recall, best.precision, best.reciprocal_rank, best.average_precision];
        assert_eq!(all, [1.0; 5]);
        let none = quality(&[1, 0, 3], &[1], 5).unwrap();
        let all = [none.ndcg, none.recall, none.precision, none.reciprocal_rank, none.average_precision];
        assert_eq!(all, [0.0; 5]);
    }

    #[test]
    fn what_is_no_ranking_is_refused() {
        let refused = |grades: &[u32], retrieved: &[usize], k| quality(grades, retrieved, k).unwrap_err();
        for error in [
            refused(&[1], &[0], 0),
            refused(&[1], &[], 3),
            refused(&[0, 0], &[0], 1),
            refused(&[1, 51], &[0], 1),
            refused(&[1], &[1], 1),
            refused(&[1, 1], &[0, 0], 2),
            fuse(&[vec![1, 2, 1]], 60.0).unwrap_err(),
            fuse(&[vec![1]], 0.0).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
        assert_eq!(fuse::<u64>(&[], 60.0).unwrap(), []);
    }
}
