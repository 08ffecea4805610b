//! How large the terminal is.

use std::os::fd::AsFd;

use terminal_size::{Height, Width, terminal_size_of};

/// What is assumed where there is no terminal.
const COLUMNS: usize = 80;

/// Columns and rows of the terminal behind a stream, if there is one.
pub(crate) fn size(stream: &impl AsFd) -> Option<(usize, usize)> {
    let (Width(columns), Height(rows)) = terminal_size_of(stream.as_fd())?;
    (columns > 0).then_some((columns.into(), rows.into()))
}

/// Columns of the terminal behind a stream.
pub(crate) fn width(stream: &impl AsFd) -> usize {
    size(stream).map_or(COLUMNS, |(columns, _)| columns)
}

/// Text, wrapped where a stream is a terminal.
pub(crate) fn fitted(text: &str, stream: &impl AsFd) -> String {
    match size(stream) {
        Some((columns, _)) => wrapped(text, columns),
        None => text.to_owned(),
    }
}

/// Text, wrapped at `width`; a word that is longer is cut.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + length <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => {
                let letters: Vec<char> = word.chars().collect();
                lines.extend(letters.chunks(width).map(String::from_iter));
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_within_its_width() {
        assert_eq!(wrapped("a bb ccc dddddd é", 4), "a bb\nccc\ndddd\ndd é");
        assert_eq!(wrapped("", 4), "");
    }
}
