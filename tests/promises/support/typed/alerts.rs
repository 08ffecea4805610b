//! Alerts that are raised by hand, rules and the incidents that they open, and silences.
//!
//! Rules are set one after the other, each together with another threshold for a rule that there is by default, and the
//! first ones are removed first. One value is bad by all of them: it opens an incident for each that has none. Silences are
//! of rules and of what is raised by hand, by turns. Which alerts there must be of each rule, and which of them handlers are
//! to hear, follows.

use std::collections::{BTreeMap, BTreeSet};

use driftline::mlops::{
    Alert, AlertConfig, AlertKind, AlertRule, Edge, Incident, Observation, Severity, Silence, TimeRange, metric,
};
use driftline::{Database, ErrorKind, Result, Value};

use super::watched::Watched;
use super::{ALL, LATER, from_zero};

const METRIC: &str = "queue_length";
const MODEL: &str = "queue";
const SUBJECT: &str = "queue@1";
/// The names of rules begin so.
const RULE: &str = "queue-";
/// A default rule, whose metric nobody observes.
const CHANGED: &str = "new_data";
/// Bad by every rule.
const BAD: f64 = 1e9;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Alerts {
    /// Of each that was raised by hand, whether handlers are to hear of it.
    raised: Vec<bool>,
    /// Rules that were set, and how many of them were removed.
    set: u64,
    removed: u64,
    /// What became of the rules that judged the value.
    incidents: BTreeMap<u64, Known>,
    /// Silences that were given, and how many of them were ended.
    silences: u64,
    ended: u64,
}

/// Whether handlers are to hear of an incident when it opens, and whether they are until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    at_once: bool,
    ever: bool,
}

fn name(rule: u64) -> String {
    format!("{RULE}{rule}")
}

fn number(alert_type: &str) -> Option<u64> {
    Some(alert_type.strip_prefix(RULE)?.parse().expect("the number of a rule"))
}

/// Rules of the store and of one model, by turns: their keys are not alike.
fn rule(number: u64) -> AlertRule {
    let rule = AlertRule::new(name(number), METRIC).band(Severity::Info, Edge::AtLeast(number as f64));
    if number.is_multiple_of(2) { rule } else { rule.of_model(MODEL) }
}

fn changed(set: u64) -> AlertRule {
    AlertRule::new(CHANGED, metric::NEW_DATA).band(Severity::Info, Edge::AtLeast(set as f64 + 1.0))
}

/// All rules that there are, once so many were set and removed.
fn all_rules(set: u64, removed: u64) -> Vec<AlertRule> {
    let mut rules = AlertConfig::default().rules();
    if set > 0 {
        rules.retain(|rule| rule.name != CHANGED);
        rules.push(changed(set));
    }
    rules.extend((removed..set).map(rule));
    rules.sort_by(|a, b| (&a.name, &a.model).cmp(&(&b.name, &b.model)));
    rules
}

/// Silences have numbers from 1 on; those with an odd one are of rules.
fn silence(number: u64) -> Silence {
    let (alert_type, subject) = if number.is_multiple_of(2) { ("manual", "*") } else { ("queue-*", "queue@*") };
    let mut silence = Silence::new(alert_type, subject, LATER).by("kim").reason(number.to_string());
    silence.id = number;
    silence
}

/// All alerts, in the order of their numbers, which have no gaps.
pub(super) fn recorded(db: &Database) -> Result<Vec<Alert>> {
    let mut alerts = db.alerts().history(TimeRange::ALL, ALL)?;
    alerts.sort_by_key(|alert| alert.id);
    assert!(alerts.iter().map(|it| it.id).eq(1..=alerts.len() as u64), "{alerts:?}");
    Ok(alerts)
}

impl Alerts {
    fn are_rules_silenced(&self) -> bool {
        (self.ended + 1..=self.silences).any(|number| !number.is_multiple_of(2))
    }

    fn are_raised_silenced(&self) -> bool {
        (self.ended + 1..=self.silences).any(|number| number.is_multiple_of(2))
    }

    pub(super) fn raise(&mut self) {
        self.raised.push(!self.are_raised_silenced());
    }

    pub(super) fn set_rule(&mut self) {
        self.set += 1;
    }

    pub(super) fn remove_rule(&mut self) {
        self.removed = self.set.min(self.removed + 1);
    }

    /// Each rule opens an incident, or tells of the one that was silenced when it was opened.
    pub(super) fn observe(&mut self) {
        let told = !self.are_rules_silenced();
        for rule in self.removed..self.set {
            let known = self.incidents.entry(rule).or_insert(Known { at_once: told, ever: told });
            known.ever |= told;
        }
    }

    pub(super) fn silence(&mut self) {
        self.silences += 1;
    }

    pub(super) fn unsilence(&mut self) {
        self.ended = self.silences.min(self.ended + 1);
    }

    /// The alerts of a rule, and whether handlers are to hear of each.
    fn alerts_of(&self, rule: u64, known: Known) -> Vec<(AlertKind, bool)> {
        let mut alerts = vec![(AlertKind::Fired, known.at_once)];
        if known.ever && !known.at_once {
            alerts.push((AlertKind::Lasting, true));
        }
        if rule < self.removed {
            alerts.push((AlertKind::Resolved, known.ever));
        }
        alerts
    }

    /// How many alerts there are of rules.
    fn judged(&self) -> u64 {
        self.incidents.iter().map(|(rule, known)| self.alerts_of(*rule, *known).len() as u64).sum()
    }

    pub(super) fn perform_raise(&self, db: &Database) -> Result<()> {
        db.alerts().alert(Severity::Info, &self.raised.len().to_string(), Value::Null).map(drop)
    }

    pub(super) fn perform_set_rule(&self, db: &Database) -> Result<()> {
        db.alerts().set_rules(&[rule(self.set), changed(self.set + 1)])
    }

    pub(super) fn perform_remove_rule(&self, db: &Database) -> Result<()> {
        let AlertRule { name, model, .. } = rule(self.removed);
        let outcome = match model {
            Some(model) => db.alerts().remove_rule_of(&model, &name),
            None => db.alerts().remove_rule(&name),
        };
        done_unless(self.removed == self.set, outcome)
    }

    pub(super) fn perform_observe(&self, db: &Database) -> Result<()> {
        let made = db.alerts().observe(&Observation::new(SUBJECT, METRIC, BAD))?;
        let mut after = self.clone();
        after.observe();
        assert_eq!(made.len() as u64, after.judged() - self.judged(), "what is known is not told again: {made:?}");
        Ok(())
    }

    pub(super) fn perform_silence(&self, db: &Database) -> Result<()> {
        let given = db.alerts().silence(silence(self.silences + 1))?;
        assert_eq!(given.id, self.silences + 1, "numbers are given once");
        Ok(())
    }

    pub(super) fn perform_unsilence(&self, db: &Database) -> Result<()> {
        done_unless(self.ended == self.silences, db.alerts().unsilence(self.ended + 1))
    }

    /// What the store holds of it, among all alerts.
    pub(super) fn of(db: &Database, alerts: &[Alert], watched: &Watched) -> Result<Alerts> {
        let by_hand = || alerts.iter().filter(|it| it.kind == AlertKind::Raised);
        from_zero(by_hand().map(|it| &*it.message));
        let (set, removed) = rules(db)?;
        let (silences, ended) = silences(db)?;
        let (raised, incidents) = (by_hand().map(|it| it.told).collect(), incidents(alerts));
        let found = Alerts { raised, set, removed, incidents, silences, ended };
        found.check_judged(db, alerts)?;
        let explained = found.raised.len() as u64 + found.judged() + watched.check_alerts(alerts);
        assert_eq!(alerts.len() as u64, explained, "alerts of nothing: {alerts:?}");
        Ok(found)
    }

    /// What lasts has its rule, and what ended has ended with it.
    fn check_judged(&self, db: &Database, alerts: &[Alert]) -> Result<()> {
        let mut lasting = BTreeMap::new();
        for (rule, known) in &self.incidents {
            let of_rule = || alerts.iter().filter(|it| number(&it.alert_type) == Some(*rule));
            let found: Vec<_> = of_rule().map(|it| (it.kind, it.told)).collect();
            assert_eq!(found, self.alerts_of(*rule, *known), "alerts of rule {rule}");
            let id = of_rule().next().expect("it was opened").id;
            assert!(of_rule().all(|it| it.incident == Some(id)), "alerts of one incident: {alerts:?}");
            let is_open = *rule >= self.removed;
            lasting.insert(*rule, (id, is_open, is_open && known.ever));
        }
        let all = db.alerts().incidents()?;
        let place = |it: &Incident| Some((number(&it.alert_type)?, (it.id, it.is_open(), it.known)));
        let found: BTreeMap<_, _> = all.iter().filter_map(place).collect();
        assert_eq!(found, lasting, "incidents and alerts are one");
        Ok(())
    }
}

/// What there is nothing of is refused, and nothing else is.
fn done_unless(is_nothing: bool, outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(error) if is_nothing && error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(()) if is_nothing => panic!("what is not there was ended"),
        outcome => outcome,
    }
}

/// How many rules were set and removed: those that are there, beside the defaults.
fn rules(db: &Database) -> Result<(u64, u64)> {
    let found = db.alerts().rules()?;
    let there: BTreeSet<u64> = found.iter().filter_map(|rule| number(&rule.name)).collect();
    let default = AlertConfig::default().rules();
    let threshold = |rule: &AlertRule| rule.bands[0].edge.value() as u64 - 1;
    let set = found.iter().filter(|rule| rule.name == CHANGED && !default.contains(rule)).map(threshold).sum();
    let removed = there.first().copied().unwrap_or(set);
    assert_eq!(found, all_rules(set, removed), "rules that are set together are there together, and all others");
    Ok((set, removed))
}

/// Of each rule that judged the value, whether handlers are to hear of what it found.
fn incidents(alerts: &[Alert]) -> BTreeMap<u64, Known> {
    let mut incidents = BTreeMap::new();
    for alert in alerts.iter().filter(|it| it.kind != AlertKind::Resolved) {
        if let Some(rule) = number(&alert.alert_type) {
            let known = incidents.entry(rule).or_insert(Known { at_once: alert.told, ever: alert.told });
            known.ever |= alert.told;
        }
    }
    incidents
}

/// How many silences were given and ended: the newest keeps its number, and those that last are whole.
fn silences(db: &Database) -> Result<(u64, u64)> {
    let newest = match db.collection("_alert_silences") {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        silences => silences?.scan().reverse().next().transpose()?,
    };
    let given = newest.map_or(0, |record| record.key.as_number().expect("the number of a silence"));
    let lasting = db.alerts().silences()?;
    let ended = given - lasting.len() as u64;
    assert_eq!(lasting, (ended + 1..=given).map(silence).collect::<Vec<_>>(), "the first ones are ended first");
    Ok((given, ended))
}
