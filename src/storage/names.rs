//! The names of a store's files: numbers only, so that nothing a user types ever becomes part of a path.
//!
//! Frozen. Numbers are decimal without leading zeros; a name that does not read so is somebody else's file, which the
//! store neither reads nor removes.

use crate::ids::FileId;

/// The file whose lock says who may open the store.
pub(crate) const LOCK: &str = "LOCK";

/// Room that is set aside.
pub(crate) const RESERVE: &str = "RESERVE";

const TEMPORARY: &str = ".tmp";

/// What a file of a store is, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// The lock file.
    Lock,
    /// The room that is set aside.
    Reserve,
    /// The manifest of this number.
    Manifest(u64),
    /// A log.
    Wal(FileId),
    /// The rows of a segment.
    Segment(FileId),
    /// The deleted rows of a segment, and which edition of them.
    Deletions(FileId, u64),
    /// A blob.
    Blob(FileId),
    /// The index of a segment.
    Index(FileId),
    /// One of the others before it was published.
    Temporary,
}

pub(crate) fn manifest(number: u64) -> String {
    format!("MANIFEST-{number}")
}

pub(crate) fn wal(file: FileId) -> String {
    format!("wal-{}", file.0)
}

pub(crate) fn segment(file: FileId) -> String {
    format!("seg-{}", file.0)
}

pub(crate) fn deletions(segment: FileId, generation: u64) -> String {
    format!("del-{}-{generation}", segment.0)
}

pub(crate) fn blob(file: FileId) -> String {
    format!("blob-{}", file.0)
}

pub(crate) fn index(file: FileId) -> String {
    format!("idx-{}", file.0)
}

/// What the file `name` is called until it is published.
pub(crate) fn temporary(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

/// Reads a name; `None` when it is not one of ours.
pub(crate) fn parse(name: &str) -> Option<Name> {
    if let Some(published) = name.strip_suffix(TEMPORARY) {
        return parse_published(published).map(|_| Name::Temporary);
    }
    parse_published(name)
}

fn parse_published(name: &str) -> Option<Name> {
    if name == LOCK {
        return Some(Name::Lock);
    }
    if name == RESERVE {
        return Some(Name::Reserve);
    }
    let (kind, number) = name.split_once('-')?;
    match kind {
        "MANIFEST" => parse_number(number).map(Name::Manifest),
        "wal" => parse_file(number).map(Name::Wal),
        "seg" => parse_file(number).map(Name::Segment),
        "blob" => parse_file(number).map(Name::Blob),
        "idx" => parse_file(number).map(Name::Index),
        "del" => {
            let (segment, generation) = number.split_once('-')?;
            Some(Name::Deletions(parse_file(segment)?, parse_number(generation)?))
        }
        _ => None,
    }
}

fn parse_file(digits: &str) -> Option<FileId> {
    parse_number(digits).map(FileId)
}

/// A number the way we write it: comparing with our own spelling rules out signs, leading zeros and other digits.
fn parse_number(digits: &str) -> Option<u64> {
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spelling_never_changes() {
        let file = FileId(7);
        assert_eq!(
            [
                manifest(12),
                wal(file),
                segment(file),
                deletions(file, 3),
                blob(file),
                index(file),
                temporary(&manifest(1))
            ],
            ["MANIFEST-12", "wal-7", "seg-7", "del-7-3", "blob-7", "idx-7", "MANIFEST-1.tmp"]
        );
    }

    #[test]
    fn names_of_others_are_left_alone() {
        for name in [
            "",
            "-",
            "lock",
            "MANIFEST",
            "MANIFEST-",
            "MANIFEST-01",
            "MANIFEST-+1",
            "MANIFEST--1",
            "wal-1 ",
            "WAL-1",
            "seg-1-2",
            "del-1",
            "idx-1-2",
            "del-1-2-3",
            "del-1-02",
            "blob-18446744073709551616",
            ".DS_Store",
            "notes.tmp",
            ".tmp",
            "seg-1.tmp.tmp",
            "seg-１",
        ] {
            assert_eq!(parse(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_spelled_is_read_back(number: u64, generation: u64) {
            let file = FileId(number);
            prop_assert_eq!(parse(&manifest(number)), Some(Name::Manifest(number)));
            prop_assert_eq!(parse(&wal(file)), Some(Name::Wal(file)));
            prop_assert_eq!(parse(&segment(file)), Some(Name::Segment(file)));
            prop_assert_eq!(parse(&blob(file)), Some(Name::Blob(file)));
            prop_assert_eq!(parse(&index(file)), Some(Name::Index(file)));
            prop_assert_eq!(parse(&deletions(file, generation)), Some(Name::Deletions(file, generation)));
            prop_assert_eq!(parse(&temporary(&segment(file))), Some(Name::Temporary));
            prop_assert_eq!(parse(LOCK), Some(Name::Lock));
            prop_assert_eq!(parse(RESERVE), Some(Name::Reserve));
        }

        #[test]
        fn no_text_is_too_odd(text in ".*") {
            parse(&text);
        }
    }
}
