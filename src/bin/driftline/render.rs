//! How answers look: tables for people, JSON for programs.
//!
//! Tables shorten long vectors and payloads, and never pass control characters on to the terminal; JSON is whole.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::{Duration, UNIX_EPOCH};

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use driftline::{Hit, Key, Lsn, Record, Timestamp, Value, Vector};
use serde::{Serialize, Serializer};

use crate::args::Format;
use crate::failure::Outcome;

/// Headings, a line, and rows.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A payload longer than this is cut in a table.
const MAX_CELL_CHARS: usize = 160;

/// Stdout, in the format that was asked for.
pub(crate) struct Output {
    pub(crate) format: Format,
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn new(format: Format) -> Output {
        Output { format, out: BufWriter::new(io::stdout().lock()) }
    }

    /// Whether people read it.
    pub(crate) fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Prints one thing: as JSON, or what `people` should read.
    pub(crate) fn one(&mut self, thing: &impl Serialize, people: impl FnOnce() -> String) -> Outcome {
        match self.format {
            Format::Table => writeln!(self.out, "{}", people())?,
            Format::Json | Format::Jsonl => self.json(thing, "\n")?,
        }
        Ok(())
    }

    /// Prints many things of a kind: as a table with these headings, a JSON list, or a line each.
    pub(crate) fn many<T: Serialize>(
        &mut self,
        headings: &[&str],
        things: impl IntoIterator<Item = driftline::Result<T>>,
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Outcome {
        match self.format {
            Format::Table => {
                let mut table = table(headings);
                for thing in things {
                    table.add_row(cells(&thing?));
                }
                writeln!(self.out, "{}", table.trim_fmt())?;
            }
            Format::Json => {
                self.out.write_all(b"[")?;
                let mut separator = "\n";
                for thing in things {
                    self.out.write_all(separator.as_bytes())?;
                    self.json(&thing?, "")?;
                    separator = ",\n";
                }
                self.out.write_all(b"\n]\n")?;
            }
            Format::Jsonl => {
                for thing in things {
                    self.json(&thing?, "\n")?;
                }
            }
        }
        Ok(())
    }

    fn json(&mut self, thing: &impl Serialize, end: &str) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, thing)?;
        self.out.write_all(end.as_bytes())
    }

    /// Prints a line as it is.
    pub(crate) fn line(&mut self, text: &str) -> Outcome {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Makes people see what has been printed so far.
    pub(crate) fn finish(&mut self) -> Outcome {
        Ok(self.out.flush()?)
    }
}

/// A remark for people, beside the answer.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// An empty table; on a terminal it keeps to its width.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(RULED).set_header(headings);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// Names and values, one pair a line.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for (name, value) in pairs {
        table.add_row([name.to_owned(), value]);
    }
    table.trim_fmt()
}

/// A key in JSON: a number, a text, or bytes as payloads have them, so that the three are told apart.
pub(crate) struct KeyJson<'a>(pub(crate) &'a Key);

impl Serialize for KeyJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_bytes() {
            Some(bytes) => Value::from(bytes).serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

/// A record in JSON, as `import` and `put -` read it.
#[derive(Serialize)]
pub(crate) struct RecordJson<'a> {
    key: KeyJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a Vector>,
    payload: &'a Value,
    lsn: Lsn,
    created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

impl<'a> RecordJson<'a> {
    pub(crate) fn new(record: &'a Record) -> RecordJson<'a> {
        RecordJson {
            key: KeyJson(&record.key),
            vector: record.vector.as_ref(),
            payload: &record.payload,
            lsn: record.lsn,
            created: record.created,
            expires: record.expires,
        }
    }
}

/// A record that serializes as [`RecordJson`].
pub(crate) struct Owned(pub(crate) Record);

impl Serialize for Owned {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RecordJson::new(&self.0).serialize(serializer)
    }
}

/// A hit in JSON.
#[derive(Serialize)]
pub(crate) struct HitJson<'a> {
    key: KeyJson<'a>,
    distance: f32,
    similarity: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Value>,
}

impl<'a> HitJson<'a> {
    pub(crate) fn new(hit: &'a Hit) -> HitJson<'a> {
        let payload = hit.record.as_ref().map(|record| &record.payload);
        HitJson { key: KeyJson(&hit.key), distance: hit.distance, similarity: hit.similarity(), payload }
    }

    /// The hit as a row of a table.
    pub(crate) fn cells(&self) -> Vec<String> {
        let mut cells = vec![key(self.key.0), figure(self.distance), figure(self.similarity)];
        cells.extend(self.payload.map(payload));
        cells
    }
}

/// A key as a cell. A text that would be read as another kind of key on the command line is quoted.
pub(crate) fn key(key: &Key) -> String {
    match key.as_text() {
        Some(text) if text.is_empty() || text.starts_with("0x") || crate::values::number(text).is_some() => {
            format!("{text:?}")
        }
        Some(text) => plain(text),
        None => key.to_string(),
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

/// A payload as a cell.
pub(crate) fn payload(payload: &Value) -> String {
    if payload.is_null() {
        return String::new();
    }
    let text = plain(&payload.to_string());
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
        assert_eq!(key(&Key::from("a\u{1b}[2J")), "a\\u{1b}[2J");
        assert_eq!(payload(&Value::from("\u{9b}2J")), "\"\\u{9b}2J\"");
        assert_eq!([key(&7u64.into()), key(&"7".into()), key(&"007".into())], ["7", "\"7\"", "007"]);
    }

    #[test]
    fn bytes_of_a_key_are_told_from_text() {
        let json = |key: Key| serde_json::to_string(&KeyJson(&key)).unwrap();
        assert_eq!(json(vec![0u8, 255].into()), r#"{"$bytes":"AP8="}"#);
        assert_eq!(json("0x00ff".into()), r#""0x00ff""#);
    }
}
