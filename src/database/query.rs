//! Queries for near vectors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::collection::advice::{self, Circumstances};
use crate::collection::cursor::Cursor;
use crate::collection::explain::{Asked, Explain, SegmentExplain};
use crate::collection::hits::{Completeness, Hit, Hits};
use crate::collection::query::{Answers, Nearest, Neighbour, QUERIES_PER_PIECE, Wanted, nearest_many};
use crate::collection::select::{Select, paths, project};
use crate::database::audit::LiveQuery;
use crate::database::cancel::{CancelToken, Limit};
use crate::database::reader::Reader;
use crate::error::{Error, Result};
use crate::filter::{Bound, Filter, IntoFilter};
use crate::index::{Effort, MAX_K};
use crate::key::Key;
use crate::storage::names;
use crate::vector::{Vector, VectorRef};

const DEFAULT_K: usize = 10;
/// The most candidates [`Query::ef`] may ask for.
const MAX_EF: usize = 100_000;

/// A search for the records nearest to a vector, built step by step and run once.
///
/// The answer is the k records of the smallest distance among those that are live at the moment the query was begun and
/// pass its filter, nearest first, equal distances in key order: exactly, unless the collection has an index that is not
/// exact. Then it holds most of them, as many as [`Query::recall`] asks for on average, with their exact distances, and
/// never fewer than k where k records pass. Without an index it costs about a byte of memory traffic for each number of
/// each row, spread over the engine's threads; a filter makes it cheaper.
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
///
/// // Those from 20 on, by pages of fifty.
/// let page = |cursor: Option<driftline::Cursor>| {
///     let query = points.query().nearest([0.0, 0.0]).k(50).filter("@key >= 20")?;
///     cursor.into_iter().fold(query, driftline::Query::after).run()
/// };
/// let first = page(None)?;
/// let second = page(first.next.clone())?;
/// assert_eq!((first.len(), second.len(), second.next), (50, 30, None));
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
    within: f32,
    filter: Option<Filter>,
    after: Option<Cursor>,
    select: Select,
    effort: Effort,
    deadline: Option<Duration>,
    cancel: CancelToken,
}

impl Query {
    pub(crate) fn new(reader: Result<Reader>) -> Query {
        Query {
            reader,
            vector: None,
            model: None,
            k: DEFAULT_K,
            within: f32::INFINITY,
            filter: None,
            after: None,
            select: Select::default(),
            effort: Effort::default(),
            deadline: None,
            cancel: CancelToken::new(),
        }
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

    /// Only records at most this far away, in the metric's own distance: of those the nearest k. Default: any
    /// distance.
    pub fn within(mut self, distance: f32) -> Query {
        self.within = distance;
        self
    }

    /// Only records that pass: text such as `lang = 'en' AND price < 20`, or a [`Filter`]. A second filter is asked
    /// beside the first. Fails with `Filter` when it cannot be read.
    pub fn filter(mut self, filter: impl IntoFilter) -> Result<Query> {
        let filter = filter.into_filter()?;
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
        Ok(self)
    }

    /// What of each record to return. Default [`Select::Key`].
    pub fn select(mut self, select: Select) -> Query {
        self.select = select;
        self
    }

    /// Only what comes after the last hit of an earlier answer, by its [`Hits::next`]: how a page goes on where the
    /// last one ended. Costs as much as the first page.
    pub fn after(mut self, cursor: Cursor) -> Query {
        self.after = Some(cursor);
        self
    }

    /// Which share of the k nearest to find on average, above 0 and at most 1; default 0.95, and with 1 as
    /// [`Query::exact`] does. Only where the collection has an index that is not exact does it change anything: how much
    /// of it is searched follows from what was measured on its own vectors when it was built, so queries unlike the
    /// vectors may find less. Takes the place of [`Query::ef`] and [`Query::exact`].
    pub fn recall(mut self, recall: f32) -> Query {
        self.effort = if recall == 1.0 { Effort::Exact } else { Effort::Recall(recall) };
        self
    }

    /// How many candidates an index that is not exact looks at in each segment: 1 to 100,000. More take longer and
    /// find more. Takes the place of [`Query::recall`] and [`Query::exact`].
    pub fn ef(mut self, ef: usize) -> Query {
        self.effort = Effort::Ef(ef);
        self
    }

    /// Compares with every vector that passes the filter, whatever index there is: the exact answer. Takes the place
    /// of [`Query::recall`] and [`Query::ef`].
    pub fn exact(mut self) -> Query {
        self.effort = Effort::Exact;
        self
    }

    /// How long the search may take once it is run. One that takes longer ends with what it has found by then, and says so:
    /// [`Completeness::BudgetHit`]. Default: as long as it needs.
    pub fn deadline(mut self, time: Duration) -> Query {
        self.deadline = Some(time);
        self
    }

    /// Lets `token` stop the search, which then fails with `Cancelled`.
    pub fn cancel(mut self, token: &CancelToken) -> Query {
        self.cancel = token.clone();
        self
    }

    /// The model that made the query vector; the query fails with `ModelMismatch` unless the collection holds its
    /// vectors.
    pub fn model(mut self, model: impl Into<String>) -> Query {
        self.model = Some(model.into());
        self
    }

    /// Runs the query. Fewer than k hits are no error: there are no more records, or, [`within`](Query::within) a distance
    /// and through an index that is not exact, it met no more.
    pub fn run(self) -> Result<Hits> {
        self.in_flight(Query::search)
    }

    fn search(mut self) -> Result<Hits> {
        let vector = self.vector.take().ok_or_else(|| self.lacks_vector())?;
        let ready = self.ready()?;
        ready.check_vector(&vector)?;
        let answers = ready.search(std::slice::from_ref(&vector), false)?;
        ready.offer_to_audit(&vector);
        let hits = ready.hits(&vector, &answers.of_each.into_iter().next().unwrap_or_default())?;
        ready.measure(1);
        Ok(hits)
    }

    /// Runs the query once for each of `vectors`, in place of [`Query::nearest`]: answers in the same order, each as
    /// [`Query::run`] gives it. Faster than one by one, because rows that were read once are compared with several
    /// vectors. A cursor cannot be given.
    pub fn run_many<V: Into<Vector>>(self, vectors: impl IntoIterator<Item = V>) -> Result<Vec<Hits>> {
        let vectors: Vec<Vector> = vectors.into_iter().map(Into::into).collect();
        self.in_flight(|query| query.search_many(&vectors))
    }

    fn search_many(mut self, vectors: &[Vector]) -> Result<Vec<Hits>> {
        if self.vector.take().is_some() || self.after.is_some() {
            return Err(Error::invalid("a batch of queries takes neither a vector of its own nor a cursor")
                .mend("leave nearest and after out, or run the queries one by one"));
        }
        let ready = self.ready()?;
        vectors.iter().try_for_each(|vector| ready.check_vector(vector))?;
        let answers = ready.search(vectors, false)?.of_each;
        vectors.iter().for_each(|vector| ready.offer_to_audit(vector));
        let answered: Vec<(&Vector, Nearest)> = vectors.iter().zip(answers).collect();
        let pool = &ready.reader.engine().pool;
        let hits = pool.map_pieces(&answered, QUERIES_PER_PIECE, |answered| {
            answered.iter().map(|(vector, answer)| ready.hits(vector, answer)).collect()
        })?;
        ready.measure(vectors.len() as u64);
        Ok(hits)
    }

    /// Runs the query and tells what it did instead of what it found.
    pub fn explain(self) -> Result<Explain> {
        self.in_flight(Query::search_and_tell)
    }

    fn search_and_tell(mut self) -> Result<Explain> {
        let vector = self.vector.take().ok_or_else(|| self.lacks_vector())?;
        let ready = self.ready()?;
        ready.check_vector(&vector)?;
        let answers = ready.search(std::slice::from_ref(&vector), true)?;
        let hits = ready.hits(&vector, &answers.of_each.into_iter().next().unwrap_or_default())?;
        Ok(ready.explained(&hits, answers.segments))
    }

    /// Closing waits for it, and it counts.
    fn in_flight<T>(self, search: impl FnOnce(Query) -> Result<T>) -> Result<T> {
        let store = match &self.reader {
            Ok(reader) => Arc::clone(&reader.store),
            Err(failed) => return Err(failed.clone()),
        };
        store.engine().call(|| search(self))
    }

    fn lacks_vector(&self) -> Error {
        let error = Error::invalid("the query has no vector").mend("give one with Query::nearest");
        match &self.reader {
            Ok(reader) => error.at(reader.place()),
            Err(failed) => failed.clone(),
        }
    }

    /// Checks everything but the vector.
    fn ready(self) -> Result<Ready> {
        let start = Instant::now();
        let reader = self.reader?;
        reader.engine().check_open()?;
        check_k(self.k).and_then(|()| check_effort(self.effort)).map_err(|error| error.at(reader.place()))?;
        if self.within.is_nan() {
            return Err(Error::invalid("within is not a number; it is a distance").at(reader.place()));
        }
        let schema = &reader.view.schema;
        if let Some(model) = &self.model {
            schema.check_model_is(model).map_err(|error| error.at(reader.place()))?;
        }
        let bound = self.filter.as_ref().map(|filter| reader.bind(filter)).transpose()?;
        let fields = match &self.select {
            Select::Fields(fields) => paths(fields).map_err(|error| error.at(reader.place()))?,
            Select::Key | Select::Record => Vec::new(),
        };
        let limit = Limit::new(self.cancel, self.deadline);
        let Query { k, within, filter, after, select, effort, .. } = self;
        Ok(Ready { start, reader, k, within, filter, bound, after, select, fields, effort, limit })
    }
}

/// Refuses what is no number of neighbours.
pub(crate) fn check_k(k: usize) -> Result<()> {
    match k {
        1..=MAX_K => Ok(()),
        _ => Err(Error::invalid(format!("k is {k}; it must be 1 to {MAX_K}"))),
    }
}

/// Refuses an effort outside its range.
pub(crate) fn check_effort(effort: Effort) -> Result<()> {
    match effort {
        Effort::Recall(recall) if !(recall > 0.0 && recall <= 1.0) => {
            Err(Error::invalid(format!("recall is {recall}; it must be above 0 and at most 1")))
        }
        Effort::Ef(ef) if ef == 0 || ef > MAX_EF => {
            Err(Error::invalid(format!("ef is {ef}; it must be 1 to {MAX_EF}")))
        }
        _ => Ok(()),
    }
}

/// A query that was checked, but for its vector.
#[derive(Debug)]
struct Ready {
    start: Instant,
    reader: Reader,
    k: usize,
    within: f32,
    filter: Option<Filter>,
    bound: Option<Bound>,
    after: Option<Cursor>,
    select: Select,
    /// The fields it names, each with the way to it.
    fields: Vec<(String, Vec<String>)>,
    effort: Effort,
    limit: Limit,
}

impl Ready {
    fn check_vector(&self, vector: &Vector) -> Result<()> {
        let checked = self.reader.view.schema.check_vector(Some(vector.view()));
        let checked = checked.and_then(|()| self.after.iter().try_for_each(|cursor| cursor.check(vector.view())));
        checked.map_err(|error| error.at(self.reader.place()))
    }

    fn search(&self, vectors: &[Vector], explain: bool) -> Result<Answers> {
        let Reader { view, moment, .. } = &self.reader;
        let wanted = Wanted {
            k: self.k,
            within: self.within,
            after: self.after.as_ref().map(|cursor| (cursor.distance, &*cursor.key)),
            filter: self.bound.as_ref(),
            effort: self.effort,
            without: &[],
            stop: &|| self.limit.is_reached(),
            explain,
        };
        let vectors: Vec<VectorRef<'_>> = vectors.iter().map(Vector::view).collect();
        let engine = self.reader.engine();
        let answers = nearest_many(view, &vectors, &wanted, *moment, &engine.pool)?;
        if answers.quarantined {
            engine.waker.wake_indexer();
        }
        self.limit.cancel.check()?;
        Ok(answers)
    }

    /// Counts so many queries that were answered together.
    fn measure(&self, queries: u64) {
        let view = &self.reader.view;
        view.searches.observe(view.schema.index_spec(), self.effort, self.start.elapsed(), queries);
    }

    /// Lets the query be asked again, off its way. Pages are left out: an index answers only the first.
    fn offer_to_audit(&self, vector: &Vector) {
        let Reader { view, .. } = &self.reader;
        if self.effort == Effort::Exact || self.after.is_some() {
            return;
        }
        self.reader.engine().offer_to_audit(view, || LiveQuery {
            collection: view.id,
            vector: vector.clone(),
            filter: self.filter.clone(),
            k: self.k,
            within: self.within,
            effort: self.effort,
        });
    }

    /// The answer for callers: keys decoded, records fetched.
    fn hits(&self, vector: &Vector, answer: &Nearest) -> Result<Hits> {
        let full = answer.neighbours.len() == self.k;
        let hits = answer.neighbours.iter().map(|found| self.hit(found)).collect::<Result<Vec<_>>>()?;
        let completeness = match () {
            () if answer.cut => Completeness::BudgetHit,
            () if !full && self.filter.is_some() && self.within == f32::INFINITY && self.after.is_none() => {
                Completeness::FilterExhausted
            }
            () => Completeness::Complete,
        };
        // What a cut answer lacks may be nearer than its last hit, and would be on no page.
        let last = hits.last().filter(|_| full && !answer.cut);
        let next = last.map(|hit| Cursor::new(vector.view(), hit.distance, &hit.key));
        let mut stats = answer.stats;
        stats.elapsed = self.start.elapsed();
        Ok(Hits { hits, completeness, stats, next })
    }

    fn hit(&self, found: &Neighbour) -> Result<Hit> {
        self.limit.cancel.check()?;
        let Reader { view, moment, .. } = &self.reader;
        let damaged = || Error::corrupt("a key cannot be read", self.reader.place());
        let record = match &self.select {
            Select::Key => None,
            Select::Record => view.get(&found.key, *moment)?,
            Select::Fields(_) => view.get(&found.key, *moment)?.map(|record| project(record, &self.fields)),
        };
        let metric = view.schema.metric().ok_or_else(|| Error::internal("a hit without a metric"))?;
        let key = Key::decode(&found.key).ok_or_else(damaged)?;
        Ok(Hit { key, distance: found.distance, record, metric })
    }

    fn explained(&self, hits: &Hits, mut segments: Vec<SegmentExplain>) -> Explain {
        let (view, engine) = (&self.reader.view, self.reader.engine());
        for sealed in &view.sealed {
            let name = names::segment(sealed.file().id());
            let awaits = engine.awaited(view, sealed).map(|index| index.to_string());
            segments.iter_mut().filter(|segment| segment.name == name).for_each(|it| it.awaits.clone_from(&awaits));
        }
        let asked = Asked {
            collection: view.name.to_string(),
            k: self.k,
            effort: self.effort,
            within: self.within.is_finite().then_some(self.within),
            filter: self.filter.as_ref().map(ToString::to_string),
        };
        let mut explain = Explain::new(asked, hits, segments);
        let circumstances = Circumstances { effort: self.effort, index: view.schema.index_spec() };
        explain.advice = advice::of(&explain, &circumstances);
        explain
    }
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
