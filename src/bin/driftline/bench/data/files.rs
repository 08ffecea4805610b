//! Rows from a file in any of the formats of vectors that are imported.

use std::path::Path;

use driftline::exchange::{Format, ImportOptions, Input, Source};
use driftline::{Error, ErrorKind, Result, Vector};

use super::invalid;
use crate::bench::matrix::Matrix;
use crate::bench::truth::Truth;

/// Row numbers go through `f32`, which counts no further one by one.
const MOST_ROWS_NAMED: f32 = 16_777_216.0;

/// The formats that hold rows of numbers and nothing else, in the order they are looked for.
pub(super) const FORMATS: [Format; 5] = [Format::Npy, Format::Fvecs, Format::Bvecs, Format::Ivecs, Format::Fbin];

/// All rows of a file, or the first ones. Memory is taken for what is there, not for what a header promises.
pub(super) fn rows(path: &Path, limit: Option<usize>) -> Result<Matrix> {
    let options = ImportOptions::new();
    let options = limit.map_or(options.clone(), |limit| options.limit(limit as u64));
    let (mut dimension, mut numbers) = (0, Vec::new());
    let mut input = Input::open(Source::file(path), &options)?;
    while let Some(record) = input.next().transpose()? {
        let Some(Vector::F32(row)) = record.vector else {
            return Err(invalid("the row holds no numbers", path, "give a file of vectors").at(input.place()));
        };
        if dimension == 0 {
            dimension = row.len();
        }
        if row.len() != dimension {
            let message = format!("the row has dimension {}, and those before it {dimension}", row.len());
            return Err(Error::new(ErrorKind::Dimension, message).at(input.place()).mend("give rows of one dimension"));
        }
        if let Some(place) = row.iter().position(|number| !number.is_finite()) {
            return Err(invalid(format!("number {place} of the row is not finite"), path, "leave such rows out")
                .at(input.place()));
        }
        numbers.extend_from_slice(&row);
    }
    if numbers.is_empty() {
        return Err(invalid("there are no rows", path, "give a file of vectors"));
    }
    Ok(Matrix::new(dimension, numbers))
}

/// Neighbours from a file of row numbers and, where there is one, a file of their distances.
pub(super) fn truth(ids: &Path, distances: Option<&Path>, queries: Option<usize>) -> Result<Truth> {
    let near = rows(ids, queries)?;
    let count = near.rows();
    let number = |number: &f32| {
        let whole = number.fract() == 0.0 && (0.0..MOST_ROWS_NAMED).contains(number);
        let message = || format!("{number} is no number of a row, or is past {MOST_ROWS_NAMED}");
        let mend = "give row numbers counted from 0, or add --recompute-truth";
        whole.then_some(*number as u32).ok_or_else(|| invalid(message(), ids, mend))
    };
    let numbers = near.range(0, count).iter().map(number).collect::<Result<Vec<u32>>>()?;
    let far = distances.map(|path| rows(path, queries).map(|far| (path, far))).transpose()?;
    let far = match far {
        Some((path, far)) if (far.rows(), far.dimension()) != (count, near.dimension()) => {
            let message = format!(
                "there are {} rows of {} distances, and {count} of {} neighbours",
                far.rows(),
                far.dimension(),
                near.dimension()
            );
            return Err(invalid(message, path, "give the distances of these neighbours, or remove the file"));
        }
        Some((_, far)) => far.range(0, count).iter().map(|far| f64::from(*far)).collect(),
        None => by_rank(near.dimension(), count),
    };
    Ok(Truth::new(near.dimension(), numbers, far))
}

/// Distances that rise, for neighbours of whom only the order is known.
pub(super) fn by_rank(depth: usize, queries: usize) -> Vec<f64> {
    (0..queries).flat_map(|_| (0..depth).map(|rank| rank as f64)).collect()
}
