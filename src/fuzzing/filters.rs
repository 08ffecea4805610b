//! Filters: whatever text or JSON is read as one is printed as one that is equal, and looks at any row.

use super::Seed;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::filter::{Filter, Params, Row};
use crate::key::Key;
use crate::payload::{self, Value};

/// Reads `data` as a filter's text, and as its JSON form where it is JSON; and filters a row whose payload it is.
pub fn filter(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let params = Params::from([("p".into(), Value::from("x")), ("l".into(), vec![Value::from(1)].into())]);
        match Filter::parse_with(text, &params) {
            Ok(filter) => check(&filter, data),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Filter, "{error}");
                let span = error.span();
                assert!(span.is_some_and(|span| text.get(span).is_some()), "an error lies in the text: {error}");
            }
        }
    }
    if let Ok(json) = serde_json::from_slice(data)
        && let Ok(filter) = Filter::from_json(&json)
    {
        check(&filter, data);
    }
}

fn check(filter: &Filter, data: &[u8]) {
    let again = Filter::from_json(&filter.to_json());
    assert_eq!(again.as_ref().ok(), Some(filter), "JSON carries every filter: {filter}");
    let text = filter.to_string();
    // A list in JSON may take more bytes when it is printed.
    if text.len() <= crate::filter::MAX_FILTER_BYTES {
        let again = Filter::parse(&text);
        assert_eq!(again.as_ref().ok(), Some(filter), "the text of a filter is read as an equal one: {text}");
    }
    let Ok(bound) = filter.bind(Timestamp(0)) else { panic!("a filter that was read can be used: {text}") };
    for (key, payload) in [(Key::from(7u64).encode(), data), (data.to_vec(), &sample())] {
        let _ = bound.matches(&Row { key: &key, created: Timestamp(5), payload });
    }
}

fn sample() -> Vec<u8> {
    let inner = Value::object([("b", Value::from("x"))]);
    let fields = [("a", inner), ("lang", "en".into()), ("tags", vec![Value::from(1), Value::from("x")].into())];
    payload::encode(&Value::object(fields)).unwrap_or_default()
}

pub(super) fn seeds() -> Vec<Seed> {
    let seed = |(name, text): (&'static str, &str)| Seed { name, bytes: text.as_bytes().to_vec() };
    let texts = [
        ("compare", "lang = 'it''s' AND year >= 2020.5 OR NOT a.`b c` <> x'0aff'"),
        ("lists", "a IN [1, -2, 'x'] AND b NOT IN ($p) AND c IN $l AND tags CONTAINS ALL [true, 1e3]"),
        ("patterns", r"a LIKE '%\%_' OR a NOT LIKE 'x' OR tags CONTAINS 'x'"),
        ("presence", "a IS NULL OR a IS NOT NULL OR (a IS MISSING AND NOT (a.b IS NOT MISSING)) -- remark"),
        ("record", "@key BETWEEN 1 AND 18446744073709551615 AND @time > now() - '1h 30m' AND @time < '2026-01-31'"),
        ("mistake", "lang == 'en' && (year"),
        (
            "json",
            r#"{"and": [{"field": "a.b", "eq": 1}, {"not": {"or": [true, {"field": "`x y`", "in": ["a", 2.5]}]}}]}"#,
        ),
        (
            "json-times",
            r#"{"or": [{"field": "@time", "lt": {"now": "-7d"}}, {"field": "@key", "eq": {"$bytes": "Cv8="}}]}"#,
        ),
        ("json-checks", r#"{"and": [{"field": "a", "is": "present"}, {"field": "a", "contains_none": [false]}]}"#),
    ];
    texts.into_iter().map(seed).collect()
}
