//! How answers look: tables for people, the other formats for programs.
//!
//! `cells` writes single values, `rows` whole records and hits, `layout` tables. Tables shorten long vectors and payloads and never pass
//! control characters on to the terminal; the other formats are whole.

mod cells;
mod layout;
mod rows;
mod spark;

use std::io::{self, BufWriter, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Outcome;
use crate::screen;
use crate::style::Style;

pub(crate) use cells::{
    Look, count, counted, elapsed, figure, key, minute, number, p_value, payload_as, plain, size, time, vector,
};
pub(crate) use layout::{listed, pairs};
pub(crate) use rows::{HitRow, Plain, RecordJson, RecordRow, Row, projected};
pub(crate) use spark::spark;

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For people, with lines around every cell
    Box,
    /// Whole, one document for each statement
    Json,
    /// Whole, one document a line
    Jsonl,
    /// Whole, with commas between
    Csv,
    /// A line for each value
    Line,
}

/// Where answers go, and in which format.
pub(crate) struct Output {
    pub(crate) format: Format,
    /// Whether tables and csv begin with headings.
    pub(crate) header: bool,
    /// Columns that a table may take; `None` follows the terminal.
    pub(crate) width: Option<usize>,
    pub(crate) style: Style,
    out: BufWriter<Box<dyn Write>>,
    to_stdout: bool,
}

impl Output {
    pub(crate) fn new(format: Format) -> Output {
        let out = BufWriter::new(Box::new(io::stdout()) as Box<dyn Write>);
        Output { format, header: true, width: None, style: Style::PLAIN, out, to_stdout: true }
    }

    /// Has answers go elsewhere; `None` is stdout.
    pub(crate) fn redirect(&mut self, file: Option<std::fs::File>) -> Outcome {
        self.finish()?;
        self.to_stdout = file.is_none();
        let sink: Box<dyn Write> = match file {
            Some(file) => Box::new(file),
            None => Box::new(io::stdout()),
        };
        self.out = BufWriter::new(sink);
        Ok(())
    }

    /// Whether people read it.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.format, Format::Table | Format::Box)
    }

    /// Whether it goes to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.to_stdout && io::stdout().is_terminal()
    }

    /// Columns that a table may take, where there is a bound.
    pub(crate) fn columns(&self) -> Option<usize> {
        self.width.or_else(|| screen::size(&io::stdout()).filter(|_| self.to_stdout).map(|(columns, _)| columns))
    }

    /// Whether people read it where there are fewer columns than these.
    pub(crate) fn is_narrow(&self, roomy: usize) -> bool {
        self.is_table() && self.columns().is_some_and(|columns| columns < roomy)
    }

    /// Prints one thing: in one of the formats for programs, or what `people` should read.
    pub(crate) fn one(&mut self, thing: &impl Serialize, people: impl FnOnce() -> String) -> Outcome {
        match self.format {
            Format::Table | Format::Box => writeln!(self.out, "{}", people())?,
            Format::Json | Format::Jsonl => self.json(thing, "\n")?,
            Format::Csv | Format::Line => {
                let fields = rows::fields(thing);
                let headings: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                let cells = fields.iter().map(|(_, cell)| cell.clone()).collect();
                self.flat(&headings, std::iter::once(Ok(cells)))?;
            }
        }
        Ok(())
    }

    /// Prints many things of a kind, under these headings where the format has any.
    pub(crate) fn many<R: Row>(
        &mut self,
        headings: &[&str],
        things: impl IntoIterator<Item = driftline::Result<R>>,
    ) -> Outcome {
        match self.format {
            Format::Table | Format::Box => {
                let rows: Vec<_> = things.into_iter().map(|it| Ok(it?.cells(Look::Short))).collect::<Outcome<_>>()?;
                let boxed = self.format == Format::Box;
                let text = layout::table(headings, rows, self.columns(), self.header, boxed, self.style);
                writeln!(self.out, "{text}")?;
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
            Format::Csv | Format::Line => {
                self.flat(headings, things.into_iter().map(|it| Ok(it?.cells(Look::Whole))))?;
            }
        }
        Ok(())
    }

    /// Prints rows of cells as csv, or each cell in a line of its own.
    fn flat(&mut self, headings: &[&str], rows: impl Iterator<Item = Outcome<Vec<String>>>) -> Outcome {
        if self.format == Format::Line {
            for (number, row) in rows.enumerate() {
                let separator = if number > 0 { "\n" } else { "" };
                writeln!(self.out, "{separator}{}", layout::lines(headings, &row?))?;
            }
            return Ok(());
        }
        let mut csv = csv::Writer::from_writer(&mut self.out);
        let written = |error: csv::Error| match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        };
        if self.header {
            csv.write_record(headings).map_err(written)?;
        }
        for row in rows {
            csv.write_record(row?).map_err(written)?;
        }
        Ok(csv.flush()?)
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
