//! Tables, and lines of names and values.

use std::io;

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};

use super::cells;
use crate::screen::{self, wrapped};
use crate::style::Style;

/// Headings, a line, and rows.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A column of texts needs so much room on the screen to be read; where there is less, rows are written as lines.
const LEAST_COLUMN: usize = 8;

/// What a column needs beside its cells.
const GAP: usize = 3;

/// Before texts have less than this, times are told to the minute.
const SCANTY: usize = 16;

/// Characters of a time to the second, and to the minute.
const SECONDS: usize = "2026-01-31T12:00:00".len();
const MINUTES: usize = "2026-01-31T12:00".len();

/// Numbers, times and sizes are no longer than a time to the millisecond; they are never cut.
const MOST_FIGURES: usize = 24;

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
    // Columns have a space on either side and a gap between them; a box has a line on both sides, too.
    let room = width.map(|width| if boxed { width.saturating_sub(1) } else { width + 1 });
    let headed = if header { headings } else { &[] };
    let Some(mut table) = fitted(headed, &rows, room) else {
        let narrow = |row: &Vec<String>| narrow(headings.iter().copied().zip(row.iter().cloned()), width.unwrap_or(0));
        return rows.iter().map(narrow).collect::<Vec<_>>().join("\n\n");
    };
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
    let text = if boxed { table.to_string() } else { table.trim_fmt() };
    match text.split_once('\n').filter(|_| header && !boxed) {
        Some((first, rest)) => format!("{}\n{rest}", style.bold(first)),
        None => text,
    }
}

/// The rows as they fit into some room, if they do: times lose what is below the second, or the minute, and texts are cut, the
/// longest first.
fn fitted<'a>(headings: &[&'a str], rows: &[Vec<String>], room: Option<usize>) -> Option<Table> {
    let needed = |widths: &[usize]| widths.iter().map(|width| width + GAP).sum::<usize>();
    let whole = filled(rows);
    let Some(room) = room.filter(|room| needed(&widths(&whole, headings.iter().copied())) > *room) else {
        return Some(whole);
    };
    // A heading may stand in several lines, its words may not.
    let word = |heading: &&'a str| heading.split(' ').max_by_key(|word| word.chars().count()).unwrap_or_default();
    for (characters, scanty) in [(SECONDS, SCANTY), (MINUTES, LEAST_COLUMN)] {
        let shorter = |cell: &String| if is_time(cell) { cell[..characters].replace('T', " ") } else { cell.clone() };
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(shorter).collect()).collect();
        let mut table = filled(&rows);
        let widths = widths(&table, headings.iter().map(word));
        let keeps = |place: usize| widths[place] <= LEAST_COLUMN || is_figures(&rows, place);
        let least = |place: usize| if keeps(place) { widths[place] } else { scanty.min(widths[place]) };
        if needed(&(0..widths.len()).map(least).collect::<Vec<_>>()) <= room {
            for (place, column) in table.column_iter_mut().enumerate().filter(|(place, _)| keeps(*place)) {
                let width = u16::try_from(widths[place] + 2).unwrap_or(u16::MAX);
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            }
            return Some(table);
        }
    }
    None
}

/// A table of rows of a line each.
fn filled(rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    for row in rows {
        let mut row = comfy_table::Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    table
}

/// What columns need for all that they hold.
fn widths<'a>(table: &Table, headings: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut widths: Vec<usize> = table.column_max_content_widths().into_iter().map(usize::from).collect();
    for (place, heading) in headings.enumerate() {
        let needed = heading.chars().count();
        match widths.get_mut(place) {
            Some(width) => *width = needed.max(*width),
            None => widths.push(needed),
        }
    }
    widths
}

/// Whether a column holds numbers, times or sizes, or words that are as short.
fn is_figures(rows: &[Vec<String>], place: usize) -> bool {
    let figures = |cell: &str| {
        let sign = cell.strip_prefix(['-', '+']).unwrap_or(cell);
        let is_long = cell.chars().count() > LEAST_COLUMN;
        !is_long || (cell.len() <= MOST_FIGURES && sign.starts_with(|c: char| c.is_ascii_digit()))
    };
    rows.iter().all(|row| row.get(place).is_none_or(|cell| figures(cell)))
}

/// Whether a cell is a time as [`cells::time`] writes it.
fn is_time(cell: &str) -> bool {
    let pattern = "0000-00-00T00:00:00.000Z";
    let same = |(pattern, c): (u8, u8)| if pattern == b'0' { c.is_ascii_digit() } else { pattern == c };
    cell.len() == pattern.len() && pattern.bytes().zip(cell.bytes()).all(same)
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

    fn shown(headings: &[&str], row: &[&str], width: usize) -> String {
        let row = row.iter().map(|cell| (*cell).to_owned()).collect();
        table(headings, vec![row], Some(width), true, false, Style::PLAIN)
    }

    #[test]
    fn texts_give_way_and_times_and_numbers_do_not() {
        let headings = ["alert", "time", "what", "type", "message"];
        let (time, message) = ("2026-01-31T12:34:56.789Z", "accuracy_drop of ranker@1 is 0.5, above 0.05");
        let row = ["12", time, "fired", "accuracy_drop", message];
        let last = |width| shown(&headings, &row, width).lines().last().unwrap_or_default().to_owned();
        assert!(last(120).contains(time) && last(120).contains(message), "there is room for all");
        for (width, told) in [(80, "2026-01-31 12:34:56"), (60, "2026-01-31 12:34")] {
            let last = last(width);
            assert!(last.contains(told) && last.contains("fired") && last.chars().count() <= width, "{width}: {last}");
        }
        assert!(last(80).contains(" accuracy_drop "), "the longest gives way first: {}", last(80));
        assert!(shown(&headings, &row, 40).contains(&format!("time = {time}")), "in lines there is room again");
    }

    #[test]
    fn headings_are_broken_between_words() {
        let text = shown(&["model", "counted again", "hit ratio"], &["ranker@2026-01-31", "12,345", "0.5"], 36);
        assert!(["counted", "again", "12,345", "0.5"].iter().all(|told| text.contains(told)), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 36), "{text}");
    }

    #[test]
    fn a_row_that_has_no_room_is_written_in_lines() {
        let rows = vec![vec!["7".to_owned(), "a long text".to_owned()], vec!["8".into(), String::new()]];
        let shown = table(&["key", "text"], rows, Some(12), true, false, Style::PLAIN);
        assert_eq!(shown, "key = 7\ntext = a\nlong text\n\nkey = 8\ntext =");
    }
}
