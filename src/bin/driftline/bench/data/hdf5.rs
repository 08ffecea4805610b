//! The sets of ann-benchmarks: HDF5 files with `train`, `test`, `neighbors` and `distances`, and the distance's name as
//! an attribute.

use std::path::Path;

use driftline::bench::metric;
use driftline::{Error, ErrorKind, MAX_DIMENSION, Metric, Result};
use hdf5_pure::{AttrValue, File};

use super::{Dataset, Wanted, files, invalid, name_of};
use crate::bench::matrix::Matrix;
use crate::bench::truth::Truth;

/// Numbers read at a time.
const NUMBERS_AT_ONCE: u64 = 1 << 20;
/// No compression of HDF5's makes data smaller than by this: what promises more rows has none of them.
const MOST_COMPRESSED: u64 = 1100;

pub(super) fn open(path: &Path, wanted: &Wanted<'_>) -> Result<Dataset> {
    let set = Set::open(path)?;
    let metric = set.metric()?;
    let base = set.numbers("train", wanted.rows)?;
    let queries = match wanted.queries_from {
        None => set.numbers("test", wanted.queries)?,
        Some(_) => Matrix::new(base.dimension(), Vec::new()),
    };
    let all = wanted.rows.is_none_or(|limit| base.rows() < limit) || set.shape("train")?.0 == base.rows() as u64;
    let truth = if all && set.has("neighbors") { Some(set.truth(wanted.queries)?) } else { None };
    Ok(Dataset { name: name_of(path), base, queries, metric, truth })
}

/// An open file.
struct Set<'a> {
    path: &'a Path,
    file: File,
    length: u64,
    names: Vec<String>,
}

impl Set<'_> {
    fn open(path: &Path) -> Result<Set<'_>> {
        let length = path.metadata().map_err(|error| crate::files::unreadable(&path.display().to_string(), &error))?;
        let file = File::open_streaming(path).map_err(|error| unreadable(path, "the file", &error))?;
        let names = file.root().datasets().map_err(|error| unreadable(path, "its list of arrays", &error))?;
        Ok(Set { path, file, length: length.len(), names })
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// The metric, by the name that ann-benchmarks gives it.
    fn metric(&self) -> Result<Option<Metric>> {
        let attributes = self.file.root().attrs().map_err(|error| unreadable(self.path, "its attributes", &error))?;
        let name = match attributes.get("distance") {
            Some(AttrValue::String(name) | AttrValue::VarLenString(name)) => name,
            _ => return Ok(None),
        };
        match name.as_str() {
            "euclidean" => Ok(Some(Metric::L2)),
            "angular" => Ok(Some(Metric::Cosine)),
            name => metric::named(name).map(Some).map_err(|error| error.at(self.path.display().to_string())),
        }
    }

    /// Rows and columns of an array of two dimensions that the file is long enough for.
    fn shape(&self, name: &str) -> Result<(u64, usize)> {
        let array = self.array(name)?;
        let shape = array.shape().map_err(|error| unreadable(self.path, name, &error))?;
        let [rows, columns] = shape[..] else {
            let message = format!("the array {name} has {} dimensions", shape.len());
            return Err(invalid(message, self.path, "it needs two: rows and numbers"));
        };
        if columns == 0 || columns > MAX_DIMENSION as u64 {
            let message = format!("the array {name} has rows of {columns} numbers");
            return Err(invalid(message, self.path, &format!("1 to {MAX_DIMENSION} can be searched")));
        }
        let element = array.element_size().map_err(|error| unreadable(self.path, name, &error))?;
        let bytes = rows.saturating_mul(columns).saturating_mul(element);
        if bytes / MOST_COMPRESSED > self.length {
            let message = format!("the array {name} promises {rows} rows, and the file has {} bytes", self.length);
            return Err(invalid(message, self.path, "copy or download it again"));
        }
        Ok((rows, columns as usize))
    }

    fn array(&self, name: &str) -> Result<hdf5_pure::Dataset> {
        if !self.has(name) {
            let message = format!("the file has no array {name}; it has {}", self.names.join(", "));
            return Err(invalid(message, self.path, "give a set as ann-benchmarks makes them, with train and test"));
        }
        self.file.dataset(name).map_err(|error| unreadable(self.path, name, &error))
    }

    /// Rows of an array, piece by piece, so that memory is taken only for what could be read.
    fn pieces<T>(
        &self,
        name: &str,
        limit: Option<usize>,
        read: impl Fn(&hdf5_pure::Dataset, u64, u64) -> Result<Vec<T>, hdf5_pure::Error>,
    ) -> Result<(usize, Vec<T>)> {
        let (rows, columns) = self.shape(name)?;
        let rows = limit.map_or(rows, |limit| rows.min(limit as u64));
        let array = self.array(name)?;
        let at_once = (NUMBERS_AT_ONCE / columns as u64).max(1);
        let (mut numbers, mut row) = (Vec::new(), 0);
        while row < rows {
            let count = at_once.min(rows - row);
            let piece = read(&array, row, count).map_err(|error| unreadable(self.path, name, &error))?;
            if piece.len() as u64 != count * columns as u64 {
                let message = format!("the array {name} ends before its row {}", row + count);
                return Err(invalid(message, self.path, "copy or download it again"));
            }
            numbers.extend(piece);
            row += count;
        }
        Ok((columns, numbers))
    }

    fn numbers(&self, name: &str, limit: Option<usize>) -> Result<Matrix> {
        let (columns, numbers) = self.pieces(name, limit, |array, row, count| array.read_f32_rows(row, count))?;
        if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
            let message = format!("row {} of {name} holds a number that is not finite", place / columns);
            return Err(invalid(message, self.path, "leave such rows out"));
        }
        Ok(Matrix::new(columns, numbers))
    }

    fn truth(&self, queries: Option<usize>) -> Result<Truth> {
        let (depth, ids) = self.pieces("neighbors", queries, |array, row, count| array.read_i64_rows(row, count))?;
        let number = |id: &i64| {
            let mend = "row numbers count from 0; or add --recompute-truth";
            u32::try_from(*id).map_err(|_| invalid(format!("the neighbours name row {id}"), self.path, mend))
        };
        let numbers = ids.iter().map(number).collect::<Result<Vec<u32>>>()?;
        let distances = if self.has("distances") {
            self.pieces("distances", queries, |array, row, count| array.read_f64_rows(row, count))?.1
        } else {
            files::by_rank(depth, numbers.len() / depth)
        };
        if distances.len() != numbers.len() {
            let message = format!("there are {} neighbours and {} distances", numbers.len(), distances.len());
            return Err(invalid(message, self.path, "download the set again, or add --recompute-truth"));
        }
        Ok(Truth::new(depth, numbers, distances))
    }
}

fn unreadable(path: &Path, what: &str, error: &hdf5_pure::Error) -> Error {
    Error::new(ErrorKind::Invalid, format!("{what} cannot be read as HDF5: {error}"))
        .at(path.display().to_string())
        .mend("copy or download it again; chunked arrays of HDF5 2.0 must be saved with libver='earliest'")
}
