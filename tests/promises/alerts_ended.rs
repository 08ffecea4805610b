//! What ends an incident beside its recovery: somebody's hand, and a rule that goes.

use driftline::mlops::{Action, AlertKind, AlertRule, Edge, Incident, Observation, Severity, TimeRange};
use driftline::{Database, ErrorKind};

use super::alerts::{MINUTE, MODEL, clocked, drop_of, kinds};

fn incidents(db: &Database) -> Vec<Incident> {
    let mut open = db.alerts().incidents().unwrap();
    open.retain(Incident::is_open);
    open
}

fn observe(db: &Database, observation: Observation) -> Vec<(AlertKind, Severity)> {
    kinds(&db.alerts().observe(&observation).unwrap())
}

#[test]
fn what_comes_after_an_incident_was_ended_by_hand_is_another_one_however_soon() {
    let (clock, db) = clocked();
    let alerts = db.alerts();
    alerts.on("accuracy_drop", Severity::Critical, Action::RollBack).unwrap();
    let fired = [(AlertKind::Fired, Severity::Critical)];
    assert_eq!(observe(&db, drop_of(0.3)), fired);
    clock.advance(MINUTE);
    assert_eq!(observe(&db, drop_of(0.0)), [(AlertKind::Resolved, Severity::Critical)]);
    clock.advance(MINUTE);
    // It has not cooled down.
    assert_eq!(observe(&db, drop_of(0.3)), [(AlertKind::Reopened, Severity::Critical)]);
    alerts.resolve(incidents(&db)[0].id, "kim").unwrap();
    clock.advance(MINUTE);
    let told = alerts.observe(&drop_of(0.3)).unwrap();
    assert_eq!((kinds(&told), told[0].told), (fired.to_vec(), true));
    assert!(told[0].actions.contains(&Action::RollBack), "it asks for what the first one asked for");
    assert_eq!(incidents(&db)[0].id, told[0].id);
}

#[test]
fn an_incident_ends_with_the_rule_that_judges_it() {
    let (_, db) = clocked();
    let alerts = db.alerts();
    let rule = AlertRule::new("slow", "latency_ms").band(Severity::Warning, Edge::AtLeast(100.0));
    let slow = || observe(&db, Observation::new(MODEL, "latency_ms", 150.0));
    let warned = [(AlertKind::Fired, Severity::Warning)];
    let after = |change: &dyn Fn()| {
        alerts.set_rule(&rule).unwrap();
        assert!(slow().contains(&warned[0]), "a rule that is back judges anew");
        assert_eq!(incidents(&db).len(), 1);
        change();
        incidents(&db).len()
    };
    assert_eq!(after(&|| alerts.set_rule(&rule.clone().disabled()).unwrap()), 0);
    assert_eq!(after(&|| alerts.remove_rule("slow").unwrap()), 0);
    assert_eq!(after(&|| alerts.set_rule(&rule.clone().subjects("docs")).unwrap()), 0);
    assert_eq!(after(&|| alerts.set_rule(&rule.clone().of_model("minilm").disabled()).unwrap()), 0);
    alerts.remove_rule_of("minilm", "slow").unwrap();
    assert_eq!(after(&|| alerts.set_rule(&rule.clone().of_model("other").disabled()).unwrap()), 1, "it is for others");
    assert_eq!(alerts.remove_rule_of("minilm", "slow").unwrap_err().kind(), ErrorKind::NotFound);
    let ended = alerts.history(TimeRange::ALL, 3).unwrap();
    assert!(ended.iter().any(|it| it.message.contains("no rule judges latency_ms of minilm@2 any more")), "{ended:?}");
}
