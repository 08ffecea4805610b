//! Axes for what is plotted: recall that spreads near 1, and what spans powers of ten.

use super::plots::Axis;

/// A recall of 1 is drawn here.
const FULL: f64 = 0.9999;
const RECALLS: [f64; 10] = [0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, FULL];

/// Where a recall stands: each power of ten of what is missed takes as much room.
pub(crate) fn of_recall(recall: f64) -> f64 {
    -(1.0 - recall.clamp(0.0, FULL)).log10()
}

/// An axis of recall that holds all of these.
pub(crate) fn recall(title: &'static str, recalls: impl Iterator<Item = f64>) -> Axis {
    let least = recalls.fold(0.95, f64::min);
    let from = RECALLS.iter().copied().rfind(|recall| *recall <= least).unwrap_or(0.0);
    let shown = RECALLS.iter().copied().filter(|recall| *recall >= from);
    let label = |recall: f64| if recall == FULL { "1".to_owned() } else { recall.to_string() };
    let ticks = shown.map(|recall| (of_recall(recall), label(recall))).collect();
    Axis { title, from: of_recall(from), to: of_recall(FULL) + 0.12, ticks }
}

/// An axis of powers of ten that holds all of these, which are above 0.
pub(crate) fn powers(title: &'static str, values: impl Iterator<Item = f64>) -> Axis {
    let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
    let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (least, most) = if logs.is_empty() { (0.0, 1.0) } else { (least - 0.1, most + 0.1) };
    let steps = match most - least {
        wide if wide > 2.5 => &[1.0][..],
        middling if middling > 0.8 => &[1.0, 2.0, 5.0],
        _ => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
    };
    let powers = least.floor() as i32..=most.ceil() as i32;
    let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    let ticks = ticks.map(|value| (value.log10(), short(value)));
    let ticks = ticks.filter(|(place, _)| (least..=most).contains(place)).collect();
    Axis { title, from: least, to: most, ticks }
}

/// An axis from 0 that holds `most`, in steps of 1, 2 or 5 times a power of ten.
pub(crate) fn from_zero(title: &'static str, most: f64) -> Axis {
    let most = if most > 0.0 { most } else { 1.0 };
    let power = 10f64.powf((most / 6.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|step| most / step <= 6.0).unwrap_or(most);
    let count = (most / step).ceil() as u32;
    let ticks = (0..=count).map(|tick| f64::from(tick) * step).map(|place| (place, short(place))).collect();
    Axis { title, from: 0.0, to: f64::from(count) * step, ticks }
}

/// An axis that holds all of these, in steps of 1, 2 or 5 times a power of ten.
pub(crate) fn around(title: &'static str, values: impl Iterator<Item = f64>) -> Axis {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), it| (a.min(it), b.max(it)));
    let (least, most) = if least < most { (least, most) } else { (-1.0, 1.0) };
    let power = 10f64.powf(((most - least) / 6.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
    let step = steps.into_iter().find(|step| (most - least) / step <= 6.0).unwrap_or(most - least);
    let (from, to) = ((least / step).floor() as i64, (most / step).ceil() as i64);
    let ticks = (from..=to).map(|tick| tick as f64 * step).map(|place| (place, short(place))).collect();
    Axis { title, from: from as f64 * step, to: to as f64 * step, ticks }
}

/// A number in few characters: `1.2k`, `35M`, `0.1`.
pub(crate) fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        large if large >= 1e9 => (value / 1e9, "G"),
        large if large >= 1e6 => (value / 1e6, "M"),
        large if large >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        it if it >= 100.0 => 0,
        it if it >= 10.0 => 1,
        it if it >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases =
            [(0.0, "0"), (0.1, "0.1"), (1.0, "1"), (12.34, "12.3"), (999.6, "1000"), (1234.0, "1.23k"), (5e6, "5M")];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn an_axis_from_zero_has_few_round_ticks() {
        for (most, last) in [(0.0, "1"), (7.0, "8"), (3600.0, "4k"), (58.0, "60"), (0.03, "0.03")] {
            let axis = from_zero("it", most);
            assert!(axis.to >= most && axis.ticks.len() <= 8, "{axis:?}");
            assert_eq!(axis.ticks.last().unwrap().1, last);
        }
    }

    #[test]
    fn an_axis_around_values_has_few_round_ticks() {
        let axis = around("it", [-0.37, 0.21].into_iter());
        assert_eq!(
            axis.ticks.iter().map(|tick| tick.1.as_str()).collect::<Vec<_>>(),
            ["-0.4", "-0.3", "-0.2", "-0.1", "0", "0.1", "0.2", "0.3"]
        );
        assert!(around("none", std::iter::empty()).ticks.len() > 1);
        assert!(around("one", [5.0].into_iter()).ticks.len() > 1);
    }

    #[test]
    fn axes_hold_what_they_are_given() {
        let axis = powers("it", [3.0, 4000.0].into_iter());
        assert!(axis.from < 3f64.log10() && axis.to > 4000f64.log10());
        assert_eq!(axis.ticks.iter().map(|tick| tick.1.as_str()).collect::<Vec<_>>(), ["10", "100", "1k"]);
        let axis = recall("it", [0.85, 1.0].into_iter());
        assert_eq!(axis.ticks.first().unwrap().1, "0.8");
        assert_eq!(axis.ticks.last().unwrap().1, "1");
        assert!(axis.from <= of_recall(0.85) && of_recall(1.0) <= axis.to);
        assert!(!powers("none", std::iter::empty()).ticks.is_empty());
    }
}
