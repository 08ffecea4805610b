//! Alerts: rules over metrics, incidents instead of noise, and handlers that cannot hold anybody up.
//!
//! Whoever measures something observes it; rules say how bad it is; what changes is recorded as an alert, in the batch of
//! the caller or in one of its own. What is remembered of incidents is in `_alert_incidents`, the rules that were changed
//! in `_alert_rules`, the newest 10,000 alerts in `_alerts`. Handlers read from there what they have not heard yet, so
//! nothing that was committed is lost by a kill, and what was told may be told once more.

mod actions;
mod alert;
mod config;
mod desk;
mod handler;
mod incident;
mod observation;
mod records;
mod round;
mod rule;
mod rules;
mod runner;
mod scores;
mod severity;
mod silence;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::database::scan::Scan;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::table::{Row, Table};
use crate::mlops::times::TimeRange;
use crate::payload::Value;

pub use actions::{ActionOutcome, ActionRun};
pub use alert::Alert;
pub use config::{AlertConfig, metric};
pub use handler::{Delivery, FileHandler, Handler, StdoutHandler};
pub use incident::{Acknowledgement, AlertKind, Incident};
pub use observation::Observation;
pub(in crate::mlops) use rule::MAX_SUBJECT_BYTES;
pub use rule::{AlertRule, Band, Edge, Route};
pub(in crate::mlops) use rules::model_of;
pub use runner::HandlerStatus;
pub use severity::{Action, Severity};
pub use silence::Silence;

use actions::Performed;
use alert::BY_HAND;
use desk::Desk;
use incident::Watch;
use records::{Records, watch_key};
use round::Round;

/// Another thread came first so often that something must be wrong.
const MAX_CONFLICTS: usize = 1_000;

impl Database {
    /// The alerts of this store.
    pub fn alerts(&self) -> Alerts {
        Alerts { db: self.clone() }
    }
}

/// The alerts of a store: rules, incidents, history, and who is told.
///
/// An **incident** is one rule and one subject, from when a value was bad for long enough until it was well again. It is
/// told when it opens, when it gets worse, and when it is over; not while it is silenced; and not when it comes back within
/// the cool-down, unless it is worse or lasts beyond it. All of that is recorded as [`Alert`]s.
///
/// Times are those of the observations, or the store's; an observation that is older than what the incident has seen is
/// ignored. Cheap to clone, may be used from any thread. Observing costs a look at the rules, a read for each rule that
/// applies, and a commit when something changes.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::Database;
/// use driftline::mlops::{AlertKind, Observation, Severity, metric};
/// let db = Database::in_memory()?;
/// let alerts = db.alerts();
/// alerts.register_alert_handler("log", |alert_type, metrics| eprintln!("{alert_type}: {metrics}"))?;
///
/// let fired = alerts.observe(&Observation::new("minilm@2", metric::ACCURACY_DROP, 0.06))?;
/// assert_eq!((fired[0].kind, fired[0].severity), (AlertKind::Fired, Severity::Critical));
/// assert!(alerts.observe(&Observation::new("minilm@2", metric::ACCURACY_DROP, 0.06))?.is_empty(), "it is known");
/// let over = alerts.observe(&Observation::new("minilm@2", metric::ACCURACY_DROP, -0.01))?;
/// assert_eq!(over[0].kind, AlertKind::Resolved);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Alerts {
    db: Database,
}

impl Alerts {
    fn records(&self) -> Records {
        Records::new(&self.db)
    }

    fn desk(&self) -> Arc<Desk> {
        self.db.companion()
    }

    /// Raises an alert by hand. It belongs to no incident, and its type is `manual`.
    pub fn alert(&self, severity: Severity, message: &str, metadata: impl Into<Value>) -> Result<Alert> {
        let (message, metadata) = (message.to_owned(), metadata.into());
        self.retried(|records| {
            let now = self.db.now();
            let silenced = records.silences()?.iter().any(|silence| silence.covers(BY_HAND, "", now));
            let alert = Alert {
                id: records.last_alert()? + 1,
                at: now,
                kind: AlertKind::Raised,
                alert_type: BY_HAND.into(),
                severity,
                subject: None,
                metric: None,
                value: None,
                edge: None,
                message: message.clone(),
                metadata: metadata.clone(),
                incident: None,
                correlation: None,
                told: !silenced,
                actions: Vec::new(),
            };
            Ok((records.record(self.db.batch(), std::slice::from_ref(&alert))?, alert))
        })
    }

    /// Has the rules judge an observation; returns what changed, which is recorded when this returns.
    pub fn observe(&self, observation: &Observation) -> Result<Vec<Alert>> {
        self.observe_all(std::slice::from_ref(observation))
    }

    /// The same of several, one after the other, whose changes happen together.
    pub fn observe_all(&self, observations: &[Observation]) -> Result<Vec<Alert>> {
        self.retried(|_| self.observe_in(self.db.batch(), observations))
    }

    /// The same, and the changes become part of a batch of the caller's: they happen when it is committed, with whatever
    /// else it changes. Give all observations of a batch in one call.
    ///
    /// The batch fails with `Conflict` where somebody else's observation of the same subject, or another alert, was
    /// committed meanwhile: make it again. Handlers hear within a second after the commit, or at
    /// [`Alerts::deliver`].
    pub fn observe_in(&self, batch: Batch, observations: &[Observation]) -> Result<(Batch, Vec<Alert>)> {
        let records = self.records();
        let mut round = Round::begin(&records, self.db.now())?;
        observations.iter().try_for_each(|observation| round.judge(observation))?;
        round.write(batch)
    }

    /// Commits what `make` gives, again where somebody else came first.
    fn retried<T>(&self, make: impl Fn(&Records) -> Result<(Batch, T)>) -> Result<T> {
        let records = self.records();
        for _ in 0..MAX_CONFLICTS {
            let (batch, made) = make(&records)?;
            if batch.is_empty() {
                return Ok(made);
            }
            match batch.commit() {
                Ok(_) => {
                    self.desk().wake();
                    return Ok(made);
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "others change the same alerts without a pause").mend("retry later"))
    }

    /// The alerts of a time, the newest first, at most `limit`. The newest 10,000 of all are kept. Costs reading these.
    pub fn history(&self, range: TimeRange, limit: usize) -> Result<Vec<Alert>> {
        let mut alerts: Vec<Alert> =
            self.records().alerts.walk(Scan::reverse)?.into_iter().map(|row| row.value).collect();
        alerts.retain(|alert| range.contains(alert.at));
        alerts.truncate(limit);
        Ok(alerts)
    }

    /// At most `limit` alerts that come after that of this number, in their order.
    pub(crate) fn after(&self, id: u64, limit: u64) -> Result<Vec<Alert>> {
        let rows = self.records().alerts.walk(|scan| scan.after(id).limit(limit))?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// The number of the newest alert; 0 while there is none.
    pub(crate) fn newest(&self) -> Result<u64> {
        self.records().last_alert()
    }

    /// The incident that an alert belongs to, while it lasts.
    pub(crate) fn lasting(&self, alert: &Alert) -> Result<Option<Incident>> {
        let Some(subject) = &alert.subject else { return Ok(None) };
        let watch = self.records().watches.get(watch_key(&alert.alert_type, subject))?;
        let incident = watch.and_then(|row| row.value.incident);
        Ok(incident.filter(|it| it.is_open() && Some(it.id) == alert.incident))
    }

    /// The alert of this number. Fails with `NotFound` when there is none, or none any more.
    pub fn get(&self, id: u64) -> Result<Alert> {
        let found = self.records().alerts.get(id)?;
        found.map(|row| row.value).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no alert {id}")).mend("the newest 10,000 are kept")
        })
    }

    /// The last incident of each rule and subject that ever had one: those that last first, the worst and then the newest
    /// of them before the others.
    pub fn incidents(&self) -> Result<Vec<Incident>> {
        let rows = self.records().watches.walk(|scan| scan)?;
        let mut incidents: Vec<Incident> = rows.into_iter().filter_map(|row| row.value.incident).collect();
        let rank = |it: &Incident| (it.is_open(), it.is_open().then_some(it.severity), it.opened, it.id);
        incidents.sort_by_key(|incident| std::cmp::Reverse(rank(incident)));
        Ok(incidents)
    }

    /// Notes that somebody has taken an incident on, until it ends.
    pub fn acknowledge(&self, incident: u64, by: &str) -> Result<Incident> {
        self.change(incident, |watch, _| {
            if let Some(incident) = &mut watch.incident {
                incident.acknowledged = Some(Acknowledgement { by: by.to_owned(), at: self.db.now() });
            }
            Ok(None)
        })
    }

    /// Ends an incident by hand, whatever the next value says: if that is bad, another incident begins.
    pub fn resolve(&self, incident: u64, by: &str) -> Result<Incident> {
        self.resolve_because(incident, |it| format!("{by} has ended the incident {} of {}", it.id, it.subject))
    }

    /// The same, and the alert says what `told` does.
    pub(crate) fn resolve_because(&self, incident: u64, told: impl Fn(&Incident) -> String) -> Result<Incident> {
        self.change(incident, |watch, records| Ok(end(watch, records.last_alert()? + 1, self.db.now(), &told)))
    }

    /// Has a batch end the incidents that last and are `concerned`; the alerts say what `told` does. The batch fails with
    /// `Conflict` where one of them, or another alert, has changed meanwhile.
    pub(crate) fn end_in(
        &self,
        mut batch: Batch,
        concerned: impl Fn(&Incident) -> bool,
        told: impl Fn(&Incident) -> String,
    ) -> Result<Batch> {
        let (records, mut alerts) = (self.records(), Vec::new());
        let next = records.last_alert()? + 1;
        for Row { key, value: mut watch, lsn, .. } in records.watches.walk(|scan| scan)? {
            let is_concerned = watch.incident.as_ref().is_some_and(&concerned);
            let ended =
                if is_concerned { end(&mut watch, next + alerts.len() as u64, self.db.now(), &told) } else { None };
            if let Some(alert) = ended {
                batch = records.remember(batch, key.as_text().unwrap_or_default(), &watch, Some(lsn))?;
                alerts.push(alert);
            }
        }
        if alerts.is_empty() { Ok(batch) } else { records.record(batch, &alerts) }
    }

    /// Changes an incident that lasts, and records the alert that comes of it.
    fn change(&self, id: u64, change: impl Fn(&mut Watch, &Records) -> Result<Option<Alert>>) -> Result<Incident> {
        self.retried(|records| {
            let Row { key, value: mut watch, lsn, .. } = find(records, id)?;
            let alert = change(&mut watch, records)?;
            let batch = records.remember(self.db.batch(), key.as_text().unwrap_or_default(), &watch, Some(lsn))?;
            let batch = match &alert {
                Some(alert) => records.record(batch, std::slice::from_ref(alert))?,
                None => batch,
            };
            let incident = watch.incident.ok_or_else(|| Error::internal("an incident is gone"))?;
            Ok((batch, incident))
        })
    }

    /// Keeps handlers from hearing of some alerts until a time. Returns the silence with its number.
    pub fn silence(&self, silence: Silence) -> Result<Silence> {
        silence.check(self.db.now())?;
        self.retried(|records| {
            let table = &records.silences;
            let all = table.walk(|scan| scan)?;
            let last = all.last().and_then(|row| row.key.as_number()).unwrap_or(0);
            let silence = Silence { id: last + 1, ..silence.clone() };
            let collection = table.collection()?;
            let mut batch = self.db.batch().require(&collection, silence.id, Precondition::Absent);
            // Those that are over go, but for the newest, whose number is not to be given again.
            let over = all.iter().filter(|row| row.value.until <= self.db.now() && row.value.id < last);
            for row in over {
                batch = batch.delete(&collection, row.key.clone());
            }
            Ok((table.put_in(batch, silence.id, &silence)?, silence))
        })
    }

    /// The silences that are not over.
    pub fn silences(&self) -> Result<Vec<Silence>> {
        let now = self.db.now();
        Ok(self.records().silences()?.into_iter().filter(|silence| now < silence.until).collect())
    }

    /// Ends a silence. Fails with `NotFound` when there is none of this number that is not over.
    pub fn unsilence(&self, id: u64) -> Result<()> {
        let known = self.silences()?.into_iter().find(|silence| silence.id == id);
        let silence = known.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no silence {id}")))?;
        // Over at every time: a clock that is set back does not bring it back.
        self.records().silences.put(id, &Silence { until: Timestamp(i64::MIN), ..silence })
    }

    /// Adds a [`Handler`]. It hears of what was recorded since it was last told under this name, by an earlier process too;
    /// under a new name, of what is recorded from now on. Fails with `Exists` when there is one of this name.
    pub fn add_handler(&self, name: &str, handler: impl Handler + 'static) -> Result<()> {
        self.desk().add(&self.db, name, Box::new(handler))
    }

    /// Adds a handler that gets the type of each alert that fires or rises, and its numbers as
    /// [`Alert::metrics`] gives them. Recoveries are not its business.
    pub fn register_alert_handler(
        &self,
        name: &str,
        mut handler: impl FnMut(&str, &Value) + Send + 'static,
    ) -> Result<()> {
        let told = move |delivery: &Delivery| {
            if delivery.alert.kind != AlertKind::Resolved {
                handler(&delivery.alert.alert_type, &delivery.alert.metrics());
            }
            Ok(())
        };
        self.add_handler(name, told)
    }

    /// Removes a handler; tells whether there was one. When one of its name is added again, it goes on from there.
    pub fn remove_handler(&self, name: &str) -> bool {
        self.desk().remove(name)
    }

    /// The handlers, and how far they are; `actions` is that of the store itself, which has actions done.
    pub fn handlers(&self) -> Vec<HandlerStatus> {
        self.desk().statuses()
    }

    /// Brings alerts to handlers on the calling thread, under [`Maintenance::Manual`](crate::Maintenance::Manual); tells how
    /// many deliveries were made. Where handlers have threads, it wakes them and tells 0.
    pub fn deliver(&self) -> Result<u64> {
        self.desk().deliver(&self.db)
    }

    /// Has what alerts ask for done, on this thread. Where a thread is at it already, it is waited for, ten seconds at most.
    /// Tells why some of it could not be done yet, where that is so.
    pub(crate) fn act(&self) -> Result<Option<String>> {
        self.desk().act()
    }

    /// Has handlers look for alerts that came in a batch of somebody else's.
    pub(crate) fn wake(&self) {
        self.desk().wake();
    }

    /// Registers who does an action: a closure that tells what it has done, or why it could not. It runs like a handler,
    /// once for each alert that asks for the action and is told, and is not tried again. Replaces whoever did it before.
    pub fn perform(
        &self,
        action: Action,
        performer: impl Fn(&Alert) -> std::result::Result<String, String> + Send + Sync + 'static,
    ) -> Result<()> {
        let (desk, told) = (self.desk(), move |alert: &Alert| performer(alert).map(Performed::Told));
        desk.performers.lock().insert(action, Arc::new(told));
        desk.do_actions(&self.db)
    }

    /// The same for a performer that writes down itself what became of the action, with [`Alerts::note_in`] in the batch
    /// that does it: so it is done and known to be done, or neither. Whoever has registered for the action stays.
    pub(crate) fn perform_noting(
        &self,
        action: Action,
        performer: impl Fn(&Alert) -> Result<()> + Send + Sync + 'static,
    ) -> Result<()> {
        let noting = move |alert: &Alert| match performer(alert) {
            Ok(()) => Ok(Performed::Noted),
            Err(error) if error.is_of_the_store() => Ok(Performed::Later(error.to_string())),
            Err(error) => Err(error.to_string()),
        };
        let desk = self.desk();
        desk.performers.lock().entry(action).or_insert_with(|| Arc::new(noting));
        desk.do_actions(&self.db)
    }

    /// Adds to a batch what becomes of an action; the batch fails with `Conflict` where that is written down already.
    pub(crate) fn note_in(&self, batch: Batch, alert: &Alert, action: Action, outcome: ActionOutcome) -> Result<Batch> {
        let (runs, key) = (self.runs(), actions::run_key(alert.id, action));
        let run = ActionRun::of(alert, action, outcome, self.db.now());
        let batch = batch.require(&runs.collection()?, key.as_str(), Precondition::Absent);
        runs.put_in(batch, key, &run)
    }

    /// What became of an action that an alert has asked for, where that is known.
    pub(crate) fn action_run(&self, alert: u64, action: Action) -> Result<Option<ActionRun>> {
        Ok(self.runs().get(actions::run_key(alert, action))?.map(|row| row.value))
    }

    fn runs(&self) -> Table<ActionRun> {
        Table::with_schema(&self.db, actions::RUNS, actions::schema)
    }

    /// What alerts have asked to be done and what became of it, the newest first, at most `limit`. Kept for 90 days.
    pub fn action_runs(&self, limit: u64) -> Result<Vec<ActionRun>> {
        Ok(self.runs().walk(|scan| scan.reverse().limit(limit))?.into_iter().map(|row| row.value).collect())
    }
}

/// Ends the incident of a watch, if it lasts; the alert that tells so.
fn end(watch: &mut Watch, id: u64, at: Timestamp, told: impl Fn(&Incident) -> String) -> Option<Alert> {
    let (change, it) = watch.resolve(at).zip(watch.incident.as_ref())?;
    Some(Alert {
        id,
        at,
        kind: change.kind,
        alert_type: it.alert_type.clone(),
        severity: change.severity,
        subject: Some(it.subject.clone()),
        metric: Some(it.metric.clone()),
        value: Some(it.value),
        edge: None,
        message: told(it),
        metadata: Value::Null,
        incident: Some(it.id),
        correlation: it.correlation.clone(),
        told: change.told,
        actions: Vec::new(),
    })
}

/// What is remembered of an incident that lasts.
fn find(records: &Records, id: u64) -> Result<Row<Watch>> {
    let lasts = |row: &Row<Watch>| row.value.incident.as_ref().is_some_and(|it| it.id == id && it.is_open());
    records.watches.walk(|scan| scan)?.into_iter().find(lasts).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("no incident {id} lasts")).mend("`alerts` lists those that do")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::record::Record;
    use crate::schema::Schema;

    #[test]
    fn others_who_change_alerts_without_a_pause_are_a_conflict_and_no_fault_of_the_store() {
        let db = Database::in_memory().unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        let never = || db.batch().require(&notes, "a", Precondition::Present).put(&notes, Record::new("b"));
        let error = db.alerts().retried(|_| Ok((never(), ()))).unwrap_err();
        assert!(error.kind() == ErrorKind::Conflict && !error.is_of_the_store(), "{error}");
    }
}
