//! Speed against recall: the settings that no other beats, and what lies between them.

/// Recall and queries a second.
pub(crate) type Point = (f64, f64);

/// The points that no other beats in both, by rising recall.
pub(crate) fn front(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let mut front: Vec<Point> = Vec::new();
    for point in sorted {
        if front.last().is_none_or(|last| point.1 > last.1) {
            front.push(point);
        }
    }
    front.reverse();
    front
}

/// The rate at a recall, between the two settings beside it, on the logarithm of the rate; `None` where no setting
/// reaches it. What finds more than that at its least effort counts with its least effort.
pub(crate) fn rate_at(points: &[Point], recall: f64) -> Option<f64> {
    let front = front(points);
    let above = front.iter().position(|point| point.0 >= recall)?;
    let (high, low) = (front[above], above.checked_sub(1).map(|low| front[low]));
    let Some(low) = low else { return Some(high.1) };
    let share = (recall - low.0) / (high.0 - low.0);
    Some((low.1.ln() + share * (high.1.ln() - low.1.ln())).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beaten_is_left_out_and_the_rest_is_joined() {
        let points = [(0.9, 1000.0), (0.99, 100.0), (0.95, 90.0), (0.8, 900.0), (0.99, 50.0)];
        assert_eq!(front(&points), [(0.9, 1000.0), (0.99, 100.0)]);
        let half = rate_at(&points, 0.945).unwrap();
        assert!((half - (1000.0f64 * 100.0).sqrt()).abs() < 1e-6, "{half}");
        assert_eq!(rate_at(&points, 0.5), Some(1000.0));
        assert_eq!(rate_at(&points, 0.995), None);
        assert_eq!(rate_at(&[], 0.5), None);
    }
}
