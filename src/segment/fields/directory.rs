//! Which fields of a segment have an index, and where.

use std::ops::Range;

use crate::bytes::{Reader, Truncated, Write};

/// The stored directory: a u32 count; for each field a u32 count of names, each a u32 length and UTF-8, from the payload
/// inward, and where its index begins and ends, as u64.
pub(super) fn encode(fields: &[(Vec<String>, Range<u64>)]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u32(fields.len() as u32);
    for (path, range) in fields {
        out.put_u32(path.len() as u32);
        path.iter().for_each(|name| out.put_block(name.as_bytes()));
        out.put_u64(range.start);
        out.put_u64(range.end);
    }
    out
}

/// Where the index of the field at `path` is, if it has one.
pub(crate) fn find(directory: &[u8], path: &[String]) -> Result<Option<Range<u64>>, Truncated> {
    let mut reader = Reader::new(directory);
    for _ in 0..reader.u32()? {
        let mut same = true;
        let names = reader.count(4)?;
        for place in 0..names {
            let name = reader.block()?;
            same &= path.get(place).is_some_and(|wanted| wanted.as_bytes() == name);
        }
        let range = reader.u64()?..reader.u64()?;
        if same && names == path.len() {
            return Ok(Some(range));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_path() {
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let fields = [(path(&["a"]), 0..5), (path(&["a", "b"]), 5..9), (path(&["é"]), 9..9)];
        let directory = encode(&fields);
        for (path, range) in &fields {
            assert_eq!(find(&directory, path), Ok(Some(range.clone())));
        }
        for missing in [&["b"][..], &["a", "b", "c"], &[]] {
            assert_eq!(find(&directory, &path(missing)), Ok(None));
        }
        for length in 0..directory.len() {
            assert!(find(&directory[..length], &path(&["b"])).is_err());
        }
    }
}
