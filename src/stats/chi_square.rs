//! Counts: do samples share one distribution over categories, and does one follow given weights?

use super::{check, special};
use crate::error::{Error, Result};

/// A test of a table of counts.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Contingency {
    /// Pearson's Σ (observed - expected)² / expected.
    pub statistic: f64,
    /// (rows - 1)·(columns - 1).
    pub dof: u64,
    /// P(chi-square > statistic).
    pub p: f64,
    /// The statistic with Yates' correction, which only a table of two by two has; else [`Contingency::statistic`].
    pub yates_statistic: f64,
    /// Its p-value.
    pub yates_p: f64,
    /// 2·Σ observed·ln(observed / expected).
    pub g_statistic: f64,
    /// Its p-value.
    pub g_p: f64,
    /// What independence would give, cell by cell.
    pub expected: Vec<Vec<f64>>,
    /// The smallest expected count.
    pub min_expected: f64,
    /// The share of cells where less than 5 is expected. Above 0.2 do not trust the p-values: use [`fisher`], or permute.
    pub share_expected_below_5: f64,
    /// The effect: sqrt(statistic / (N·min(rows - 1, columns - 1))), from 0 to 1.
    pub cramers_v: f64,
}

/// Tests whether rows (samples) and columns (categories) of `table` are independent.
///
/// # Errors
/// Fewer than two rows or columns, rows of different length, or a row or column without a count.
pub fn contingency(table: &[Vec<u64>]) -> Result<Contingency> {
    let (rows, columns) = margins(table)?;
    let total: f64 = rows.iter().sum();
    let expected: Vec<Vec<f64>> =
        rows.iter().map(|row| columns.iter().map(|column| row * column / total).collect()).collect();
    let cells: Vec<(f64, f64)> = table
        .iter()
        .zip(&expected)
        .flat_map(|(seen, wanted)| seen.iter().zip(wanted).map(|(&seen, &wanted)| (seen as f64, wanted)))
        .collect();
    let dof = ((rows.len() - 1) * (columns.len() - 1)) as u64;
    // Yates moves each cell by a half towards what is expected, never beyond it.
    let half: f64 = if dof == 1 { 0.5 } else { 0.0 };
    let statistic: f64 = cells.iter().map(|(seen, wanted)| (seen - wanted).powi(2) / wanted).sum();
    let yates_statistic = cells
        .iter()
        .map(|(seen, wanted)| ((seen - wanted).abs() - half.min((seen - wanted).abs())).powi(2) / wanted)
        .sum();
    let g_statistic: f64 =
        2.0 * cells.iter().filter(|cell| cell.0 > 0.0).map(|(seen, wanted)| seen * (seen / wanted).ln()).sum::<f64>();
    let least = (rows.len() - 1).min(columns.len() - 1) as f64;
    Ok(Contingency {
        statistic,
        dof,
        p: tail(statistic, dof),
        yates_statistic,
        yates_p: tail(yates_statistic, dof),
        g_statistic,
        g_p: tail(g_statistic, dof),
        min_expected: cells.iter().map(|cell| cell.1).fold(f64::INFINITY, f64::min),
        share_expected_below_5: cells.iter().filter(|cell| cell.1 < 5.0).count() as f64 / cells.len() as f64,
        cramers_v: (statistic / (total * least)).sqrt(),
        expected,
    })
}

/// P(chi-square > statistic) of so many degrees of freedom.
pub(crate) fn tail(statistic: f64, dof: u64) -> f64 {
    special::chi_square_tail(statistic, dof as f64)
}

fn margins(table: &[Vec<u64>]) -> Result<(Vec<f64>, Vec<f64>)> {
    let width = table.first().map_or(0, Vec::len);
    check::at_least("the table's rows", table.len(), 2)?;
    check::at_least("the table's columns", width, 2)?;
    let mut columns = vec![0.0; width];
    let mut rows = Vec::with_capacity(table.len());
    for row in table {
        check::same_length("the rows of the table", row.len(), width)?;
        columns.iter_mut().zip(row).for_each(|(sum, &count)| *sum += count as f64);
        rows.push(row.iter().map(|&count| count as f64).sum());
    }
    if rows.iter().chain(&columns).any(|&sum| sum == 0.0) {
        return Err(Error::invalid("a row or column of the table counts nothing").mend("leave it out"));
    }
    Ok((rows, columns))
}

/// Fisher's exact test of a table of two by two.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Fisher {
    /// The chance of all tables with the same margins that are no more likely than this one.
    pub p: f64,
    /// (a·d)/(b·c); none where that is 0/0, infinite where only the divisor is 0.
    pub odds_ratio: Option<f64>,
}

/// Counts of a table that Fisher's test sums over, at most; beyond them chi-square is as good.
const MOST_EXACT: u64 = 10_000_000;

/// Fisher's exact test. Costs as many steps as the smallest margin.
///
/// # Errors
/// A table without counts, or with more than ten million in a cell.
pub fn fisher(table: [[u64; 2]; 2]) -> Result<Fisher> {
    let [[a, b], [c, d]] = table;
    check::at_most("a cell of the table", a.max(b).max(c).max(d).min(usize::MAX as u64) as usize, MOST_EXACT as usize)?;
    check::at_least("the table", (a + b + c + d).min(1) as usize, 1)?;
    let (first, second, column) = ((a + b) as f64, (c + d) as f64, (a + c) as f64);
    let ln = |k: f64| special::ln_choose(first, k) + special::ln_choose(second, column - k);
    let (low, high) = ((a + c).saturating_sub(c + d), (a + b).min(a + c));
    let (seen, all) = (ln(a as f64), special::ln_choose(first + second, column));
    // Equally likely tables differ by rounding: a slack of 1e-7 keeps them together.
    let p: f64 =
        (low..=high).map(|k| ln(k as f64)).filter(|&other| other <= seen + 1e-7).map(|other| (other - all).exp()).sum();
    let (over, under) = (a as f64 * d as f64, b as f64 * c as f64);
    Ok(Fisher { p: p.min(1.0), odds_ratio: if over == 0.0 && under == 0.0 { None } else { Some(over / under) } })
}

/// A test of counts against weights.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GoodnessOfFit {
    /// Pearson's statistic.
    pub statistic: f64,
    /// Categories less one.
    pub dof: u64,
    /// P(chi-square > statistic).
    pub p: f64,
    /// The smallest expected count; below 5 do not trust p.
    pub min_expected: f64,
}

/// Tests whether `observed` counts follow `weights` (any scale). Also the sample-ratio check of an experiment.
///
/// # Errors
/// Lengths that differ, fewer than two categories, no counts, or a weight that is not above 0.
pub fn goodness_of_fit(observed: &[u64], weights: &[f64]) -> Result<GoodnessOfFit> {
    check::same_length("counts and weights", observed.len(), weights.len())?;
    check::at_least("the list of counts", observed.len(), 2)?;
    let sum = check::weights("the weights", weights)?;
    for &weight in weights {
        check::positive("a weight", weight)?;
    }
    let total: f64 = observed.iter().map(|&count| count as f64).sum();
    check::positive("the sum of the counts", total)?;
    let expected = weights.iter().map(|weight| total * weight / sum);
    let statistic =
        observed.iter().zip(expected.clone()).map(|(&seen, wanted)| (seen as f64 - wanted).powi(2) / wanted).sum();
    let dof = observed.len() as u64 - 1;
    let p = special::chi_square_tail(statistic, dof as f64);
    Ok(GoodnessOfFit { statistic, dof, p, min_expected: expected.fold(f64::INFINITY, f64::min) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_without_an_answer_are_refused() {
        assert!(contingency(&[vec![1, 2]]).is_err());
        assert!(contingency(&[vec![1, 2], vec![3]]).is_err());
        assert!(contingency(&[vec![1, 0], vec![3, 0]]).is_err());
        assert!(goodness_of_fit(&[1, 2], &[1.0, 0.0]).is_err());
        assert!(fisher([[0, 0], [0, 0]]).is_err() && fisher([[u64::MAX; 2]; 2]).is_err());
        assert!(goodness_of_fit(&[u64::MAX; 2], &[1.0, 1.0]).unwrap().p > 0.99);
    }

    #[test]
    fn the_tea_tasting_lady() {
        let fisher = fisher([[3, 1], [1, 3]]).unwrap();
        assert!((fisher.p - 34.0 / 70.0).abs() < 1e-12);
        assert_eq!(fisher.odds_ratio, Some(9.0));
    }
}
