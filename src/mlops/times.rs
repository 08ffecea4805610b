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

/// Times as seconds in JSON.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
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
    fn steps_cover_a_range_once() {
        let range = TimeRange::new(Timestamp(5), Timestamp(28)).unwrap();
        let steps: Vec<_> = range.steps(Duration::from_micros(10)).map(|step| (step.from.0, step.to.0)).collect();
        assert_eq!(steps, [(5, 15), (15, 25), (25, 28)]);
        assert!(range.contains(Timestamp(5)) && !range.contains(Timestamp(28)));
        TimeRange::new(Timestamp(5), Timestamp(5)).unwrap_err();
    }
}
