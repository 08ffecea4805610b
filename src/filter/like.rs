//! Patterns of `LIKE`: `%` stands for any text, `_` for one character, `\` takes the meaning of the next one away.

use super::refuse;
use crate::error::Result;

/// The most bytes of a pattern. Looking for it in a text takes at most so many steps for each byte of the text.
const MAX_PATTERN_BYTES: usize = 4096;

/// A pattern ready to be looked for.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// What stands between the `%`; at least one.
    pieces: Vec<Piece>,
}

/// Characters in a row.
#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    /// `None` is any one character; there is at least one such.
    Holes(Vec<Option<char>>),
}

/// Refuses what is no pattern.
pub(super) fn check(pattern: &str) -> Result<()> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(refuse(format!("a pattern of {} bytes is over the limit of {MAX_PATTERN_BYTES}", pattern.len())));
    }
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character == '\\' && !matches!(characters.next(), Some('%' | '_' | '\\')) {
            return Err(
                refuse(r"in a pattern \ stands before %, _ or \ only").mend(r"write \\ for the character itself")
            );
        }
    }
    Ok(())
}

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Pattern {
        let mut pieces = vec![Vec::new()];
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            let piece = match character {
                '%' => {
                    pieces.push(Vec::new());
                    continue;
                }
                '_' => None,
                '\\' => characters.next(),
                plain => Some(plain),
            };
            if let Some(last) = pieces.last_mut() {
                last.push(piece);
            }
        }
        Pattern { pieces: pieces.into_iter().map(Piece::new).collect() }
    }

    /// Whether all of `text` is like the pattern.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some((first, others)) = self.pieces.split_first() else { return false };
        let Some(mut rest) = first.prefix_of(text) else { return false };
        let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
        // The leftmost place is the best for each piece, since it leaves the most to those behind it.
        for piece in middle {
            match piece.find_in(rest) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        last.is_suffix_of(rest)
    }
}

impl Piece {
    fn new(characters: Vec<Option<char>>) -> Piece {
        match characters.iter().copied().collect::<Option<String>>() {
            Some(text) => Piece::Text(text),
            None => Piece::Holes(characters),
        }
    }

    /// What stands behind this piece, if `text` begins with it.
    fn prefix_of<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Piece::Text(piece) => text.strip_prefix(piece.as_str()),
            Piece::Holes(piece) => {
                let mut characters = text.chars();
                let fits = |wanted: &Option<char>| {
                    characters.next().is_some_and(|found| wanted.is_none_or(|wanted| wanted == found))
                };
                piece.iter().all(fits).then_some(characters.as_str())
            }
        }
    }

    /// What stands behind the leftmost place where this piece is in `text`.
    fn find_in<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Piece::Text(piece) => text.find(piece.as_str()).map(|place| &text[place + piece.len()..]),
            Piece::Holes(_) => text.char_indices().find_map(|(place, _)| self.prefix_of(&text[place..])),
        }
    }

    fn is_suffix_of(&self, text: &str) -> bool {
        match self {
            Piece::Text(piece) => text.ends_with(piece.as_str()),
            Piece::Holes(piece) => {
                let mut backwards = text.char_indices().rev();
                let Some((start, _)) = backwards.nth(piece.len() - 1) else { return false };
                self.prefix_of(&text[start..]).is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, by recursion.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            (['%', rest @ ..], text) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            (['\\', wanted, rest @ ..], [found, behind @ ..]) => wanted == found && naive(rest, behind),
            (['_', rest @ ..], [_, behind @ ..]) => naive(rest, behind),
            ([wanted, rest @ ..], [found, behind @ ..]) => wanted == found && naive(rest, behind),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_pattern_means_its_definition(pattern in r"([abé%_]|\\%|\\_|\\\\){0,7}", text in r"[abé%_\\]{0,8}") {
            check(&pattern).unwrap();
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), naive(&characters(&pattern), &characters(&text)));
        }
    }

    #[test]
    fn patterns_that_end_in_the_middle_of_an_escape_are_refused() {
        for pattern in ["\\", "a\\", "\\a"] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
        assert!(check(&"%".repeat(MAX_PATTERN_BYTES + 1)).is_err());
        assert!(check(r"100\% \\ _").is_ok());
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let text = "a".repeat(100_000);
        assert!(!Pattern::new(&"%a".repeat(2000).replace("%a", "%aa%")).matches("a"));
        assert!(!Pattern::new(&format!("{}b", "%a".repeat(2000))).matches(&text));
        assert!(!Pattern::new(&format!("%{}b%", "a".repeat(2000))).matches(&text));
    }
}
