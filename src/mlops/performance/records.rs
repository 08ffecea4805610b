//! Where predictions and what was counted of them are kept, and under which keys.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::prediction::{Output, PredictionRecord};
use super::settings::MonitorSettings;
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::error::Result;
use crate::ids::Lsn;
use crate::key::Key;
use crate::mlops::table::Table;
use crate::mlops::times::TimeRange;

/// What stands between the parts of a key; no model and no id has it.
const BETWEEN: char = '\u{1f}';

/// The tables of one model's monitor.
#[derive(Debug, Clone)]
pub(super) struct Records {
    model: String,
    pub(super) monitors: Table<Stored>,
    pub(super) predictions: Table<PredictionRecord>,
    /// When predictions were made whose ids the caller gave.
    pub(super) ids: Table<Timestamp>,
    pub(super) windows: Table<Window>,
    /// Windows whose predictions have changed since they were counted, or may have.
    pub(super) stale: Table<Stale>,
    pub(super) orphans: Table<Orphan>,
    pub(super) baselines: Table<Baseline>,
}

/// A monitor as it is stored.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) settings: MonitorSettings,
    /// The windows before this are closed.
    pub(super) closed_until: Option<Timestamp>,
    /// What was counted of them, also of those that are kept no more; monitors of earlier releases are without.
    #[serde(default)]
    pub(super) totals: Option<Totals>,
}

/// Predictions of all windows that were closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) predictions: u64,
    pub(super) errors: u64,
}

impl Totals {
    /// Counts a window, in place of what was counted of it before.
    pub(super) fn count(&mut self, before: Option<&Tally>, now: &Tally) {
        let (rows, errors) = before.map_or((0, 0), |before| (before.rows, before.errors));
        self.predictions = self.predictions.saturating_sub(rows).saturating_add(now.rows);
        self.errors = self.errors.saturating_sub(errors).saturating_add(now.errors);
    }
}

/// What was counted of a window.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) model: String,
    pub(super) range: TimeRange,
    pub(super) tally: Tally,
}

/// A window to be counted again, when it is due.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Stale {
    pub(super) window: TimeRange,
    pub(super) due: Timestamp,
}

/// A truth that waits for its prediction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Orphan {
    pub(super) id: String,
    pub(super) truth: Output,
    pub(super) at: Timestamp,
}

impl Records {
    pub(super) fn new(db: &Database, model: &str) -> Records {
        Records {
            model: model.to_owned(),
            monitors: Table::new(db, "_monitors"),
            predictions: Table::new(db, "_predictions"),
            ids: Table::new(db, "_prediction_ids"),
            windows: Table::new(db, "_performance"),
            stale: Table::new(db, "_performance_stale"),
            orphans: Table::new(db, "_orphan_labels"),
            baselines: Table::new(db, "_performance_baselines"),
        }
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The monitor as it is stored, and where.
    pub(super) fn stored(&self) -> Result<(Stored, Option<Lsn>)> {
        let row = self.monitors.get(self.model.as_str())?;
        Ok(row.map_or_else(|| (Stored::default(), None), |row| (row.value, Some(row.lsn))))
    }

    /// What begins all keys of this model.
    pub(super) fn prefix(&self) -> String {
        format!("{}{BETWEEN}", self.model)
    }

    pub(super) fn named(&self, name: &str) -> String {
        format!("{}{BETWEEN}{name}", self.model)
    }

    pub(super) fn prediction_key(&self, at: Timestamp, id: &str) -> String {
        format!("{}{BETWEEN}{id}", self.time_key(at))
    }

    /// The key of a window; and what is before the keys of all predictions from this time on.
    pub(super) fn time_key(&self, at: Timestamp) -> String {
        format!("{}{BETWEEN}{}", self.model, sortable(at))
    }

    /// The keys of a time.
    pub(super) fn keys(&self, range: TimeRange) -> std::ops::Range<Key> {
        self.time_key(range.from).into()..self.time_key(range.to).into()
    }

    /// Counts the predictions of a time, and closes the tally.
    pub(super) fn count(&self, range: TimeRange) -> Result<Tally> {
        let mut tally = Tally::new()?;
        let profile = self.baseline()?.map(|baseline| baseline.profile).unwrap_or_default();
        for row in self.predictions.iter(|scan| scan.range(self.keys(range)))? {
            tally.add(&row?.value, &profile)?;
        }
        tally.close(&profile);
        Ok(tally)
    }

    /// The newest predictions, the oldest of them first.
    pub(super) fn newest(&self, count: u64) -> Result<Vec<PredictionRecord>> {
        self.newest_of(TimeRange::ALL, count)
    }

    /// When the newest prediction was made; the beginning of all time where there is none.
    pub(super) fn newest_time(&self) -> Result<Timestamp> {
        let newest = self.newest(1)?.pop();
        Ok(newest.and_then(|record| record.at).unwrap_or(TimeRange::ALL.from))
    }

    /// The newest predictions of a time, the oldest of them first.
    pub(super) fn newest_of(&self, time: TimeRange, count: u64) -> Result<Vec<PredictionRecord>> {
        let rows = self.predictions.walk(|scan| scan.range(self.keys(time)).reverse().limit(count))?;
        Ok(rows.into_iter().rev().map(|row| row.value).collect())
    }

    /// The windows that were counted and overlap a time.
    pub(super) fn windows(&self, range: TimeRange, step: Duration) -> Result<Vec<Window>> {
        let first = TimeRange::window(range.from, step).from;
        let rows = self.windows.walk(|scan| scan.range(self.keys(TimeRange { from: first, to: range.to })))?;
        rows.into_iter().map(|row| self.sound(row.value)).collect()
    }

    /// The totals of a monitor; where they were not counted yet, of the windows that are kept.
    pub(super) fn totals(&self, stored: &Stored) -> Result<Totals> {
        if let Some(totals) = stored.totals {
            return Ok(totals);
        }
        let mut totals = Totals::default();
        for row in self.windows.iter(|scan| scan.prefix(self.prefix()))? {
            totals.count(None, &row?.value.tally);
        }
        Ok(totals)
    }

    pub(super) fn window(&self, from: Timestamp) -> Result<Option<Window>> {
        let row = self.windows.get(self.time_key(from).as_str())?;
        row.map(|row| self.sound(row.value)).transpose()
    }

    /// A window whose tally does not contradict itself.
    pub(super) fn sound(&self, window: Window) -> Result<Window> {
        let tally = window.tally.checked(&format!("{}, {}", self.windows.place(), self.model))?;
        Ok(Window { tally, ..window })
    }

    /// Has a batch fail with `Conflict` where there is a newer baseline than this.
    pub(super) fn unless_newer(&self, batch: Batch, baseline: Option<&Baseline>) -> Result<Batch> {
        let Some(baseline) = baseline else { return Ok(batch) };
        let next = self.baseline_key(baseline.version + 1);
        Ok(batch.require(&self.baselines.collection()?, next.as_str(), Precondition::Absent))
    }

    pub(super) fn baseline_key(&self, version: u64) -> String {
        self.named(&format!("{version:010}"))
    }

    /// The baseline that holds.
    pub(super) fn baseline(&self) -> Result<Option<Baseline>> {
        let newest = self.baselines.walk(|scan| scan.prefix(self.prefix()).reverse().limit(1))?;
        Ok(newest.into_iter().next().map(|row| row.value))
    }
}

/// A time as a text that sorts like it.
pub(super) fn sortable(at: Timestamp) -> String {
    format!("{:016x}", (at.0 as u64) ^ (1 << 63))
}

/// The time that [`sortable`] wrote at the beginning of a text.
pub(super) fn sorted_time(text: &str) -> Option<Timestamp> {
    let number = u64::from_str_radix(text.get(..16)?, 16).ok()?;
    Some(Timestamp((number ^ (1 << 63)) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_earlier_releases_are_read_and_totals_counted_from_windows() {
        let db = Database::in_memory().unwrap();
        let records = Records::new(&db, "spam@3");
        for (from, rows) in [(0, 7), (300, 5)] {
            let range = TimeRange { from: Timestamp(from), to: Timestamp(from + 300) };
            let tally = Tally { rows, errors: 1, ..Tally::new().unwrap() };
            let window = Window { model: "spam@3".into(), range, tally };
            records.windows.put(records.time_key(range.from).as_str(), &window).unwrap();
        }
        let stored: Stored = serde_json::from_value(serde_json::json!({"settings": {}, "closed_until": 600})).unwrap();
        assert_eq!(records.totals(&stored).unwrap(), Totals { predictions: 12, errors: 2 });
        let known = Totals { predictions: 100, errors: 3 };
        assert_eq!(records.totals(&Stored { totals: Some(known), ..stored }).unwrap(), known);

        let mut earlier = serde_json::to_value(Baseline { at: Timestamp(5), ..Baseline::default() }).unwrap();
        earlier.as_object_mut().unwrap().remove("since");
        assert_eq!(serde_json::from_value::<Baseline>(earlier).unwrap().since(), Timestamp(5));
    }

    #[test]
    fn times_sort_as_texts() {
        let times = [i64::MIN, -1, 0, 1, 1_700_000_000_000_000, i64::MAX].map(Timestamp);
        assert!(times.windows(2).all(|pair| sortable(pair[0]) < sortable(pair[1])));
        assert!(times.iter().all(|at| sorted_time(&sortable(*at)) == Some(*at)));
        assert_eq!((sorted_time("short"), sorted_time("0123456789abcdeé")), (None, None));
    }
}
