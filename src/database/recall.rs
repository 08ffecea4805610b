//! Measuring how many of the nearest a collection finds.

use std::sync::Arc;
use std::time::Duration;

use crate::collection::filtered;
use crate::collection::measure::{Measure, Question, Tally};
use crate::collection::recall::{Coverage, QuerySource, RecallFigures, RecallReport};
use crate::collection::sample::{self, Drawn};
use crate::database::cancel::{CancelToken, Limit};
use crate::database::query::{check_effort, check_k};
use crate::database::reader::Reader;
use crate::error::{Error, Result};
use crate::filter::{Bound, Filter, IntoFilter, Share};
use crate::index::Effort;
use crate::random::Random;
use crate::vector::Vector;

const DEFAULT_K: usize = 10;
const DEFAULT_SAMPLE: usize = 500;
/// The most queries of one measurement.
const MAX_SAMPLE: usize = 100_000;
/// The most memory that their vectors may take.
const MAX_SAMPLE_BYTES: usize = 1 << 30;
/// Shares of the records that are measured where no filter is given.
const DEFAULT_SELECTIVITIES: [f64; 4] = [0.5, 0.1, 0.01, 0.001];
/// Which records are drawn, and which are picked in place of a filter, follow from one seed and these streams.
const DRAWING: u64 = 1;
const PICKING: u64 = 2;

/// A measurement of recall, built step by step and run once: queries are asked as [`Query::run`](crate::Query::run) answers
/// them, and exactly, and the answers compared.
///
/// Unless queries are given, records are drawn by chance and asked for their neighbours, each without itself. That tells
/// of queries that are like the records; others may find less. One seed measures the same, as long as the collection and
/// its files do not change.
///
/// It costs an exact search for each query and for each share of [`Recall::selectivities`], many of them at a time, on the
/// threads that queries share. It reads the collection at the moment it was begun, and writes nothing.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::{Database, Metric, Record, Schema};
/// let db = Database::in_memory()?;
/// let points = db.create_collection("points", Schema::vector(2, Metric::L2))?;
/// points.put_all((0..100u64).map(|x| Record::new(x).vector([x as f32, 0.0])))?;
///
/// let report = points.recall().sample(50).k(5).run()?;
/// let figures = report.recall.expect("there are records");
/// assert_eq!((figures.queries, figures.mean), (50, 1.0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a measurement does nothing until it is run"]
pub struct Recall {
    reader: Result<Reader>,
    sample: usize,
    queries: Option<Vec<Vector>>,
    k: usize,
    effort: Effort,
    filter: Option<Filter>,
    selectivities: Vec<f64>,
    seed: u64,
    deadline: Option<Duration>,
    cancel: CancelToken,
}

impl Recall {
    pub(crate) fn new(reader: Result<Reader>) -> Recall {
        Recall {
            reader,
            sample: DEFAULT_SAMPLE,
            queries: None,
            k: DEFAULT_K,
            effort: Effort::default(),
            filter: None,
            selectivities: DEFAULT_SELECTIVITIES.to_vec(),
            seed: 0,
            deadline: None,
            cancel: CancelToken::new(),
        }
    }

    /// How many records are drawn to be queries: 1 to 100,000 and together at most 1 GiB, default 500. More make the interval narrower, by the square
    /// root.
    pub fn sample(mut self, queries: usize) -> Recall {
        self.sample = queries;
        self
    }

    /// Asks these queries, at most 100,000, in place of stored records.
    pub fn queries<V: Into<Vector>>(mut self, vectors: impl IntoIterator<Item = V>) -> Recall {
        self.queries = Some(vectors.into_iter().map(Into::into).collect());
        self
    }

    /// How many neighbours each query asks for: 1 to 100,000, default 10.
    pub fn k(mut self, k: usize) -> Recall {
        self.k = k;
        self
    }

    /// Asks as [`Query::recall`](crate::Query::recall) does; the default is 0.95.
    pub fn recall(mut self, recall: f32) -> Recall {
        self.effort = if recall == 1.0 { Effort::Exact } else { Effort::Recall(recall) };
        self
    }

    /// Asks as [`Query::ef`](crate::Query::ef) does, in place of a recall.
    pub fn ef(mut self, ef: usize) -> Recall {
        self.effort = Effort::Ef(ef);
        self
    }

    /// Asks among the records that pass; queries are drawn from all. A second filter is asked beside the first. Nothing is
    /// measured by [`Recall::selectivities`] then.
    pub fn filter(mut self, filter: impl IntoFilter) -> Result<Recall> {
        let filter = filter.into_filter()?;
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
        Ok(self)
    }

    /// Of which shares of the records, each above 0 and at most 1, the recall is measured once more: picked by chance, in
    /// place of a filter. Default 0.5, 0.1, 0.01 and 0.001.
    pub fn selectivities(mut self, shares: impl IntoIterator<Item = f64>) -> Recall {
        self.selectivities = shares.into_iter().collect();
        self
    }

    /// Where chance begins. Default 0.
    pub fn seed(mut self, seed: u64) -> Recall {
        self.seed = seed;
        self
    }

    /// How long it may take. What was measured by then is reported, as not complete. Default: as long as it needs.
    pub fn deadline(mut self, time: Duration) -> Recall {
        self.deadline = Some(time);
        self
    }

    /// Lets `token` stop it; it then fails with `Cancelled`.
    pub fn cancel(mut self, token: &CancelToken) -> Recall {
        self.cancel = token.clone();
        self
    }

    /// Measures. Fails with `Invalid` where a figure is outside its range or the collection has no vectors, and with
    /// `Dimension` where a query does not fit it.
    pub fn run(mut self) -> Result<RecallReport> {
        let reader = std::mem::replace(&mut self.reader, Err(Error::internal("a measurement was taken apart")))?;
        let store = Arc::clone(&reader.store);
        store.engine().call(|| self.measure(reader))
    }

    fn measure(mut self, reader: Reader) -> Result<RecallReport> {
        let limit = Limit::new(self.cancel.clone(), self.deadline);
        reader.engine().check_open()?;
        self.check(&reader).map_err(|error| error.at(reader.place()))?;
        let filter = self.filter.as_ref().map(|filter| reader.bind(filter)).transpose()?;
        let source = if self.queries.is_some() { QuerySource::Supplied } else { QuerySource::Stored };
        let asked = self.asked(&reader)?;
        let running = Running { asked: &asked, reader: &reader, k: self.k, effort: self.effort, limit: &limit };
        let (recall, mut complete) = running.figures(filter.as_ref())?;
        let mut by_selectivity = Vec::new();
        for share in self.selectivities.iter().filter(|_| filter.is_none()) {
            if !complete {
                break;
            }
            let share = Share::new(*share, Random::seeded(self.seed, PICKING).draw());
            let (figures, whole) = running.figures(Some(&Bound::Share(share)))?;
            by_selectivity.extend(figures.filter(|_| whole));
            complete &= whole;
        }
        limit.cancel.check()?;
        reader.engine().check_going_on()?;
        let report = RecallReport {
            collection: reader.view.name.to_string(),
            k: self.k,
            effort: self.effort.to_string(),
            source,
            filter: self.filter.as_ref().map(ToString::to_string),
            recall,
            by_selectivity,
            coverage: Coverage::of(&reader.view),
            complete,
        };
        Ok(report)
    }

    fn check(&self, reader: &Reader) -> Result<()> {
        check_k(self.k)?;
        check_effort(self.effort)?;
        let count = self.queries.as_ref().map_or(self.sample, Vec::len);
        if count == 0 || count > MAX_SAMPLE {
            return Err(Error::invalid(format!("{count} queries were asked for; it must be 1 to {MAX_SAMPLE}")));
        }
        if count.saturating_mul(reader.view.schema.vector_kind().bytes()) > MAX_SAMPLE_BYTES {
            return Err(Error::invalid(format!("{count} queries take more than 1 GiB")).mend("ask for fewer"));
        }
        if let Some(share) = self.selectivities.iter().find(|share| !(**share > 0.0 && **share <= 1.0)) {
            return Err(Error::invalid(format!("a selectivity is {share}; it must be above 0 and at most 1")));
        }
        if reader.view.schema.metric().is_none() {
            return Err(Error::invalid("this collection has no vectors to search"));
        }
        let mut vectors = self.queries.iter().flatten();
        vectors.try_for_each(|vector| reader.view.schema.check_vector(Some(vector.view())))
    }

    /// The queries: those given, or records that are drawn.
    fn asked(&mut self, reader: &Reader) -> Result<Vec<Asked>> {
        let drawn = |Drawn { key, vector }| Asked { vector, without: Some(key) };
        match self.queries.take() {
            Some(vectors) => Ok(vectors.into_iter().map(|vector| Asked { vector, without: None }).collect()),
            None => {
                let mut random = Random::seeded(self.seed, DRAWING);
                let sample = sample::draw(&reader.view, reader.moment, self.sample, &mut random)?;
                Ok(sample.into_iter().map(drawn).collect())
            }
        }
    }
}

/// A query, and the stored key of the record it is.
#[derive(Debug)]
struct Asked {
    vector: Vector,
    without: Option<Vec<u8>>,
}

impl Asked {
    fn question(&self) -> Question<'_> {
        Question { vector: self.vector.view(), without: self.without.as_deref() }
    }
}

/// A measurement that was checked.
struct Running<'a> {
    asked: &'a [Asked],
    reader: &'a Reader,
    k: usize,
    effort: Effort,
    limit: &'a Limit,
}

impl Running<'_> {
    /// What is found among the records that pass, and whether all queries were asked.
    fn figures(&self, filter: Option<&Bound>) -> Result<(Option<RecallFigures>, bool)> {
        let Reader { view, moment, .. } = self.reader;
        let engine = self.reader.engine();
        let live = view.count(*moment)?;
        let candidates = filter.map(|filter| filtered::count(view, filter, *moment, &engine.pool)).transpose()?;
        let tally = self.tally(filter)?;
        if tally.quarantined {
            engine.waker.wake_indexer();
        }
        Ok((RecallFigures::new(&tally, candidates.unwrap_or(live), live), !tally.cut))
    }

    fn tally(&self, filter: Option<&Bound>) -> Result<Tally> {
        let Running { k, effort, .. } = *self;
        let questions: Vec<Question<'_>> = self.asked.iter().map(Asked::question).collect();
        let measure = Measure {
            view: &self.reader.view,
            moment: self.reader.moment,
            k,
            within: f32::INFINITY,
            effort,
            filter,
            stop: &|| self.limit.is_reached() || self.reader.engine().is_stopping(),
            pool: &self.reader.engine().pool,
        };
        measure.run(&questions)
    }
}
