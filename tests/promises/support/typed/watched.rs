//! A model that serves: what it said, what was true, the windows that were closed over both, and the drift that was judged.
//!
//! Its predictions come in batches of [`ROWS`], and lie long before the times that the store's clock shows, so that every
//! one of them is late. Of three batches the third comes late, to the window of the first. Two windows are quick and two
//! are slow, by turns. Which alerts and incidents there must be follows from how many windows were counted and judged. Of its
//! baseline nine of ten were right, and of its predictions more: each window that was counted is judged, and none alarms.

use std::collections::BTreeSet;
use std::time::Duration;

use driftline::mlops::drift::{DriftMonitor, DriftReport, MonitorOptions, Reference};
use driftline::mlops::{Alert, AlertKind, ModelId, Monitor, Orphans, Output, PredictionRecord, TimeRange};
use driftline::{Database, ErrorKind, Result, Timestamp, Value, json};

use super::LATER;

const MODEL: &str = "spam@1";
const PREDICTIONS: &str = "_predictions";
/// Predictions of a batch: enough for each verdict. The first has a name and gets to know what was true, of the others it is
/// known at once.
const ROWS: u64 = 51;
/// Predictions of the baseline.
const NORMAL: usize = 60;
const STEP: Duration = Duration::from_secs(300);
/// Where the first window begins.
const BEGIN: i64 = -3_000 * 300_000_000;
/// Windows that one call judges, at most.
const MOST_WINDOWS: usize = 32;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Watched {
    /// What the monitor was told: to have truths wait for their predictions, then a baseline.
    told_first: u64,
    /// Batches of predictions.
    served: u64,
    /// Truths that were told, of the first so many batches, and those of them that wait.
    told: u64,
    waiting: BTreeSet<u64>,
    /// The windows that were closed: predictions and truths when they were counted last.
    counted: Vec<(u64, u64)>,
    /// Windows that were judged for drift.
    judged: u64,
}

/// The window of a batch.
fn window_of(batch: u64) -> u64 {
    batch / 3 * 2 + u64::from(batch % 3 == 1)
}

fn is_slow(window: u64) -> bool {
    window / 2 % 2 == 1
}

fn times(window: u64) -> TimeRange {
    let step = STEP.as_micros() as i64;
    let from = BEGIN + window as i64 * step;
    TimeRange { from: Timestamp(from), to: Timestamp(from + step) }
}

fn name(batch: u64) -> String {
    format!("{batch:04}")
}

fn truth(batch: u64) -> &'static str {
    if batch.is_multiple_of(2) { "spam" } else { "ham" }
}

fn model() -> ModelId {
    MODEL.parse().expect("a name and a version")
}

fn prediction(batch: u64, place: u64) -> PredictionRecord {
    let window = window_of(batch);
    let second = batch % 3 * 100 + place;
    let latency_ms = (place + 1 + if is_slow(window) { 300 } else { 0 }) as f64;
    let record = PredictionRecord::new("spam").latency_ms(latency_ms);
    let record = record.at(times(window).from.after(Duration::from_secs(second)));
    if place == 0 { record.id(name(batch)) } else { record.truth("spam") }
}

fn drift(db: &Database) -> Result<DriftMonitor> {
    let options = MonitorOptions::default().interval(STEP).begin(times(0).from).most_windows(MOST_WINDOWS as u32);
    db.drift_monitor(PREDICTIONS, options.reference(Reference::Range(times(0))).fields(["latency_ms"]))
}

impl Watched {
    fn is_set_up(&self) -> bool {
        self.told_first == 2
    }

    /// Whether a baseline is set next.
    pub(super) fn wants_baseline(&self) -> bool {
        self.told_first == 1
    }

    fn windows(&self) -> u64 {
        (0..self.served).map(|batch| window_of(batch) + 1).max().unwrap_or(0)
    }

    /// Predictions and truths of a window.
    fn tally(&self, window: u64) -> (u64, u64) {
        let batches = || (0..self.served).filter(|batch| window_of(*batch) == window);
        let known = batches().filter(|batch| *batch < self.told && !self.waiting.contains(batch));
        let (batches, known) = (batches().count() as u64, known.count() as u64);
        (batches * ROWS, batches * (ROWS - 1) + known)
    }

    pub(super) fn serve(&mut self) {
        match self.is_set_up() {
            true => self.served += 1,
            false => self.told_first += 1,
        }
    }

    pub(super) fn label(&mut self) {
        if !self.is_set_up() {
            self.told_first += 1;
            return;
        }
        if self.told >= self.served {
            self.waiting.insert(self.told);
        }
        self.told += 1;
    }

    /// What closing windows comes to, batch by batch: truths that waited join their predictions, windows are closed, and
    /// those are counted again to which something came.
    pub(super) fn closed(&self) -> Vec<Watched> {
        let (mut now, mut path) = (self.clone(), Vec::new());
        for batch in self.waiting.range(..self.served) {
            now.waiting.remove(batch);
            path.push(now.clone());
        }
        for window in now.counted.len() as u64..now.windows() {
            now.counted.push(now.tally(window));
            path.push(now.clone());
        }
        for window in 0..now.windows() {
            let tally = now.tally(window);
            if std::mem::replace(&mut now.counted[window as usize], tally) != tally {
                path.push(now.clone());
            }
        }
        path
    }

    /// What judging drift comes to: each window that was not judged yet is a batch.
    pub(super) fn judged(&self) -> Vec<Watched> {
        let windows = (self.judged + 1..=self.windows()).take(MOST_WINDOWS);
        windows.map(|judged| Watched { judged, ..self.clone() }).collect()
    }

    /// Incidents that were opened and closed: two slow windows open one, two quick ones close it.
    fn incidents(&self) -> (u64, u64) {
        (self.judged / 4, self.judged.saturating_sub(2) / 4)
    }

    /// How many alerts there must be of latency, of drift, and of its score, which is well again a window earlier.
    fn alerts(&self) -> [(&'static str, u64); 3] {
        let latency = (self.counted.len() as u64).saturating_sub(1) / 2;
        let (opened, closed) = self.incidents();
        let score = opened + self.judged.saturating_sub(1) / 4;
        [("high_latency", latency), ("feature_drift", opened + closed), ("drift_score", score)]
    }

    pub(super) fn perform_serve(&self, db: &Database) -> Result<()> {
        if !self.is_set_up() {
            return self.set_up(db);
        }
        let records = (0..ROWS).map(|place| prediction(self.served, place)).collect();
        db.monitor(&model()).record_in(db.batch(), records)?.0.commit().map(drop)
    }

    fn set_up(&self, db: &Database) -> Result<()> {
        let monitor = Monitor::builder(db, &model())?.keep_orphans();
        let monitor = match self.told_first {
            0 => monitor,
            _ => {
                let said = vec![Output::from("spam"); NORMAL];
                let truths = (0..NORMAL).map(|place| Output::from(if place % 10 == 0 { "ham" } else { "spam" }));
                let features: Vec<_> = (0..NORMAL as i64).map(|row| Value::from(json!({ "length": row }))).collect();
                monitor.baseline_labels(truths).baseline_predictions(said).baseline_data(&features)
            }
        };
        monitor.open().map(drop)
    }

    pub(super) fn perform_label(&self, db: &Database) -> Result<()> {
        if !self.is_set_up() {
            return self.set_up(db);
        }
        let counts = db.monitor(&model()).record_label(&name(self.told), truth(self.told), Some(Timestamp(BEGIN)))?;
        assert!(counts, "there was no later truth");
        Ok(())
    }

    /// What the call tells is what comes of it: no window is told of twice.
    pub(super) fn perform_close(&self, db: &Database) -> Result<()> {
        let report = db.monitor(&model()).tick(LATER)?;
        let after = self.closed().pop().unwrap_or_else(|| self.clone());
        let joined = self.waiting.len() - after.waiting.len();
        let closed = after.counted.len() - self.counted.len();
        let recounted = self.counted.iter().zip(&after.counted).filter(|(before, after)| before != after).count();
        assert_eq!((report.joined, report.closed, report.recounted), (joined as u64, closed as u64, recounted as u64));
        let alerts = after.alerts()[0].1 - self.alerts()[0].1;
        assert_eq!(report.alerts.len() as u64, alerts, "a window is told of once: {:?}", report.alerts);
        let known = db.monitor(&model()).statistics()?.total_predictions;
        assert_eq!(known, self.served * ROWS, "every prediction counts once");
        Ok(())
    }

    pub(super) fn perform_judge(&self, db: &Database) -> Result<()> {
        let Some(last) = self.windows().checked_sub(1) else { return Ok(()) };
        let tick = drift(db)?.tick(times(last).to)?;
        let path = self.judged();
        assert_eq!((tick.reports.len(), tick.gaps), (path.len(), 0), "each window is judged once");
        let after = path.last().unwrap_or(self);
        let ((opened, closed), before) = (after.incidents(), self.incidents());
        assert_eq!(tick.incidents.len() as u64, opened + closed - before.0 - before.1, "{:?}", tick.incidents);
        Ok(())
    }

    /// What the store holds of it.
    pub(super) fn of(db: &Database) -> Result<Watched> {
        let monitor = db.monitor(&model());
        let served = keys(db, "_prediction_ids")?.len() as u64;
        assert_eq!(keys(db, PREDICTIONS)?.len() as u64, served * ROWS, "what was recorded together is there together");
        let mut known = BTreeSet::new();
        for batch in 0..served {
            let found = monitor.prediction(&name(batch))?.truth;
            assert!(found.as_ref().is_none_or(|found| *found == truth(batch).into()), "another truth of {batch}");
            known.extend(found.map(|_| batch));
        }
        let waiting: BTreeSet<u64> = keys(db, "_orphan_labels")?.iter().map(|key| number(key)).collect();
        assert!(known.is_disjoint(&waiting), "a truth is joined, or it waits: {known:?}, {waiting:?}");
        let told = known.union(&waiting).max().map_or(0, |last| last + 1);
        assert_eq!((known.len() + waiting.len()) as u64, told, "truths of {known:?}, {waiting:?}");
        let keeps = monitor.settings()?.orphans == Orphans::Keep;
        let told_first = u64::from(keeps) + baselines(db, &monitor)?;
        let (counted, judged) = (counted(db)?, reports(db)?);
        for history in [monitor.concept_history(TimeRange::ALL)?, monitor.prediction_history(TimeRange::ALL)?] {
            check_history(&history, counted.len() as u64);
        }
        Ok(Watched { told_first, served, told, waiting, counted, judged })
    }

    /// Each alert that follows from a window is there once. Tells how many.
    pub(super) fn check_alerts(&self, alerts: &[Alert]) -> u64 {
        let mut all = 0;
        for (rule, count) in self.alerts() {
            let told: Vec<_> =
                alerts.iter().filter(|it| it.alert_type == rule && it.kind != AlertKind::Raised).collect();
            assert_eq!(told.len() as u64, count, "alerts of {rule}: {told:?}");
            assert!(told.is_sorted_by(|a, b| a.at < b.at), "an alert for each window: {told:?}");
            all += count;
        }
        all
    }
}

/// The keys of a collection, as texts; none where it was never made.
fn keys(db: &Database, name: &str) -> Result<Vec<String>> {
    let collection = match db.collection(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        collection => collection?,
    };
    collection.scan().map(|record| Ok(record?.key.as_text().expect("a text").to_owned())).collect()
}

/// The number of a batch, with which a key ends.
fn number(key: &str) -> u64 {
    key.rsplit('\u{1f}').next().and_then(|name| name.parse().ok()).expect("the number of a batch")
}

/// How many baselines there are: none or one, and its rows with it.
fn baselines(db: &Database, monitor: &Monitor) -> Result<u64> {
    let (known, mut rows) = (monitor.baselines()?, keys(db, "_baseline_rows")?);
    rows.retain(|key| key.starts_with(&format!("performance of {MODEL}/")));
    assert_eq!(known.len(), rows.len(), "a baseline is there with its rows: {known:?}, {rows:?}");
    assert!(known.iter().all(|baseline| baseline.accuracy == Some(0.9)), "{known:?}");
    Ok(known.len() as u64)
}

/// Each window that was counted was held against the baseline, once, and none alarmed.
fn check_history(history: &[DriftReport], windows: u64) {
    let found: Vec<_> = history.iter().map(|report| (report.current.to, report.alarm)).collect();
    let expected: Vec<_> = (0..windows).map(|window| (times(window).to, false)).collect();
    assert_eq!(found, expected);
}

/// What was counted of the windows, each of which is there once.
fn counted(db: &Database) -> Result<Vec<(u64, u64)>> {
    let windows = match db.collection("_performance") {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        windows => windows?,
    };
    let mut counted = Vec::new();
    for window in windows.scan() {
        let payload = window?.payload.to_json();
        assert_eq!(payload["range"]["from"], times(counted.len() as u64).from.0, "windows are closed in their order");
        let count = |name: &str| payload["tally"][name].as_u64().expect("a count");
        counted.push((count("rows"), count("labelled")));
    }
    Ok(counted)
}

/// Windows that were judged: their reports, and the incidents that follow from them.
fn reports(db: &Database) -> Result<u64> {
    let monitor = drift(db)?;
    let reports = monitor.reports(TimeRange::ALL)?;
    let judged = reports.len() as u64;
    for (window, report) in (0..).zip(&reports) {
        assert_eq!((report.current, report.alarm), (times(window), is_slow(window)), "{report:?}");
    }
    let (opened, closed) = Watched { judged, ..Watched::default() }.incidents();
    let incidents = monitor.incidents()?;
    assert_eq!(incidents.len() as u64, opened, "after {judged} windows: {incidents:?}");
    for (place, incident) in (0..).zip(&incidents) {
        let until = (place < closed).then(|| times(4 * place + 5));
        assert_eq!((incident.opened, incident.closed, incident.alarms), (times(4 * place + 3), until, 1));
    }
    Ok(judged)
}
