//! Handlers of alerts hear each of them, hold nobody up, and go on where they were.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline::fs::SimulatedFs;
use driftline::mlops::{Alerts, Delivery, FileHandler, Observation, Severity, metric};
use driftline::{Database, ErrorKind, json};

use super::alerts::{MODEL, clocked, drop_of, ear, ids, manual};

#[test]
fn handlers_hear_each_alert_and_go_on_where_they_were_after_reopening() {
    let fs = SimulatedFs::new(1);
    let open = || manual().open_on(Arc::new(fs.clone())).unwrap();
    let db = open();
    db.alerts().alert(Severity::Info, "before anybody listened", json!({})).unwrap();
    let (heard, handler) = ear();
    db.alerts().add_handler("ear", handler).unwrap();
    assert_eq!(db.alerts().add_handler("ear", ear().1).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(db.alerts().add_handler("actions", ear().1).unwrap_err().kind(), ErrorKind::Invalid);
    for text in ["one", "two"] {
        db.alerts().alert(Severity::Warning, text, json!({"from": "test"})).unwrap();
    }
    assert_eq!(db.alerts().deliver().unwrap(), 2);
    assert_eq!((ids(&heard), db.alerts().deliver().unwrap()), (vec![2, 3], 0));
    assert_eq!(heard.lock().unwrap()[0].id, "ear/2");
    db.alerts().alert(Severity::Critical, "while nobody listens", json!({})).unwrap();
    db.close().unwrap();

    let db = open();
    let (heard, handler) = ear();
    db.alerts().add_handler("ear", handler).unwrap();
    db.alerts().add_handler("new", ear().1).unwrap();
    assert_eq!(db.alerts().deliver().unwrap(), 1);
    assert_eq!(ids(&heard), [4]);
    assert!(db.alerts().remove_handler("ear") && !db.alerts().remove_handler("ear"));
    let names: Vec<_> = db.alerts().handlers().into_iter().map(|handler| handler.name).collect();
    assert_eq!(names, ["new"]);
}

#[test]
fn a_handler_that_is_removed_while_it_works_hears_nothing_more() {
    let db = Arc::new(manual().in_memory().unwrap());
    for text in ["one", "two", "three"] {
        db.alerts().alert(Severity::Info, text, json!({})).unwrap();
    }
    let (heard, mut keep) = ear();
    let of = Arc::downgrade(&db);
    let once = move |delivery: &Delivery| {
        of.upgrade().iter().for_each(|db| assert!(db.alerts().remove_handler("once")));
        keep(delivery)
    };
    db.alerts().add_handler("once", once).unwrap();
    db.alerts().alert(Severity::Info, "four", json!({})).unwrap();
    db.alerts().alert(Severity::Info, "five", json!({})).unwrap();
    assert_eq!((db.alerts().deliver().unwrap(), ids(&heard)), (1, vec![4]));
    let (again, handler) = ear();
    db.alerts().add_handler("once", handler).unwrap();
    assert_eq!(
        (db.alerts().deliver().unwrap(), ids(&again)),
        (1, vec![5]),
        "it goes on from where the first one stood"
    );
}

#[test]
fn a_handler_that_fails_or_panics_is_tried_three_times_and_bothers_nobody() {
    let db = manual().in_memory().unwrap();
    let alerts = db.alerts();
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&attempts);
    let bad = move |delivery: &Delivery| {
        keep.lock().unwrap().push((delivery.alert.id, delivery.attempt));
        match (delivery.alert.id, delivery.attempt) {
            (1, 1) => panic!("a handler's own fault"),
            (1, _) => Err("no network".to_owned()),
            (_, 1) => Err("once".to_owned()),
            _ => Ok(()),
        }
    };
    alerts.add_handler("bad", bad).unwrap();
    let (heard, good) = ear();
    alerts.add_handler("good", good).unwrap();
    alerts.alert(Severity::Info, "one", json!({})).unwrap();
    alerts.alert(Severity::Info, "two", json!({})).unwrap();
    for _ in 0..6 {
        alerts.deliver().unwrap();
    }
    assert_eq!(ids(&heard), [1, 2]);
    assert_eq!(*attempts.lock().unwrap(), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]);
    let status = alerts.handlers().into_iter().find(|it| it.name == "bad").unwrap();
    assert_eq!((status.delivered, status.failed, status.last), (1, 1, 2));
    assert_eq!(status.last_error.as_deref(), Some("once"));
    alerts.alert(Severity::Info, "the store is well", json!({})).unwrap();
}

/// Gives up on what never comes, so that a test fails instead of hanging. Nothing is timed: no right answer takes so long.
fn in_time<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || done.send(act()));
    is_done
        .recv_timeout(Duration::from_secs(120))
        .unwrap_or_else(|_| panic!("{what} waits for a handler that is stuck"))
}

#[test]
fn a_handler_that_blocks_holds_up_no_write_no_other_handler_and_no_closing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it.drift");
    let db = Database::open(&path).unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let blocked = Mutex::new(blocked);
    let stuck = move |_: &Delivery| {
        let _ = begun.send(());
        let _ = blocked.lock().unwrap().recv();
        Ok(())
    };
    db.alerts().add_handler("stuck", stuck).unwrap();
    let (tell, told) = mpsc::channel();
    let good = move |delivery: &Delivery| tell.send(delivery.alert.id).map_err(|error| error.to_string());
    db.alerts().add_handler("good", good).unwrap();
    let alerts = db.alerts();
    in_time("a write", move || {
        for text in ["one", "two", "three"] {
            alerts.alert(Severity::Info, text, json!({})).unwrap();
        }
    });
    in_time("the stuck handler's beginning", move || has_begun.recv().unwrap());
    let heard = in_time("another handler", move || (0..3).map(|_| told.recv().unwrap()).collect::<Vec<_>>());
    assert_eq!(heard, [1, 2, 3]);
    assert_eq!(db.alerts().deliver().unwrap(), 0, "the threads do it");
    in_time("closing", move || db.close().unwrap());
    let again = path.clone();
    let db = in_time("opening", move || Database::open(again).unwrap());
    drop(release);
    in_time("dropping the last handle", move || drop(db));
    Database::open(path).unwrap();
}

#[test]
fn the_store_closes_with_its_last_handle_although_handlers_listen() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let db = Database::open(dir.path().join("it.drift")).unwrap();
        let (tell, told) = mpsc::channel();
        let good = move |delivery: &Delivery| tell.send(delivery.alert.id).map_err(|error| error.to_string());
        db.alerts().add_handler("good", good).unwrap();
        db.alerts().alert(Severity::Info, "one", json!({})).unwrap();
        told.recv().unwrap();
    }
}

#[test]
fn who_is_too_far_behind_passes_over_the_oldest_and_is_told_so() {
    let db = manual().in_memory().unwrap();
    let (heard, handler) = ear();
    db.alerts().add_handler("slow", handler).unwrap();
    let observations = |value: f64| -> Vec<Observation> {
        (0..1_010).map(|model| Observation::new(format!("m@{model}"), metric::ACCURACY_DROP, value)).collect()
    };
    db.alerts().observe_all(&observations(0.5)).unwrap();
    assert_eq!(db.alerts().deliver().unwrap(), 1_000);
    let first = heard.lock().unwrap()[0].clone();
    assert_eq!((first.alert.id, first.missed), (11, 10));
    assert_eq!(heard.lock().unwrap()[1].missed, 0);
    assert_eq!(db.alerts().handlers()[0].missed, 10);
}

#[test]
fn the_newest_ten_thousand_alerts_are_kept_and_numbers_go_on() {
    let db = manual().in_memory().unwrap();
    let round = |value: f64| -> Vec<Observation> {
        (0..3_500).map(|model| Observation::new(format!("m@{model}"), metric::ACCURACY_DROP, value)).collect()
    };
    for value in [0.5, 0.0, 0.6] {
        db.alerts().observe_all(&round(value)).unwrap();
    }
    assert_eq!(db.collection("_alerts").unwrap().count().unwrap(), 10_000);
    assert_eq!(db.alerts().get(500).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(
        (db.alerts().get(501).unwrap().id, db.alerts().alert(Severity::Info, "x", json!({})).unwrap().id),
        (501, 10_501)
    );
}

#[test]
fn closures_hear_types_and_numbers() {
    let db = manual().in_memory().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    let alerts: Alerts = db.alerts();
    alerts
        .register_alert_handler("mine", move |alert_type, metrics| {
            keep.lock().unwrap().push((alert_type.to_owned(), metrics.clone()));
        })
        .unwrap();
    alerts.observe(&drop_of(0.5).detail(json!({"baseline": 0.9}))).unwrap();
    alerts.observe(&Observation::new(MODEL, metric::ERROR_RATE, 0.5)).unwrap();
    alerts.observe(&Observation::new(MODEL, metric::CONCEPT_DRIFT, 1.0)).unwrap();
    alerts.observe(&drop_of(0.0)).unwrap();
    alerts.deliver().unwrap();
    let heard = heard.lock().unwrap();
    let types: Vec<_> = heard.iter().map(|(alert_type, _)| alert_type.as_str()).collect();
    assert_eq!(types, ["accuracy_drop", "high_error_rate", "concept_drift"]);
    assert_eq!(heard[0].1, json!({"accuracy_drop": 0.5, "baseline": 0.9}).into());
}

#[test]
fn a_file_gets_each_alert_as_a_line_of_json_and_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let (_, db) = clocked();
    db.alerts().add_handler("file", FileHandler::new(&path).unwrap().max_bytes(2_000)).unwrap();
    db.alerts().observe(&drop_of(0.06).correlation("window 7").detail(json!({"window": 7}))).unwrap();
    db.alerts().deliver().unwrap();
    let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let body = json!({
        "version": 1, "id": 1, "dedup_key": "driftline-1", "status": "firing", "kind": "fired", "alert_type": "accuracy_drop",
        "severity": "critical", "subject": MODEL, "metric": "accuracy_drop", "value": 0.06, "threshold": "above 0.05",
        "message": "accuracy_drop of minilm@2 is 0.06, above 0.05",
        "text": "[CRITICAL] accuracy_drop: accuracy_drop of minilm@2 is 0.06, above 0.05",
        "at": "1970-01-01T00:16:40Z", "incident": 1, "correlation": "window 7",
        "actions": ["roll_back", "force_retrain"], "metadata": {"window": 7},
    });
    assert_eq!(line, body);
    for _ in 0..20 {
        db.alerts().alert(Severity::Info, "something", json!({})).unwrap();
    }
    db.alerts().deliver().unwrap();
    let old = std::fs::read_to_string(dir.path().join("alerts.jsonl.1")).unwrap();
    let new = std::fs::read_to_string(&path).unwrap();
    assert!(old.len() <= 2_000 && new.len() <= 2_000);
    assert!(old.lines().chain(new.lines()).all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    assert!(new.lines().next_back().unwrap().contains("\"id\":21"));
    assert_eq!(FileHandler::new(dir.path().join("no/such.jsonl")).unwrap_err().kind(), ErrorKind::NotFound);
}
