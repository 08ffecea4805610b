//! Which rows tell where the others are.

/// A row this many times as far out as the middle one is odd.
const FAR: f32 = 100.0;

/// Where more of a hundred rows are far out, they are no oddities.
const MOST: usize = 1;

/// Rows that tell the middle of all.
const TELLING: usize = 101;

/// The rows but for a few that lie far from all others, such as one in which a position says 1e12 where nothing is known:
/// it alone would move the mean away from all, and make what they differ in look like nothing.
pub(super) fn usual<'a>(rows: &[&'a [f32]]) -> Vec<&'a [f32]> {
    let middle = middle(rows);
    let far: Vec<f32> = rows.iter().map(|row| distance(row, &middle)).collect();
    let mut some: Vec<f32> = far.iter().copied().filter(|far| *far > 0.0).collect();
    let Some(longest) = median(&mut some).map(|median| FAR * median) else { return rows.to_vec() };
    let kept: Vec<_> = rows.iter().zip(&far).filter(|(_, far)| **far <= longest).map(|(row, _)| *row).collect();
    if (rows.len() - kept.len()) * 100 <= MOST * rows.len() { kept } else { rows.to_vec() }
}

/// What stands in the middle of each position, in some of the rows.
fn middle(rows: &[&[f32]]) -> Vec<f32> {
    let some = || rows.iter().step_by(rows.len().div_ceil(TELLING).max(1));
    let width = rows.first().map_or(0, |row| row.len());
    (0..width).filter_map(|place| median(&mut some().map(|row| row[place]).collect::<Vec<_>>())).collect()
}

fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// The largest difference of a position, which never overflows to nothing.
fn distance(row: &[f32], from: &[f32]) -> f32 {
    row.iter().zip(from).fold(0.0, |largest, (a, b)| largest.max((a - b).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<[f32; 2]> {
        (0..count).map(|row| [1e6 + row as f32, 7.0]).collect()
    }

    fn kept(rows: &[[f32; 2]]) -> usize {
        usual(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>()).len()
    }

    #[test]
    fn a_row_far_from_all_others_is_left_out() {
        for odd in [[0.0, 7.0], [1.7e12, 7.0], [1e6, f32::MAX], [-f32::MAX, f32::MAX]] {
            let mut rows = rows(1000);
            rows[500] = odd;
            assert_eq!(kept(&rows), 999, "{odd:?}");
        }
    }

    #[test]
    fn what_many_rows_have_is_usual() {
        let mut rows = rows(1000);
        assert_eq!(kept(&rows), 1000);
        rows[10..21].fill([1e9, 7.0]);
        assert_eq!(kept(&rows), 1000, "eleven of a thousand are no oddity");
        assert_eq!(kept(&[[3.0; 2]; 50]), 50);
        assert_eq!((kept(&[]), kept(&[[1.0, 2.0]])), (0, 1));
        rows.fill([0.0; 2]);
        rows[7] = [1.0; 2];
        assert_eq!(kept(&rows), 1000, "what differs from equal rows tells what differing is");
    }
}
