//! The inputs that fuzzing keeps.

use std::fs;
use std::path::{Path, PathBuf};

use driftline::fuzzing::Target;

/// The places of an input that are worth changing, evenly thinned to as many as the target allows: where something
/// stands, or stood a few bytes before; long runs of zeros are all alike.
pub(crate) fn places(target: &Target, input: &[u8]) -> Vec<usize> {
    let near_something = |place: &usize| input[place.saturating_sub(8)..=*place].iter().any(|byte| *byte != 0);
    let worthwhile: Vec<_> = (0..input.len()).filter(near_something).collect();
    let step = worthwhile.len().div_ceil(target.places).max(1);
    worthwhile.into_iter().step_by(step).collect()
}

pub(crate) fn inputs(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder(target)).unwrap_or_else(|error| panic!("the corpus of {}: {error}", target.name));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of the corpus").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).expect("an input"))).collect()
}

pub(crate) fn folder(target: &Target) -> PathBuf {
    root().join("fuzz/corpus").join(target.name)
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
