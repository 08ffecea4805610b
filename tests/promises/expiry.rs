//! An expired record is as if it had been deleted, from its moment on, whatever the clock does later.

use std::sync::Arc;
use std::time::Duration;

use driftline::fs::MemoryFs;
use driftline::{
    Collection, Database, ErrorKind, Maintenance, ManualClock, Metric, Options, Patch, Precondition, Record, Schema,
    Timestamp,
};

const START: Timestamp = Timestamp(1_000_000);

fn open(fs: &MemoryFs, clock: &Arc<ManualClock>) -> Database {
    let options = Options::new().maintenance(Maintenance::Manual).clock(clock.clone()).seed(1);
    options.open_on(Arc::new(fs.clone())).unwrap()
}

fn store(schema: Schema) -> (MemoryFs, Arc<ManualClock>, Database, Collection) {
    let (fs, clock) = (MemoryFs::new(), Arc::new(ManualClock::new(START)));
    let db = open(&fs, &clock);
    let collection = db.create_collection("cache", schema).unwrap();
    (fs, clock, db, collection)
}

const SECOND: Duration = Duration::from_secs(1);

/// Every way to look at the record agrees on whether it is there.
#[track_caller]
fn assert_there(cache: &Collection, key: &str, there: bool) {
    assert_eq!(cache.get(key).unwrap().is_some(), there, "get");
    assert_eq!(cache.count().unwrap() > 0, there, "count");
    assert_eq!(cache.scan().count() > 0, there, "scan");
    assert_eq!(cache.query().nearest([1.0]).run().unwrap().len(), usize::from(there), "search");
}

#[test]
fn a_record_is_there_until_its_moment_and_not_from_it_on() {
    for flush in [false, true] {
        let (_, clock, db, cache) = store(Schema::vector(1, Metric::L2).ttl(SECOND));
        cache.put(Record::new("a").vector([1.0])).unwrap();
        assert_eq!(cache.get("a").unwrap().unwrap().expires, Some(START.after(SECOND)));
        if flush {
            db.flush().unwrap();
        }
        clock.advance(SECOND - Duration::from_micros(1));
        assert_there(&cache, "a", true);
        clock.advance(Duration::from_micros(1));
        assert_there(&cache, "a", false);
    }
}

#[test]
fn the_record_overrules_the_schema_and_the_last_word_counts() {
    let (_, clock, _, cache) = store(Schema::vector(1, Metric::L2).ttl(SECOND));
    let record = || Record::new("a").vector([1.0]);
    cache.put(record().expires_in(10 * SECOND)).unwrap();
    clock.advance(5 * SECOND);
    assert_there(&cache, "a", true);
    cache.put(record()).unwrap();
    clock.advance(SECOND);
    assert_there(&cache, "a", false);
    cache.put(record().expires_at(Timestamp(1))).unwrap();
    assert_there(&cache, "a", false);
    cache.put(record().created_at(START).expires_in(100 * SECOND)).unwrap();
    assert_eq!(cache.get("a").unwrap().unwrap().expires, Some(START.after(100 * SECOND)));
    cache.patch("a", Patch::new().expires(None)).unwrap();
    clock.advance(1000 * SECOND);
    assert_there(&cache, "a", true);
    assert_eq!(cache.get("a").unwrap().unwrap().expires, None);
}

#[test]
fn an_expired_record_counts_as_absent_for_conditions_patches_and_counts() {
    let (_, clock, db, cache) = store(Schema::vector(1, Metric::L2).ttl(SECOND));
    let record = || Record::new("a").vector([1.0]);
    let lsn = cache.put(record()).unwrap().lsn;
    clock.advance(SECOND);
    let put_if = |condition| db.batch().require(&cache, "a", condition).put(&cache, record()).commit();
    assert_eq!(put_if(Precondition::Present).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(put_if(Precondition::AtLsn(lsn)).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(cache.patch("a", Patch::new()).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!cache.delete("a").unwrap());
    assert_eq!(put_if(Precondition::Absent).unwrap().existed, 0);
    assert_there(&cache, "a", true);
}

#[test]
fn merging_takes_expired_records_off_the_disk() {
    let (_, clock, db, cache) = store(Schema::vector(1, Metric::L2));
    for number in 0..10u64 {
        cache.put(Record::new(number).vector([1.0]).expires_in(SECOND)).unwrap();
    }
    cache.put(Record::new("stays").vector([1.0])).unwrap();
    db.flush().unwrap();
    clock.advance(SECOND);
    cache.compact().unwrap();
    let stats = db.stats().unwrap();
    assert_eq!((stats.collections[0].records, stats.collections[0].sealed_rows), (1, 1));
}

#[test]
fn a_clock_set_back_revives_nothing_that_the_store_has_dropped() {
    let (fs, clock, db, cache) = store(Schema::vector(1, Metric::L2).ttl(SECOND));
    cache.put(Record::new("a").vector([1.0])).unwrap();
    db.flush().unwrap();
    clock.advance(2 * SECOND);
    assert_there(&cache, "a", false);
    // Something that lasts is written at this time.
    cache.put(Record::new("b").vector([1.0])).unwrap();
    clock.set(START);
    assert_eq!(cache.get("a").unwrap(), None, "the clock was set back");
    assert!(cache.get("b").unwrap().is_some());
    drop(cache);
    db.close().unwrap();
    let db = open(&fs, &clock);
    let cache = db.collection("cache").unwrap();
    assert_eq!(cache.get("a").unwrap(), None, "the clock was set back while the store was closed");
    assert!(cache.get("b").unwrap().is_some());
    assert!(cache.put(Record::new("c").vector([1.0])).is_ok());
    assert!(cache.get("c").unwrap().unwrap().created.unwrap() >= START.after(2 * SECOND));
}

#[test]
fn a_snapshot_judges_expiry_at_its_own_time() {
    let (_, clock, db, cache) = store(Schema::vector(1, Metric::L2).ttl(SECOND));
    cache.put(Record::new("a").vector([1.0])).unwrap();
    db.flush().unwrap();
    let snapshot = db.snapshot().unwrap();
    clock.advance(10 * SECOND);
    assert_there(&cache, "a", false);
    cache.put(Record::new("b").vector([1.0])).unwrap();
    cache.compact().unwrap();
    let then = snapshot.collection("cache").unwrap();
    assert!(then.get("a").unwrap().is_some());
    assert_eq!((then.count().unwrap(), then.query().nearest([1.0]).run().unwrap().len()), (1, 1));
}
