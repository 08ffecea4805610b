//! Stretches of time, and how they are cut into windows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The times from one moment, included, to another, excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment that is not in it any more.
    pub to: Timestamp,
}

impl TimeRange {
    /// All times there are.
    pub const ALL: TimeRange = TimeRange { from: Timestamp(i64::MIN), to: Timestamp::NEVER };

    /// From one moment to another. Fails with `Invalid` unless the second is later.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<TimeRange> {
        if from >= to {
            return Err(Error::invalid(format!("no time lies from {} to {} microseconds", from.0, to.0))
                .mend("let the range end after it begins"));
        }
        Ok(TimeRange { from, to })
    }

    /// The time `length` before `end`.
    pub fn last(length: Duration, end: Timestamp) -> Result<TimeRange> {
        TimeRange::new(before(end, length), end)
    }

    /// Whether a moment lies in it.
    pub fn contains(self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }

    /// How long it is.
    pub fn length(self) -> Duration {
        self.to.since(self.from)
    }

    /// The window of `length` in which `time` lies, when windows follow each other from 1970-01-01 on.
    pub(crate) fn window(time: Timestamp, length: Duration) -> TimeRange {
        let micros = i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1);
        let from = time.0.saturating_sub(time.0.rem_euclid(micros));
        TimeRange { from: Timestamp(from), to: Timestamp(from.saturating_add(micros)) }
    }

    /// The range cut into steps from its beginning on; the last one may be shorter.
    pub(crate) fn steps(self, length: Duration) -> impl Iterator<Item = TimeRange> {
        let micros = i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1);
        let starts = std::iter::successors(Some(self.from.0), move |from| from.checked_add(micros));
        let step = move |from: i64| TimeRange {
            from: Timestamp(from),
            to: Timestamp(from.saturating_add(micros)).min(self.to),
        };
        starts.take_while(move |from| *from < self.to.0).map(step)
    }
}

/// The moment `length` before `time`.
pub(crate) fn before(time: Timestamp, length: Duration) -> Timestamp {
    Timestamp(time.0.saturating_sub(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)))
}

/// Times as seconds in JSON. The parts that serde gives a time by itself, as earlier records have them, are read as well.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    pub(super) enum Written {
        Seconds(f64),
        Parts(Duration),
    }

    impl Written {
        pub(super) fn time<E: Error>(self) -> Result<Duration, E> {
            match self {
                Written::Seconds(seconds) => Duration::try_from_secs_f64(seconds).map_err(E::custom),
                Written::Parts(time) => Ok(time),
            }
        }
    }

    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Written::deserialize(deserializer)?.time()
    }
}

/// The same of times that may be none.
pub(crate) mod maybe_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::seconds::Written;

    #[expect(clippy::ref_option, reason = "what serde calls")]
    pub(crate) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<Written>::deserialize(deserializer)?.map(Written::time).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other_before_1970_too() {
        let of = |time| TimeRange::window(Timestamp(time), Duration::from_micros(10));
        assert_eq!((of(0).from.0, of(9).to.0, of(-1).from.0, of(-10).from.0, of(-11).from.0), (0, 10, -10, -10, -20));
        let _ = (of(i64::MAX), of(i64::MIN));
    }

    #[test]
    fn times_are_written_as_seconds_and_read_in_their_earlier_form_too() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Times {
            #[serde(with = "seconds")]
            hold: Duration,
            #[serde(with = "maybe_seconds")]
            ttl: Option<Duration>,
        }
        let times = Times { hold: Duration::from_micros(604_799_999_999), ttl: Some(Duration::from_millis(1)) };
        let json = serde_json::to_value(&times).unwrap();
        assert_eq!(json, serde_json::json!({"hold": 604_799.999_999, "ttl": 0.001}));
        assert_eq!(serde_json::from_value::<Times>(json).unwrap(), times);
        let earlier = r#"{"hold": {"secs": 604799, "nanos": 999999000}, "ttl": {"secs": 0, "nanos": 1000000}}"#;
        assert_eq!(serde_json::from_str::<Times>(earlier).unwrap(), times);
        assert_eq!(serde_json::from_str::<Times>(r#"{"hold": 1, "ttl": null}"#).unwrap().ttl, None);
        for wrong in [r#"{"hold": -1, "ttl": null}"#, r#"{"hold": 1e300, "ttl": null}"#, r#"{"hold": "1h", "ttl": 1}"#]
        {
            serde_json::from_str::<Times>(wrong).unwrap_err();
        }
    }

    #[test]
    fn steps_cover_a_range_once() {
        let range = TimeRange::new(Timestamp(5), Timestamp(28)).unwrap();
        let steps: Vec<_> = range.steps(Duration::from_micros(10)).map(|step| (step.from.0, step.to.0)).collect();
        assert_eq!(steps, [(5, 15), (15, 25), (25, 28)]);
        assert!(range.contains(Timestamp(5)) && !range.contains(Timestamp(28)));
        TimeRange::new(Timestamp(5), Timestamp(5)).unwrap_err();
    }
}
