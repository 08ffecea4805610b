//! Incidents: what is between the first bad value and the recovery, as pure steps from one value to the next.

use serde::{Deserialize, Serialize};

use super::rule::AlertRule;
use super::severity::Severity;
use crate::clock::Timestamp;

/// Something that went wrong, from when it was noticed until it was well again: one rule, one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Incident {
    /// The number of the alert that opened it.
    pub id: u64,
    /// The name of its rule.
    pub alert_type: String,
    /// What it is about, such as a model.
    pub subject: String,
    /// The metric that went wrong.
    pub metric: String,
    /// How bad it is now, or was when it ended.
    pub severity: Severity,
    /// How bad it was at its worst.
    pub worst: Severity,
    /// The newest value.
    pub value: f64,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it ended; none while it lasts.
    pub resolved: Option<Timestamp>,
    /// Until when a relapse belongs to it.
    pub cool_until: Option<Timestamp>,
    /// The worst that handlers were told of.
    pub told: Option<Severity>,
    /// Whether handlers were told that it lasts, and not yet that it is over.
    pub known: bool,
    /// Who has taken it on.
    pub acknowledged: Option<Acknowledgement>,
    /// What it belongs to, as its alerts have it.
    pub correlation: Option<String>,
}

impl Incident {
    /// Whether it lasts.
    pub fn is_open(&self) -> bool {
        self.resolved.is_none()
    }
}

/// Who has taken an incident on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What happened to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertKind {
    /// None: somebody has raised the alert by hand.
    Raised,
    /// It was opened.
    Fired,
    /// It got worse.
    Rose,
    /// It got better, and is not over.
    Eased,
    /// It came back before it had cooled down.
    Reopened,
    /// It lasts, and what has kept handlers from being told is over: a silence, or the cool-down.
    Lasting,
    /// It is over.
    Resolved,
}

impl AlertKind {
    /// Its name, which never changes.
    pub fn name(self) -> &'static str {
        match self {
            AlertKind::Raised => "raised",
            AlertKind::Fired => "fired",
            AlertKind::Rose => "rose",
            AlertKind::Eased => "eased",
            AlertKind::Reopened => "reopened",
            AlertKind::Lasting => "lasting",
            AlertKind::Resolved => "resolved",
        }
    }
}

impl std::fmt::Display for AlertKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What is remembered of one rule and one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// For each severity, since when values have been that bad or worse without a break.
    since: [Option<Timestamp>; 3],
    /// The time of the newest value that was looked at while there was something to remember.
    newest: Timestamp,
    pub(super) incident: Option<Incident>,
}

/// A value that a rule is to judge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) rule: &'a AlertRule,
    pub(super) subject: &'a str,
    pub(super) value: f64,
    pub(super) at: Timestamp,
    pub(super) correlation: Option<&'a str>,
    pub(super) silenced: bool,
    /// How bad the value is at least, where it is bad at all.
    pub(super) at_least: Option<Severity>,
}

/// What is to be recorded of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: AlertKind,
    pub(super) severity: Severity,
    /// Whether handlers are to hear of it, and what they had heard before.
    pub(super) told: bool,
    pub(super) told_before: Option<Severity>,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { since: [None; 3], newest: Timestamp(i64::MIN), incident: None }
    }
}

impl Watch {
    /// Looks at a value; `id` is the number that an incident gets if it opens one. A value that is older than the newest
    /// changes nothing.
    pub(super) fn step(&mut self, reading: Reading<'_>, id: u64) -> Option<Change> {
        if reading.at < self.newest {
            return None;
        }
        let before = self.clone();
        self.note(reading);
        let sustained = self.sustained(reading);
        let change = match (self.open(), sustained) {
            (false, None) => None,
            (false, Some(severity)) => self.begin(reading, severity, id),
            (true, Some(severity)) => self.go_on(reading, severity),
            (true, None) => self.end(reading),
        };
        if *self != before {
            self.newest = reading.at;
        }
        change
    }

    /// Ends the incident by hand. What comes after is none of it, however soon it comes.
    pub(super) fn resolve(&mut self, at: Timestamp) -> Option<Change> {
        self.since = [None; 3];
        let incident = self.incident.as_mut().filter(|incident| incident.is_open())?;
        (incident.resolved, incident.cool_until) = (Some(at), None);
        Some(incident.over())
    }

    fn open(&self) -> bool {
        self.incident.as_ref().is_some_and(Incident::is_open)
    }

    /// Notes how bad the value is. What was in a band leaves it only beyond the hysteresis.
    fn note(&mut self, reading: Reading<'_>) {
        for (severity, since) in Severity::ALL.into_iter().zip(&mut self.since) {
            let slack = if since.is_some() { reading.rule.hysteresis } else { 0.0 };
            let mildest = if reading.at_least >= Some(severity) { Severity::Info } else { severity };
            let mut bands = reading.rule.bands.iter().filter(|band| band.severity >= mildest);
            let is_as_bad = bands.any(|band| band.edge.holds_within(reading.value, slack));
            *since = is_as_bad.then(|| since.unwrap_or(reading.at));
        }
    }

    /// The worst severity that has held for long enough.
    fn sustained(&self, reading: Reading<'_>) -> Option<Severity> {
        let held = |since: &Option<Timestamp>| since.is_some_and(|since| reading.at >= since.after(reading.rule.hold));
        Severity::ALL.into_iter().zip(&self.since).rev().find(|(_, since)| held(since)).map(|(severity, _)| severity)
    }

    /// Opens an incident, or takes up the last one where that has not cooled down.
    fn begin(&mut self, reading: Reading<'_>, severity: Severity, id: u64) -> Option<Change> {
        let last = self.incident.take();
        let relapse = last.filter(|last| last.cool_until.is_some_and(|until| reading.at < until));
        let kind = if relapse.is_some() { AlertKind::Reopened } else { AlertKind::Fired };
        let mut incident = relapse.unwrap_or_else(|| Incident {
            id,
            alert_type: reading.rule.name.clone(),
            subject: reading.subject.to_owned(),
            metric: reading.rule.metric.clone(),
            severity,
            worst: severity,
            value: reading.value,
            opened: reading.at,
            resolved: None,
            cool_until: None,
            told: None,
            known: false,
            acknowledged: None,
            correlation: reading.correlation.map(str::to_owned),
        });
        incident.resolved = None;
        incident.look(reading, severity);
        let change = incident.tell(reading, kind);
        self.incident = Some(incident);
        Some(change)
    }

    fn go_on(&mut self, reading: Reading<'_>, severity: Severity) -> Option<Change> {
        let incident = self.incident.as_mut()?;
        let before = incident.severity;
        incident.look(reading, severity);
        match severity.cmp(&before) {
            std::cmp::Ordering::Greater => Some(incident.tell(reading, AlertKind::Rose)),
            std::cmp::Ordering::Less => Some(incident.quietly(AlertKind::Eased)),
            std::cmp::Ordering::Equal if incident.is_to_be_told(reading) => {
                Some(incident.tell(reading, AlertKind::Lasting))
            }
            std::cmp::Ordering::Equal => None,
        }
    }

    fn end(&mut self, reading: Reading<'_>) -> Option<Change> {
        let incident = self.incident.as_mut()?;
        incident.value = reading.value;
        incident.resolved = Some(reading.at);
        incident.cool_until = Some(reading.at.after(reading.rule.cool_down));
        Some(incident.over())
    }
}

impl Incident {
    fn look(&mut self, reading: Reading<'_>, severity: Severity) {
        self.value = reading.value;
        self.severity = severity;
        self.worst = self.worst.max(severity);
    }

    /// Whether handlers are to hear of it now: never while it is silenced; else when it is worse than they know, or when
    /// they do not know that it lasts and it has cooled down.
    fn is_to_be_told(&self, reading: Reading<'_>) -> bool {
        let cooled = self.cool_until.is_none_or(|until| reading.at >= until);
        !reading.silenced && (Some(self.severity) > self.told || (!self.known && cooled))
    }

    fn tell(&mut self, reading: Reading<'_>, kind: AlertKind) -> Change {
        if !self.is_to_be_told(reading) {
            return self.quietly(kind);
        }
        let told_before = self.told;
        self.known = true;
        self.told = self.told.max(Some(self.severity));
        Change { kind, severity: self.severity, told: true, told_before }
    }

    fn quietly(&self, kind: AlertKind) -> Change {
        Change { kind, severity: self.severity, told: false, told_before: self.told }
    }

    /// The recovery, of which those hear who know of the incident, silenced or not.
    fn over(&mut self) -> Change {
        let told = std::mem::take(&mut self.known);
        self.acknowledged = None;
        Change { kind: AlertKind::Resolved, severity: self.severity, told, told_before: self.told }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rule::Edge;
    use super::*;
    use AlertKind::{Eased, Fired, Lasting, Reopened, Resolved, Rose};

    fn rule() -> AlertRule {
        AlertRule::new("slow", "latency_ms")
            .band(Severity::Warning, Edge::AtLeast(200.0))
            .band(Severity::Critical, Edge::Above(500.0))
            .cool_down(Duration::from_micros(100))
    }

    /// What a run of (time, value, silenced) records, and whether handlers hear it.
    fn run(rule: &AlertRule, values: &[(i64, f64, bool)]) -> Vec<(i64, AlertKind, bool)> {
        let mut watch = Watch::default();
        let step = |&(at, value, silenced): &(i64, f64, bool)| {
            let at = Timestamp(at);
            let reading = Reading { rule, subject: "m@1", value, at, correlation: None, silenced, at_least: None };
            watch.step(reading, at.0 as u64).map(|change| (at.0, change.kind, change.told))
        };
        values.iter().filter_map(step).collect()
    }

    fn loud(rule: &AlertRule, values: &[(i64, f64)]) -> Vec<(i64, AlertKind, bool)> {
        run(rule, &values.iter().map(|&(at, value)| (at, value, false)).collect::<Vec<_>>())
    }

    #[test]
    fn an_incident_fires_once_rises_eases_and_ends() {
        let values = [(0, 100.0), (1, 200.0), (2, 300.0), (3, 501.0), (4, 600.0), (5, 300.0), (6, 100.0), (7, 100.0)];
        let told = [(1, Fired, true), (3, Rose, true), (5, Eased, false), (6, Resolved, true)];
        assert_eq!(loud(&rule(), &values), told);
    }

    #[test]
    fn it_fires_only_when_values_stayed_bad_for_long_enough() {
        let rule = rule().hold(Duration::from_micros(10));
        assert_eq!(loud(&rule, &[(0, 300.0), (9, 300.0)]), []);
        assert_eq!(loud(&rule, &[(0, 300.0), (9, 100.0), (10, 300.0), (19, 300.0), (20, 300.0)]), [(20, Fired, true)]);
        // The worse severity must hold by itself.
        let rising = [(0, 300.0), (5, 600.0), (10, 600.0), (15, 600.0)];
        assert_eq!(loud(&rule, &rising), [(10, Fired, true), (15, Rose, true)]);
    }

    #[test]
    fn what_hovers_at_an_edge_does_not_come_and_go() {
        assert_eq!(
            loud(&rule(), &[(1, 200.0), (2, 185.0), (3, 200.0), (4, 179.0)]),
            [(1, Fired, true), (4, Resolved, true)]
        );
        let sharp = rule().hysteresis(0.0);
        assert_eq!(loud(&sharp, &[(1, 200.0), (2, 199.0)]), [(1, Fired, true), (2, Resolved, true)]);
    }

    #[test]
    fn a_relapse_belongs_to_the_incident_and_is_told_when_it_is_worse_or_lasts() {
        let relapse = [(1, 300.0), (2, 0.0), (50, 300.0), (60, 0.0)];
        assert_eq!(
            loud(&rule(), &relapse),
            [(1, Fired, true), (2, Resolved, true), (50, Reopened, false), (60, Resolved, false)]
        );
        let worse = [(1, 300.0), (2, 0.0), (50, 600.0), (60, 0.0)];
        assert_eq!(loud(&rule(), &worse)[2..], [(50, Reopened, true), (60, Resolved, true)]);
        let lasts = [(1, 300.0), (2, 0.0), (50, 300.0), (101, 300.0), (102, 300.0), (103, 0.0)];
        assert_eq!(loud(&rule(), &lasts)[2..], [(50, Reopened, false), (102, Lasting, true), (103, Resolved, true)]);
        assert_eq!(
            loud(&rule(), &[(1, 300.0), (2, 0.0), (102, 300.0)])[2..],
            [(102, Fired, true)],
            "it had cooled down"
        );
    }

    #[test]
    fn a_silence_keeps_handlers_from_hearing_and_nothing_from_being_recorded() {
        let silenced = [(1, 300.0, true), (2, 600.0, true), (3, 600.0, false), (4, 600.0, false), (5, 0.0, true)];
        let recorded = [(1, Fired, false), (2, Rose, false), (3, Lasting, true), (5, Resolved, true)];
        assert_eq!(run(&rule(), &silenced), recorded);
        assert_eq!(run(&rule(), &[(1, 300.0, true), (2, 0.0, false)]), [(1, Fired, false), (2, Resolved, false)]);
    }

    #[test]
    fn a_value_from_the_past_changes_nothing() {
        assert_eq!(
            loud(&rule(), &[(10, 300.0), (9, 0.0), (8, 900.0), (10, 0.0)]),
            [(10, Fired, true), (10, Resolved, true)]
        );
    }

    #[test]
    fn both_sides_of_a_range_may_be_bad() {
        let rule = AlertRule::new("range", "x")
            .band(Severity::Warning, Edge::Below(1.0))
            .band(Severity::Warning, Edge::Above(9.0));
        assert_eq!(loud(&rule, &[(1, 0.5), (2, 10.0), (3, 5.0)]), [(1, Fired, true), (3, Resolved, true)]);
    }
}
