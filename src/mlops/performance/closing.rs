//! Closing windows: what was counted is stored, and rules judge it, in one batch.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::monitor::Monitor;
use super::records::{Orphan, Records, Stale, Stored, Window};
use super::tail::Tail;
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::request::Precondition;
use crate::error::{ErrorKind, Result};
use crate::filter::print_time;
use crate::ids::Lsn;
use crate::mlops::alerts::{Alert, Observation, metric};
use crate::mlops::table::Row;
use crate::mlops::times::TimeRange;

/// What a tick has done.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TickReport {
    /// Windows that were closed.
    pub closed: u64,
    /// Windows that were counted again, because predictions or truths came late.
    pub recounted: u64,
    /// Truths that have met their predictions.
    pub joined: u64,
    /// What the rules had to say.
    pub alerts: Vec<Alert>,
    /// How far the time told lies before the end of a window that was closed already: no window is closed twice.
    pub clock_went_back: Option<Duration>,
}

impl Monitor {
    /// Closes the windows that are over at a time, counts those again to which something came late, and has the rules judge
    /// both; call it at intervals. A window is counted, judged and stored in one batch, so a kill leaves it done or not begun.
    ///
    /// Rules see, of each window of at least [`MonitorSettings::min_samples`](super::MonitorSettings::min_samples)
    /// predictions: `error_rate`, `latency_ms` (the 95th percentile) and `data_quality`; and `accuracy_drop`, that of the
    /// baseline, if it was given or counted over `min_samples` truths, less that of the newest windows since the baseline was set
    /// that together have as many truths as the settings' window; of the same
    /// truths `concept_drift`, see [`Monitor::concept_drift`]; and `prediction_drift`, see [`Monitor::prediction_drift`], and one
    /// more for each of confidence and predicted numbers that has moved by the sigma rule, over the newest windows with as many
    /// predictions (see [`Monitor::detect_drift`]). The subject is the model, the time that of the window's end, the
    /// correlation names the window. Windows without predictions are passed over.
    pub fn tick(&self, now: Timestamp) -> Result<TickReport> {
        let records = self.records();
        let mut report = TickReport { joined: self.join_orphans(&records)?, ..TickReport::default() };
        let closed_until = records.stored()?.0.closed_until;
        report.clock_went_back = closed_until.filter(|until| now < *until).map(|until| until.since(now));
        let mut tail = Tail::new(&records)?;
        while let Some((stored, lsn, window)) = self.next_to_close(&records, now)? {
            match self.close_window(&records, &mut tail, (stored, lsn), window) {
                Ok(alerts) => {
                    report.closed += 1;
                    report.alerts.extend(alerts);
                }
                // Another thread was first, somebody observes the same, or there is a new baseline; what is to be done is
                // looked up anew.
                Err(error) if error.kind() == ErrorKind::Conflict => tail = Tail::new(&records)?,
                Err(error) => return Err(error),
            }
        }
        for row in records.stale.walk(|scan| scan.prefix(records.prefix()))? {
            if row.value.due <= now {
                self.recount(&records, &mut tail, row, &mut report)?;
            }
        }
        // What the rules had to say may have come in a batch that woke nobody.
        self.db.alerts().wake();
        Ok(report)
    }

    /// The first window with predictions that is over and not closed.
    fn next_to_close(&self, records: &Records, now: Timestamp) -> Result<Option<(Stored, Option<Lsn>, TimeRange)>> {
        let (stored, lsn) = records.stored()?;
        let from = stored.closed_until.unwrap_or(Timestamp(i64::MIN));
        let open = records.keys(TimeRange { from, to: Timestamp::NEVER });
        let next = records.predictions.walk(|scan| scan.range(open).limit(1))?.pop();
        let Some(at) = next.and_then(|row| row.value.at) else { return Ok(None) };
        let window = TimeRange::window(at, stored.settings.step);
        Ok((window.to <= now).then_some((stored, lsn, window)))
    }

    fn close_window(
        &self,
        records: &Records,
        tail: &mut Tail,
        (mut stored, lsn): (Stored, Option<Lsn>),
        window: TimeRange,
    ) -> Result<Vec<Alert>> {
        let tally = records.count(window)?;
        tail.wanted = stored.settings.window;
        tail.set(records, window, &tally)?;
        let mut observations = self.judged(&tally, window, stored.settings.min_samples)?;
        observations.extend(self.accuracy(tail, window.to, stored.settings.min_samples));
        stored.closed_until = Some(window.to);
        let settings = stored.settings.clone();
        let batch = records.unless_newer(self.db.batch(), tail.baseline.as_ref())?;
        let batch = self.store(records, batch, (stored, lsn), window, None, &tally)?;
        // A batch that was on its way when this was counted shows when it is counted once more.
        let again = Stale { window, due: window.to.after(settings.step) };
        let batch = records.stale.put_in(batch, records.time_key(window.from).as_str(), &again)?;
        let (batch, concept) = self.judge_concept(batch, records, tail, window.to, &settings)?;
        let (batch, outputs) = self.judge_outputs(batch, records, tail, window.to, &settings)?;
        observations.extend(concept.into_iter().chain(outputs));
        let (batch, alerts) = self.db.alerts().observe_in(batch, &observations)?;
        batch.commit()?;
        Ok(alerts)
    }

    /// Counts a window again. Where predictions of it have gone meanwhile, what was counted stays.
    fn recount(&self, records: &Records, tail: &mut Tail, row: Row<Stale>, report: &mut TickReport) -> Result<()> {
        let (stored, lsn) = records.stored()?;
        let Some(until) = stored.closed_until.filter(|until| row.value.window.to <= *until) else { return Ok(()) };
        let window = row.value.window;
        let tally = records.count(window)?;
        let known = records.window(window.from)?;
        let table = records.stale.collection()?;
        let mut batch = self.db.batch().require(&table, row.key.clone(), Precondition::AtLsn(row.lsn));
        batch = batch.delete(&table, row.key);
        let mut alerts = Vec::new();
        let same_or_more = |known: &Window| tally.rows >= known.tally.rows && tally.to_store() != known.tally;
        let changed = tally.rows > 0 && known.as_ref().is_none_or(same_or_more);
        if changed {
            tail.wanted = stored.settings.window;
            tail.set(records, window, &tally)?;
            let settings = stored.settings.clone();
            batch = records.unless_newer(batch, tail.baseline.as_ref())?;
            batch = self.store(records, batch, (stored, lsn), window, known.as_ref().map(|it| &it.tally), &tally)?;
            let mut observations: Vec<Observation> =
                self.accuracy(tail, until, settings.min_samples).into_iter().collect();
            let concept;
            (batch, concept) = self.judge_concept(batch, records, tail, until, &settings)?;
            observations.extend(concept);
            (batch, alerts) = self.db.alerts().observe_in(batch, &observations)?;
        }
        match batch.commit() {
            // Something came again; the next tick counts that, too.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                report.recounted += u64::from(changed);
                report.alerts.extend(alerts);
                Ok(())
            }
        }
    }

    /// Adds what was counted of a window to a batch, and of all of them.
    fn store(
        &self,
        records: &Records,
        batch: Batch,
        (mut stored, lsn): (Stored, Option<Lsn>),
        range: TimeRange,
        before: Option<&Tally>,
        tally: &Tally,
    ) -> Result<Batch> {
        let mut totals = records.totals(&stored)?;
        totals.count(before, tally);
        stored.totals = Some(totals);
        let batch = self.keep(records, batch, &stored, lsn)?;
        let window = Window { model: records.model().to_owned(), range, tally: tally.to_store() };
        let record = records.windows.record(records.time_key(range.from).as_str(), &window)?;
        let expires = range.to.max(self.db.now()).after(stored.settings.summary_retention);
        Ok(batch.put(&records.windows.collection()?, record.expires_at(expires)))
    }

    /// What rules are to judge of a window by itself.
    fn judged(&self, tally: &Tally, window: TimeRange, least: u64) -> Result<Vec<Observation>> {
        if tally.rows < least {
            return Ok(Vec::new());
        }
        let figures = tally.figures(Some(window.length()))?;
        let values = [
            (metric::ERROR_RATE, figures.error_rate),
            (metric::LATENCY_MS, figures.latency.map(|latency| latency.p95)),
            (metric::DATA_QUALITY, figures.quality.map(|quality| quality.score)),
        ];
        let detail = json!({ "from": print_time(window.from), "to": print_time(window.to), "predictions": tally.rows });
        let observed = values.into_iter().filter_map(|(metric, value)| Some((metric, value?)));
        Ok(observed
            .map(|(metric, value)| self.observation(metric, value, window.from, window.to).detail(detail.clone()))
            .collect())
    }

    /// How far the accuracy of the newest truths is below that of the baseline, where there are enough of both.
    fn accuracy(&self, tail: &Tail, at: Timestamp, least: u64) -> Option<Observation> {
        let before = tail.baseline.as_ref()?.accuracy_of(least)?;
        let tail = tail.newest(least, |part| part.labelled).filter(|it| it.labelled >= least.max(1))?;
        let (from, truths) = (tail.from, tail.labelled);
        let now = tail.right as f64 / truths as f64;
        let detail = json!({ "baseline": before, "accuracy": now, "truths": truths });
        Some(self.observation(metric::ACCURACY_DROP, before - now, from, at).detail(detail))
    }

    pub(super) fn observation(&self, metric: &str, value: f64, from: Timestamp, at: Timestamp) -> Observation {
        let model = self.model().to_string();
        let cause = format!("window {model} from {}", print_time(from).unwrap_or_default());
        Observation::new(model, metric, value).at(at).correlation(cause)
    }

    /// Joins the truths whose predictions have come.
    fn join_orphans(&self, records: &Records) -> Result<u64> {
        let mut joined = 0;
        for row in records.orphans.walk(|scan| scan.prefix(records.prefix()))? {
            if self.prediction(&row.value.id).is_err() {
                continue;
            }
            match self.join(records, row) {
                Ok(true) => joined += 1,
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(joined)
    }

    /// Joins a truth with its prediction; one of the wrong kind goes, since it can never be joined.
    fn join(&self, records: &Records, row: Row<Orphan>) -> Result<bool> {
        let table = records.orphans.collection()?;
        let taken = || {
            let batch = self.db.batch().require(&table, row.key.clone(), Precondition::AtLsn(row.lsn));
            batch.delete(&table, row.key.clone())
        };
        match self.label_in(taken(), &row.value.id, &row.value.truth, row.value.at) {
            Ok((batch, _)) => batch.commit().map(|_| true),
            Err(error) if error.kind() == ErrorKind::Invalid => {
                tracing::warn!(%error, id = %row.value.id, "a truth that waited does not fit its prediction");
                taken().commit().map(|_| false)
            }
            Err(error) => Err(error),
        }
    }
}
