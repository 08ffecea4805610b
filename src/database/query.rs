//! Queries for near vectors.

use std::time::Instant;

use crate::collection::hits::{Completeness, Hit, Hits, Select};
use crate::collection::query::{Nearest, Neighbour, Wanted, nearest_many};
use crate::database::reader::Reader;
use crate::error::{Error, Result};
use crate::index::MAX_K;
use crate::key::Key;
use crate::vector::Vector;

const DEFAULT_K: usize = 10;

/// A search for the records nearest to a vector, built step by step and run once.
///
/// The answer is exact: the k records of the smallest distance among those live at the moment the query was begun,
/// nearest first, equal distances in key order. It costs one distance a row, spread over the engine's threads.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{Database, Metric, Record, Schema, Select};
/// let db = Database::in_memory()?;
/// let points = db.create_collection("points", Schema::vector(2, Metric::L2))?;
/// points.put_all((0..100u64).map(|x| Record::new(x).vector([x as f32, 0.0])))?;
///
/// let hits = points.query().nearest([41.8, 0.0]).k(2).select(Select::Record).run()?;
/// assert_eq!(hits.keys().cloned().collect::<Vec<_>>(), [42u64.into(), 41u64.into()]);
/// assert_eq!(hits.stats.distances, 100);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a query does nothing until it is run"]
pub struct Query {
    reader: Result<Reader>,
    vector: Option<Vector>,
    model: Option<String>,
    k: usize,
    select: Select,
}

impl Query {
    pub(crate) fn new(reader: Result<Reader>) -> Query {
        Query { reader, vector: None, model: None, k: DEFAULT_K, select: Select::Key }
    }

    /// The vector to search around: of the collection's dimension and kind.
    pub fn nearest(mut self, vector: impl Into<Vector>) -> Query {
        self.vector = Some(vector.into());
        self
    }

    /// How many neighbours to return: 1 to 100,000, default 10.
    pub fn k(mut self, k: usize) -> Query {
        self.k = k;
        self
    }

    /// What of each record to return. Default [`Select::Key`].
    pub fn select(mut self, select: Select) -> Query {
        self.select = select;
        self
    }

    /// The model that made the query vector; the query fails with `ModelMismatch` unless the collection holds its
    /// vectors.
    pub fn model(mut self, model: impl Into<String>) -> Query {
        self.model = Some(model.into());
        self
    }

    /// Runs the query. Fewer than k hits mean that there are no more records; that is not an error.
    pub fn run(self) -> Result<Hits> {
        let start = Instant::now();
        let reader = self.reader?;
        let place = format!("collection {}", reader.view.name);
        let view = &reader.view;
        reader.engine().check_open()?;
        if self.k == 0 || self.k > MAX_K {
            return Err(Error::invalid(format!("k is {}; it must be 1 to {MAX_K}", self.k)).at(place));
        }
        let vector = self.vector.ok_or_else(|| {
            Error::invalid("the query has no vector").at(place.clone()).mend("give one with Query::nearest")
        })?;
        if let Some(model) = &self.model {
            view.schema.check_model_is(model).map_err(|error| error.at(place.clone()))?;
        }
        view.schema.check_vector(Some(vector.view())).map_err(|error| error.at(place))?;
        let wanted = Wanted::nearest(self.k);
        let found = nearest_many(view, &[vector.view()], &wanted, reader.moment, &reader.engine().pool)?;
        let Nearest { neighbours, mut stats, .. } = found.into_iter().next().unwrap_or_default();
        let hits = neighbours.into_iter().map(|found| hit(&reader, found, self.select)).collect::<Result<_>>()?;
        stats.elapsed = start.elapsed();
        Ok(Hits { hits, completeness: Completeness::Complete, stats })
    }
}

fn hit(reader: &Reader, found: Neighbour, select: Select) -> Result<Hit> {
    let view = &reader.view;
    let damaged = || Error::corrupt("a key cannot be read", format!("collection {}", view.name));
    let record = match select {
        Select::Key => None,
        Select::Record => view.get(&found.key, reader.moment)?,
    };
    let metric = view.schema.metric().ok_or_else(|| Error::internal("a hit without a metric"))?;
    let key = Key::decode(&found.key).ok_or_else(damaged)?;
    Ok(Hit { key, distance: found.distance, record, metric })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::record::Record;
    use crate::database::options::Options;
    use crate::schema::Schema;
    use crate::vector::metric::Metric;

    #[test]
    fn more_neighbours_than_there_are_records_is_all_records() {
        let db = Options::new().in_memory().unwrap();
        let points = db.create_collection("points", Schema::vector(1, Metric::L2)).unwrap();
        let put = |keys: std::ops::Range<u64>| points.put_all(keys.map(|key| Record::new(key).vector([key as f32])));
        put(0..5).unwrap();
        db.flush().unwrap();
        put(5..10).unwrap();
        let hits = points.query().nearest([0.0]).k(MAX_K).run().unwrap();
        assert_eq!(hits.keys().cloned().collect::<Vec<Key>>(), (0..10u64).map(Key::from).collect::<Vec<_>>());
        assert!(points.query().nearest([0.0]).k(MAX_K + 1).run().is_err());
    }
}
