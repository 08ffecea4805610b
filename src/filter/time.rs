//! Times and durations as text.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};

use super::refuse;
use crate::clock::Timestamp;
use crate::error::Result;

/// Units of durations, the largest first, in microseconds.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// The longest duration, some 19,000 years: no two times that can be written are further apart.
const MAX_MICROS: i64 = 600_000_000_000_000_000;

/// Reads a time of RFC 3339; without an offset it is taken as UTC, without a time of day as midnight. What is finer
/// than a microsecond is cut off.
pub(crate) fn parse(text: &str) -> Result<Timestamp> {
    let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let parsed = text.parse::<jiff::Timestamp>().or_else(|_| text.parse::<DateTime>().and_then(utc));
    let parsed = parsed.map_err(|_| {
        refuse(format!("{text:?} is no time"))
            .mend("write it like '2026-01-31T12:00:00Z', '2026-01-31' or now() - '7d'")
    })?;
    Ok(Timestamp(parsed.as_microsecond()))
}

/// The text that [`parse`] reads as `time`; `None` outside the years -9999 to 9999.
pub(crate) fn print(time: Timestamp) -> Option<String> {
    jiff::Timestamp::from_microsecond(time.0).ok().map(|time| time.to_string())
}

/// Reads a duration such as `7d`, `1h 30m` or `-250ms`, in microseconds; a day has 24 hours. A duration with
/// `ago` behind it is refused, since its sign would be easy to take for the other one.
pub(crate) fn parse_duration(text: &str) -> Result<i64> {
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let ago = text.trim_end().to_ascii_lowercase().ends_with("ago");
    let micros = span.ok().filter(|_| !ago).and_then(|duration| i64::try_from(duration.as_micros()).ok());
    micros.filter(|micros| micros.abs() <= MAX_MICROS).ok_or_else(|| {
        refuse(format!("{text:?} is no duration"))
            .mend("write it like '7d', '36h', '1h 30m' or '250ms'; months differ in length")
    })
}

/// Reads a duration that is not negative.
pub(crate) fn duration(text: &str) -> Result<Duration> {
    let micros = u64::try_from(parse_duration(text)?);
    micros
        .map(Duration::from_micros)
        .map_err(|_| refuse(format!("{text:?} is a negative duration")).mend("leave the sign out"))
}

/// The text that [`parse_duration`] reads as `micros`: one number of the largest unit that fits.
pub(crate) fn print_duration(micros: u64) -> String {
    let fits = |(_, unit): &&(&str, u64)| micros.is_multiple_of(*unit);
    match UNITS.iter().find(fits) {
        Some((name, unit)) if micros != 0 => format!("{}{name}", micros / unit),
        _ => "0s".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_in_their_usual_forms() {
        let noon = Timestamp(1_769_860_800_000_000);
        for text in ["2026-01-31T12:00:00Z", "2026-01-31T13:30:00+01:30", "2026-01-31 12:00:00", "2026-01-31T12:00"] {
            assert_eq!(parse(text).unwrap(), noon, "{text}");
        }
        assert_eq!(parse("2026-01-31").unwrap(), Timestamp(noon.0 - 12 * 3_600_000_000));
        for text in ["", "now", "31.1.2026", "2026-02-30", "2026-01-31T25:00:00Z", "12:00"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_in_their_usual_forms() {
        for (text, micros) in
            [("7d", 7 * 86_400_000_000), ("1h 30m", 5_400_000_000), ("-250ms", -250_000), ("1w", 604_800_000_000)]
        {
            assert_eq!(parse_duration(text).unwrap(), micros, "{text}");
        }
        for text in ["", "7", "d", "1mo", "1y", "7d ago", "seven days", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(micros in any::<i64>()) {
            if let Some(text) = print(Timestamp(micros)) {
                prop_assert_eq!(parse(&text).unwrap(), Timestamp(micros));
            }
            let micros = micros % (MAX_MICROS + 1);
            prop_assert_eq!(parse_duration(&print_duration(micros.unsigned_abs())).unwrap(), micros.abs());
        }
    }
}
