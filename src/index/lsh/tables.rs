//! The tables: for each hash the rows that have it.
//!
//! A table is a directory with an entry for each hash and one more, and the rows in the order of their hashes, those of
//! one hash in their own order. Entry `h` says where the rows with hash `h` begin; they end where the next begin.

use super::hash::{Hasher, Room};
use super::plan::{Plan, corrupt};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RowId;
use crate::index::Building;
use crate::index::stored::{Bytes, Sink, Source};
use crate::rows::RowSet;
use crate::vector::inverse_norm;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::matrix::Rows;
use crate::vector::metric::Metric;

/// Sections of the file. Frozen.
const DIRECTORIES: u16 = 2;
const ROWS: u16 = 3;

/// Rows that are hashed in one go.
const CHUNK_ROWS: usize = 2048;

/// Where the rows of a bucket come from.
pub(super) trait Buckets: Sync {
    /// Puts the rows of a bucket into `rows`, in place of what was there.
    fn bucket(&self, table: usize, hash: u32, rows: &mut Vec<u32>) -> Result<()>;
}

/// Tables that were just made.
#[derive(Debug)]
pub(super) struct Tables {
    directories: Vec<Vec<u32>>,
    rows: Vec<Vec<u32>>,
}

impl Tables {
    /// Hashes rows. Row `n` of the tables is the `n`-th of `numbers`.
    pub(super) fn new(hasher: &Hasher, numbers: &[u32], building: &Building<'_>) -> Result<Tables> {
        let plan = hasher.plan();
        let rows = building.vectors.all(building.pool)?;
        let chunks: Vec<&[u32]> = numbers.chunks(CHUNK_ROWS).collect();
        let hashed = building.pool.map(chunks.len(), |chunk| {
            if (building.stop)() {
                return Err(Error::new(ErrorKind::Cancelled, "the build of an index was stopped"));
            }
            Ok(kernel::with(Hash { hasher, rows: &rows, numbers: chunks[chunk] }))
        })?;
        let table_count = usize::from(plan.tables);
        let sorted = building.pool.map(table_count, |table| {
            let hashes = || hashed.iter().flat_map(|chunk| chunk[table..].iter().step_by(table_count).copied());
            Ok(sort(hashes, numbers.len(), plan.directory_len()))
        })?;
        let (directories, rows) = sorted.into_iter().unzip();
        Ok(Tables { directories, rows })
    }

    pub(super) fn write(&self, sink: &mut dyn Sink) -> Result<()> {
        for (section, lists) in [(DIRECTORIES, &self.directories), (ROWS, &self.rows)] {
            sink.section(section)?;
            for list in lists {
                for part in list.chunks(CHUNK_ROWS) {
                    sink.write(&part.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())?;
                }
            }
        }
        Ok(())
    }
}

impl Buckets for Tables {
    fn bucket(&self, table: usize, hash: u32, rows: &mut Vec<u32>) -> Result<()> {
        let range = &self.directories[table][hash as usize..][..2];
        rows.clear();
        rows.extend_from_slice(&self.rows[table][range[0] as usize..range[1] as usize]);
        Ok(())
    }
}

/// Sorts rows by their hashes: where those of each hash begin, and the rows.
fn sort<I: Iterator<Item = u32>>(hashes: impl Fn() -> I, count: usize, directory_len: usize) -> (Vec<u32>, Vec<u32>) {
    let mut directory = vec![0u32; directory_len];
    hashes().for_each(|hash| directory[hash as usize + 1] += 1);
    for place in 1..directory_len {
        directory[place] += directory[place - 1];
    }
    let (mut next, mut rows) = (directory.clone(), vec![0; count]);
    for (row, hash) in hashes().enumerate() {
        let place = &mut next[hash as usize];
        rows[*place as usize] = row as u32;
        *place += 1;
    }
    (directory, rows)
}

/// Hashing some rows: the hashes of the first row, then those of the next.
struct Hash<'a> {
    hasher: &'a Hasher,
    rows: &'a Rows<'a>,
    numbers: &'a [u32],
}

impl Task for Hash<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) -> Vec<u32> {
        let (mut room, mut hashes) = (Room::default(), Vec::new());
        for number in self.numbers {
            let row = self.rows.row(RowId(*number));
            let factor = factor(self.rows, *number, self.hasher.plan().metric);
            self.hasher.hash_row(kernels, row, factor, &mut room, &mut hashes);
        }
        hashes
    }
}

/// What a row is multiplied with to be hashed.
#[inline(always)]
pub(super) fn factor(rows: &Rows<'_>, number: u32, metric: Metric) -> f32 {
    match rows {
        Rows::F32 { inverse_norms: Some(norms), .. } if metric == Metric::Cosine => norms[number as usize],
        _ if metric == Metric::Cosine => rows.row(RowId(number)).as_f32().map_or(1.0, inverse_norm),
        _ => 1.0,
    }
}

/// Tables in a file.
#[derive(Debug)]
pub(super) struct Stored {
    directories: Box<dyn Bytes>,
    rows: Box<dyn Bytes>,
    directory_len: usize,
    row_count: usize,
}

impl Stored {
    /// Opens tables over that many rows; nothing but lengths is looked at.
    pub(super) fn open(source: &dyn Source, plan: &Plan, row_count: u32) -> Result<Stored> {
        let (directories, rows) = (source.section(DIRECTORIES)?, source.section(ROWS)?);
        let (tables, row_count) = (u64::from(plan.tables), row_count as usize);
        let directory_len = plan.directory_len();
        let fits = directories.len() as u64 == tables * 4 * directory_len as u64
            && rows.len() as u64 == tables * 4 * row_count as u64;
        let stored = Stored { directories, rows, directory_len, row_count };
        if fits { Ok(stored) } else { Err(corrupt("the tables have another size than the plan says")) }
    }

    /// Every row must stand in one bucket of a table.
    pub(super) fn check(&self, table: usize) -> Result<()> {
        let (mut met, mut bucket) = (RowSet::empty(self.row_count as u32), Vec::new());
        let mut count = 0;
        for hash in 0..self.directory_len - 1 {
            self.bucket(table, hash as u32, &mut bucket)?;
            count += bucket.len();
            for row in &bucket {
                met.insert(RowId(*row));
            }
        }
        let missing = self.row_count - met.count() as usize;
        match (missing, count == self.row_count) {
            (0, true) => Ok(()),
            _ => Err(corrupt(&format!(
                "{missing} rows are in no bucket of table {table}, and {count} entries are in all"
            ))),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.directories.len() + self.rows.len()) as u64
    }
}

impl Buckets for Stored {
    fn bucket(&self, table: usize, hash: u32, rows: &mut Vec<u32>) -> Result<()> {
        let entry = 4 * (table * self.directory_len + hash as usize);
        let ends = numbers(self.directories.get(entry..entry + 8)?);
        let [from, to] = [ends[0], ends[1]].map(|end| u32::from_le_bytes(end) as usize);
        if from > to || to > self.row_count {
            return Err(corrupt("a bucket ends outside its table"));
        }
        let first = table * self.row_count;
        let found = numbers(self.rows.get(4 * (first + from)..4 * (first + to))?);
        rows.clear();
        rows.extend(found.iter().map(|row| u32::from_le_bytes(*row)));
        if rows.iter().any(|row| *row as usize >= self.row_count) {
            return Err(corrupt("a table names a row that is not there"));
        }
        Ok(())
    }
}

fn numbers(bytes: &[u8]) -> &[[u8; 4]] {
    bytes.as_chunks::<4>().0
}
