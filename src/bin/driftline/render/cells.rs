//! Single values as people read them.

use std::time::{Duration, UNIX_EPOCH};

use driftline::{Key, Timestamp, Value, Vector};

/// How much of a value a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// What people read.
    Short,
    /// Everything.
    Whole,
}

/// A payload longer than this is cut in a table.
const MAX_CELL_CHARS: usize = 160;

/// A key as a cell. A text that a statement would read as another kind of key, or as several words, is quoted.
pub(crate) fn key(key: &Key) -> String {
    let Some(text) = key.as_text() else { return key.to_string() };
    let number = |text: &str| text.parse().is_ok_and(|number: u64| number.to_string() == text);
    let breaks = |c: char| c.is_whitespace() || ",;'\"`()[]{}=".contains(c);
    if text.is_empty()
        || text.starts_with("0x")
        || text.starts_with(['$', '-'])
        || number(text)
        || text.contains(breaks)
    {
        return format!("'{}'", plain(&text.replace('\'', "''")));
    }
    plain(text)
}

/// A key, as it is typed or as it is.
pub(super) fn key_as(key: &Key, look: Look) -> String {
    match look {
        Look::Short => self::key(key),
        Look::Whole => key.to_string(),
    }
}

/// A vector, shortened or as JSON.
pub(super) fn vector_as(vector: Option<&Vector>, look: Look) -> String {
    match (look, vector) {
        (Look::Short, vector) => self::vector(vector),
        (Look::Whole, Some(Vector::Bits(bytes))) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        (Look::Whole, vector) => vector.map_or(String::new(), |it| serde_json::to_string(it).unwrap_or_default()),
    }
}

/// A payload, shortened or as JSON; nothing for null.
pub(crate) fn payload_as(payload: &Value, look: Look) -> String {
    match look {
        Look::Short => shortened(if payload.is_null() { String::new() } else { plain(&payload.to_string()) }),
        Look::Whole if payload.is_null() => String::new(),
        Look::Whole => payload.to_string(),
    }
}

/// A field of a payload: texts without quotes.
pub(super) fn field_as(field: &Value, look: Look) -> String {
    match (field, look) {
        (Value::Text(text), Look::Whole) => text.clone(),
        (Value::Text(text), Look::Short) => shortened(plain(text)),
        (other, look) => payload_as(other, look),
    }
}

/// A vector as a cell: its first numbers or bytes, and how many there are.
pub(crate) fn vector(vector: Option<&Vector>) -> String {
    match vector {
        None => String::new(),
        Some(Vector::F32(numbers)) if numbers.len() <= 4 => format!("[{}]", listed(numbers)),
        Some(Vector::F32(numbers)) => format!("[{}, … {}]", listed(&numbers[..2]), numbers.len()),
        Some(Vector::Bits(bytes)) => {
            let digits: String = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            if bytes.len() <= 4 { digits } else { format!("{digits}… {}", bytes.len() * 8) }
        }
    }
}

fn listed(numbers: &[f32]) -> String {
    let rounded = numbers.iter().map(|number| figure(*number));
    rounded.collect::<Vec<_>>().join(", ")
}

/// A number with the figures that people read: the first four, and all those before the point.
pub(crate) fn figure(number: f32) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-4..1e7).contains(&size) {
        let before_the_point = if size == 0.0 { 1 } else { size.log10().floor() as i32 + 1 };
        let decimals = (4 - before_the_point).clamp(0, 6) as usize;
        let text = format!("{number:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
    } else {
        format!("{number:.3e}")
    }
}

/// A measured number, in the same way.
pub(crate) fn number(number: f64) -> String {
    figure(number as f32)
}

/// A p in four places; what rounds to nothing is no 0.
pub(crate) fn p_value(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".into() } else { format!("{p:.4}") }
}

/// As much of a text as a cell holds.
fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_CELL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Text without characters that a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// A time as people write it.
pub(crate) fn time(time: Timestamp) -> String {
    let since = Duration::from_micros(u64::try_from(time.0).unwrap_or(0));
    match UNIX_EPOCH.checked_add(since) {
        // The year 9999 is the last that the text form knows.
        Some(at) if since.as_secs() < 253_402_300_800 => humantime::format_rfc3339_millis(at).to_string(),
        _ => "never".into(),
    }
}

/// A time to the minute, in UTC.
pub(crate) fn minute(at: Timestamp) -> String {
    let text = time(at);
    text.get(..16).map_or(text.clone(), |minute| minute.replace('T', " "))
}

/// A count as people read it: `12,345`.
pub(crate) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A count of things, in the singular where there is one.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A size as people read it: `1.20 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A short time as people read it.
pub(crate) fn elapsed(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 1e-3 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.0} µs", seconds * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_p_is_not_nothing() {
        assert_eq!([0.0, 0.00009, 0.0001, 0.05].map(p_value), ["< 0.0001", "< 0.0001", "0.0001", "0.0500"]);
    }

    #[test]
    fn keys_can_be_typed_as_they_are_shown() {
        let keys = [key(&7u64.into()), key(&"7".into()), key(&"007".into()), key(&"it's".into()), key(&"a b".into())];
        assert_eq!(keys, ["7", "'7'", "007", "'it''s'", "'a b'"]);
    }

    #[test]
    fn long_vectors_are_shortened() {
        let long = Vector::F32((0..384).map(|n| n as f32 / 7.0).collect());
        assert_eq!(vector(Some(&long)), "[0, 0.1429, … 384]");
        assert_eq!(vector(Some(&Vector::F32(vec![1.0, -2.5]))), "[1, -2.5]");
        assert_eq!(vector(Some(&Vector::Bits(vec![255; 8]))), "ffffffff… 64");
    }

    #[test]
    fn figures_are_short_and_not_wrong() {
        let figures = [0.0, 1.0, -0.03, 0.123_456, 0.002_387, 271.5, 1234.567, 1e9, 1e-9, 99_999.4].map(figure);
        let read = ["0", "1", "-0.03", "0.1235", "0.002387", "271.5", "1235", "1.000e9", "1.000e-9", "99999"];
        assert_eq!(figures, read);
    }

    #[test]
    fn cells_hold_nothing_a_terminal_would_obey() {
        assert_eq!(key(&Key::from("a\u{1b}[2J")), "'a\\u{1b}[2J'");
        assert_eq!(field_as(&Value::from("\u{9b}2J"), Look::Short), "\\u{9b}2J");
    }
}
