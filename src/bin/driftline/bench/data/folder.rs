//! A folder of arrays: rows, queries, neighbours, and what `info.json` says of them.

use std::path::{Path, PathBuf};

use driftline::bench::metric;
use driftline::{Metric, Result};
use serde_json::Value;

use super::{Dataset, Wanted, files, invalid, name_of};
use crate::bench::matrix::Matrix;
use crate::files as texts;

/// What files are called, without their endings; a name before it and an underline are passed over: `sift_base.fvecs`.
const BASE: [&str; 2] = ["base", "train"];
const QUERIES: [&str; 3] = ["query", "queries", "test"];
const NEIGHBOURS: [&str; 3] = ["gt", "groundtruth", "neighbors"];
const DISTANCES: [&str; 2] = ["gt_dist", "distances"];

pub(super) fn open(path: &Path, wanted: &Wanted<'_>) -> Result<Dataset> {
    let names = list(path)?;
    let find = |stems: &[&str]| stems.iter().find_map(|stem| find(&names, stem));
    let mend = "put base.npy (or .fvecs, .bvecs, .fbin) there and, where there are some, query.npy and gt.npy";
    let base = find(&BASE).ok_or_else(|| invalid("the folder holds no rows", path, mend))?;
    let base = files::rows(&base, wanted.rows)?;
    let queries = match find(&QUERIES).filter(|_| wanted.queries_from.is_none()) {
        Some(queries) => files::rows(&queries, wanted.queries)?,
        None => Matrix::new(base.dimension(), Vec::new()),
    };
    let (rows, metric) = info(path)?;
    // Neighbours among more rows than are read are not those among these.
    let all = wanted.rows.is_none_or(|limit| base.rows() < limit) || rows == Some(base.rows() as u64);
    let neighbours = find(&NEIGHBOURS).filter(|_| all && wanted.queries_from.is_none());
    let distances = find(&DISTANCES);
    let truth = neighbours.map(|ids| files::truth(&ids, distances.as_deref(), wanted.queries)).transpose()?;
    Ok(Dataset { name: name_of(path), base, queries, metric, truth })
}

/// The files of a folder, in the order of their names.
fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| texts::unreadable(&path.display().to_string(), &error);
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let mut names =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    names.sort();
    Ok(names)
}

fn find(names: &[PathBuf], stem: &str) -> Option<PathBuf> {
    let is_it = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let Some((own, ending)) = name.rsplit_once('.') else { return false };
        let known = files::FORMATS.iter().any(|format| format.name() == ending);
        known && (own == stem || own.strip_suffix(stem).is_some_and(|before| before.ends_with('_')))
    };
    names.iter().find(is_it).cloned()
}

/// How many rows there are, and the metric, as `info.json` says.
fn info(folder: &Path) -> Result<(Option<u64>, Option<Metric>)> {
    let path = folder.join("info.json");
    if !path.is_file() {
        return Ok((None, None));
    }
    let name = path.display().to_string();
    let text = texts::text(&name)?;
    let info: Value = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("the file is no JSON: {error}"), &path, "write it again, or remove it"))?;
    let metric = match info.get("metric").and_then(Value::as_str) {
        Some(metric) => Some(metric::named(metric).map_err(|error| error.at(name))?),
        None => None,
    };
    Ok((info.get("n").and_then(Value::as_u64), metric))
}
