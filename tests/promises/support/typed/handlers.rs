//! A handler of alerts: somebody outside of the store, who is told of them, and how far the store knows that it is.
//!
//! It is there while it is told and gone afterwards, and goes on from where it was under its name. What it heard no crash
//! takes from it: so it shows whether an alert was skipped, or told of and lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use driftline::mlops::{Alert, Delivery};
use driftline::{Database, ErrorKind, Result};

use super::alerts::recorded;

const NAME: &str = "pager";

/// How far the store knows that it is; nothing before it was there for the first time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Handler(Option<Position>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// The number of the last alert that it was told of, or of the newest when it came.
    last: u64,
    /// Alerts that it was told of.
    told: u64,
}

/// What the handler has heard, by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(BTreeMap<u64, Alert>);

/// The alerts that a handler at this place is to be told of.
fn due(alerts: &[Alert], after: u64) -> impl Iterator<Item = u64> {
    alerts.iter().filter(move |it| it.told && it.id > after).map(|it| it.id)
}

impl Handler {
    /// What comes of telling it, batch by batch: it hears of what was recorded since it was told last, or since it came.
    pub(super) fn told(&self, db: &Database) -> Result<Vec<Handler>> {
        let alerts = recorded(db)?;
        let Some(now) = self.0 else {
            return Ok(vec![Handler(Some(Position { last: alerts.len() as u64, told: 0 }))]);
        };
        let step = |(told, last)| Handler(Some(Position { last, told }));
        Ok((now.told + 1..).zip(due(&alerts, now.last)).map(step).collect())
    }

    /// Tells it what it has not heard yet by what the store knows: each alert once, in their order.
    pub(super) fn perform(db: &Database, heard: &mut Heard) -> Result<()> {
        let due: Vec<u64> = match Handler::of(db)?.0 {
            Some(now) => due(&recorded(db)?, now.last).collect(),
            None => Vec::new(),
        };
        let ears: Arc<Mutex<Vec<Alert>>> = Arc::default();
        let keep = Arc::clone(&ears);
        let listen = move |delivery: &Delivery| {
            keep.lock().expect("hearing does not panic").push(delivery.alert.clone());
            Ok(())
        };
        let outcome = db.alerts().add_handler(NAME, listen).and_then(|()| db.alerts().deliver());
        db.alerts().remove_handler(NAME);
        let given = std::mem::take(&mut *ears.lock().expect("hearing does not panic"));
        let numbers: Vec<u64> = given.iter().map(|alert| alert.id).collect();
        assert!(due.starts_with(&numbers), "of {due:?} a handler was told {numbers:?}");
        heard.0.extend(given.into_iter().map(|alert| (alert.id, alert)));
        let made = outcome?;
        assert_eq!((made, numbers.len()), (due.len() as u64, due.len()), "all that it had not heard");
        Ok(())
    }

    /// What the store knows of it.
    pub(super) fn of(db: &Database) -> Result<Handler> {
        let handlers = match db.collection("_alert_handlers") {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Handler(None)),
            handlers => handlers?,
        };
        let Some(record) = handlers.get(NAME)? else { return Ok(Handler(None)) };
        let status = record.payload.to_json();
        let count = |name: &str| status[name].as_u64().expect("a count");
        assert_eq!((count("failed"), count("missed")), (0, 0), "it never fails, and is never far behind");
        Ok(Handler(Some(Position { last: count("last"), told: count("delivered") })))
    }
}

impl Heard {
    /// The handler was told of nothing that is not there, and of all that the store takes for told.
    pub(crate) fn check(&self, db: &Database) -> Result<()> {
        let Some(Position { last, told }) = Handler::of(db)?.0 else {
            assert!(self.0.is_empty(), "it heard before it came: {self:?}");
            return Ok(());
        };
        let alerts = recorded(db)?;
        assert!(last <= alerts.len() as u64, "alert {last} is told and does not exist: {alerts:?}");
        for (number, alert) in &self.0 {
            assert_eq!(alerts.get(*number as usize - 1), Some(alert), "it heard of what is not recorded");
        }
        let passed: Vec<u64> = due(&alerts, 0).filter(|number| *number <= last).collect();
        let passed = &passed[passed.len() - told as usize..];
        assert!(passed.iter().all(|number| self.0.contains_key(number)), "alerts up to {last} were skipped: {self:?}");
        Ok(())
    }
}
