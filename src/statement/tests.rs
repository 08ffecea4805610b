use std::time::Duration;

use super::*;
use crate::error::ErrorKind;
use crate::key::Key;
use crate::payload::FieldType;
use crate::schema::{FieldIndexing, Schema};
use crate::vector::Vector;
use crate::vector::metric::Metric;

fn read(text: &str) -> Statement {
    let mut read = parse(text, &Params::new()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(read.len(), 1, "{text}");
    read.remove(0).0
}

/// The message of the error, and the text it points at.
fn refused(text: &str) -> (String, &str) {
    let error = parse(text, &Params::new()).unwrap_err();
    let span = error.span().unwrap_or_else(|| panic!("{text}: {error} points nowhere"));
    (error.to_string(), &text[span])
}

#[test]
fn every_example_of_the_table_is_read() {
    for verb in VERBS {
        assert!(!verb.examples.is_empty() && verb.head.starts_with(verb.name), "{}", verb.name);
        for example in verb.examples {
            read(example);
        }
    }
    let names: Vec<_> = VERBS.iter().map(|verb| verb.name).collect();
    assert!(names.is_sorted());
}

#[test]
fn a_search_is_read_with_its_clauses_in_any_order() {
    let Statement::Find(find) = read("FIND docs NEAR @'sku-1' limit 5 where year >= 2020 within 0.3 select a, b.c")
    else {
        panic!("it is a search")
    };
    assert_eq!(find.near.source, VectorSource::Stored("sku-1".into()));
    assert_eq!((find.limit, find.within), (Some(5), Some(0.3)));
    assert_eq!(find.columns, Columns::Fields(vec!["a".into(), "b.c".into()]));
    assert_eq!(find.filter.unwrap().to_string(), "year >= 2020");
    let effort = |clause: &str| match read(&format!("find docs near @7 {clause}")) {
        Statement::Find(find) => (find.recall, find.ef, find.exact),
        other => panic!("{other:?}"),
    };
    assert_eq!(effort(""), (None, None, false));
    assert_eq!(effort("recall 0.99"), (Some(0.99), None, false));
    assert_eq!(effort("ef 200"), (None, Some(200), false));
    assert_eq!(effort("exact"), (None, None, true));
}

#[test]
fn a_measurement_is_read_with_its_clauses_in_any_order() {
    let Statement::Recall(asked) = read("recall docs k 20 sample 300 seed 7 where year >= 2020 ef 40 queries 'q.npy'")
    else {
        panic!("it is a measurement")
    };
    assert_eq!((asked.sample, asked.k, asked.seed, asked.ef), (Some(300), Some(20), Some(7), Some(40)));
    assert_eq!((asked.recall, asked.queries.as_deref()), (None, Some("q.npy")));
    assert_eq!(asked.filter.unwrap().to_string(), "year >= 2020");
    let Statement::Recall(asked) = read("recall docs recall 0.9") else { panic!("it is a measurement") };
    assert_eq!((asked.recall, asked.sample, asked.k), (Some(0.9), None, None));
}

#[test]
fn a_check_for_drift_is_read_with_its_clauses_in_any_order() {
    let drift = |text: &str| match read(text) {
        Statement::Drift(asked) => asked,
        other => panic!("{other:?}"),
    };
    let Drift::Check(check) =
        drift("drift docs by lang method psi last '1d' where a = 1 threshold 0.3 rows 50 record against 7d")
    else {
        panic!("it is a check")
    };
    let day = Duration::from_secs(86_400);
    assert!(matches!(&check.subject, DriftSubject::Collection(name) if name.text == "docs"));
    assert_eq!((check.last, check.against), (Some(day), Some(Against::Before(7 * day))));
    assert_eq!((check.by.as_deref(), check.method.as_deref(), check.threshold), (Some("lang"), Some("psi"), Some(0.3)));
    assert_eq!((check.rows, check.record, check.filter.unwrap().to_string().as_str()), (Some(50), true, "a = 1"));
    let Drift::Check(check) = drift("drift model 'm@1' against baseline b version 3 fields vector") else { panic!() };
    assert!(matches!(&check.subject, DriftSubject::Model(model, span) if model == "m@1" && *span == (12..17)));
    assert_eq!(check.against, Some(Against::Baseline("b".into(), Some(3))));
    // In quotes a word is the name of a collection.
    let Drift::Check(check) = drift("drift 'history'") else { panic!() };
    assert!(matches!(check.subject, DriftSubject::Collection(name) if name.text == "history"));
    assert!(matches!(drift("drift history docs last 2d"), Drift::History { last: Some(last), .. } if last == 2 * day));
    assert!(refused("drift show docs rows 7").0.contains("belongs to a check"));
    let Statement::Baseline(Baseline::Create { name, fields, .. }) = read("baseline create b from docs fields a, b.c")
    else {
        panic!()
    };
    assert_eq!((name.as_str(), fields), ("b", vec!["a".to_owned(), "b.c".to_owned()]));
}

#[test]
fn an_index_is_read_with_what_it_is_told() {
    let Statement::Reindex { collection, index } = read("reindex docs HNSW(m=24, layout=compact)") else {
        panic!("it changes an index")
    };
    assert_eq!((&*collection.text, &*index.to_string()), ("docs", "hnsw(m=24, layout=compact)"));
    assert!(matches!(read("reindex docs flat"), Statement::Reindex { index: crate::index::IndexSpec::Flat, .. }));
}

#[test]
fn vectors_are_written_in_every_way() {
    let source = |text: &str| match read(&format!("find docs near {text} limit 1")) {
        Statement::Find(find) => find.near.source,
        other => panic!("{other:?}"),
    };
    assert_eq!(source("[0.1, -2, 3e2]"), VectorSource::Given(Vector::F32(vec![0.1, -2.0, 300.0])));
    assert_eq!(source("@7"), VectorSource::Stored(7u64.into()));
    assert_eq!(source("@ sku-1"), VectorSource::Stored("sku-1".into()));
    assert_eq!(source("file('q.npy')[3]"), VectorSource::File("q.npy".into(), Some(3)));
    assert_eq!(source("file('it''s.json')"), VectorSource::File("it's.json".into(), None));
    assert_eq!(source("0xff00"), VectorSource::Given(Vector::Bits(vec![255, 0])));
    assert_eq!(source("'ff00'"), VectorSource::Given(Vector::Bits(vec![255, 0])));
}

#[test]
fn keys_are_numbers_texts_or_bytes_as_they_are_written() {
    let key = |text: &str| match read(&format!("get docs {text}")) {
        Statement::Get { key, .. } => key,
        other => panic!("{other:?}"),
    };
    let cases: [(&str, Key); 8] = [
        ("7", 7u64.into()),
        ("'7'", "7".into()),
        ("007", "007".into()),
        ("sku-1", "sku-1".into()),
        ("a/b:c@d.e", "a/b:c@d.e".into()),
        ("0x00ff", vec![0u8, 255].into()),
        ("'it''s'", "it's".into()),
        ("\"a\\nb\"", "a\nb".into()),
    ];
    for (text, expected) in cases {
        assert_eq!(key(text), expected, "{text}");
    }
}

#[test]
fn a_schema_is_read_as_it_is_printed() {
    let schemas = [
        Schema::vector(384, Metric::Cosine).model("it's@1").ttl(Duration::from_secs(90 * 86_400)),
        Schema::bits(64).ephemeral(),
        Schema::payload_only().ttl(Duration::from_secs(5400)),
        Schema::bits(8).field("lang", FieldType::Text).field("`a b`.year", FieldType::Int),
        Schema::payload_only().field_indexing(FieldIndexing::None),
    ];
    for schema in schemas {
        let Statement::Create { schema: read, .. } = read(&format!("create docs {schema}")) else { panic!("{schema}") };
        assert_eq!(read, schema);
    }
}

#[test]
fn records_are_put_with_what_they_have() {
    let Statement::Put(put) = read(r#"put docs 7 [1, 2] {"a": "x;'y'"} ttl '1h 30m' if absent"#) else { panic!() };
    assert!(put.vector.is_some() && put.if_absent);
    assert_eq!(put.ttl, Some(Duration::from_secs(5400)));
    let expected = crate::payload::Value::object([("a", "x;'y'".into())]);
    assert_eq!(put.payload, Some(PayloadSource::Given(expected)));
    assert!(matches!(read("put docs -"), Statement::PutLines { if_absent: false, .. }));
    let Statement::Put(put) = read("put docs 'n' payload [1]") else { panic!() };
    assert!(put.vector.is_none() && put.payload.is_some());
}

#[test]
fn changes_name_one_record_or_a_filter() {
    let Statement::Patch { which, change, .. } = read("patch docs 7 set lang = 'en', size.net = 3, x = null") else {
        panic!()
    };
    assert_eq!(which, Which::Keys(vec![7u64.into()]));
    assert_eq!(change.merge.unwrap().to_string(), r#"{"lang":"en","size":{"net":3},"x":null}"#);
    let Statement::Patch { which, .. } = read("patch docs set a = 1 where b = 2") else { panic!() };
    assert!(matches!(which, Which::Where(_)));
    let Statement::Patch { change, .. } = read("patch docs 7 set `a b`.c = 1") else { panic!() };
    assert_eq!(change.merge.unwrap().to_string(), r#"{"a b":{"c":1}}"#);
    let Statement::Delete { which, .. } = read("delete docs 1, 'b', c") else { panic!() };
    assert_eq!(which, Which::Keys(vec![1u64.into(), "b".into(), "c".into()]));
    assert!(matches!(read("delete docs"), Statement::Delete { which: Which::All, .. }));
}

#[test]
fn a_filter_behind_a_key_is_never_taken_for_keys() {
    for (text, message, at) in [
        ("delete docs 7 where year < 2000", "either keys or `where`", "where"),
        ("delete docs 7, where", "no key without quotes", "where"),
        ("delete docs year < 2000", "a comma", "<"),
        ("delete docs year, <, 2000", "no key without quotes", "<"),
        ("delete docs 1 2", "a comma", "2"),
    ] {
        let (told, span) = refused(text);
        assert!(told.contains(message) && span == at, "{text}: {told}");
    }
    let Statement::Delete { which, .. } = read("delete docs 'where'") else { panic!() };
    assert_eq!(which, Which::Keys(vec!["where".into()]));
}

#[test]
fn quotes_mean_the_same_in_a_statement_and_in_its_filter() {
    for quoted in [r#""\" and b != ""#, r#""a\\""#, r#""x;y -- z""#, r#""\u00fc\n""#, "'it''s -- \\'", "'\\'"] {
        let Statement::Get { key, .. } = read(&format!("get docs {quoted}")) else { panic!() };
        let Statement::Delete { which, .. } = read(&format!("delete docs where a = {quoted} and c = 1")) else {
            panic!()
        };
        let text = key.as_text().unwrap();
        let expected = crate::filter::field("a").eq(text).and(crate::filter::field("c").eq(1));
        assert_eq!(which, Which::Where(expected), "{quoted}");
    }
    for text in [r#"get docs "a""b""#, r#"delete docs where a = "a""b""#] {
        assert!(parse(text, &Params::new()).is_err(), "{text}");
    }
    // The text ends at its third quote, what is behind the dashes is a remark.
    let filter = r#"a = "\" and b != " -- " or c = "x""#;
    let Statement::Delete { which, .. } = read(&format!("delete docs where {filter}")) else { panic!() };
    assert_eq!(which, Which::Where(crate::filter::Filter::parse(filter).unwrap()));
    assert_eq!(which, Which::Where(crate::filter::field("a").eq("\" and b != ")));
}

#[test]
fn names_in_back_quotes_stay_one_name() {
    let Statement::Scan(scan) = read("scan docs select `a.b`, `my field`.c, d") else { panic!() };
    let Columns::Fields(fields) = scan.columns else { panic!() };
    let paths: Vec<_> = fields.iter().map(|field| crate::filter::path(field).unwrap()).collect();
    assert_eq!(paths, [vec!["a.b"], vec!["my field", "c"], vec!["d"]]);
    let Statement::Patch { change, .. } = read("patch docs 7 set `a.b` = 1") else { panic!() };
    assert_eq!(change.merge.unwrap().to_string(), r#"{"a.b":1}"#);
}

#[test]
fn a_path_is_no_longer_than_payloads_are_deep() {
    let set = |names: &[&str]| parse(&format!("patch docs 1 set {} = 1", names.join(".")), &Params::new());
    let most = crate::payload::MAX_DEPTH;
    assert!(set(&vec!["a"; most]).is_ok());
    for names in [most + 1, 20_000, 300_000] {
        let error = set(&vec!["a"; names]).unwrap_err();
        assert!(error.to_string().contains("limit"), "{error}");
    }
    assert!(set(&["a", "", "b"]).is_err());
    assert!(set(&["a", "``", "b"]).unwrap_err().to_string().contains("empty name"));
}

#[test]
fn parameters_stand_for_keys_vectors_and_payloads() {
    let vector = crate::payload::Value::from(vec![crate::payload::Value::from(1), 2.5.into()]);
    let params = Params::from([("k".into(), 7.into()), ("v".into(), vector), ("o".into(), parse_value("{}").unwrap())]);
    let one = |text: &str| parse(text, &params).unwrap().remove(0).0;
    let Statement::Put(put) = one("put docs $k $v $o") else { panic!() };
    assert_eq!((put.key, put.vector.unwrap().source), (7u64.into(), VectorSource::Given(Vector::F32(vec![1.0, 2.5]))));
    let Statement::Put(put) = one("put docs $k $o") else { panic!() };
    assert!(put.vector.is_none() && put.payload.is_some());
    assert!(matches!(one("count docs where a = $k"), Statement::Count { filter: Some(_), .. }));
    let error = parse("get docs $none", &params).unwrap_err();
    assert_eq!((error.span(), error.kind()), (Some(9..14), ErrorKind::Invalid));
}

#[test]
fn errors_point_at_what_is_wrong() {
    let cases = [
        ("fnd docs near @7", "there is no statement `fnd`; did you mean `find`?", "fnd"),
        ("tune docs", "not available in this version", "tune"),
        ("restore 'a.tar'", "run `driftline restore", "restore"),
        ("backup 'a.tar'", "expected to", "'"),
        ("backup to 'a.tar' verfy", "did you mean `verify`?", "verfy"),
        ("find docs neer @7", "expected near, found `neer`", "neer"),
        ("find docs near", "expected a vector", ""),
        ("find docs where a = 1", "`scan` finds by a filter alone", "where"),
        ("find docs near @7 limt 3", "did you mean `limit`?", "limt"),
        ("find docs near @7 limit 3 limit 4", "said twice", "limit"),
        ("reindex docs hnsw(m=99)", "it must be 4 to 64", "hnsw(m=99)"),
        ("reindex docs", "expected an index", ""),
        ("find docs near @7 exact ef 9", "only one of `recall`, `ef` and `exact`", ""),
        ("find docs near @7 recall most", "a share such as 0.95", "most"),
        ("recall docs near @7", "`;` or one of sample, k, recall", "near"),
        ("recall docs sample many", "expected how many queries", "many"),
        ("recall docs recall 0.9 ef 9", "only one of `recall` and `ef`", ""),
        ("find docs near @7 limit x", "expected how many, found `x`", "x"),
        ("find docs near @7 where year ~ 3", "LIKE", "~"),
        ("find docs near [1, 2 limit 3", "this is not a list of numbers", ""),
        ("get docs 0xabc", "hexadecimal", "0xabc"),
        ("get docs 'abc", "has no end", "'abc"),
        ("get docs 7 8", "expected the end of the statement", "8"),
        ("create docs f32[3]", "expected a metric", ""),
        ("create docs f32[3] euclid", "euclid", "euclid"),
        ("create docs bits[8] l2", "one of ttl", "l2"),
        ("create docs f32[3] l2 ttl soon", "soon", "soon"),
        ("patch docs 7", "expected `set", ""),
        ("count docs; .mode json", "a command is no statement", ".mode json"),
    ];
    for (text, message, at) in cases {
        let (told, span) = refused(text);
        assert!(told.contains(message), "{text}: {told}");
        assert_eq!(span, at, "{text}: {told}");
    }
}

#[test]
fn spans_count_from_the_beginning_of_the_script() {
    let (_, at) = refused("count docs; -- a comment; with é\n  find docs near @7\n where lang = limit 3");
    assert_eq!(at, "limit");
    let text = "count docs;\n -- é\n count d2";
    let read = parse(text, &Params::new()).unwrap();
    let Statement::Count { collection, .. } = &read[1].0 else { panic!() };
    assert_eq!((&text[collection.span.clone()], &text[read[1].1.clone()]), ("d2", "count d2"));
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let filter = "(".repeat(10_000) + "a = 1" + &")".repeat(10_000);
    let error = parse(&format!("count docs where {filter}"), &Params::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Filter, "{error}");
    let payload = "[".repeat(10_000) + &"]".repeat(10_000);
    for text in [format!("put docs 1 payload {payload}"), format!("find docs near {payload}")] {
        assert_eq!(parse(&text, &Params::new()).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn runs_of_training_are_shown_for_seven_days_unless_told() {
    let days = |text: &str| match read(text) {
        Statement::Retrain(RetrainStatement::History(_, days)) => days,
        other => panic!("{other:?}"),
    };
    assert_eq!((days("retrain ranker"), days("retrain ranker days 30")), (7, 30));
}
