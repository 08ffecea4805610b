//! A query answers with exactly the records that are near, pass and come next, and says what it did.

use std::time::Duration;

use driftline::{
    CancelToken, Collection, Completeness, Cursor, Database, ErrorKind, Hits, Key, Maintenance, Metric, Options, Patch,
    Query, Random, Record, Schema, Select, Value, json,
};

use super::support::threads::for_each_case;

/// Points on a grid, so that many distances are equal, over files and memory, with deleted and replaced rows.
fn grid(seed: u64, rows: u64) -> (Database, Collection) {
    let db = Options::new().maintenance(Maintenance::Manual).in_memory().unwrap();
    let points = db.create_collection("points", Schema::vector(3, Metric::L2)).unwrap();
    let mut random = Random::seeded(seed, 40);
    for part in 0..4 {
        let records = (0..rows / 4).map(|_| record(&mut random, rows));
        points.put_all(records.collect::<Vec<_>>()).unwrap();
        points.delete_all((0..rows / 40).map(|_| random.below(rows))).unwrap();
        if part < 3 {
            db.flush().unwrap();
        }
    }
    (db, points)
}

fn record(random: &mut Random, rows: u64) -> Record {
    let vector: Vec<f32> = (0..3).map(|_| random.below(4) as f32).collect();
    let n = random.below(20);
    let lang = ["en", "de", "fr"][n as usize % 3];
    let payload = json!({"n": n, "lang": lang, "size": {"width": n * 2}});
    Record::new(random.below(rows)).vector(vector).payload(payload)
}

fn number(record: &Record) -> i64 {
    record.payload.get("n").and_then(Value::as_i64).unwrap()
}

/// What a query should find, by hand: distance and key, nearest first.
fn truth(points: &Collection, passes: impl Fn(&Record) -> bool) -> Vec<(f32, Key)> {
    let near = |record: &Record| {
        let values = record.vector.as_ref().unwrap().view().as_f32().unwrap().to_vec();
        values.iter().map(|value| (value - 1.5) * (value - 1.5)).sum::<f32>()
    };
    let records = points.scan().map(Result::unwrap).filter(|record| passes(record));
    let mut found: Vec<(f32, Key)> = records.map(|record| (near(&record), record.key)).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    found
}

fn near(points: &Collection) -> Query {
    points.query().nearest([1.5, 1.5, 1.5])
}

fn pairs(hits: &Hits) -> Vec<(f32, Key)> {
    hits.iter().map(|hit| (hit.distance, hit.key.clone())).collect()
}

#[test]
fn filters_radius_and_k_agree_with_a_search_by_hand() {
    for_each_case(8, |seed| {
        let (_db, points) = grid(seed, 400);
        let all = truth(&points, |_| true);
        let few = truth(&points, |record| number(record) == 7);
        assert!(all.len() > 100 && few.len() > 3);
        for k in [1, 10, 1000] {
            assert_eq!(pairs(&near(&points).k(k).run().unwrap()), all[..k.min(all.len())]);
            let hits = near(&points).k(k).filter("n = 7").unwrap().run().unwrap();
            assert_eq!(pairs(&hits), few[..k.min(few.len())]);
            let exhausted = hits.len() < k;
            let expected = if exhausted { Completeness::FilterExhausted } else { Completeness::Complete };
            assert_eq!(hits.completeness, expected);
            let hits = near(&points).k(k).within(2.75).run().unwrap();
            let close: Vec<_> = all.iter().filter(|hit| hit.0 <= 2.75).take(k).cloned().collect();
            assert_eq!(pairs(&hits), close);
        }
        let both = near(&points).k(9).filter("n >= 3").unwrap().filter("n < 5").unwrap().run().unwrap();
        assert_eq!(pairs(&both), truth(&points, |record| (3..5).contains(&number(record)))[..9]);
    });
}

#[test]
fn pages_of_a_snapshot_are_the_answer_cut_in_pieces_whatever_is_written_in_between() {
    for_each_case(6, |seed| {
        let (db, points) = grid(seed, 300);
        let whole = truth(&points, |record| number(record) > 4);
        let snapshot = db.snapshot().unwrap();
        let mut random = Random::seeded(seed, 41);
        let (mut found, mut cursor) = (Vec::new(), None::<Cursor>);
        loop {
            let query = snapshot.collection("points").unwrap().query().nearest([1.5, 1.5, 1.5]);
            let query = query.k(1 + random.below(12) as usize).filter("n > 4").unwrap();
            // A cursor survives being text.
            let after = cursor.map(|cursor| cursor.to_string().parse().unwrap());
            let page = after.into_iter().fold(query, Query::after).run().unwrap();
            found.extend(pairs(&page));
            points.put(record(&mut random, 300)).unwrap();
            points.delete(random.below(300)).unwrap();
            if random.one_in(5) {
                points.compact().unwrap();
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(found, whole);
    });
}

#[test]
fn a_cursor_belongs_to_its_query() {
    let (_db, points) = grid(1, 100);
    let cursor = near(&points).k(2).run().unwrap().next.unwrap();
    let other = points.query().nearest([0.0, 0.0, 0.0]).after(cursor.clone()).run().unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Invalid);
    assert!(other.to_string().contains("another vector"), "{other}");
    let many = points.query().after(cursor).run_many([[1.5, 1.5, 1.5]]).unwrap_err();
    assert_eq!(many.kind(), ErrorKind::Invalid);
}

#[test]
fn many_queries_at_once_answer_as_one_by_one() {
    for_each_case(4, |seed| {
        let (_db, points) = grid(seed, 500);
        let mut random = Random::seeded(seed, 42);
        let vectors: Vec<Vec<f32>> = (0..70).map(|_| (0..3).map(|_| random.unit() as f32 * 3.0).collect()).collect();
        let together = points.query().k(7).filter("lang = 'en'").unwrap().run_many(vectors.clone()).unwrap();
        assert_eq!(together.len(), vectors.len());
        for (vector, hits) in vectors.into_iter().zip(together) {
            let alone = points.query().nearest(vector).k(7).filter("lang = 'en'").unwrap().run().unwrap();
            assert_eq!((hits.hits, hits.completeness, hits.next), (alone.hits, alone.completeness, alone.next));
        }
        assert!(points.query().run_many(Vec::<Vec<f32>>::new()).unwrap().is_empty());
    });
}

#[test]
fn a_deadline_gives_what_was_found_and_a_cancelled_query_nothing() {
    let (_db, points) = grid(3, 400);
    let hits = near(&points).deadline(Duration::ZERO).run().unwrap();
    assert_eq!(hits.completeness, Completeness::BudgetHit);
    let hits = near(&points).deadline(Duration::MAX).run().unwrap();
    assert_eq!((hits.completeness, hits.len()), (Completeness::Complete, 10));

    let token = CancelToken::new();
    assert_eq!(near(&points).cancel(&token).run().unwrap().len(), 10);
    token.clone().cancel();
    for error in [
        near(&points).cancel(&token).run().unwrap_err(),
        points.query().cancel(&token).run_many([[0.0, 0.0, 0.0]]).unwrap_err(),
        points.scan().cancel(&token).next().unwrap().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}

#[test]
fn selected_fields_come_alone() {
    let (_db, points) = grid(4, 100);
    let select = Select::fields(["size.width", "lang", "none"]);
    let hits = near(&points).k(3).select(select).run().unwrap();
    for hit in &hits {
        let record = hit.record.as_ref().unwrap();
        let whole = points.get(&hit.key).unwrap().unwrap();
        let width = whole.payload.get("size").unwrap().get("width").unwrap().clone();
        let expected = Value::object([("size.width", width), ("lang", whole.payload.get("lang").unwrap().clone())]);
        assert_eq!((&record.payload, &record.vector, record.lsn), (&expected, &None, whole.lsn));
    }
    let error = near(&points).select(Select::fields(["size..width"])).run().unwrap_err();
    assert!(error.to_string().contains("size..width"), "{error}");
}

#[test]
fn counting_scanning_deleting_and_patching_by_filter_meet_the_same_records() {
    for_each_case(6, |seed| {
        let (db, points) = grid(seed, 400);
        let wanted = |record: &Record| number(record) < 5 && record.key > Key::from(50u64);
        let filter = "n < 5 and @key > 50";
        let expected: Vec<Key> = points.scan().map(Result::unwrap).filter(wanted).map(|record| record.key).collect();
        let before = points.count().unwrap();
        let snapshot = db.snapshot().unwrap().collection("points").unwrap();
        let scanned = points.scan().filter(filter).unwrap().map(|record| record.unwrap().key);
        assert!(scanned.eq(expected.iter().cloned()));
        assert_eq!(points.count_where(filter).unwrap(), expected.len() as u64);

        let patched = points.patch_where(filter, Patch::new().merge(json!({"n": 100, "seen": true}))).unwrap();
        assert_eq!(patched, expected.len() as u64);
        assert_eq!(points.count_where(filter).unwrap(), 0);
        let patched = points.scan().filter("seen = true and n = 100").unwrap().map(|record| record.unwrap().key);
        assert!(patched.eq(expected.iter().cloned()));

        assert_eq!(points.delete_where("seen = true").unwrap(), expected.len() as u64);
        assert_eq!(points.count().unwrap(), before - expected.len() as u64);
        assert_eq!(snapshot.count_where(filter).unwrap(), expected.len() as u64, "a snapshot shows what was");
    });
}

#[test]
fn explaining_tells_what_was_done_to_people_and_programs() {
    let (_db, points) = grid(5, 400);
    let explained = near(&points).k(3).within(9.0).filter("n < 5 and lang = 'en'").unwrap().explain().unwrap();
    let expected = truth(&points, |record| number(record) < 5 && number(record) % 3 == 0).len() as u64;
    assert_eq!((explained.candidates, explained.hits, explained.segments.len()), (expected, 3, 4));
    assert!((explained.selectivity - expected as f64 / explained.rows as f64).abs() < 1e-9);
    let sum = |of: fn(&driftline::SegmentExplain) -> u64| explained.segments.iter().map(of).sum::<u64>();
    assert_eq!(explained.stats.distances, sum(|segment| segment.distances));
    assert_eq!(explained.stats.evaluated, sum(|segment| segment.evaluated));
    let text = explained.to_string();
    for word in ["points", "exact", "within 9", "n < 5 AND lang = 'en'", "candidates", "seg-", "memory"] {
        assert!(text.contains(word), "'{word}' is not in:\n{text}");
    }
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(json["candidates"], expected);
    assert_eq!(json["completeness"], "complete");
    assert!(json["segments"].as_array().unwrap().len() == 4 && json["stats"]["elapsed_us"].is_u64());
}

#[test]
fn a_query_without_sense_is_refused() {
    let (_db, points) = grid(6, 100);
    let refused: [(driftline::Result<Hits>, ErrorKind, &str); 5] = [
        (points.query().run(), ErrorKind::Invalid, "Query::nearest"),
        (near(&points).k(0).run(), ErrorKind::Invalid, "k is 0"),
        (near(&points).within(f32::NAN).run(), ErrorKind::Invalid, "within"),
        (near(&points).filter("n <").and_then(Query::run), ErrorKind::Filter, "n <"),
        (points.query().nearest([1.0]).run(), ErrorKind::Dimension, "dimension 1"),
    ];
    for (outcome, kind, word) in refused {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word) || error.span().is_some(), "{error}");
    }
}
