//! Which values a key takes.

use std::fmt;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::RangeBounds;
use std::time::Duration;

use crate::filter;
use crate::payload::Value;

/// The word that switches something off, in files and in the environment.
pub(super) const OFF: &str = "off";
/// The most values of a list, and the most characters of a text.
const MAX_VALUES: usize = 1_000;
const MAX_CHARS: usize = 4_096;

/// Which values a key takes. `Display` says it for people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A finite number in a range.
    Number(Bound<f64>, Bound<f64>),
    /// A whole number, from the first to the second.
    Count(u64, u64),
    /// A time, from the second to the third. A number counts the unit; a text has units of its own.
    Time(Unit, Duration, Duration),
    /// True or false.
    Flag,
    /// A text.
    Text,
    /// Texts.
    List,
}

/// What a number counts that stands for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Hours,
    Days,
}

impl Unit {
    pub(super) const fn seconds(self) -> u64 {
        match self {
            Unit::Seconds => 1,
            Unit::Hours => 3_600,
            Unit::Days => 86_400,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Hours => "hours",
            Unit::Days => "days",
        }
    }
}

impl Kind {
    /// The value as a field takes it, if this kind takes it: times become numbers of seconds.
    pub(super) fn accept(self, value: &Value) -> Option<Value> {
        match self {
            Kind::Number(least, most) => {
                let number = value.as_f64().filter(|number| number.is_finite() && (least, most).contains(number))?;
                Some(Value::Float(number))
            }
            Kind::Count(least, most) => value.as_u64().filter(|count| (least..=most).contains(count)).map(Value::from),
            Kind::Time(unit, least, most) => {
                let time = time(unit, value)?;
                (least..=most).contains(&time).then_some(Value::Float(time.as_secs_f64()))
            }
            Kind::Flag => value.as_bool().map(Value::Bool),
            Kind::Text => text(value),
            Kind::List => match value {
                Value::Array(values) if values.len() <= MAX_VALUES => {
                    values.iter().map(text).collect::<Option<_>>().map(Value::Array)
                }
                _ => None,
            },
        }
    }

    /// A value of a field as people write it: times as numbers of the unit.
    pub(super) fn written(self, value: Value) -> Value {
        let Kind::Time(unit, ..) = self else { return value };
        let Some(number) = value.as_f64().map(|seconds| seconds / unit.seconds() as f64) else { return value };
        if number.fract() == 0.0 && number < 1e15 { Value::Int(number as i64) } else { Value::Float(number) }
    }
}

fn time(unit: Unit, value: &Value) -> Option<Duration> {
    match value {
        Value::Text(text) => filter::duration(text).ok(),
        _ => Duration::try_from_secs_f64(value.as_f64()? * unit.seconds() as f64).ok(),
    }
}

fn text(value: &Value) -> Option<Value> {
    let text = value.as_text()?;
    let fits = !text.is_empty() && text.chars().count() <= MAX_CHARS && !text.chars().any(char::is_control);
    fits.then(|| Value::from(text))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Number(Included(least), Included(most)) => write!(f, "a number from {least} to {most}"),
            Kind::Number(least, most) => {
                f.write_str("a number")?;
                match least {
                    Included(least) => write!(f, " of at least {least}")?,
                    Excluded(least) => write!(f, " above {least}")?,
                    Unbounded => {}
                }
                match most {
                    Included(most) => write!(f, " and at most {most}"),
                    Excluded(most) => write!(f, " and below {most}"),
                    Unbounded => Ok(()),
                }
            }
            Kind::Count(least, u64::MAX) => write!(f, "a whole number of at least {least}"),
            Kind::Count(least, most) => write!(f, "a whole number from {least} to {most}"),
            Kind::Time(unit, least, most) => {
                let written = |time: &Duration| filter::print_duration(time.as_micros() as u64);
                let (least, most) = (written(least), written(most));
                write!(f, "a time from {least} to {most}, as a number of {} or such as `36h`", unit.word())
            }
            Kind::Flag => f.write_str("true or false"),
            Kind::Text => f.write_str("a text"),
            Kind::List => f.write_str("a list of texts"),
        }
    }
}
