//! Where drift is kept: the tables, and how their keys are made so that they are in the order of time.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::incident::{DriftIncident, Track};
use super::report::DriftReport;
use super::result::DriftKind;
use super::subject::Subject;
use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::key::Key;
use crate::mlops::table::Table;
use crate::mlops::times::TimeRange;
use crate::schema::Schema;

/// How long reports are kept: a window every five minutes makes 105,000 of them in a year.
const KEPT: Duration = Duration::from_secs(366 * 86_400);

/// What windows and recorded checks showed: `<name>/<time>`.
pub(super) fn reports(db: &Database) -> Table<DriftReport> {
    reports_as(db)
}

/// The same, read as something that has a part of their fields.
pub(super) fn reports_as<T: Serialize + DeserializeOwned>(db: &Database) -> Table<T> {
    Table::with_schema(db, "_drift", || Schema::payload_only().ttl(KEPT))
}

/// Where each monitor stands, by its name.
pub(super) fn tracks(db: &Database) -> Table<Track> {
    Table::new(db, "_drift_monitors")
}

/// Incidents: `<name>/<number>`.
pub(super) fn incidents(db: &Database) -> Table<DriftIncident> {
    Table::new(db, "_drift_incidents")
}

/// The name under which checks of a subject are kept, apart from the windows of its monitor.
pub(super) fn checks_of(subject: &Subject) -> String {
    format!("check {subject}")
}

/// The name under which it is kept what the monitor of a model finds: how the model errs, and what it says.
pub(super) fn findings_of(kind: DriftKind, subject: &Subject) -> String {
    format!("{kind} {subject}")
}

/// What begins the keys of all that happened to `name`. The `/` behind it is the only one: names of models may have some,
/// which would meet the times of others. No name has control characters.
pub(super) fn prefix(name: &str) -> String {
    format!("{}/", name.replace('/', "\u{1f}"))
}

/// The key of what happened to `name` at a time.
pub(super) fn at(name: &str, time: Timestamp) -> Key {
    format!("{}{:016x}", prefix(name), (time.0 as u64) ^ (1 << 63)).into()
}

/// The keys of all that happened to `name` in a time.
pub(super) fn within(name: &str, range: TimeRange) -> std::ops::Range<Key> {
    at(name, range.from)..at(name, range.to)
}

/// The key of the incident of this number.
pub(super) fn numbered(name: &str, number: u64) -> Key {
    format!("{}{number:010}", prefix(name)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_time() {
        let times = [i64::MIN, -5, 0, 7, i64::MAX].map(|time| at("docs", Timestamp(time)).to_string());
        assert!(times.is_sorted());
        let range = TimeRange { from: Timestamp(0), to: Timestamp(10) };
        assert!(within("docs", range).contains(&at("docs", Timestamp(9))));
        assert!(!within("docs", range).contains(&at("docs", Timestamp(10))));
        assert!(!within("docs", range).contains(&at("docs/x", Timestamp(5))));
        let inside = at("m@1", Timestamp(5)).to_string();
        let hostile = inside.split_once('/').map(|(name, time)| format!("{name}/{time}")).unwrap_or_default();
        assert!(!within("m@1", range).contains(&at(&hostile, Timestamp(5))), "a name that looks like a key");
    }
}
