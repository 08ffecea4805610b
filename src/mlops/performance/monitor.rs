//! The monitor of one model: recording what it said and what was true.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::prediction::{Output, PredictionRecord, check_id, check_truth};
use super::records::{Orphan, Records, Stale, Stored, sortable, sorted_time};
use super::scoring::{Ids, Scorers};
use super::settings::{MonitorSettings, Orphans};
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Lsn;
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;
use crate::payload::Value;

/// Another thread came first so often that something must be wrong.
const MAX_CONFLICTS: usize = 1_000;

impl Database {
    /// The monitor of a model, with the settings that are stored, or the defaults of [`MonitorSettings`].
    pub fn monitor(&self, model: &ModelId) -> Monitor {
        Monitor { db: self.clone(), model: model.clone() }
    }

    /// The models that have predictions, or a monitor that was set up, by name.
    pub fn monitored_models(&self) -> Result<Vec<String>> {
        let records = Records::new(self, "");
        let text = |key: &crate::key::Key| key.as_text().map(str::to_owned);
        let mut models: Vec<String> =
            records.monitors.walk(|scan| scan)?.iter().filter_map(|row| text(&row.key)).collect();
        // One look for each model: what comes after all keys of the last one.
        let mut after = String::new();
        while let Some(row) = records.predictions.walk(|scan| scan.after(after.as_str()).limit(1))?.pop() {
            after = format!("{}\u{20}", row.value.model);
            models.push(row.value.model);
        }
        models.sort();
        models.dedup();
        Ok(models)
    }
}

/// How one model does: its predictions, the truth about them, and what follows.
///
/// Each prediction is a record in `_predictions`; the truth joins it later, by its id. Nothing is kept in memory, so a
/// monitor is after a kill what it was before. [`Monitor::tick`] closes windows of time, whose counts stay when predictions
/// have gone, and has the rules of [`Alerts`](super::super::Alerts) judge them. Cheap to clone, may be used from any thread.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::Database;
/// use driftline::mlops::{ModelId, PredictionRecord};
/// let db = Database::in_memory()?;
/// let monitor = db.monitor(&ModelId::new("spam", "3")?);
/// monitor.record_prediction(PredictionRecord::new("spam").confidence(0.9).latency_ms(12.0).id("request-7"))?;
/// monitor.record_prediction(PredictionRecord::failed("no answer").latency_ms(900.0))?;
///
/// // Days later somebody looks into it.
/// monitor.record_label("request-7", "ham", None)?;
/// let figures = monitor.metrics()?;
/// assert_eq!((figures.predictions, figures.error_rate), (2, Some(0.5)));
/// assert_eq!(figures.classification.expect("one truth is known").accuracy, 0.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Monitor {
    pub(super) db: Database,
    model: ModelId,
}

/// What a batch of predictions came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BatchReport {
    /// Predictions in the batch.
    pub prediction_count: u64,
    /// The share that was right; none without truths.
    pub accuracy: Option<f64>,
    /// How far the features have drifted: the share of them that did, or what [`Monitor::score_drift_with`] says. None where
    /// there is nothing to hold them against, or fewer than 50 rows a side.
    pub drift_score: Option<f64>,
}

impl Monitor {
    /// The model.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    pub(super) fn records(&self) -> Records {
        Records::new(&self.db, &self.model.to_string())
    }

    /// How it works.
    pub fn settings(&self) -> Result<MonitorSettings> {
        Ok(self.records().stored()?.0.settings)
    }

    pub(crate) fn store_settings(&self, settings: &MonitorSettings) -> Result<()> {
        let records = self.records();
        self.retried(|| {
            let (mut stored, lsn) = records.stored()?;
            if stored.settings.step != settings.step && stored.closed_until.is_some() {
                return Err(Error::invalid("windows of another length are closed already")
                    .at(format!("monitor {}", self.model))
                    .mend(format!("leave the step at {:?}", stored.settings.step)));
            }
            stored.settings = settings.clone();
            Ok((self.keep(&records, self.db.batch(), &stored, lsn)?, ()))
        })
    }

    /// Adds what is stored of the monitor to a batch, which fails where it has changed since.
    pub(super) fn keep(&self, records: &Records, batch: Batch, stored: &Stored, lsn: Option<Lsn>) -> Result<Batch> {
        let condition = lsn.map_or(Precondition::Absent, Precondition::AtLsn);
        let batch = batch.require(&records.monitors.collection()?, records.model(), condition);
        records.monitors.put_in(batch, records.model(), stored)
    }

    /// Commits what `make` gives, again where somebody else came first.
    pub(super) fn retried<T>(&self, make: impl Fn() -> Result<(Batch, T)>) -> Result<T> {
        for _ in 0..MAX_CONFLICTS {
            let (batch, made) = make()?;
            if batch.is_empty() {
                return Ok(made);
            }
            match batch.commit() {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other.map(|_| made),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "others change the same monitor without a pause").mend("retry later"))
    }

    /// Records a prediction, or an attempt at one; returns its id. Fails with `Exists` when there is one of its id.
    pub fn record_prediction(&self, record: PredictionRecord) -> Result<String> {
        let named = record.id.clone();
        let (batch, mut ids) = self.record_noting(self.db.batch(), vec![record], self.db.now())?;
        batch.commit().map_err(|error| taken(error, &named))?;
        Ok(ids.pop().unwrap_or_default())
    }

    /// Adds predictions to a batch of the caller's; returns their ids. The batch fails with `Conflict` where there is a
    /// prediction of one of the ids that were given. It may be committed whenever you like: what shows after its window was
    /// closed is counted by the next tick.
    pub fn record_in(&self, batch: Batch, predictions: Vec<PredictionRecord>) -> Result<(Batch, Vec<String>)> {
        self.record_noting(batch, predictions, Timestamp::NEVER)
    }

    /// The same, and notes that the windows are to be counted again that are over at a time.
    fn record_noting(
        &self,
        mut batch: Batch,
        predictions: Vec<PredictionRecord>,
        over: Timestamp,
    ) -> Result<(Batch, Vec<String>)> {
        let (records, now) = (self.records(), self.db.now());
        let (settings, table) = (records.stored()?.0.settings, records.predictions.collection()?);
        let (mut ids, mut windows) = (Vec::with_capacity(predictions.len()), BTreeMap::new());
        for record in predictions {
            let mut record = record.prepared(&self.model, now)?;
            let at = record.at.unwrap_or(now);
            let expires = at.max(now).after(settings.retention);
            if record.id.is_empty() {
                let ids: Arc<Ids> = self.db.companion();
                record.id = ids.next(&sortable(at), self.db.lsn());
            } else {
                check_id(&record.id)?;
                let (known, key) = (records.ids.collection()?, records.named(&record.id));
                if batch.requires(&known, &key.as_str().into())? {
                    return Err(Error::new(ErrorKind::Exists, format!("the id {} is twice in one batch", record.id)));
                }
                batch = batch.require(&known, key.as_str(), Precondition::Absent);
                batch = batch.put(&known, records.ids.record(key.as_str(), &at)?.expires_at(expires));
            }
            let key = records.prediction_key(at, &record.id);
            batch = batch
                .put(&table, records.predictions.record(key.as_str(), &record)?.created_at(at).expires_at(expires));
            let window = TimeRange::window(at, settings.step);
            windows.insert(window.from, window);
            ids.push(record.id);
        }
        for window in windows.into_values().filter(|window| window.to <= over) {
            batch = self.note_change(&records, batch, window, now)?;
        }
        Ok((batch, ids))
    }

    /// Notes that a window has to be counted again once it is over.
    fn note_change(&self, records: &Records, batch: Batch, window: TimeRange, now: Timestamp) -> Result<Batch> {
        let due = window.to.max(now);
        records.stale.put_in(batch, records.time_key(window.from).as_str(), &Stale { window, due })
    }

    /// Records predictions in one batch: all or none. There must be as many features as predictions, or none, and as many
    /// truths, or none; `latency_ms` is what each of them took. Returns what they come to.
    ///
    /// The drift score holds the features against the rows of the baseline, 1,000 a side at most, drawn by a hash of their
    /// places: each by Kolmogorov and Smirnov or by chi-square, at 0.05 over all of them. A feature that the rows lack, or
    /// whose values are mostly of another type, has drifted. Where it cannot be told, which a warning says, there is none:
    /// the predictions are recorded before it is looked for.
    pub fn log_prediction_batch(
        &self,
        features: &[Value],
        predictions: &[Output],
        true_labels: Option<&[Output]>,
        latency_ms: Option<f64>,
    ) -> Result<BatchReport> {
        let fits = |count: usize| count == predictions.len();
        if !(features.is_empty() || fits(features.len())) || !true_labels.is_none_or(|labels| fits(labels.len())) {
            let message =
                format!("{} predictions do not go with {} rows of features", predictions.len(), features.len());
            return Err(Error::invalid(message).mend("give as many features and truths as predictions, or none"));
        }
        let record = |place: usize| PredictionRecord {
            features: features.get(place).cloned().unwrap_or_default(),
            truth: true_labels.map(|labels| labels[place].clone()),
            latency_ms,
            ..PredictionRecord::new(predictions[place].clone())
        };
        let records: Vec<PredictionRecord> = (0..predictions.len()).map(record).collect();
        let right: Vec<bool> = records.iter().filter_map(PredictionRecord::is_right).collect();
        self.record_noting(self.db.batch(), records, self.db.now())?.0.commit()?;
        let drift_score = self.score(features).unwrap_or_else(|error| {
            tracing::warn!(%error, model = %self.model, "a batch of predictions has no drift score");
            None
        });
        let share = |right: &[bool]| right.iter().filter(|right| **right).count() as f64 / right.len() as f64;
        Ok(BatchReport {
            prediction_count: predictions.len() as u64,
            accuracy: (!right.is_empty()).then(|| share(&right)),
            drift_score,
        })
    }

    /// Has `score` tell how far rows of features have drifted, for [`Monitor::log_prediction_batch`], on all handles of this
    /// store until it is closed. Replaces the one that was set before, and what a baseline would say.
    pub fn score_drift_with(&self, score: impl Fn(&[Value]) -> Result<Option<f64>> + Send + Sync + 'static) {
        let scorers: Arc<Scorers> = self.db.companion();
        scorers.set(&self.model.to_string(), Arc::new(score));
    }

    /// How far rows of features have drifted: what the application has set to tell that says, else the baseline.
    fn score(&self, features: &[Value]) -> Result<Option<f64>> {
        let scorers: Arc<Scorers> = self.db.companion();
        let model = self.model.to_string();
        match scorers.of(&model) {
            _ if features.is_empty() => Ok(None),
            Some(scorer) => scorer(features),
            None => scorers.baseline(&model, || self.stored_rows())?.map_or(Ok(None), |rows| rows.score(features)),
        }
    }

    /// Records what was true of a prediction, found out at a time, or now. Of several truths the latest found out counts:
    /// false when there is a later one already. Fails with `NotFound` for an unknown prediction, unless the settings have
    /// such a truth wait: then it is joined by a later [`Monitor::tick`].
    pub fn record_label(&self, id: &str, truth: impl Into<Output>, at: Option<Timestamp>) -> Result<bool> {
        check_id(id)?;
        let truth = truth.into();
        check_truth(&truth)?;
        let at = at.unwrap_or_else(|| self.db.now());
        self.retried(|| self.label_in(self.db.batch(), id, &truth, at))
    }

    pub(super) fn label_in(&self, batch: Batch, id: &str, truth: &Output, at: Timestamp) -> Result<(Batch, bool)> {
        let (records, now) = (self.records(), self.db.now());
        let settings = records.stored()?.0.settings;
        let Some((row, made)) = self.find(&records, id)? else {
            if settings.orphans == Orphans::Refuse {
                return Err(self.unknown(id));
            }
            let orphan = Orphan { id: id.to_owned(), truth: truth.clone(), at };
            let key = records.named(id);
            let waiting = records.orphans.get(key.as_str())?;
            if waiting.is_some_and(|row| row.value.at > at) {
                return Ok((batch, false));
            }
            let record = records.orphans.record(key.as_str(), &orphan)?.expires_at(now.after(settings.retention));
            return Ok((batch.put(&records.orphans.collection()?, record), true));
        };
        let mut record = row.value;
        if record.truth_at.is_some_and(|known| known > at) {
            return Ok((batch, false));
        }
        (record.truth, record.truth_at) = (Some(truth.clone()), Some(at));
        record.check_kinds()?;
        let table = records.predictions.collection()?;
        let batch = batch.require(&table, row.key.clone(), Precondition::AtLsn(row.lsn));
        // Its id goes when it does.
        let expires = row.expires.unwrap_or(made.max(now).after(settings.retention));
        let put = records.predictions.record(row.key, &record)?.created_at(made).expires_at(expires);
        let (batch, window) = (batch.put(&table, put), TimeRange::window(made, settings.step));
        Ok((if window.to <= now { self.note_change(&records, batch, window, now)? } else { batch }, true))
    }

    /// The prediction of this id, and when it was made.
    fn find(
        &self,
        records: &Records,
        id: &str,
    ) -> Result<Option<(crate::mlops::table::Row<PredictionRecord>, Timestamp)>> {
        let known = records.ids.get(records.named(id).as_str())?.map(|row| row.value);
        let Some(at) = known.or_else(|| sorted_time(id)) else { return Ok(None) };
        let found = records.predictions.get(records.prediction_key(at, id).as_str())?;
        Ok(found.map(|row| (row, at)))
    }

    fn unknown(&self, id: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no prediction {id}, or none any more"))
            .at(format!("monitor {}", self.model))
            .mend("record the prediction first, or set the monitor up to keep the truth until it comes")
    }

    /// The prediction of this id. Fails with `NotFound` when there is none, or none any more.
    pub fn prediction(&self, id: &str) -> Result<PredictionRecord> {
        check_id(id)?;
        let found = self.find(&self.records(), id)?;
        found.map(|(row, _)| row.value).ok_or_else(|| self.unknown(id))
    }
}

/// A conflict over an id as what it means to who gave it.
fn taken(error: Error, id: &str) -> Error {
    if error.kind() != ErrorKind::Conflict {
        return error;
    }
    Error::new(ErrorKind::Exists, format!("there is a prediction {id} already"))
        .mend("give each prediction an id of its own; the truth about one comes with record_label")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::record::Record;
    use crate::schema::Schema;

    #[test]
    fn others_who_change_a_monitor_without_a_pause_are_a_conflict_and_no_fault_of_the_store() {
        let db = Database::in_memory().unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        let never = || Ok((db.batch().require(&notes, "a", Precondition::Present).put(&notes, Record::new("b")), ()));
        let error = db.monitor(&ModelId::new("ranker", "1").unwrap()).retried(never).unwrap_err();
        assert!(error.kind() == ErrorKind::Conflict && !error.is_of_the_store(), "{error}");
    }
}
