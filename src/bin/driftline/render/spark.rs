//! A series in one line.

use crate::style;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Where the terminal draws no blocks.
const PLAIN: [char; 8] = ['_', '.', ',', '-', '=', '+', '*', '#'];
/// Values in a line; of more the newest are shown.
const WIDTH: usize = 60;

/// The newest values from the least, the lowest sign, to the most; a gap is a space.
pub(crate) fn spark(values: &[Option<f64>]) -> String {
    let signs = if style::is_dumb() { PLAIN } else { BLOCKS };
    drawn(&values[values.len().saturating_sub(WIDTH)..], signs)
}

fn drawn(values: &[Option<f64>], signs: [char; 8]) -> String {
    let there = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = (there().fold(f64::INFINITY, f64::min), there().fold(f64::NEG_INFINITY, f64::max));
    let sign = |value: &Option<f64>| match value.filter(|value| value.is_finite()) {
        None => ' ',
        Some(value) if high > low => signs[(((value - low) / (high - low)) * 7.0).round().clamp(0.0, 7.0) as usize],
        Some(_) => signs[0],
    };
    values.iter().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_drawn_between_the_least_and_the_most() {
        let values = [Some(0.0), Some(0.5), None, Some(1.0), Some(f64::NAN)];
        assert_eq!(drawn(&values, BLOCKS), "▁▅ █ ");
        assert_eq!(drawn(&values, PLAIN), "_= # ");
        assert_eq!(drawn(&[Some(2.0), Some(2.0)], BLOCKS), "▁▁");
        assert_eq!(drawn(&[], BLOCKS), "");
        assert_eq!(spark(&vec![Some(1.0); 500]).chars().count(), WIDTH);
    }
}
