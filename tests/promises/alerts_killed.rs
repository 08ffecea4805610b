//! No kill and no thread loses an alert, or has one told or acted on that was not recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftline::fs::{Fault, SimulatedFs};
use driftline::mlops::{Action, AlertKind, Delivery, Observation, Severity, TimeRange, metric};
use driftline::{ErrorKind, ManualClock, Options, Record, Result, Schema, Timestamp, json};

use super::alerts::{Heard, drop_of, ids, kinds, manual};

#[test]
fn a_batch_carries_what_it_causes_or_nothing_of_it() {
    let db = manual().in_memory().unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    let alerts = db.alerts();
    let (batch, made) = alerts.observe_in(db.batch().put(&notes, Record::new("a")), &[drop_of(0.5)]).unwrap();
    assert!(alerts.incidents().unwrap().is_empty() && notes.count().unwrap() == 0, "it is not committed");
    let lsn = batch.commit().unwrap().lsn;
    assert_eq!(notes.get("a").unwrap().unwrap().lsn, lsn);
    assert_eq!(db.collection("_alerts").unwrap().get(made[0].id).unwrap().unwrap().lsn, lsn);

    // Somebody else's observation comes first: the batch is to be made again, whole.
    let (late, _) = alerts.observe_in(db.batch().put(&notes, Record::new("b")), &[drop_of(0.0)]).unwrap();
    alerts.observe(&drop_of(0.01)).unwrap();
    assert_eq!(late.commit().unwrap_err().kind(), ErrorKind::Conflict);
    assert!(notes.get("b").unwrap().is_none());

    let (batch, _) = alerts.observe_in(db.batch(), &[drop_of(0.5)]).unwrap();
    assert_eq!(alerts.observe_in(batch, &[drop_of(0.0)]).unwrap_err().kind(), ErrorKind::Invalid);
    // The second sees what the first has changed.
    let two = alerts.observe_all(&[drop_of(0.9), drop_of(0.0)]).unwrap();
    assert_eq!(kinds(&two), [(AlertKind::Rose, Severity::Critical), (AlertKind::Resolved, Severity::Critical)]);
}

#[test]
fn threads_that_observe_at_once_lose_nothing() {
    let db = Options::new().in_memory().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let alerts = db.alerts();
            scope.spawn(move || {
                for round in 0..10 {
                    let subject = format!("m@{thread}-{round}");
                    alerts.observe(&Observation::new(subject, metric::ACCURACY_DROP, 0.5)).unwrap();
                }
            });
        }
    });
    let mut ids: Vec<u64> = db.alerts().history(TimeRange::ALL, 100).unwrap().iter().map(|alert| alert.id).collect();
    ids.reverse();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
    assert_eq!(db.alerts().incidents().unwrap().len(), 40);
}

/// Windows are recorded with what they cause, until the power goes; returns how many were acknowledged.
fn observed_windows(fs: &SimulatedFs) -> Result<u64> {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
    let db = manual().clock(clock.clone()).open_on(Arc::new(fs.clone()))?;
    let windows = db.ensure_collection("windows", Schema::payload_only())?;
    let mut done = windows.count()?;
    for value in [0.03, 0.5, 0.0, 0.5, 0.0].into_iter().skip(done as usize) {
        let batch = db.batch().put(&windows, Record::new(done + 1).payload(json!({ "drop": value })));
        db.alerts().observe_in(batch, &[drop_of(value).at(Timestamp(1_000_000_000 + done as i64))])?.0.commit()?;
        done += 1;
        db.alerts().deliver()?;
    }
    Ok(done)
}

#[test]
fn after_a_kill_at_any_step_incidents_are_what_the_windows_say() {
    let whole = SimulatedFs::new(1);
    observed_windows(&whole).unwrap();
    // What is recorded after each window, as a run without kills has it.
    let kinds = [AlertKind::Fired, AlertKind::Rose, AlertKind::Resolved, AlertKind::Reopened, AlertKind::Resolved];
    for at_call in 0..whole.calls() {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        let _ = observed_windows(&fs);
        for after in [fs.reboot_losing_all(), fs.reboot_keeping_all(), fs.reboot(at_call)] {
            let db = manual().open_on(Arc::new(after.clone())).unwrap();
            let windows = db.collection("windows").map_or(0, |windows| windows.count().unwrap() as usize);
            let mut history = db.alerts().history(TimeRange::ALL, 100).unwrap();
            history.reverse();
            assert_eq!(history.iter().map(|alert| alert.kind).collect::<Vec<_>>(), kinds[..windows], "call {at_call}");
            let open = db.alerts().incidents().unwrap().iter().any(|it| it.is_open());
            assert_eq!(open, matches!(windows, 1 | 2 | 4), "call {at_call}");
            drop(db);
            assert_eq!(observed_windows(&after).unwrap(), 5, "it goes on");
        }
    }
}

/// Alerts are raised and delivered; what was heard before the power went is returned.
fn deliveries(fs: &SimulatedFs, heard: &Heard, raise: u64) -> Result<()> {
    let db = manual().open_on(Arc::new(fs.clone()))?;
    let keep = Arc::clone(heard);
    let listen = move |delivery: &Delivery| {
        keep.lock().unwrap().push(delivery.clone());
        Ok(())
    };
    db.alerts().add_handler("ear", listen)?;
    for _ in 0..raise {
        db.alerts().alert(Severity::Info, "something", json!({}))?;
        db.alerts().deliver()?;
    }
    db.alerts().deliver().map(drop)
}

#[test]
fn a_kill_repeats_at_most_the_delivery_that_was_under_way_and_loses_none() {
    let whole = SimulatedFs::new(1);
    deliveries(&whole, &Arc::default(), 3).unwrap();
    for at_call in 0..whole.calls() {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        let (before, after) = (Arc::default(), Arc::default());
        let _ = deliveries(&fs, &before, 3);
        let disk = fs.reboot_losing_all();
        let listened = {
            let db = manual().open_on(Arc::new(disk.clone())).unwrap();
            let listened = db.collection("_alert_handlers").is_ok_and(|it| it.get("ear").unwrap().is_some());
            listened.then(|| db.alerts().history(TimeRange::ALL, 9).unwrap().iter().map(|alert| alert.id).max())
        };
        deliveries(&disk, &after, 0).unwrap();
        let Some(newest) = listened else { continue };
        let (before, after) = (ids(&before), ids(&after));
        let mut all = [before.clone(), after.clone()].concat();
        all.dedup();
        assert_eq!(all, (1..=newest.unwrap_or(0)).collect::<Vec<_>>(), "call {at_call}: {before:?} {after:?}");
    }
}

#[test]
fn an_action_is_not_done_again_after_a_kill() {
    let fs = SimulatedFs::new(1);
    let count = Arc::new(AtomicU64::new(0));
    let work = |fs: &SimulatedFs| -> Result<()> {
        let db = manual().open_on(Arc::new(fs.clone()))?;
        let counted = Arc::clone(&count);
        db.alerts().perform(Action::RollBack, move |_| Ok(counted.fetch_add(1, Ordering::SeqCst).to_string()))?;
        db.alerts().observe(&drop_of(0.5))?;
        db.alerts().deliver().map(drop)
    };
    work(&fs).unwrap();
    let calls = fs.calls();
    let mut repeated = 0;
    for at_call in 0..calls {
        let fs = SimulatedFs::new(1);
        fs.inject(Fault::PowerCut { at_call });
        count.store(0, Ordering::SeqCst);
        let _ = work(&fs);
        let recorded = {
            let db = manual().open_on(Arc::new(fs.reboot_losing_all())).unwrap();
            db.alerts().action_runs(9).unwrap().iter().filter(|run| run.action == Action::RollBack).count()
        };
        let before = count.load(Ordering::SeqCst);
        work(&fs.reboot_losing_all()).unwrap();
        let done = count.load(Ordering::SeqCst) - before;
        assert!(done == u64::from(recorded == 0), "call {at_call}: {recorded} recorded, {done} done");
        repeated += u64::from(before == 1 && done == 1);
    }
    assert!(repeated > 0, "only what was done and not yet recorded is done again");
}
