//! What is normal for a model: setting it, and holding the newest predictions against it.

use std::sync::Arc;

use super::baseline::{Baseline, SigmaReport, Signal};
use super::monitor::Monitor;
use super::records::Records;
use super::rows::Rows;
use super::scoring::Scorers;
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::gate::Protected;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::alerts::{Incident, metric};
use crate::mlops::drift::pieces;
use crate::mlops::times::TimeRange;
use crate::payload::Value;

/// The metrics that are judged by holding predictions against the baseline.
const AGAINST_BASELINE: [&str; 3] = [metric::ACCURACY_DROP, metric::CONCEPT_DRIFT, metric::PREDICTION_DRIFT];

impl Monitor {
    /// Takes the window of the newest predictions for what is normal from now on, and returns it. The earlier baselines are
    /// kept. What lasts of drops of accuracy and of drift of concept and predictions ends in the same batch: it was found against
    /// the one before. Fails in inference mode, and without predictions.
    pub fn set_baseline(&self, reason: &str) -> Result<Baseline> {
        let records = self.records();
        let window = records.newest(records.stored()?.0.settings.window)?;
        if window.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "there are no predictions to take a baseline from")
                .at(format!("monitor {}", self.model()))
                .mend("record some first, or give a baseline to Monitor::builder"));
        }
        let baseline = Baseline::of(&window);
        let features: Vec<Value> =
            window.into_iter().map(|record| record.features).filter(|features| !features.is_null()).collect();
        self.add_baseline(baseline, &features, reason)
    }

    /// Sets a baseline that was given, unless it is the one that was given last: where a process sets up what an earlier one
    /// has set up, nothing changes, also when somebody has taken another one since.
    pub(super) fn give_baseline(&self, baseline: Baseline, features: &[Value]) -> Result<()> {
        match self.was_given(&baseline)? {
            true => Ok(()),
            false => self.add_baseline(baseline, features, "given to the builder").map(drop),
        }
    }

    /// Whether this baseline is the one that was given last.
    pub(super) fn was_given(&self, baseline: &Baseline) -> Result<bool> {
        let last = self.baselines()?.into_iter().find(|it| it.given.is_some());
        Ok(last.is_some_and(|last| last.given == baseline.given))
    }

    /// Fails where the mode of the store protects baselines.
    pub(super) fn may_add_baselines(&self) -> Result<()> {
        self.db.engine().check_gate(Protected::Baselines)
    }

    fn add_baseline(&self, baseline: Baseline, features: &[Value], reason: &str) -> Result<Baseline> {
        self.may_add_baselines()?;
        let records = self.records();
        let rows = Rows::of(features);
        let stored = rows.as_ref().map(Rows::encoded).transpose()?;
        let baseline = self.retried(|| {
            let version = records.baseline()?.map_or(0, |last| last.version) + 1;
            let (at, reason, kept) = (self.db.now(), reason.to_owned(), stored.as_ref().map(pieces::Stored::kept));
            let since = Some(records.newest_time()?.min(at));
            let baseline = Baseline { version, at, since, reason, rows: kept, ..baseline.clone() };
            let mut batch = self.put_baseline(&records, &baseline)?;
            if let Some(stored) = &stored {
                batch = pieces::put_in(&self.db, batch, &self.rows_key(version), stored)?;
            }
            Ok((self.end_in(batch, version)?, baseline))
        })?;
        let scorers: Arc<Scorers> = self.db.companion();
        scorers.learn(&self.model().to_string(), baseline.version, rows);
        self.db.alerts().wake();
        Ok(baseline)
    }

    /// Ends what lasts against the baseline before this one.
    fn end_in(&self, batch: Batch, version: u64) -> Result<Batch> {
        let model = self.model().to_string();
        let concerned = |it: &Incident| it.subject == model && AGAINST_BASELINE.contains(&&*it.metric);
        let told =
            |it: &Incident| format!("{} of {model} is over: it is held against baseline {version} now", it.metric);
        self.db.alerts().end_in(batch, concerned, told)
    }

    /// Notes an accuracy that later ones are compared with, unless the model has a baseline. It changes none, so it may be
    /// noted in every mode.
    pub(crate) fn first_baseline(&self, accuracy: f64, reason: &str) -> Result<()> {
        let records = self.records();
        self.retried(|| {
            if records.baseline()?.is_some() {
                return Ok((self.db.batch(), ()));
            }
            let (at, reason) = (self.db.now(), reason.to_owned());
            let (since, accuracy) = (Some(TimeRange::ALL.from), Some(accuracy));
            let baseline = Baseline { version: 1, at, since, reason, accuracy, ..Baseline::default() };
            Ok((self.put_baseline(&records, &baseline)?, ()))
        })
    }

    fn put_baseline(&self, records: &Records, baseline: &Baseline) -> Result<Batch> {
        let key = records.baseline_key(baseline.version);
        let absent = self.db.batch().require(&records.baselines.collection()?, key.as_str(), Precondition::Absent);
        records.baselines.put_in(absent, key.as_str(), baseline)
    }

    /// Under which key the rows of a baseline are. No baseline that has a name of its own is called so.
    fn rows_key(&self, version: u64) -> String {
        format!("performance of {}/{version:010}", self.model())
    }

    /// The version of the baseline that holds, and its rows, if it has any.
    pub(super) fn stored_rows(&self) -> Result<(u64, Option<Rows>)> {
        let Some(baseline) = self.baseline()? else { return Ok((0, None)) };
        let read = |kept: &pieces::Kept| {
            pieces::read(&self.db, &self.rows_key(baseline.version), kept.pieces, &kept.sha256).map(Rows::stored)
        };
        Ok((baseline.version, baseline.rows.as_ref().map(read).transpose()?))
    }

    /// What is normal, where that was set.
    pub fn baseline(&self) -> Result<Option<Baseline>> {
        self.records().baseline()
    }

    /// All baselines, the newest first.
    pub fn baselines(&self) -> Result<Vec<Baseline>> {
        let records = self.records();
        let rows = records.baselines.walk(|scan| scan.prefix(records.prefix()).reverse())?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// Applies the sigma rule to a signal: the newest predictions since the baseline was set against it. Fails with `NotFound`
    /// where there is no baseline, it has no such values, or no newer prediction has any.
    pub fn detect_drift(&self, signal: Signal) -> Result<SigmaReport> {
        let records = self.records();
        let missing = |what: &str| {
            Error::new(ErrorKind::NotFound, format!("{what} {signal}")).at(format!("monitor {}", self.model()))
        };
        let Some(baseline) = records.baseline()? else {
            return Err(missing("there is no baseline of").mend("take one with Monitor::set_baseline"));
        };
        let Some(before) = baseline.signals.get(&signal) else {
            return Err(missing("the baseline has no").mend("take another when predictions have it"));
        };
        let settings = records.stored()?.0.settings;
        let since = TimeRange { from: baseline.since(), to: Timestamp::NEVER };
        let current = signal.values(&records.newest_of(since, settings.window)?);
        if current.is_empty() {
            return Err(missing("no prediction since the baseline has a").mend("record some first"));
        }
        SigmaReport::of(before, &current, settings.drift_threshold)
    }
}
