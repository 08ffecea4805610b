//! Tables, and lines of names and values.

use std::io;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

use super::cells;
use crate::screen::{self, wrapped};
use crate::style::Style;

/// Headings, a line, and rows.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A column needs so much room on the screen to be read; where there is less, rows are written as lines.
const LEAST_COLUMN: usize = 8;

/// Names and values need so much room for two columns.
const NARROW: usize = 40;

/// Rows under headings, within `width` columns.
pub(super) fn table(
    headings: &[&str],
    rows: Vec<Vec<String>>,
    width: Option<usize>,
    header: bool,
    boxed: bool,
    style: Style,
) -> String {
    if let Some(width) = width.filter(|width| *width < headings.len() * LEAST_COLUMN) {
        let narrow = |row: &Vec<String>| narrow(headings.iter().copied().zip(row.iter().cloned()), width);
        return rows.iter().map(narrow).collect::<Vec<_>>().join("\n\n");
    }
    let mut table = Table::new();
    if boxed {
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    } else {
        table.load_style(RULED);
    }
    if header {
        table.set_header(headings);
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    for row in rows {
        let mut row = comfy_table::Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    let text = if boxed { table.to_string() } else { table.trim_fmt() };
    match text.split_once('\n').filter(|_| header && !boxed) {
        Some((first, rest)) => format!("{}\n{rest}", style.bold(first)),
        None => text,
    }
}

/// `heading = cell`, one a line.
pub(super) fn lines(headings: &[&str], cells: &[String]) -> String {
    let longest = headings.iter().map(|heading| heading.chars().count()).max().unwrap_or(0);
    let line = |(heading, cell): (&&str, &String)| format!("{heading:>longest$} = {}", cells::plain(cell));
    headings.iter().zip(cells).map(line).collect::<Vec<_>>().join("\n")
}

/// Names and values where there is no room for two columns.
fn narrow<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>, width: usize) -> String {
    let pair = |(name, value)| wrapped(&format!("{name} = {value}"), width);
    pairs.into_iter().map(pair).collect::<Vec<_>>().join("\n")
}

/// Names and values, one pair a line.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    if let Some((width, _)) = screen::size(&io::stdout()) {
        if width < NARROW {
            return narrow(pairs, width);
        }
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    for (name, value) in pairs {
        table.add_row([name.to_owned(), value]);
    }
    table.trim_fmt()
}

/// Words and what they mean, indented, wrapped at `width`.
pub(crate) fn listed(entries: impl IntoIterator<Item = (String, String)>, width: usize) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    for (word, meaning) in entries {
        table.add_row([format!("  {word}"), meaning]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_has_no_room_is_written_in_lines() {
        let rows = vec![vec!["7".to_owned(), "a long text".to_owned()], vec!["8".into(), String::new()]];
        let shown = table(&["key", "text"], rows, Some(12), true, false, Style::PLAIN);
        assert_eq!(shown, "key = 7\ntext = a\nlong text\n\nkey = 8\ntext =");
    }
}
