//! Deletions of a segment: whatever stands in their file, behind checksums that are right, they are rows of the segment
//! or refused.

use std::sync::Arc;

use super::{Seed, store};
use crate::bytes::{Reader, Truncated, Write};
use crate::error::Result;
use crate::ids::{FileId, RowId};
use crate::rows::RowSet;
use crate::segment::columns::section;
use crate::segment::file::Opener;
use crate::segment::seal::write_deletions;
use crate::segment::sealed::read_deletions;
use crate::storage::fs::{FileSystem, MemoryFs, ReadMode};
use crate::storage::manifest::DeletionsEntry;
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, FileRef, Writer};

const FILE: FileId = FileId(4);

/// What a manifest would say of the file, and what stands in it.
struct Input<'a> {
    rows: u32,
    count: u32,
    generation: u64,
    meta: &'a [u8],
    bits: &'a [u8],
}

/// Reads `data` as the deletions of a segment: its rows (u32), how many are gone (u32), the generation (u64), the
/// header's fields and the bits, each a block.
pub fn deletions(data: &[u8]) {
    let Ok(input) = decode(data) else { return };
    let opener = opener();
    let Ok(file) = write(&opener, &input) else { return };
    let entry = DeletionsEntry { generation: input.generation, file, count: input.count };
    let name = names::deletions(FILE, input.generation);
    let Ok(deleted) = read_deletions(&opener, &name, input.rows, &entry) else { return };
    assert_eq!((deleted.rows(), deleted.count()), (input.rows, input.count), "what was read is what was listed");
    let found = (0..input.rows).map(RowId).filter(|row| deleted.contains(*row)).count();
    assert_eq!(found as u32, input.count, "every row that is gone is a row of the segment");
}

fn decode(data: &[u8]) -> Result<Input<'_>, Truncated> {
    let mut reader = Reader::new(data);
    let (rows, count, generation) = (reader.u32()?, reader.u32()?, reader.u64()?);
    Ok(Input { rows, count, generation, meta: reader.block()?, bits: reader.block()? })
}

fn write(opener: &Opener, input: &Input<'_>) -> Result<FileRef> {
    let name = names::deletions(FILE, input.generation);
    let mut writer = Writer::create(&opener.fs, &name, FileKind::Deletions, opener.store, FILE)?;
    writer.section(section::DELETED)?;
    writer.write(input.bits)?;
    writer.finish(input.meta)
}

fn opener() -> Opener {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFs::new());
    Opener { fs, store: store(), mode: ReadMode::Heap, condemned: Arc::default() }
}

pub(super) fn seeds() -> Vec<Seed> {
    [seed("none", 1, &[]), seed("some", 200, &[0, 63, 64, 199])].into_iter().flatten().collect()
}

/// Deletions that were written in earnest.
fn seed(name: &'static str, rows: u32, gone: &[u32]) -> Option<Seed> {
    let (opener, generation) = (opener(), 3);
    let mut deleted = RowSet::empty(rows);
    gone.iter().for_each(|row| _ = deleted.insert(RowId(*row)));
    let file = write_deletions(&opener.fs, opener.store, FILE, generation, &deleted).ok()?;
    let (kind, mode) = (FileKind::Deletions, opener.mode);
    let file_name = names::deletions(FILE, generation);
    let container = Container::open(&opener.fs, &file_name, kind, opener.store, &file, mode).ok()?;
    let mut bytes = Vec::new();
    bytes.put_u32(rows);
    bytes.put_u32(deleted.count());
    bytes.put_u64(generation);
    bytes.put_block(container.meta());
    bytes.put_block(container.section(section::DELETED).ok()?.all().ok()?);
    Some(Seed { name, bytes })
}
