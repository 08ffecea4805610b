//! Loess, as STL uses it: a straight line through the nearest points, weighted by how near they are.

/// Values at the steps 1, 2, 3 …, with weights against outliers where there are some.
pub(super) struct Points<'a> {
    pub(super) values: &'a [f64],
    pub(super) weights: Option<&'a [f64]>,
}

impl Points<'_> {
    /// Smooths every step by a window of so many points.
    pub(super) fn smooth(&self, window: usize) -> Vec<f64> {
        let n = self.values.len();
        if n < 2 {
            return self.values.to_vec();
        }
        let width = window.min(n);
        let at = |step: usize| {
            let left = (step + 1).saturating_sub(window.div_ceil(2)).min(n - width);
            self.at((step + 1) as f64, window, left, left + width).unwrap_or(self.values[step])
        };
        (0..n).map(at).collect()
    }

    /// The line of the points `left..right` at `step`; none where all of them weigh nothing.
    pub(super) fn at(&self, step: f64, window: usize, left: usize, right: usize) -> Option<f64> {
        let n = self.values.len();
        let reach = (step - (left + 1) as f64).max(right as f64 - step) + (window.saturating_sub(n) / 2) as f64;
        let mut weights: Vec<f64> = (left..right)
            .map(|place| {
                let distance = ((place + 1) as f64 - step).abs();
                let near = match distance {
                    _ if distance > 0.999 * reach => 0.0,
                    _ if distance <= 0.001 * reach => 1.0,
                    _ => (1.0 - (distance / reach).powi(3)).powi(3),
                };
                near * self.weights.map_or(1.0, |weights| weights[place])
            })
            .collect();
        let total: f64 = weights.iter().sum();
        if total <= 0.0 {
            return None;
        }
        weights.iter_mut().for_each(|weight| *weight /= total);
        let steps = || (left..right).map(|place| (place + 1) as f64);
        let center: f64 = weights.iter().zip(steps()).map(|(weight, at)| weight * at).sum();
        let spread: f64 = weights.iter().zip(steps()).map(|(weight, at)| weight * (at - center).powi(2)).sum();
        // A window that stands on one point has no slope.
        let tilt = if spread.sqrt() > 0.001 * (n - 1) as f64 { (step - center) / spread } else { 0.0 };
        let parts = weights.iter().zip(steps()).zip(&self.values[left..right]);
        Some(parts.map(|((weight, at), value)| weight * (tilt * (at - center) + 1.0) * value).sum())
    }
}
