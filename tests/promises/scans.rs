//! Scans walk any range, forward and backward, page by page, as a sorted map would, wherever the rows stand.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use driftline::fs::MemoryFs;
use driftline::{Collection, Database, Key, Maintenance, Options, Record, Schema, Value};
use proptest::prelude::*;

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        prop_oneof![0..20u64, Just(u64::MAX), Just(256)].prop_map(Key::from),
        "[ab]{0,3}".prop_map(Key::from),
        prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xFF)], 0..3).prop_map(Key::from),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Put(Key, i64),
    Delete(Key),
    Flush,
    Compact,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (keys(), any::<i64>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => keys().prop_map(Step::Delete),
        1 => Just(Step::Flush),
        1 => Just(Step::Compact),
    ];
    prop::collection::vec(step, 0..40)
}

fn bounds() -> impl Strategy<Value = Bound<Key>> {
    prop_oneof![Just(Bound::Unbounded), keys().prop_map(Bound::Included), keys().prop_map(Bound::Excluded)]
}

/// A store after the steps, and the map that it should be.
fn build(steps: &[Step]) -> (Database, Collection, BTreeMap<Key, i64>) {
    let options = Options::new().maintenance(Maintenance::Manual).seed(1);
    let db = options.open_on(Arc::new(MemoryFs::new())).unwrap();
    let collection = db.create_collection("c", Schema::payload_only()).unwrap();
    let mut model = BTreeMap::new();
    for step in steps {
        match step {
            Step::Put(key, value) => {
                collection.put(Record::new(key).payload(*value)).unwrap();
                model.insert(key.clone(), *value);
            }
            Step::Delete(key) => {
                assert_eq!(collection.delete(key).unwrap(), model.remove(key).is_some());
            }
            Step::Flush => db.flush().unwrap(),
            Step::Compact => collection.compact().unwrap(),
        }
    }
    (db, collection, model)
}

fn pairs(records: impl IntoIterator<Item = driftline::Result<Record>>) -> Vec<(Key, i64)> {
    let pair = |record: driftline::Result<Record>| {
        let record = record.unwrap();
        (record.key, record.payload.as_i64().expect("a number"))
    };
    records.into_iter().map(pair).collect()
}

fn is_within(key: &Key, from: &Bound<Key>, to: &Bound<Key>) -> bool {
    let after = match from {
        Bound::Unbounded => true,
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
    };
    let before = match to {
        Bound::Unbounded => true,
        Bound::Included(to) => key <= to,
        Bound::Excluded(to) => key < to,
    };
    after && before
}

proptest! {
    #[test]
    fn a_scan_is_a_range_of_a_sorted_map(
        steps in steps(), from in bounds(), to in bounds(), reverse: bool, limit in 0..12u64, after in prop::option::of(keys()),
    ) {
        let (_db, collection, model) = build(&steps);
        let mut expected: Vec<(Key, i64)> =
            model.into_iter().filter(|(key, _)| is_within(key, &from, &to)).collect();
        let mut scan = collection.scan().range((from, to)).limit(limit);
        if reverse {
            expected.reverse();
            scan = scan.reverse();
        }
        if let Some(after) = after {
            expected.retain(|(key, _)| if reverse { *key < after } else { *key > after });
            scan = scan.after(after);
        }
        expected.truncate(limit as usize);
        prop_assert_eq!(pairs(scan), expected);
    }

    #[test]
    fn pages_together_are_the_scan(steps in steps(), size in 1..6usize, reverse: bool) {
        let (_db, collection, model) = build(&steps);
        let mut expected: Vec<(Key, i64)> = model.into_iter().collect();
        let begin = || if reverse { collection.scan().reverse() } else { collection.scan() };
        if reverse {
            expected.reverse();
        }
        let mut found = Vec::new();
        let mut page = begin().page(size).unwrap();
        loop {
            prop_assert!(page.records.len() <= size);
            let next = page.next.clone();
            prop_assert!(next.is_none() || page.records.len() == size, "a page that is not the last is full");
            found.extend(pairs(page.records.into_iter().map(Ok)));
            match next {
                Some(next) => page = begin().after(next).page(size).unwrap(),
                None => break,
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_prefix_finds_the_texts_or_bytes_that_begin_with_it(steps in steps(), prefix in keys(), reverse: bool) {
        let (_db, collection, model) = build(&steps);
        let begins = |key: &Key| match (key.as_text(), prefix.as_text(), key.as_bytes(), prefix.as_bytes()) {
            (Some(key), Some(prefix), ..) => key.starts_with(prefix),
            (_, _, Some(key), Some(prefix)) => key.starts_with(prefix),
            _ => prefix.as_number().is_some() && key == &prefix,
        };
        let mut expected: Vec<(Key, i64)> = model.into_iter().filter(|(key, _)| begins(key)).collect();
        let mut scan = collection.scan().prefix(&prefix);
        if reverse {
            expected.reverse();
            scan = scan.reverse();
        }
        prop_assert_eq!(pairs(scan), expected);
    }
}

#[test]
fn a_scan_of_many_rows_in_memory_and_files_misses_none() {
    let (db, collection, _) = build(&[]);
    for part in 0..4u64 {
        collection.put_all((0..700).map(|number| Record::new(number * 4 + part).payload(Value::Null))).unwrap();
        if part < 2 {
            db.flush().unwrap();
        }
    }
    let keys: Vec<u64> = collection.scan().map(|record| record.unwrap().key.as_number().unwrap()).collect();
    assert_eq!(keys, (0..2800).collect::<Vec<_>>());
}
