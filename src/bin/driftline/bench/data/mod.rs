//! What is measured on: rows, queries and, where somebody has worked them out, the true neighbours.

mod files;
mod folder;
mod hdf5;

use std::path::Path;

use driftline::{Error, ErrorKind, Metric, Random, Result};
use sha2::{Digest, Sha256};

use super::matrix::Matrix;
use super::truth::{Truth, hex};

/// A set, as it was read.
#[derive(Debug)]
pub(crate) struct Dataset {
    /// The name of its file or folder.
    pub(crate) name: String,
    pub(crate) base: Matrix,
    pub(crate) queries: Matrix,
    /// What the set itself says; the caller may know better.
    pub(crate) metric: Option<Metric>,
    pub(crate) truth: Option<Truth>,
}

/// What of a set is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted<'a> {
    /// At most so many rows: the first ones.
    pub(crate) rows: Option<usize>,
    /// At most so many queries: the first ones.
    pub(crate) queries: Option<usize>,
    /// A file of queries, in place of the set's own.
    pub(crate) queries_from: Option<&'a Path>,
    /// Draws the rows that serve as queries where there is no other.
    pub(crate) seed: u64,
}

/// Rows that are taken out of a file that has no queries.
const HELD_OUT: usize = 1000;

/// Reads a folder, an HDF5 file of ann-benchmarks, or a file of rows.
pub(crate) fn open(path: &Path, wanted: &Wanted<'_>) -> Result<Dataset> {
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase();
    let mut set = if path.is_dir() {
        folder::open(path, wanted)?
    } else if matches!(extension.as_str(), "hdf5" | "h5") {
        hdf5::open(path, wanted)?
    } else {
        let base = files::rows(path, None)?;
        let none = Matrix::new(base.dimension(), Vec::new());
        Dataset { name: name_of(path), base, queries: none, metric: None, truth: None }
    };
    if let Some(queries) = wanted.queries_from {
        (set.queries, set.truth) = (files::rows(queries, wanted.queries)?, None);
    }
    if set.queries.rows() == 0 {
        hold_out(&mut set, wanted);
    }
    cut(&mut set, wanted);
    check(&set).map_err(|error| error.at(path.display().to_string()))?;
    Ok(set)
}

/// Takes rows out of the base, by the seed, to be asked for.
fn hold_out(set: &mut Dataset, wanted: &Wanted<'_>) {
    let rows = set.base.rows();
    let count = wanted.queries.unwrap_or(HELD_OUT).min(rows / 2);
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut random = Random::seeded(wanted.seed, 0);
    for place in 0..count {
        order.swap(place, place + random.below((rows - place) as u64) as usize);
    }
    let (asked, kept) = order.split_at_mut(count);
    asked.sort_unstable();
    kept.sort_unstable();
    set.queries = set.base.select(asked);
    set.base = set.base.select(kept);
    set.truth = None;
}

/// Leaves out what is not wanted; the truth of fewer rows is another.
fn cut(set: &mut Dataset, wanted: &Wanted<'_>) {
    if let Some(rows) = wanted.rows.filter(|rows| *rows < set.base.rows()) {
        set.base.truncate(rows);
        set.truth = None;
    }
    if let Some(queries) = wanted.queries {
        set.queries.truncate(queries);
    }
}

fn check(set: &Dataset) -> Result<()> {
    let refuse = |kind, message: String, mend: &str| Err(Error::new(kind, message).mend(mend));
    let (rows, queries) = (set.base.rows(), set.queries.rows());
    if rows == 0 || queries == 0 {
        return refuse(
            ErrorKind::Invalid,
            format!("the set has {rows} rows and {queries} queries"),
            "give some of each",
        );
    }
    if set.base.dimension() != set.queries.dimension() {
        let message =
            format!("the rows have dimension {}, and the queries {}", set.base.dimension(), set.queries.dimension());
        return refuse(ErrorKind::Dimension, message, "give queries for these rows");
    }
    let Some(truth) = &set.truth else { return Ok(()) };
    if truth.queries() < queries {
        let message = format!("there are neighbours of {} queries, and {queries} queries", truth.queries());
        return refuse(ErrorKind::Invalid, message, "give those of all queries, or add --recompute-truth");
    }
    let wrong = (0..queries).flat_map(|query| truth.ids(query)).find(|id| **id as usize >= rows);
    wrong.map_or(Ok(()), |id| {
        let message = format!("the neighbours name row {id}, and there are {rows} rows");
        refuse(ErrorKind::Invalid, message, "give the neighbours of these rows, or add --recompute-truth")
    })
}

impl Dataset {
    /// A name for these rows and queries, whatever file they come from.
    pub(crate) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        self.base.hash_into(&mut hash);
        self.queries.hash_into(&mut hash);
        hex(&hash.finalize())
    }
}

/// What reports call a path.
fn name_of(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.file_stem().map_or_else(|| "data".into(), |name| name.to_string_lossy().into_owned())
}

fn invalid(message: impl Into<String>, path: &Path, mend: &str) -> Error {
    Error::new(ErrorKind::Invalid, message).at(path.display().to_string()).mend(mend)
}
