//! The text exposition format of Prometheus, version 0.0.4.

use std::fmt::{self, Write};

use crate::collection::meters::Durations;

/// Metrics as text, family after family.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// The samples of one metric. Its heading is written with the first of them, so that no metric stands there empty.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    begun: bool,
}

/// Labels by name.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Exposition {
    /// A number that only grows; its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        debug_assert!(name.ends_with("_total"), "counters are named so");
        self.family(name, "counter", help)
    }

    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// Durations in buckets; its name ends in `_seconds`.
    pub(super) fn histogram(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        debug_assert!(name.ends_with("_seconds"), "durations are in seconds");
        self.family(name, "histogram", help)
    }

    fn family(&mut self, name: &'static str, kind: &'static str, help: &'static str) -> Family<'_> {
        debug_assert!(!self.0.contains(&format!("# TYPE {name} ")), "{name} is told twice");
        Family { text: &mut self.0, name, kind, help, begun: false }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Writes one sample.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: f64) {
        self.line("", labels, None, value);
    }

    /// Writes the samples of a histogram.
    pub(super) fn durations(&mut self, labels: Labels<'_>, durations: &Durations) {
        for (end, count) in &durations.up_to {
            self.line("_bucket", labels, Some(&end.to_string()), *count as f64);
        }
        self.line("_bucket", labels, Some("+Inf"), durations.count as f64);
        self.line("_sum", labels, None, durations.sum_seconds);
        self.line("_count", labels, None, durations.count as f64);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, end: Option<&str>, value: f64) {
        if !std::mem::replace(&mut self.begun, true) {
            let Family { name, kind, help, .. } = self;
            let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        let labels = labels.iter().copied().chain(end.map(|end| ("le", end)));
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{}\"", Escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{labels} {}", self.name, Number(value));
    }
}

/// The value of a label between its quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

/// A number as Go reads it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            nan if nan.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::collection::meters::Histogram;

    #[test]
    fn the_text_is_what_it_was() {
        let mut text = Exposition::default();
        text.counter("driftline_things_total", "Things that happened.").sample(&[], 3.0);
        let mut family = text.gauge("driftline_heat", "How hot.");
        for (place, heat) in [("a \"b\"\\c\nd", 0.25), ("über", f64::NEG_INFINITY), ("", f64::NAN), ("big", 1e21)] {
            family.sample(&[("place", place), ("unit", "k")], heat);
        }
        text.gauge("driftline_empty", "Nothing is known of it.");
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(75));
        histogram.observe(Duration::from_secs(20));
        text.histogram("driftline_wait_seconds", "How long.").durations(&[("who", "x")], &histogram.read());
        let text = text.finish();
        let (plain, buckets) = text.split_at(text.find("# HELP driftline_wait").unwrap());
        let golden = concat!(
            "# HELP driftline_things_total Things that happened.\n",
            "# TYPE driftline_things_total counter\n",
            "driftline_things_total 3\n",
            "# HELP driftline_heat How hot.\n",
            "# TYPE driftline_heat gauge\n",
            "driftline_heat{place=\"a \\\"b\\\"\\\\c\\nd\",unit=\"k\"} 0.25\n",
            "driftline_heat{place=\"über\",unit=\"k\"} -Inf\n",
            "driftline_heat{place=\"\",unit=\"k\"} NaN\n",
            "driftline_heat{place=\"big\",unit=\"k\"} 1000000000000000000000\n",
        );
        assert_eq!(plain, golden);
        let first = "driftline_wait_seconds_bucket{who=\"x\",le=\"0.00005\"} 0\n\
                     driftline_wait_seconds_bucket{who=\"x\",le=\"0.0001\"} 1\n";
        let last = "driftline_wait_seconds_bucket{who=\"x\",le=\"+Inf\"} 2\n\
                    driftline_wait_seconds_sum{who=\"x\"} 20.000075\ndriftline_wait_seconds_count{who=\"x\"} 2\n";
        assert!(buckets.contains(first) && buckets.ends_with(last), "{buckets}");
    }
}
