//! A batch happens whole or not at all, in the order of its steps, under the conditions that it names.

use driftline::{Collection, Database, ErrorKind, Key, Lsn, Metric, Patch, Precondition, Record, Schema, json};

fn two_collections() -> (Database, Collection, Collection) {
    let db = Database::in_memory().unwrap();
    let stock = db.create_collection("stock", Schema::payload_only()).unwrap();
    let points = db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    (db, stock, points)
}

fn number(collection: &Collection, key: &str) -> Option<i64> {
    collection.get(key).unwrap().map(|record| record.payload.as_i64().expect("a number"))
}

#[test]
fn all_records_of_a_batch_carry_its_position() {
    let (db, stock, points) = two_collections();
    let batch = db.batch().put(&stock, Record::new("a")).put(&points, Record::new(1u64).vector([1.0, 2.0]));
    let commit = batch.put(&stock, Record::new("b")).commit().unwrap();
    assert_eq!(commit.existed, 0);
    assert_eq!(commit.lsn, db.lsn());
    for record in [stock.get("a"), stock.get("b"), points.get(1u64)] {
        assert_eq!(record.unwrap().unwrap().lsn, commit.lsn);
    }
    assert!(stock.put(Record::new("c")).unwrap().lsn > commit.lsn);
}

#[test]
fn of_two_changes_to_one_key_the_later_stands() {
    let (db, stock, _) = two_collections();
    let put = |value: i64| Record::new("a").payload(value);
    let commit = db.batch().put(&stock, put(1)).put(&stock, put(2)).commit().unwrap();
    assert_eq!((number(&stock, "a"), stock.count().unwrap(), commit.existed), (Some(2), 1, 1));
    let commit = db.batch().delete(&stock, "a").put(&stock, put(3)).commit().unwrap();
    assert_eq!((number(&stock, "a"), commit.existed), (Some(3), 1));
    let commit = db.batch().put(&stock, put(4)).delete(&stock, "a").commit().unwrap();
    assert_eq!((number(&stock, "a"), stock.count().unwrap(), commit.existed), (None, 0, 2));
    db.flush().unwrap();
    assert_eq!((number(&stock, "a"), stock.count().unwrap()), (None, 0));
}

#[test]
fn one_refused_step_refuses_the_batch() {
    let (db, stock, points) = two_collections();
    let refused = db
        .batch()
        .put(&stock, Record::new("a"))
        .put(&points, Record::new(1u64).vector([1.0]))
        .put(&stock, Record::new("b"))
        .commit();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Dimension);
    let refused = db.batch().put(&stock, Record::new("a")).patch(&stock, "none", Patch::new()).commit();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((stock.count().unwrap(), points.count().unwrap()), (0, 0));
}

#[test]
fn nothing_happens_before_commit() {
    let (db, stock, _) = two_collections();
    let batch = db.batch().put(&stock, Record::new("a"));
    assert_eq!((stock.count().unwrap(), db.lsn()), (0, Lsn(0)));
    drop(batch);
    assert_eq!(stock.count().unwrap(), 0);
}

#[test]
fn conditions_are_judged_before_the_batch_and_name_what_they_found() {
    let (db, stock, points) = two_collections();
    let first = stock.put(Record::new("a").payload(1)).unwrap().lsn;
    let put = |value: i64| Record::new("a").payload(value);
    let with = |key: &str, condition| db.batch().require(&stock, key, condition).put(&stock, put(9));
    for (key, condition) in
        [("a", Precondition::Absent), ("b", Precondition::Present), ("a", Precondition::AtLsn(Lsn(99)))]
    {
        let error = with(key, condition).commit().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let message = error.to_string();
        assert!(message.contains("stock") && message.contains(&format!("{:?}", Key::from(key))), "{message}");
    }
    assert_eq!(number(&stock, "a"), Some(1));
    // In another collection than the one that is changed, and on a key the batch itself writes.
    let batch = db.batch().require(&points, 1u64, Precondition::Absent).require(&stock, "b", Precondition::Absent);
    batch.put(&stock, Record::new("b").payload(2)).commit().unwrap();
    let second = with("a", Precondition::AtLsn(first)).commit().unwrap().lsn;
    assert_eq!(with("a", Precondition::AtLsn(first)).commit().unwrap_err().kind(), ErrorKind::Conflict);
    // What is in files is judged as well.
    db.flush().unwrap();
    with("a", Precondition::AtLsn(second)).commit().unwrap();
}

#[test]
fn a_patch_changes_what_it_names() {
    let (db, stock, points) = two_collections();
    let payload = json!({"name": "apple", "left": 3, "tags": {"red": true, "old": 1}});
    points.put(Record::new(1u64).vector([1.0, 2.0]).payload(payload)).unwrap();
    let before = points.get(1u64).unwrap().unwrap();
    for flush in [false, true] {
        let merge = Patch::new().merge(json!({"left": 2, "tags": {"old": null, "new": 5}}));
        let commit = points.patch(1u64, merge).unwrap();
        let record = points.get(1u64).unwrap().unwrap();
        assert_eq!(record.payload, json!({"name": "apple", "left": 2, "tags": {"red": true, "new": 5}}).into());
        assert_eq!((&record.vector, record.created), (&before.vector, before.created));
        assert_eq!((record.lsn, commit.existed), (commit.lsn, 1));
        points.patch(1u64, Patch::new().vector([3.0, 4.0])).unwrap();
        let nearest = points.query().nearest([3.0, 4.0]).run().unwrap();
        assert_eq!((nearest.len(), nearest.hits[0].distance), (1, 0.0));
        points.patch(1u64, Patch::new().vector([1.0, 2.0])).unwrap();
        if flush {
            db.flush().unwrap();
        }
    }
    // A patch sees what the batch did before it.
    let batch = db.batch().put(&stock, Record::new("a").payload(json!({"x": 1})));
    batch.patch(&stock, "a", Patch::new().merge(json!({"y": 2}))).commit().unwrap();
    assert_eq!(stock.get("a").unwrap().unwrap().payload, json!({"x": 1, "y": 2}).into());
    let refused = db.batch().delete(&stock, "a").patch(&stock, "a", Patch::new()).commit();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_record_that_expired_before_it_was_put_cannot_be_patched_in_the_same_batch() {
    let (db, stock, _) = two_collections();
    let past = driftline::Timestamp(1);
    let batch = db.batch().put(&stock, Record::new("a").expires_at(past)).patch(&stock, "a", Patch::new());
    assert_eq!(batch.commit().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn deletes_tell_how_many_there_were() {
    let (_, stock, _) = two_collections();
    stock.put_all(["a", "b", "c"].map(Record::new)).unwrap();
    assert!(stock.delete("a").unwrap());
    assert!(!stock.delete("a").unwrap());
    assert_eq!(stock.delete_all(["a", "b", "c", "d"]).unwrap(), 2);
    assert_eq!(stock.count().unwrap(), 0);
}

#[test]
fn a_batch_over_the_size_of_a_log_group_is_refused_whole() {
    let (db, stock, _) = two_collections();
    let payload = driftline::Value::Bytes(vec![7; 15 << 20]);
    let large = (0..5u64).fold(db.batch(), |batch, key| batch.put(&stock, Record::new(key).payload(payload.clone())));
    let error = large.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("import"), "{error}");
    assert_eq!(stock.count().unwrap(), 0);
}
