//! `driftline bench generate`: sets of any size, seeded, written while they are drawn.
//!
//! Rows come in blocks, each from a stream of the seed of its own. So threads draw blocks side by side, memory is taken
//! for one block of each, and the bytes are the same for any number of threads.

mod chance;
mod model;
mod rotation;
mod write;

use std::path::Path;
use std::time::Instant;

use driftline::{Error, ErrorKind, MAX_DIMENSION, Metric, Result};
use rayon::prelude::*;
use serde_json::json;

pub(crate) use self::model::Kind;
pub(super) use self::model::Model;
pub(crate) use self::write::Form;
use self::write::Rows;
use super::args::Generate;
use super::matrix::Matrix;
use super::truth::{Finder, Truth};
use crate::files;

/// Numbers of a block: 4 MiB.
const BLOCK_NUMBERS: usize = 1 << 20;
/// Rows are numbered by `u32`.
const MOST_ROWS: u64 = u32::MAX as u64;

/// Writes a set into a folder, which is made; tells `progress` how many rows there are.
pub(super) fn generate(asked: &Generate, progress: &mut dyn FnMut(u64)) -> Result<String> {
    check(asked)?;
    let start = Instant::now();
    let folder = &asked.out;
    make(folder, asked.force)?;
    let model = Model::new(asked.kind, asked.dim, asked.rows, asked.metric, asked.seed, asked.out_of_distribution);
    let queries = queries(&model, asked);
    let mut file = Rows::create(folder, "query", asked.form, (asked.queries, asked.dim), "f4")?;
    file.write(queries.range(0, queries.rows()))?;
    file.finish()?;
    let truth = rows(&model, asked, &queries, progress)?;
    if let Some(truth) = &truth {
        write_truth(folder, asked, truth)?;
    }
    write_info(folder, asked)?;
    let what = if truth.is_some() { ", their neighbours" } else { "" };
    let Generate { rows, dim, queries, metric, .. } = asked;
    let (kind, path, took) = (asked.kind.name(), folder.display(), start.elapsed().as_secs_f64());
    Ok(format!("{path}: {rows} × {dim} {kind} for {metric}, {queries} queries{what} and info.json in {took:.1} s"))
}

fn check(asked: &Generate) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Invalid, message));
    if asked.dim == 0 || asked.dim > MAX_DIMENSION {
        return refuse(format!("--dim is {}; it must be 1 to {MAX_DIMENSION}", asked.dim));
    }
    if asked.rows == 0 || asked.rows > MOST_ROWS {
        return refuse(format!("--rows is {}; it must be 1 to {MOST_ROWS}", asked.rows));
    }
    // Queries are kept in memory, for their neighbours.
    if asked.queries == 0 || asked.queries > 1_000_000 {
        return refuse(format!("--queries is {}; it must be 1 to 1000000", asked.queries));
    }
    if !matches!(asked.metric, Metric::L2 | Metric::Cosine | Metric::Dot) {
        return refuse(format!("--metric is {}; it must be l2, cosine or dot", asked.metric));
    }
    Ok(())
}

/// Makes the folder; one that holds something is left alone unless it is meant.
fn make(folder: &Path, force: bool) -> Result<()> {
    let place = folder.display().to_string();
    let failed = |error: std::io::Error| Error::new(ErrorKind::Io, format!("could not make it: {error}")).at(&place);
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    std::fs::create_dir_all(folder).map_err(failed)?;
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    let mut entries = std::fs::read_dir(folder).map_err(failed)?;
    if entries.next().is_some() && !force {
        let error = Error::new(ErrorKind::Exists, "the folder is not empty").at(&place);
        return Err(error.mend("name another one, or add --force to replace the files of a set in it"));
    }
    Ok(())
}

fn queries(model: &Model, asked: &Generate) -> Matrix {
    let blocks = blocks(asked.queries, asked.dim);
    let drawn: Vec<Vec<f32>> = blocks.into_par_iter().map(|(block, _, count)| model.queries(block, count)).collect();
    Matrix::new(asked.dim, drawn.concat())
}

/// The number of each block, its first row, and its rows.
fn blocks(rows: u64, dimension: usize) -> Vec<(u64, u64, usize)> {
    let size = (BLOCK_NUMBERS / dimension).max(1) as u64;
    let block = |block| (block, block * size, size.min(rows - block * size) as usize);
    (0..rows.div_ceil(size)).map(block).collect()
}

/// Draws and writes the rows, and finds the neighbours among them on the way.
fn rows(model: &Model, asked: &Generate, queries: &Matrix, progress: &mut dyn FnMut(u64)) -> Result<Option<Truth>> {
    let mut file = Rows::create(&asked.out, "base", asked.form, (asked.rows, asked.dim), "f4")?;
    let mut finder = Finder::new(asked.metric, queries, asked.truth);
    for some in blocks(asked.rows, asked.dim).chunks(rayon::current_num_threads()) {
        let drawn: Vec<Vec<f32>> = some.par_iter().map(|(block, _, count)| model.rows(*block, *count)).collect();
        for ((_, first, count), numbers) in some.iter().zip(&drawn) {
            file.write(numbers)?;
            if asked.truth > 0 {
                finder.look(numbers, |row| (first + row as u64) as u32);
            }
            progress(first + *count as u64);
        }
    }
    file.finish()?;
    Ok((asked.truth > 0).then(|| finder.finish()))
}

fn write_truth(folder: &Path, asked: &Generate, truth: &Truth) -> Result<()> {
    let shape = (asked.queries, truth.depth);
    let mut ids = Rows::create(folder, "gt", asked.form, shape, "i4")?;
    let mut distances = Rows::create(folder, "gt_dist", asked.form, shape, "f4")?;
    for query in 0..truth.queries() {
        ids.write(truth.ids(query))?;
        distances.write(&truth.distances(query).iter().map(|far| *far as f32).collect::<Vec<_>>())?;
    }
    ids.finish()?;
    distances.finish()
}

/// What the set is, for people and for `bench run`.
fn write_info(folder: &Path, asked: &Generate) -> Result<()> {
    let info = json!({
        "n": asked.rows, "dim": asked.dim, "queries": asked.queries, "metric": asked.metric.name(), "k": asked.truth,
        "note": format!("generated by driftline {}", env!("CARGO_PKG_VERSION")), "kind": asked.kind.name(),
        "seed": asked.seed, "out_of_distribution": asked.out_of_distribution,
    });
    let path = folder.join("info.json").display().to_string();
    let mut file = files::create(&path)?;
    std::io::Write::write_all(&mut file, format!("{info:#}\n").as_bytes())
        .map_err(|error| Error::new(ErrorKind::Io, format!("could not write the file: {error}")).at(path))
}
