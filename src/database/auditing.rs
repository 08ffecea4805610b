//! Asking queries again, exactly too, and writing down how many of the nearest they find.
//!
//! A query is asked both ways at the moment of the audit, not compared with the answer it got: what was written since
//! would be taken for a fault of the index. It is done by one thread that has nothing else to do, on no other one.

use std::collections::BTreeMap;
use std::ops::Bound as End;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::collection::filtered;
use crate::collection::measure::{Measure, Question, Tally};
use crate::collection::operation::Effect;
use crate::collection::recall::RecallFigures;
use crate::collection::record::Record;
use crate::collection::scan::{KeyRange, Walk};
use crate::collection::view::CollectionView;
use crate::database::audit::LiveQuery;
use crate::database::background::{IDLE, Work};
use crate::database::engine::Engine;
use crate::database::options::Durability;
use crate::database::request::{EncodedRow, Request};
use crate::error::{ErrorKind, Result};
use crate::ids::CollectionId;
use crate::payload::Value;
use crate::pool::Pool;
use crate::schema::Schema;
use crate::segment::Moment;

/// The collection of what was found.
const RECORDS: &str = "_recall";
/// How long a record of it lives.
const LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// So many records are kept at most; the oldest go.
const MAX_RECORDS: u64 = 10_000;

/// Queries that are told of together: of one collection, k and effort, and of a selectivity of the same order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    collection: CollectionId,
    k: usize,
    effort: String,
    /// The power of ten below the selectivity; none without a filter.
    order: Option<u8>,
}

/// What asking a group again gave.
#[derive(Debug)]
struct Found {
    view: Arc<CollectionView>,
    tally: Tally,
    /// Of all queries that were asked.
    selectivities: Vec<f64>,
}

impl Engine {
    /// Offers a query to be asked again. Costs a number where it is not drawn, and a copy where it is.
    pub(crate) fn offer_to_audit(&self, view: &CollectionView, query: impl FnOnce() -> LiveQuery) {
        let approximate = || view.sealed.iter().any(|segment| segment.index().is_some());
        if self.audit.is_on() && approximate() && self.audit.offer(|| self.options.clock.now(), query) {
            self.waker.wake_auditor();
        }
    }

    /// How long until there are queries to be asked again.
    pub(crate) fn until_audit_due(&self) -> Duration {
        self.audit.wait(self.options.clock.now()).unwrap_or(IDLE)
    }

    /// Asks queries again if it is time.
    pub(crate) fn audit_step(&self) -> Result<Option<Work>> {
        self.poison.check()?;
        let queries = self.audit.take_due(self.options.clock.now());
        if queries.is_empty() {
            return Ok(None);
        }
        match self.record(self.ask_again(&queries)) {
            Err(error) if error.kind() == ErrorKind::Closed => Ok(None),
            done => done.map(|()| Some(Work::Audited)),
        }
    }

    fn ask_again(&self, queries: &[LiveQuery]) -> BTreeMap<Group, Found> {
        let mut groups: BTreeMap<Group, Found> = BTreeMap::new();
        for query in queries {
            let current = self.current();
            let Ok(view) = current.view.by_id(query.collection) else { continue };
            let (tally, selectivity) = match self.ask(query, view, self.moment(&current)) {
                Ok(asked) => asked,
                Err(error) => {
                    tracing::warn!(collection = &*view.name, %error, "a query could not be audited");
                    continue;
                }
            };
            let order = selectivity.map(|share| share.max(1e-9).log10().floor().abs() as u8);
            let (collection, effort) = (query.collection, query.effort.to_string());
            let group = Group { collection, k: query.k, effort, order };
            let found = Found { view: Arc::clone(view), tally: Tally::default(), selectivities: Vec::new() };
            let found = groups.entry(group).or_insert(found);
            found.tally.merge(tally);
            found.selectivities.push(selectivity.unwrap_or(1.0));
        }
        groups
    }

    /// What a query finds now, and which share of the records its filter lets through.
    fn ask(&self, query: &LiveQuery, view: &CollectionView, moment: Moment) -> Result<(Tally, Option<f64>)> {
        view.check_usable()?;
        let pool = &Pool::inline();
        let filter = query.filter.as_ref().map(|filter| filter.bind(moment.now)).transpose()?;
        let passing = filter.as_ref().map(|filter| filtered::count(view, filter, moment, pool)).transpose()?;
        let live = view.count(moment)?.max(1);
        let LiveQuery { k, within, effort, .. } = *query;
        let stop = &|| self.is_stopping();
        let measure = Measure { view, moment, k, within, effort, filter: filter.as_ref(), stop, pool };
        let tally = measure.run(&[Question { vector: query.vector.view(), without: None }])?;
        if tally.quarantined {
            self.waker.wake_indexer();
        }
        Ok((tally, passing.map(|passing| passing as f64 / live as f64)))
    }

    /// Writes down what was found, and removes what is too old.
    fn record(&self, groups: BTreeMap<Group, Found>) -> Result<()> {
        let told: Vec<Value> = groups.iter().filter_map(|(group, found)| describe(group, found)).collect();
        if told.is_empty() {
            return Ok(());
        }
        let (view, moment) = self.recall_records()?;
        let mut request = Request { durability: Durability::None, ..Request::default() };
        for key in self.surplus(&view, moment, told.len() as u64)? {
            request.effect(&view, &Effect::Delete(view.id, &key))?;
        }
        let first = self.next_record(&view, moment)?;
        for (key, payload) in (first..).zip(told) {
            let record = Record::new(key).payload(payload);
            let row = EncodedRow::new(&view, &record, moment.now)?;
            request.effect(&view, &Effect::Put(view.id, row.as_row(&record)))?;
        }
        self.note_time(moment.now);
        self.commit(request).map(|_| ())
    }

    /// The collection, which is made the first time. It is kept out of the log, so that audits keep no writer waiting.
    fn recall_records(&self) -> Result<(Arc<CollectionView>, Moment)> {
        if self.current().view.by_name(RECORDS).is_err() {
            let schema = Schema::payload_only().ephemeral().ttl(LIFETIME);
            self.create_system_collection(RECORDS, schema)?;
        }
        let current = self.current();
        let view = current.view.by_name(RECORDS)?;
        Ok((Arc::clone(view), self.moment(&current)))
    }

    /// Stored keys of the oldest records, as far as they would be too many with those that are coming.
    fn surplus(&self, view: &Arc<CollectionView>, moment: Moment, coming: u64) -> Result<Vec<Vec<u8>>> {
        let count = (view.count(moment)? + coming).saturating_sub(MAX_RECORDS);
        let mut walk = walk(view, moment, false)?;
        let oldest = (0..count).map_while(|_| walk.next(|| Ok(())).transpose());
        oldest.map(|record| Ok(record?.key.encode())).collect()
    }

    /// Keys are times in microseconds, moved up where two records would have one.
    fn next_record(&self, view: &Arc<CollectionView>, moment: Moment) -> Result<u64> {
        let last = walk(view, moment, true)?.next(|| Ok(()))?;
        let after = last.and_then(|record| record.key.as_number()).map_or(0, |key| key.saturating_add(1));
        let Timestamp(now) = moment.now;
        Ok(u64::try_from(now).unwrap_or(0).max(after))
    }
}

fn walk(view: &Arc<CollectionView>, moment: Moment, reverse: bool) -> Result<Walk> {
    let range = KeyRange { from: End::Unbounded, to: End::Unbounded, reverse };
    Walk::new(Arc::clone(view), moment, &range, None)
}

/// The payload of a record; none where no query has an answer.
fn describe(group: &Group, found: &Found) -> Option<Value> {
    let figures = RecallFigures::new(&found.tally, 0, 0)?;
    let selectivity = found.selectivities.iter().sum::<f64>() / found.selectivities.len() as f64;
    Some(Value::object([
        ("collection", Value::from(&*found.view.name)),
        ("k", (group.k as u64).into()),
        ("effort", group.effort.as_str().into()),
        ("filtered", group.order.is_some().into()),
        ("selectivity", selectivity.into()),
        ("queries", figures.queries.into()),
        ("recall", figures.mean.into()),
        ("low", figures.low.into()),
        ("high", figures.high.into()),
        ("minimum", figures.minimum.into()),
        ("index", found.view.schema.index_spec().to_string().into()),
        ("bytes_ratio", figures.bytes_ratio().into()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::database::handle::Database;
    use crate::database::options::{Maintenance, Options};
    use crate::vector::metric::Metric;

    #[test]
    fn no_more_than_ten_thousand_records_are_kept() {
        let clock = Arc::new(ManualClock::new(Timestamp(1_769_860_800_000_000)));
        let options = Options::new().maintenance(Maintenance::Manual).index_min_rows(1).audit_queries(1.0);
        let db = options.clock(Arc::clone(&clock) as Arc<dyn Clock>).in_memory().unwrap();
        let schema = Schema::vector(1, Metric::L2).index("hnsw".parse().unwrap());
        let docs = db.create_collection("docs", schema).unwrap();
        docs.put_all((0..100u64).map(|key| Record::new(key).vector([key as f32]))).unwrap();
        db.flush().unwrap();
        assert!(docs.wait_indexed(Duration::from_secs(60)).unwrap());
        let audit = |db: &Database| {
            docs.query().nearest([1.0]).run().unwrap();
            clock.advance(Duration::from_secs(60));
            while db.tick().unwrap().is_some() {}
        };
        audit(&db);
        let records = db.collection(RECORDS).unwrap();
        assert_eq!(records.count().unwrap(), 1);
        records.clone().for_system().put_all((0..10_005u64).map(Record::new)).unwrap();
        audit(&db);
        assert_eq!(records.count().unwrap(), MAX_RECORDS);
        assert!(records.get(6u64).unwrap().is_none() && records.get(7u64).unwrap().is_some(), "the oldest went");
    }
}
