//! Predictions: what a model said, and what was true.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::mlops::model::ModelId;
use crate::payload::Value;

/// The longest label, in bytes.
const MAX_LABEL_BYTES: usize = 128;
/// The longest id of a prediction, in bytes.
const MAX_ID_BYTES: usize = 200;
/// The most classes that one output scores.
const MAX_SCORES: usize = 10_000;
/// The largest number that is predicted, is true, or is a latency. Squares of such are added up.
const MAX_NUMBER: f64 = 1e100;
/// The most of an error's text that is kept, in characters.
const MAX_ERROR_CHARS: usize = 500;
/// The longest kind of an error, in characters.
const MAX_KIND_CHARS: usize = 80;

/// What a model says, or what is true: a class, a number, or a score for each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// A class.
    Label(String),
    /// A number, of regression; from -1e100 to 1e100, so that squares of such can be added up.
    Number(f64),
    /// A chance for each class, from 0 to 1; the class is the one of the highest, the first of equals.
    Scores(BTreeMap<String, f64>),
}

impl Output {
    /// The class, if this names one.
    pub fn label(&self) -> Option<&str> {
        match self {
            Output::Label(label) => Some(label),
            Output::Number(_) => None,
            Output::Scores(scores) => best(scores).map(|(label, _)| label),
        }
    }

    /// The number, if this is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Output::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn check(&self) -> Result<()> {
        let label = |label: &str| (1..=MAX_LABEL_BYTES).contains(&label.len());
        let fine = match self {
            Output::Label(text) => label(text),
            Output::Number(number) => number.abs() <= MAX_NUMBER,
            Output::Scores(scores) => {
                (1..=MAX_SCORES).contains(&scores.len())
                    && scores.iter().all(|(text, score)| label(text) && (0.0..=1.0).contains(score))
            }
        };
        if fine {
            return Ok(());
        }
        Err(Error::invalid("an output is neither a label, nor a number from -1e100 to 1e100, nor scores from 0 to 1")
            .mend(format!("use labels of 1 to {MAX_LABEL_BYTES} bytes and at most {MAX_SCORES} scores")))
    }
}

fn best(scores: &BTreeMap<String, f64>) -> Option<(&str, f64)> {
    let mut best: Option<(&str, f64)> = None;
    for (label, score) in scores {
        if best.is_none_or(|(_, highest)| *score > highest) {
            best = Some((label, *score));
        }
    }
    best
}

impl From<&str> for Output {
    fn from(label: &str) -> Output {
        Output::Label(label.to_owned())
    }
}

impl From<String> for Output {
    fn from(label: String) -> Output {
        Output::Label(label)
    }
}

impl From<f64> for Output {
    fn from(number: f64) -> Output {
        Output::Number(number)
    }
}

/// Why there is no prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure, such as `timeout`: what patterns are counted by.
    pub kind: String,
    /// What it said.
    pub text: String,
}

/// A prediction, or an attempt at one, as it is kept in `_predictions`.
///
/// ```
/// use driftline::mlops::PredictionRecord;
/// let served = PredictionRecord::new("spam").confidence(0.93).latency_ms(12.0).id("request-7");
/// let failed = PredictionRecord::failed("no answer after 30 s").latency_ms(30_000.0);
/// assert!(served.error.is_none() && failed.output.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PredictionRecord {
    /// Its name, by which the truth finds it later: 1 to 200 bytes without control characters. Given by the store where it
    /// is empty.
    pub id: String,
    /// The model, as `name@version`.
    pub model: String,
    /// When it was made; the store's time where it is not set.
    pub at: Option<Timestamp>,
    /// What the model said; none where it failed.
    pub output: Option<Output>,
    /// How sure the model was, from 0 to 1; the highest score, where there are scores and this is not set.
    pub confidence: Option<f64>,
    /// How long it took, in milliseconds; 1e100 at most.
    pub latency_ms: Option<f64>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// What it was made from: values by name, or in order. What is not a finite number is kept as null, and named beside.
    pub features: Value,
    /// The features that were not finite numbers.
    pub not_finite: Vec<String>,
    /// What was true, once that is known.
    pub truth: Option<Output>,
    /// When that was found out.
    pub truth_at: Option<Timestamp>,
}

impl PredictionRecord {
    fn empty() -> PredictionRecord {
        PredictionRecord {
            id: String::new(),
            model: String::new(),
            at: None,
            output: None,
            confidence: None,
            latency_ms: None,
            error: None,
            features: Value::Null,
            not_finite: Vec::new(),
            truth: None,
            truth_at: None,
        }
    }

    /// A prediction: a label, a number or scores.
    pub fn new(output: impl Into<Output>) -> PredictionRecord {
        PredictionRecord { output: Some(output.into()), ..PredictionRecord::empty() }
    }

    /// An attempt that failed. Its kind is the text with numbers as `#`; [`PredictionRecord::error_kind`] says it better.
    pub fn failed(text: impl Into<String>) -> PredictionRecord {
        let text: String = text.into().chars().take(MAX_ERROR_CHARS).collect();
        PredictionRecord { error: Some(Failure { kind: kind_of(&text), text }), ..PredictionRecord::empty() }
    }

    /// Sets what sort of failure it was.
    #[must_use]
    pub fn error_kind(mut self, kind: impl Into<String>) -> PredictionRecord {
        if let Some(error) = &mut self.error {
            error.kind = kind.into().chars().take(MAX_KIND_CHARS).collect();
        }
        self
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> PredictionRecord {
        self.id = id.into();
        self
    }

    /// Sets when it was made.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> PredictionRecord {
        self.at = Some(time);
        self
    }

    /// Sets how sure the model was, from 0 to 1.
    #[must_use]
    pub fn confidence(mut self, confidence: f64) -> PredictionRecord {
        self.confidence = Some(confidence);
        self
    }

    /// Sets how long it took, in milliseconds.
    #[must_use]
    pub fn latency_ms(mut self, latency_ms: f64) -> PredictionRecord {
        self.latency_ms = Some(latency_ms);
        self
    }

    /// Sets what it was made from: an object of values by name, or an array.
    #[must_use]
    pub fn features(mut self, features: impl Into<Value>) -> PredictionRecord {
        self.features = features.into();
        self
    }

    /// Sets what was true, where that is known at once.
    #[must_use]
    pub fn truth(mut self, truth: impl Into<Output>) -> PredictionRecord {
        self.truth = Some(truth.into());
        self
    }

    /// Whether it was right, where a class was predicted and the truth is known.
    pub fn is_right(&self) -> Option<bool> {
        Some(self.output.as_ref()?.label()? == self.truth.as_ref()?.label()?)
    }

    /// How far it was off, where a number was predicted and the truth is known.
    pub fn off_by(&self) -> Option<f64> {
        Some((self.output.as_ref()?.number()? - self.truth.as_ref()?.number()?).abs())
    }

    /// The record as it is kept, or why it cannot be.
    pub(super) fn prepared(mut self, model: &ModelId, now: Timestamp) -> Result<PredictionRecord> {
        self.model = model.to_string();
        let at = *self.at.get_or_insert(now);
        if let (None, Some(Output::Scores(scores))) = (self.confidence, &self.output) {
            self.confidence = best(scores).map(|(_, score)| score);
        }
        if self.truth.is_some() {
            self.truth_at.get_or_insert(at);
        }
        self.output.iter().chain(&self.truth).try_for_each(Output::check)?;
        self.check_kinds()?;
        self.check_numbers()?;
        if !matches!(self.features, Value::Null | Value::Object(_) | Value::Array(_)) {
            return Err(Error::invalid("the features are neither values by name nor values in order")
                .mend("give an object or an array"));
        }
        clean(&mut self.features, &mut self.not_finite);
        Ok(self)
    }

    fn check_numbers(&self) -> Result<()> {
        if self.confidence.is_some_and(|it| !(0.0..=1.0).contains(&it)) {
            return Err(Error::invalid("a confidence is not from 0 to 1").mend("leave out what is not known"));
        }
        if self.latency_ms.is_some_and(|it| !(0.0..=MAX_NUMBER).contains(&it)) {
            return Err(Error::invalid("a latency is not a number from 0 to 1e100").mend("give milliseconds"));
        }
        Ok(())
    }

    /// Refuses a truth of another kind than the prediction.
    pub(super) fn check_kinds(&self) -> Result<()> {
        let (Some(output), Some(truth)) = (&self.output, &self.truth) else { return Ok(()) };
        if output.number().is_some() == truth.number().is_some() {
            return Ok(());
        }
        Err(Error::invalid("a label is no truth of a number, nor a number of a label")
            .at(format!("prediction {}", self.id))
            .mend("give the truth in the form of the prediction"))
    }
}

pub(super) fn check_truth(truth: &Output) -> Result<()> {
    truth.check()
}

pub(super) fn check_id(id: &str) -> Result<()> {
    if (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid(format!("{id:?}, of {} bytes, cannot be the id of a prediction", id.len()))
        .mend(format!("use 1 to {MAX_ID_BYTES} bytes without control characters")))
}

/// The text with each number as `#`, so that equal failures of different requests are one pattern.
fn kind_of(text: &str) -> String {
    let mut kind = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if kind.ends_with('#') => {}
            '0'..='9' => kind.push('#'),
            other => kind.push(other),
        }
    }
    kind.chars().take(MAX_KIND_CHARS).collect()
}

/// Values by their names; of an array, by their places.
pub(super) fn cells(features: &Value) -> Box<dyn Iterator<Item = (String, &Value)> + '_> {
    match features {
        Value::Object(fields) => Box::new(fields.iter().map(|(name, value)| (name.clone(), value))),
        Value::Array(values) => Box::new(values.iter().enumerate().map(|(place, value)| (place.to_string(), value))),
        _ => Box::new(std::iter::empty()),
    }
}

/// Replaces what is not a finite number by null, and names it.
fn clean(features: &mut Value, named: &mut Vec<String>) {
    let mut look = |name: String, value: &mut Value| {
        let bad = |value: &Value| matches!(value, Value::Float(number) if !number.is_finite());
        let is_bad = match &*value {
            Value::Array(values) => values.iter().any(bad),
            other => bad(other),
        };
        if is_bad {
            *value = Value::Null;
            named.push(name);
        }
    };
    match features {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| look(name.clone(), value)),
        Value::Array(values) => values.iter_mut().enumerate().for_each(|(place, value)| look(place.to_string(), value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prepared(record: PredictionRecord) -> Result<PredictionRecord> {
        record.prepared(&ModelId::new("m", "1").unwrap(), Timestamp(7))
    }

    #[test]
    fn scores_name_a_class_and_a_confidence() {
        let scores =
            Output::Scores([("a", 0.2), ("b", 0.4), ("c", 0.4)].map(|(label, score)| (label.into(), score)).into());
        let record = prepared(PredictionRecord::new(scores).truth("b")).unwrap();
        assert_eq!((record.is_right(), record.confidence, record.at), (Some(true), Some(0.4), Some(Timestamp(7))));
    }

    #[test]
    fn failures_that_differ_in_numbers_are_one_pattern() {
        let kind = |text: &str| PredictionRecord::failed(text).error.unwrap().kind;
        assert_eq!(kind("no answer from 10.0.0.12 after 300 ms"), kind("no answer from 10.0.0.7 after 5 ms"));
        assert_eq!(PredictionRecord::failed("x 1").error_kind("timeout").error.unwrap().kind, "timeout");
    }

    #[test]
    fn features_that_are_no_numbers_are_named_and_nothing_else_is_lost() {
        let mut features = Value::from(json!({"age": 3, "size": 1.5, "vector": [0.0, 1.0]}));
        let Value::Object(fields) = &mut features else { panic!() };
        fields.insert("size".into(), Value::Float(f64::NAN));
        fields.insert("vector".into(), Value::Array(vec![Value::Float(f64::INFINITY)]));
        let record = prepared(PredictionRecord::new(1.0).features(features)).unwrap();
        assert_eq!(record.not_finite, ["size", "vector"]);
        assert_eq!(record.features, json!({"age": 3, "size": null, "vector": null}).into());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for record in [
            PredictionRecord::new(f64::NAN),
            PredictionRecord::new(""),
            PredictionRecord::new("x".repeat(129)),
            PredictionRecord::new(Output::Scores(BTreeMap::new())),
            PredictionRecord::new(Output::Scores([("a".to_owned(), 1.5)].into())),
            PredictionRecord::new("a").confidence(1.1),
            PredictionRecord::new("a").confidence(f64::NAN),
            PredictionRecord::new("a").latency_ms(-1.0),
            PredictionRecord::new("a").truth(1.0),
            PredictionRecord::new("a").features("text"),
        ] {
            prepared(record).unwrap_err();
        }
    }
}
