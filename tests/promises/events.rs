//! What happens outside of calls is told as events.

use std::sync::{Arc, Mutex};

use driftline::fs::{Fault, Lasting, SimulatedFs};
use driftline::mlops::{Change, Mode, Severity};
use driftline::{Maintenance, Options, Record, Schema};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as Fields};
use tracing::{Event, Level, Metadata, Subscriber};

/// The events of this thread, each as its level and its fields; one that is deaf listens and keeps none.
#[derive(Clone, Default)]
struct Heard {
    told: Arc<Mutex<Vec<(Level, String)>>>,
    is_deaf: bool,
}

impl Heard {
    fn has(&self, level: Level, words: &[&str]) -> bool {
        self.told.lock().unwrap().iter().any(|(of, told)| *of == level && words.iter().all(|word| told.contains(word)))
    }
}

struct Told(String);

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Fields<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if self.is_deaf {
            return;
        }
        let mut told = Told(String::new());
        event.record(&mut told);
        self.told.lock().unwrap().push((*event.metadata().level(), told.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Hears what is told while `act` runs on this thread. Other tests meet the same events with nobody listening, and that
/// is remembered for all threads; so somebody listens everywhere from now on.
fn hear(heard: &Heard, act: impl FnOnce()) {
    _ = tracing::subscriber::set_global_default(Heard { is_deaf: true, ..Heard::default() });
    tracing::subscriber::with_default(heard.clone(), act);
}

#[test]
fn openings_failures_and_callbacks_that_panic_are_told_with_their_names() {
    let heard = Heard::default();
    hear(&heard, || {
        let fs = SimulatedFs::new(1);
        let open = || Options::new().maintenance(Maintenance::Manual).open_on(Arc::new(fs.clone())).unwrap();
        let db = open();
        assert!(heard.has(Level::INFO, &["opened", "batches=0"]), "{:?}", heard.told);

        db.modes().on_change(|_, _| panic!("not today"));
        drop(db.modes().enter(Mode::Maintenance, Change::by("kim")).unwrap());
        assert!(heard.has(Level::ERROR, &["callback failed", "not today"]), "{:?}", heard.told);

        db.alerts().add_handler("pager", |_: &driftline::mlops::Delivery| Err("no line".into())).unwrap();
        db.alerts().alert(Severity::Critical, "look", driftline::Value::Null).unwrap();
        db.alerts().deliver().unwrap();
        assert!(heard.has(Level::WARN, &["handler of alerts failed", "pager", "no line"]), "{:?}", heard.told);

        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        fs.inject(Fault::Fail { at_call: fs.calls(), error: std::io::ErrorKind::Other, lasting: Lasting::Always });
        let refused = (0..4u64).map(|key| notes.put(Record::new(key)).is_err()).filter(|refused| *refused).count();
        assert!(refused > 0);
        assert!(heard.has(Level::ERROR, &["refuses writes until it is reopened"]), "{:?}", heard.told);
    });
}

#[cfg(feature = "config")]
#[test]
fn what_does_not_apply_of_a_configuration_is_told_once() {
    let heard = Heard::default();
    hear(&heard, || {
        driftline::mlops::Config::from_yaml("serving:\n  port: 5000\nmonitoring:\n  window: 5\n").unwrap();
    });
    assert!(heard.has(Level::WARN, &["do not apply", "serving.port"]), "{:?}", heard.told);
    assert_eq!(heard.told.lock().unwrap().len(), 1);
}
