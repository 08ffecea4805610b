//! Every case of the oracle files in `tests/fixtures/oracles`: inputs with the answers they must give, by scipy,
//! statsmodels, scikit-learn and numpy. Numbers of cases are asserted, so that none is left out in silence.

mod experiments;
mod rankings;
mod samples;
mod series;

use serde_json::Value;

const TINY: f64 = 1e-200;

fn whole(file: &str) -> Value {
    let path = format!("{}/tests/fixtures/oracles/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&bytes).unwrap()
}

fn cases(file: &str) -> Vec<Value> {
    whole(file)["cases"].as_array().unwrap().clone()
}

fn of_kind(file: &str, kind: &str) -> Vec<Value> {
    cases(file).into_iter().filter(|case| case["kind"] == kind).collect()
}

fn num(value: &Value) -> f64 {
    match value.as_str() {
        Some(text) => text.parse().unwrap(),
        None => value.as_f64().unwrap_or_else(|| panic!("not a number: {value}")),
    }
}

fn nums(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(num).collect()
}

fn counts(value: &Value) -> Vec<u64> {
    nums(value).into_iter().map(|count| count as u64).collect()
}

fn places(value: &Value) -> Vec<usize> {
    nums(value).into_iter().map(|place| place as usize).collect()
}

fn table<T>(value: &Value, of: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(of).collect()
}

#[track_caller]
fn within(name: &Value, what: &str, got: f64, want: f64, absolute: f64, relative: f64) {
    let equal = got == want || (got - want).abs() <= absolute + relative * want.abs();
    assert!(equal, "{name} {what}: got {got}, want {want}");
}

#[track_caller]
fn close(name: &Value, what: &str, got: f64, want: &Value) {
    within(name, what, got, num(want), 1e-9, 1e-7);
}

#[track_caller]
fn all_close(name: &Value, what: &str, got: &[f64], want: &Value, tolerance: (f64, f64)) {
    let want = nums(want);
    assert_eq!(got.len(), want.len(), "{name} {what}");
    got.iter().zip(want).for_each(|(&got, want)| within(name, what, got, want, tolerance.0, tolerance.1));
}

#[track_caller]
fn p_close(name: &Value, what: &str, got: f64, want: &Value, relative: f64) {
    let want = num(want);
    assert!(got < TINY && want < TINY || (got - want).abs() <= relative * want, "{name} {what}: p {got}, want {want}");
}
