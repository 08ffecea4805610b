//! Ranks with ties, for the tests that only look at order.

/// The ranks of `values`, from 1; equal values share the mean of their ranks. Also the sum of t³ - t over groups of t ties.
pub(super) fn ranks(values: &[f64]) -> (Vec<f64>, f64) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let (mut ties, mut from) = (0.0, 0);
    while from < order.len() {
        let same = order[from..].iter().take_while(|&&place| values[place] == values[order[from]]).count();
        for &place in &order[from..from + same] {
            ranks[place] = from as f64 + (same as f64 + 1.0) / 2.0;
        }
        let count = same as f64;
        ties += count * count * count - count;
        from += same;
    }
    (ranks, ties)
}

#[cfg(test)]
mod tests {
    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(super::ranks(&[3.0, 1.0, 3.0, -0.0, 0.0]), (vec![4.5, 3.0, 4.5, 1.5, 1.5], 12.0));
    }
}
