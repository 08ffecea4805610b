//! What is known of models: alerts, drift and predictions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::de::DeserializeOwned;

use super::text::Exposition;
use super::{MOST_NAMES, OTHERS};
use crate::database::collection::Collection;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::mlops::alerts::Severity;
use crate::mlops::drift::{DriftIncident, DriftKind, DriftReport, DriftResult, Test};
use crate::mlops::model::ModelId;
use crate::mlops::performance::MonitorStatistics;
use crate::sync::Mutex;

/// The alerts that were counted since the store was opened, and the newest of them. Only the newest are kept, so a sum
/// over those that are there would not only grow.
#[derive(Debug, Default)]
struct Counted(Mutex<(Option<Key>, [u64; Severity::ALL.len()])>);

/// Alerts that were recorded, and incidents that last.
pub(super) fn alerts(db: &Database, text: &mut Exposition) -> Result<()> {
    let companion = db.companion::<Counted>();
    let mut counted = companion.0.lock();
    if let Some(alerts) = existing(db, "_alerts")? {
        let scan = alerts.scan();
        let scan = counted.0.clone().into_iter().fold(scan, |scan, newest| scan.after(newest));
        for alert in scan {
            let alert = alert?;
            let severity = alert.payload.get("severity").and_then(|severity| severity.as_text()).unwrap_or_default();
            if let Some(place) = Severity::ALL.iter().position(|known| known.name() == severity) {
                counted.1[place] += 1;
            }
            counted.0 = Some(alert.key);
        }
    }
    let mut total =
        text.counter("driftline_alerts_total", "Alerts that were recorded, those kept at opening included.");
    for (severity, count) in Severity::ALL.iter().zip(counted.1) {
        total.sample(&[("severity", severity.name())], count as f64);
    }
    let incidents = db.alerts().incidents()?;
    let mut open = text.gauge("driftline_alert_incidents_open", "Incidents that last, by how bad they are now.");
    for severity in Severity::ALL {
        let count = incidents.iter().filter(|incident| incident.is_open() && incident.severity == severity).count();
        open.sample(&[("severity", severity.name())], count as f64);
    }
    Ok(())
}

/// The newest recorded check of each subject, and whether an incident of it lasts.
pub(super) fn drift(db: &Database, text: &mut Exposition) -> Result<()> {
    let mut reports: BTreeMap<(String, DriftKind), DriftReport> = BTreeMap::new();
    // A subject may have been checked by hand and by monitors. How a model errs, and what it says, stands beside what it sees.
    for report in newest::<DriftReport>(db, "_drift")? {
        let alone = |kind: &DriftKind| report.results.iter().all(|result| result.kind == *kind);
        let kind = [DriftKind::Concept, DriftKind::Prediction].into_iter().find(alone).unwrap_or_default();
        let known = reports.entry((report.subject.to_string(), kind)).or_insert_with(|| report.clone());
        if known.judged < report.judged {
            *known = report;
        }
    }
    let incidents: Vec<DriftIncident> = newest(db, "_drift_incidents")?;
    let subjects: BTreeSet<&String> = reports.keys().map(|(subject, _)| subject).collect();
    let named: BTreeSet<&String> = subjects.iter().copied().take(MOST_NAMES).collect();
    type Figure = fn(&DriftResult) -> Option<f64>;
    let figures: [(&'static str, &'static str, Figure); 2] = [
        ("driftline_drift_p_value", "The smallest adjusted p of the newest check, by test.", |it| it.adjusted_p),
        ("driftline_drift_statistic", "The statistic of that p.", |it| it.statistic),
    ];
    for (metric, help, figure) in figures {
        let mut family = text.gauge(metric, help);
        for ((subject, _), report) in reports.iter().filter(|((subject, _), _)| named.contains(subject)) {
            for (test, result) in surest(report) {
                if let Some(value) = figure(result) {
                    let (kind, test) = (result.kind.to_string(), test.to_string());
                    family.sample(&[("subject", subject), ("kind", &kind), ("test", &test)], value);
                }
            }
        }
    }
    let mut family = text.gauge("driftline_drift_incident_open", "Whether an incident of drift lasts.");
    let open: BTreeSet<String> =
        incidents.iter().filter(|incident| incident.is_open()).map(|incident| incident.subject.to_string()).collect();
    for subject in &named {
        family.sample(&[("subject", subject)], f64::from(u8::from(open.contains(*subject))));
    }
    if subjects.len() > named.len() {
        let lasts = subjects.iter().any(|subject| !named.contains(subject) && open.contains(*subject));
        family.sample(&[("subject", OTHERS)], f64::from(u8::from(lasts)));
    }
    Ok(())
}

/// Of the results of each test the one with the smallest p: features are many, tests are few.
fn surest(report: &DriftReport) -> Vec<(Test, &DriftResult)> {
    let mut results: Vec<&DriftResult> = report.results.iter().filter(|it| it.adjusted_p.is_some()).collect();
    results
        .sort_by(|a, b| a.test.cmp(&b.test).then(a.adjusted_p.unwrap_or(1.0).total_cmp(&b.adjusted_p.unwrap_or(1.0))));
    results.dedup_by_key(|result| result.test);
    results.into_iter().map(|result| (result.test, result)).collect()
}

/// Predictions by model, and how those of its window did.
pub(super) fn predictions(db: &Database, text: &mut Exposition) -> Result<()> {
    let (mut models, mut others) = (Vec::new(), None);
    for (place, name) in db.monitored_models()?.into_iter().enumerate() {
        let model: ModelId = name.parse()?;
        let monitor = db.monitor(&model);
        let counts = monitor.statistics()?;
        if place < MOST_NAMES {
            models.push((model, Outcomes::of(&counts), monitor.metrics()?));
        } else {
            others.get_or_insert(Outcomes::default()).add(&Outcomes::of(&counts));
        }
    }
    let mut total = text.counter("driftline_predictions_total", "Predictions that were recorded.");
    let named = models.iter().map(|(model, outcomes, _)| (model.name(), model.version(), outcomes));
    for (model, version, outcomes) in named.chain(others.iter().map(|outcomes| (OTHERS, "", outcomes))) {
        let labels = |outcome| [("model", model), ("version", version), ("outcome", outcome)];
        total.sample(&labels("success"), outcomes.success as f64);
        total.sample(&labels("error"), outcomes.error as f64);
    }
    let mut accuracy = text.gauge("driftline_prediction_accuracy", "The share of the window that was right.");
    for (model, _, figures) in &models {
        if let Some(classes) = &figures.classification {
            accuracy.sample(&[("model", model.name()), ("version", model.version())], classes.accuracy);
        }
    }
    let mut latency =
        text.gauge("driftline_prediction_latency_p95_seconds", "What 95 of 100 of the window keep within.");
    for (model, _, figures) in &models {
        if let Some(times) = &figures.latency {
            latency.sample(&[("model", model.name()), ("version", model.version())], times.p95 / 1e3);
        }
    }
    Ok(())
}

/// How predictions ended.
#[derive(Debug, Default)]
struct Outcomes {
    success: u64,
    error: u64,
}

impl Outcomes {
    fn of(counts: &MonitorStatistics) -> Outcomes {
        Outcomes { success: counts.total_predictions.saturating_sub(counts.error_count), error: counts.error_count }
    }

    fn add(&mut self, other: &Outcomes) {
        self.success += other.success;
        self.error += other.error;
    }
}

fn existing(db: &Database, name: &str) -> Result<Option<Collection>> {
    match db.collection(name) {
        Ok(collection) => Ok(Some(collection)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last record of each name, of a collection whose keys are `<name>/<number>`. One look for each.
fn newest<T: DeserializeOwned>(db: &Database, name: &str) -> Result<Vec<T>> {
    let mut found = Vec::new();
    let Some(collection) = existing(db, name)? else { return Ok(found) };
    let mut before: Bound<Key> = Bound::Unbounded;
    while let Some(record) = collection.scan().range((Bound::Unbounded, before.clone())).reverse().limit(1).next() {
        let record = record?;
        let key = record.key.as_text().unwrap_or_default().to_owned();
        let prefix = key.rsplit_once('/').map_or("", |(prefix, _)| prefix);
        let value = serde_json::from_value(record.payload.to_json());
        let value = value.map_err(|error| Error::corrupt(format!("the record {key} cannot be read: {error}"), name))?;
        before = Bound::Excluded(format!("{prefix}/").into());
        found.push(value);
    }
    Ok(found)
}
