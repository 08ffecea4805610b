//! One round of judging: observations meet rules, and what changes goes into one batch.

use std::collections::BTreeMap;

use super::alert::{Alert, sentence};
use super::config::metric;
use super::incident::{AlertKind, Change, Incident, Reading, Watch};
use super::observation::Observation;
use super::records::{Records, watch_key};
use super::rule::AlertRule;
use super::rules;
use super::scores::Score;
use super::silence::Silence;
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::error::Result;
use crate::ids::Lsn;

/// The state of a round. Of two observations of one subject, the second sees what the first changed.
pub(super) struct Round<'a> {
    records: &'a Records,
    rules: Vec<AlertRule>,
    silences: Vec<Silence>,
    watches: BTreeMap<String, Loaded>,
    scores: BTreeMap<String, Score>,
    next_id: u64,
    now: Timestamp,
    alerts: Vec<Alert>,
}

/// What was remembered, and what is to be.
struct Loaded {
    watch: Watch,
    stored: Option<(Watch, Lsn)>,
}

impl<'a> Round<'a> {
    pub(super) fn begin(records: &'a Records, now: Timestamp) -> Result<Round<'a>> {
        Ok(Round {
            rules: records.rules()?,
            silences: records.silences()?,
            next_id: records.last_alert()? + 1,
            watches: BTreeMap::new(),
            scores: BTreeMap::new(),
            alerts: Vec::new(),
            now,
            records,
        })
    }

    /// Has every rule that concerns it judge an observation.
    pub(super) fn judge(&mut self, observation: &Observation) -> Result<()> {
        observation.check()?;
        let at = observation.at.unwrap_or(self.now);
        self.note_score(observation, at);
        let holding = rules::holding(&self.rules, rules::model_of(&observation.subject));
        let concerned = holding.into_iter().filter(|rule| rule.concerns(&observation.subject, &observation.metric));
        for rule in concerned.cloned().collect::<Vec<_>>() {
            let reading = Reading {
                rule: &rule,
                subject: &observation.subject,
                value: observation.value,
                at,
                correlation: observation.correlation.as_deref(),
                at_least: observation.at_least,
                silenced: self.silences.iter().any(|it| it.covers(&rule.name, &observation.subject, at)),
            };
            let id = self.next_id;
            let change = self.loaded(&rule.name, &observation.subject)?.watch.step(reading, id);
            if let Some(change) = change {
                if change.kind == AlertKind::Fired {
                    self.correlate(&rule.name, &observation.subject)?;
                }
                let incident = self.loaded(&rule.name, &observation.subject)?.watch.incident.clone();
                self.alerts.push(alert(id, reading, change, incident, observation));
                self.next_id += 1;
            }
        }
        Ok(())
    }

    /// Keeps a drift score, which more than rules may ask for.
    fn note_score(&mut self, observation: &Observation, at: Timestamp) {
        if observation.metric == metric::DRIFT_SCORE {
            let score = Score { value: observation.value, at, told: self.now };
            let known = self.scores.entry(observation.subject.clone()).or_insert(score);
            *known = score.or_later(*known);
        }
    }

    /// Has a new incident belong to what the oldest of its subject does that lasts; else to its own cause.
    fn correlate(&mut self, rule: &str, subject: &str) -> Result<()> {
        let mut oldest: Option<(u64, Option<String>)> = None;
        for place in 0..self.rules.len() {
            let name = self.rules[place].name.clone();
            let Some(it) = self.loaded(&name, subject)?.watch.incident.as_ref().filter(|it| it.is_open()) else {
                continue;
            };
            if name != rule && oldest.as_ref().is_none_or(|(id, _)| it.id < *id) {
                oldest = Some((it.id, it.correlation.clone()));
            }
        }
        if let Some(incident) = &mut self.loaded(rule, subject)?.watch.incident {
            let told = oldest.and_then(|(_, correlation)| correlation).or(incident.correlation.take());
            incident.correlation = Some(told.unwrap_or_else(|| format!("incident {}", incident.id)));
        }
        Ok(())
    }

    fn loaded(&mut self, rule: &str, subject: &str) -> Result<&mut Loaded> {
        let key = watch_key(rule, subject);
        match self.watches.entry(key) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => {
                let stored = self.records.watches.get(new.key().as_str())?.map(|row| (row.value, row.lsn));
                let watch = stored.as_ref().map(|(watch, _)| watch.clone()).unwrap_or_default();
                Ok(new.insert(Loaded { watch, stored }))
            }
        }
    }

    /// Adds what has changed to a batch.
    pub(super) fn write(self, mut batch: Batch) -> Result<(Batch, Vec<Alert>)> {
        for (key, Loaded { watch, stored }) in &self.watches {
            let changed = match stored {
                Some((stored, _)) => watch != stored,
                None => *watch != Watch::default(),
            };
            if changed {
                batch = self.records.remember(batch, key, watch, stored.as_ref().map(|(_, lsn)| *lsn))?;
            }
        }
        for (subject, score) in &self.scores {
            let known = self.records.scores.get(subject.as_str())?.map(|row| row.value);
            if score.is_news_after(known) {
                batch = self.records.scores.put_in(batch, subject.as_str(), score)?;
            }
        }
        if !self.alerts.is_empty() {
            batch = self.records.record(batch, &self.alerts)?;
        }
        Ok((batch, self.alerts))
    }
}

fn alert(
    id: u64,
    reading: Reading<'_>,
    change: Change,
    incident: Option<Incident>,
    observation: &Observation,
) -> Alert {
    let over = change.kind == AlertKind::Resolved;
    // What is worse than the bands say has the edge of the band that it is in.
    let of_band = || reading.rule.edge(reading.rule.severity(reading.value)?, reading.value);
    let edge = if over { None } else { reading.rule.edge(change.severity, reading.value).or_else(of_band) };
    // What was asked for when it was less bad is not asked for again.
    let new = |from| Some(from) > change.told_before && from <= change.severity;
    let asked = reading.rule.actions.iter().filter(|route| change.told && !over && new(route.from));
    Alert {
        id,
        at: reading.at,
        kind: change.kind,
        alert_type: reading.rule.name.clone(),
        severity: change.severity,
        subject: Some(reading.subject.to_owned()),
        metric: Some(reading.rule.metric.clone()),
        value: Some(reading.value),
        edge,
        message: sentence(&reading.rule.metric, reading.subject, reading.value, edge),
        metadata: observation.detail.clone(),
        incident: incident.as_ref().map(|incident| incident.id),
        correlation: incident.and_then(|incident| incident.correlation),
        told: change.told,
        actions: asked.map(|route| route.action).collect(),
    }
}
