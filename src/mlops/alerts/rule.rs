//! Rules: which values of a metric are how bad.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::severity::{Action, Severity};
use crate::error::{Error, Result};
use crate::mlops::model::ModelId;
use crate::mlops::times::seconds;

/// The most bands one rule has, and the most routes to actions.
const MAX_BANDS: usize = 16;
/// The longest name of a rule or a metric, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The longest subject, or pattern of subjects, in bytes: with the longest name of a rule before it, a key.
pub(in crate::mlops) const MAX_SUBJECT_BYTES: usize = 440;
/// Values so near to an edge, relative to it, are on it: 0.90 - 0.85 is 0.05, whatever the rounding of both says.
const ON_THE_EDGE: f64 = 1e-9;

/// Where a band begins. Which side the edge itself is on, is said by the word.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// Values greater than this: the edge itself is outside.
    Above(f64),
    /// This value and greater ones.
    AtLeast(f64),
    /// Values less than this: the edge itself is outside.
    Below(f64),
    /// This value and lesser ones.
    AtMost(f64),
}

impl Edge {
    /// The value at the edge.
    pub fn value(self) -> f64 {
        match self {
            Edge::Above(edge) | Edge::AtLeast(edge) | Edge::Below(edge) | Edge::AtMost(edge) => edge,
        }
    }

    /// Whether a value lies in the band. Values within a billionth of the edge are on it.
    pub fn holds(self, value: f64) -> bool {
        self.holds_within(value, 0.0)
    }

    /// The same of a band that is wider by a share of its edge, as it is for what is in it already.
    pub(super) fn holds_within(self, value: f64, hysteresis: f64) -> bool {
        let edge = self.value();
        let slack = edge.abs() * hysteresis;
        let past = match self {
            Edge::Above(_) | Edge::AtLeast(_) => value - (edge - slack),
            Edge::Below(_) | Edge::AtMost(_) => (edge + slack) - value,
        };
        let near = ON_THE_EDGE * edge.abs().max(1.0);
        match self {
            Edge::Above(_) | Edge::Below(_) => past > near,
            Edge::AtLeast(_) | Edge::AtMost(_) => past >= -near,
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Edge::Above(_) => "above",
            Edge::AtLeast(_) => "at least",
            Edge::Below(_) => "below",
            Edge::AtMost(_) => "at most",
        };
        write!(f, "{word} {}", figure(self.value()))
    }
}

/// Values that are of one severity. Of the bands that hold, the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// How bad they are.
    pub severity: Severity,
    /// Where they begin.
    pub edge: Edge,
}

/// An action that a rule asks for, and from which severity on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The mildest severity that asks for it.
    pub from: Severity,
    /// What is to be done.
    pub action: Action,
}

/// Which values of a metric are how bad, for which subjects: data, stored in the collection `_alert_rules`.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::Database;
/// use driftline::mlops::{AlertRule, Edge, Severity};
/// let db = Database::in_memory()?;
/// let rule = AlertRule::new("queue_too_long", "queue_length")
///     .band(Severity::Warning, Edge::AtLeast(100.0))
///     .band(Severity::Critical, Edge::Above(1000.0))
///     .hold(std::time::Duration::from_secs(60));
/// db.alerts().set_rule(&rule)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertRule {
    /// Its name, which is the type of its alerts: 1 to 64 letters, digits, `_`, `-`, `.`.
    pub name: String,
    /// The metric it looks at, written like a name.
    pub metric: String,
    /// Which subjects it holds for: a text in which `*` stands for any characters. All unless told.
    pub subjects: String,
    /// The model whose versions it is for; then it holds for them instead of the store's rule of its name. None unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Which values are how bad; at least one.
    pub bands: Vec<Band>,
    /// How long values must stay in a band before the alert fires. Zero unless told: at once.
    #[serde(with = "seconds", rename = "hold_seconds")]
    pub hold: Duration,
    /// How long after a recovery a relapse belongs to the same incident and is not told, unless it is worse. One hour
    /// unless told.
    #[serde(with = "seconds", rename = "cool_down_seconds")]
    pub cool_down: Duration,
    /// By which share of its edge a band is wider for what is in it, so that a value that hovers there does not come and
    /// go; from 0 to below 1, and 0.1 unless told.
    pub hysteresis: f64,
    /// What is to be done, from which severity on.
    pub actions: Vec<Route>,
    /// Whether it is looked at.
    pub enabled: bool,
}

impl AlertRule {
    /// A rule for a metric, with no bands yet.
    pub fn new(name: impl Into<String>, metric: impl Into<String>) -> AlertRule {
        AlertRule {
            name: name.into(),
            metric: metric.into(),
            subjects: "*".into(),
            model: None,
            bands: Vec::new(),
            hold: Duration::ZERO,
            cool_down: Duration::from_secs(3600),
            hysteresis: 0.1,
            actions: Vec::new(),
            enabled: true,
        }
    }

    /// Says how bad values beyond an edge are.
    #[must_use]
    pub fn band(mut self, severity: Severity, edge: Edge) -> AlertRule {
        self.bands.push(Band { severity, edge });
        self
    }

    /// Sets for which subjects it holds, such as `minilm@*`.
    #[must_use]
    pub fn subjects(mut self, pattern: impl Into<String>) -> AlertRule {
        self.subjects = pattern.into();
        self
    }

    /// Has it hold for one model only, in place of the store's rule of its name.
    #[must_use]
    pub fn of_model(mut self, model: impl Into<String>) -> AlertRule {
        self.model = Some(model.into());
        self
    }

    /// Sets how long values must stay in a band before the alert fires.
    #[must_use]
    pub fn hold(mut self, time: Duration) -> AlertRule {
        self.hold = time;
        self
    }

    /// Sets how long after a recovery a relapse belongs to the same incident.
    #[must_use]
    pub fn cool_down(mut self, time: Duration) -> AlertRule {
        self.cool_down = time;
        self
    }

    /// Sets by which share of its edge a band is wider for what is in it.
    #[must_use]
    pub fn hysteresis(mut self, share: f64) -> AlertRule {
        self.hysteresis = share;
        self
    }

    /// Asks for an action, from a severity on.
    #[must_use]
    pub fn action(mut self, from: Severity, action: Action) -> AlertRule {
        self.actions.push(Route { from, action });
        self
    }

    /// The same rule, not looked at.
    #[must_use]
    pub fn disabled(mut self) -> AlertRule {
        self.enabled = false;
        self
    }

    /// How bad a value is by itself, whatever was before: the worst band that holds it.
    pub fn severity(&self, value: f64) -> Option<Severity> {
        self.bands.iter().filter(|band| band.edge.holds(value)).map(|band| band.severity).max()
    }

    /// The edge of the band of this severity that holds the value, the nearest to it.
    pub(super) fn edge(&self, severity: Severity, value: f64) -> Option<Edge> {
        let of_severity = self.bands.iter().filter(|band| band.severity == severity).map(|band| band.edge);
        let distance = |edge: &Edge| (edge.value() - value).abs();
        of_severity.min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// Whether it looks at this metric of this subject.
    pub(super) fn concerns(&self, subject: &str, metric: &str) -> bool {
        self.enabled && self.metric == metric && matches(&self.subjects, subject)
    }

    pub(in crate::mlops) fn check(&self) -> Result<()> {
        check_name("the name of a rule", &self.name)?;
        check_name("a metric", &self.metric)?;
        check_subject("the pattern of subjects", &self.subjects)?;
        if let Some(model) = &self.model {
            ModelId::new(model.as_str(), "1")?;
        }
        let refused = if self.bands.is_empty() {
            "it has no band, so no value would be bad".into()
        } else if self.bands.len() > MAX_BANDS || self.actions.len() > MAX_BANDS {
            format!("it has more than {MAX_BANDS} bands or actions")
        } else if let Some(band) = self.bands.iter().find(|band| !band.edge.value().is_finite()) {
            format!("the edge {} is not finite", band.edge.value())
        } else if !(0.0..1.0).contains(&self.hysteresis) {
            format!("its hysteresis is {}", self.hysteresis)
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("the rule `{}` cannot be used: {refused}", self.name))
            .mend("give 1 to 16 bands with finite edges, and a hysteresis from 0 to below 1"))
    }
}

/// Whether a text is what a pattern says, in which `*` stands for any characters. Costs at most their lengths multiplied.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Refuses what cannot be the name of a rule, a metric or a handler.
pub(super) fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Error::invalid(format!("{name:?}, of {} bytes, cannot be {what}", name.len()))
        .mend(format!("use 1 to {MAX_NAME_BYTES} letters, digits, `_`, `-` or `.`")))
}

/// Refuses what cannot be a subject.
pub(super) fn check_subject(what: &str, text: &str) -> Result<()> {
    if (1..=MAX_SUBJECT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid(format!("{text:?}, of {} bytes, cannot be {what}", text.len()))
        .mend(format!("use 1 to {MAX_SUBJECT_BYTES} bytes without control characters, such as minilm@2")))
}

/// A number with at most five figures.
pub(super) fn figure(value: f64) -> String {
    format!("{value:.4e}").parse::<f64>().unwrap_or(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edge_is_on_the_side_its_word_says() {
        let table = [
            (Edge::Above(0.05), [false, false, true]),
            (Edge::AtLeast(0.05), [false, true, true]),
            (Edge::Below(0.05), [true, false, false]),
            (Edge::AtMost(0.05), [true, true, false]),
        ];
        for (edge, held) in table {
            // What is on the edge but for rounding, is on it.
            assert_eq!([0.049, 0.90 - 0.85, 0.051].map(|value| edge.holds(value)), held, "{edge}");
            assert!(!edge.holds(f64::NAN));
        }
        assert!(Edge::Above(0.0).holds(0.001) && !Edge::Above(0.0).holds(0.0));
    }

    #[test]
    fn what_is_in_a_band_leaves_it_later() {
        assert!(Edge::Above(500.0).holds_within(451.0, 0.1) && !Edge::Above(500.0).holds_within(450.0, 0.1));
        assert!(Edge::Below(0.9).holds_within(0.98, 0.1) && !Edge::Below(0.9).holds_within(1.0, 0.1));
        assert!(Edge::AtLeast(-10.0).holds_within(-11.0, 0.1) && !Edge::AtLeast(-10.0).holds_within(-11.1, 0.1));
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in
            [("*", "x"), ("*", ""), ("a*", "a"), ("a*c", "abc"), ("*b*", "abc"), ("m@*/*", "m@1/age"), ("a", "a")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "ab"), ("ab*ba", "aba"), ("*b", "abc"), ("a*b*c", "ac"), ("", "x")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn rules_are_checked_and_stored_as_readable_data() {
        let rule = AlertRule::new("slow", "latency_ms").band(Severity::Warning, Edge::AtLeast(200.0));
        rule.check().unwrap();
        let json = serde_json::to_value(&rule).unwrap();
        assert_eq!(json["bands"][0], serde_json::json!({"severity": "warning", "edge": {"at_least": 200.0}}));
        assert_eq!(json["cool_down_seconds"], 3600.0);
        assert_eq!(serde_json::from_value::<AlertRule>(json).unwrap(), rule);
        let band = |edge| AlertRule::new("slow", "latency_ms").band(Severity::Info, edge);
        let refused = [
            AlertRule::new("slow", "latency_ms"),
            band(Edge::Above(f64::NAN)),
            band(Edge::Above(1.0)).hysteresis(1.0),
            band(Edge::Above(1.0)).hysteresis(f64::NAN),
            band(Edge::Above(1.0)).subjects(""),
            AlertRule::new("a b", "latency_ms").band(Severity::Info, Edge::Above(1.0)),
            (0..17).fold(band(Edge::Above(1.0)), |rule, _| rule.band(Severity::Info, Edge::Above(1.0))),
        ];
        for rule in refused {
            rule.check().unwrap_err();
        }
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([0.1 + 0.2, 500.0, 0.0, 1234.5678, 1e-7].map(figure), ["0.3", "500", "0", "1234.6", "0.0000001"]);
    }
}
