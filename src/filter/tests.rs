//! One tree from text, from JSON and from the builder; and what is refused, where, with which advice.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::key::Key;

/// Names of fields, usual ones and unusual ones.
fn path() -> impl Strategy<Value = Field> {
    let name = prop_oneof![
        4 => "[abc]",
        1 => Just("not".to_owned()),
        1 => "[a`. é'1-]{0,4}",
    ];
    let quoted = |name: String| format!("`{}`", name.replace('`', "``"));
    prop_oneof![
        1 => Just(key()),
        1 => Just(time()),
        8 => prop::collection::vec(name.prop_map(quoted), 1..4).prop_map(|names| field(&names.join("."))),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3i64..4).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-8i8..9).prop_map(|number| Value::from(f64::from(number) / 4.0)),
        prop::num::f64::NORMAL.prop_map(Value::from),
    ]
}

/// Something to compare with; not every part of a record takes each.
pub(crate) fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        number(),
        "[ab%_'é]{0,3}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::from),
    ]
}

fn test() -> impl Strategy<Value = Filter> {
    let value = || prop_oneof![4 => scalar(), 1 => Just(Value::from("2026-01-31T12:00:00.5+02:00"))];
    let values = prop::collection::vec(value(), 0..4);
    (path(), 0..17, value(), value(), values, r"([ab%_]|\\%){0,4}").prop_map(|(path, kind, a, b, list, pattern)| {
        match kind {
            0 => path.eq(a),
            1 => path.ne(a),
            2 => path.lt(a),
            3 => path.le(a),
            4 => path.gt(a),
            5 => path.ge(a),
            6 => path.between(a, b),
            7 => path.is_in(list),
            8 => path.not_in(list),
            9 => path.like(&pattern),
            10 => path.not_like(&pattern),
            11 => path.contains_any(list),
            12 => path.contains_all(list),
            13 => path.contains_none(list),
            14 => path.is_null(),
            15 => path.is_not_null(),
            _ => path.is_missing(),
        }
    })
}

/// Payloads with the fields that [`filters`] ask for.
pub(crate) fn payloads() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![4 => scalar(), 1 => Just(Value::Null)];
    let inner = leaf.prop_recursive(3, 16, 4, |inner| {
        let fields = prop::collection::btree_map("[abc]|not", inner.clone(), 0..4);
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), fields.prop_map(Value::from)]
    });
    prop::collection::btree_map("[abc]|not", inner, 0..4).prop_map(Value::from)
}

/// Keys of every kind.
pub(crate) fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        (0u64..4).prop_map(Key::from),
        any::<u64>().prop_map(Key::from),
        "[ab%_'é]{0,3}".prop_map(Key::from),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(|bytes| Key::from(bytes.as_slice())),
    ]
}

/// Filters that could be made.
pub(crate) fn filters() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(|all| if all { Filter::all() } else { Filter::none() }),
        12 => test().prop_filter("made", |filter| filter.check_made().is_ok()),
        1 => Just(Filter::parse("@time >= now() - '7d'").unwrap()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::all_of),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::any_of),
            inner.prop_map(|filter| !filter),
        ]
    })
}

proptest! {
    #[test]
    fn the_text_of_a_filter_is_read_as_an_equal_one(filter in filters()) {
        let text = filter.to_string();
        let read = Filter::parse(&text);
        prop_assert_eq!(read.as_ref().ok(), Some(&filter), "{}: {:?}", text, read);
    }

    #[test]
    fn the_json_of_a_filter_is_read_as_an_equal_one(filter in filters()) {
        let json = serde_json::to_string(&filter).unwrap();
        let read = serde_json::from_str::<Filter>(&json);
        prop_assert_eq!(read.as_ref().ok(), Some(&filter), "{}: {:?}", json, read);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place(text in "[a-c=<>!()\\[\\]'\"`@$., 0-9-]{0,30}|.{0,30}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert_eq!(error.kind(), ErrorKind::Filter);
            prop_assert!(text.get(error.span().unwrap()).is_some(), "{}", error);
        }
    }

    #[test]
    fn words_in_any_order_are_read_or_refused(picks in prop::collection::vec(0..WORDS.len(), 0..12)) {
        let text = picks.iter().map(|pick| WORDS[*pick]).collect::<Vec<_>>().join(" ");
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
    }
}

const WORDS: [&str; 24] = [
    "a", "b.c", "@key", "@time", "and", "or", "not", "(", ")", "=", "<", "in", "[", "]", ",", "like", "'x'", "1",
    "between", "is", "null", "contains", "any", "true",
];

#[test]
fn text_is_read_as_the_builder_builds() {
    let cases = [
        ("lang = 'en'", field("lang").eq("en")),
        ("LANG <> \"en\"", field("LANG").ne("en")),
        ("a.`b c` >= -1.5", field("a.`b c`").ge(-1.5)),
        ("year between 2000 and 2010 and x = 1", field("year").between(2000, 2010).and(field("x").eq(1))),
        (
            "lang in ['en', 'de'] or lang not in ('fr')",
            field("lang").is_in(["en", "de"]).or(field("lang").not_in(["fr"])),
        ),
        ("name like 'a%' and not name not like '%b'", field("name").like("a%").and(!field("name").not_like("%b"))),
        (
            "tags contains any ['x'] and tags contains all ['x', 1]",
            field("tags").contains_any(["x"]).and(field("tags").contains_all([Value::from("x"), 1.into()])),
        ),
        ("tags contains 'x'", field("tags").contains_any(["x"])),
        ("tags contains none []", field("tags").contains_none(Vec::<Value>::new())),
        ("a is null or a is not null", field("a").is_null().or(field("a").is_not_null())),
        ("a is missing or a is not missing", field("a").is_missing().or(field("a").is_present())),
        ("not (a = 1 or b = true) and TRUE", (!field("a").eq(1).or(field("b").eq(true))).and(Filter::all())),
        ("@key = 7 or @key = x'0aff'", key().eq(7).or(key().eq(vec![10u8, 255]))),
        ("@time < '1970-01-01T00:00:01Z'", time().lt(1_000_000)),
        ("((a = 1)) and (b = 2 and c = 3)", field("a").eq(1).and(field("b").eq(2)).and(field("c").eq(3))),
        ("`and` = 18446744073709551615", field("`and`").eq(u64::MAX)),
    ];
    for (text, built) in cases {
        assert_eq!(Filter::parse(text).unwrap(), built, "{text}");
    }
}

#[test]
fn a_mistake_says_where_it_is_and_what_to_write() {
    for (text, span, named) in [
        ("", 0..0, "TRUE"),
        ("lang = en", 7..9, "'en'"),
        ("lang = 'en", 7..10, "missing '"),
        ("lang == 'en'", 5..7, "write ="),
        ("a = 1 && b = 2", 6..8, "AND"),
        ("a = 1 adn b = 2", 6..9, "did you mean AND?"),
        ("a = 1 b = 2", 6..7, "AND, OR or the end"),
        ("name lik 'x'", 5..8, "did you mean LIKE?"),
        ("name matches 'x'", 5..12, "a comparison behind name"),
        ("name match 'x'", 5..10, "not supported"),
        ("name ilike 'x'", 5..10, "lower case"),
        ("sold", 4..4, "sold = true"),
        ("my-field = 1", 2..3, "`my-...`"),
        ("'lang' = 'en'", 0..6, "`lang`"),
        ("and = 1", 0..3, "`and`"),
        ("a = null", 4..8, "did you mean a IS NULL?"),
        ("a != null", 5..9, "did you mean a IS NOT NULL?"),
        ("a is nul", 5..8, "did you mean NULL?"),
        ("a in 1", 5..6, "[1, 2]"),
        ("a in [1 2]", 8..9, "expected , or ]"),
        ("a between 1 or 2", 12..14, "AND and the upper end"),
        ("a not = 1", 2..5, "IN or LIKE behind NOT"),
        ("(a = 1", 0..1, "never closed"),
        ("a = 1)", 5..6, "never opened"),
        ("a = b.c", 4..5, "quotes"),
        ("a = @time", 4..5, "not with one another"),
        ("a = now()", 4..9, "@time only"),
        ("@time > 'yesterday'", 8..19, "2026-01-31"),
        ("@time > now() - 7d", 16..18, "'7d'"),
        ("@time > now() - '7 moons'", 16..25, "months"),
        ("@time > now() - '7d ago'", 16..24, "no duration"),
        ("@time > now() - '-7d'", 16..21, "negative"),
        ("@tme > now()", 1..4, "did you mean time?"),
        ("@id = 7", 1..3, "@key"),
        ("@model = 'x'", 1..6, "yet"),
        ("@key = true", 7..11, "a key is"),
        ("@key contains 'x'", 0..17, "no array"),
        ("@time like '2026%'", 0..18, "no text"),
        (r"a like 'x\'", 0..11, "stands before"),
        ("tags contains ['x']", 14..15, "ANY, ALL or NONE"),
        ("a = $lnag", 4..9, "did you mean $lang?"),
        ("a in $lang", 5..10, "no array"),
        ("a = $list", 4..9, "IN or CONTAINS"),
    ] {
        let params = Params::from([("lang".into(), "en".into()), ("list".into(), Value::from(vec![Value::from(1)]))]);
        let error = Filter::parse_with(text, &params).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Filter, "{text}: {error}");
        assert_eq!(error.span(), Some(span), "{text}: {error}");
        assert!(error.to_string().contains(named), "{text}: {error}");
    }
}

#[test]
fn parameters_stand_for_values_and_lists() {
    let params = Params::from([
        ("lang".into(), "it's ') or true".into()),
        ("years".into(), Value::from(vec![Value::from(2000), Value::from(2001)])),
        ("key".into(), Value::from(7)),
    ]);
    let filter = Filter::parse_with("lang = $lang and year in $years and @key < $key", &params).unwrap();
    assert_eq!(filter, field("lang").eq("it's ') or true").and(field("year").is_in([2000, 2001])).and(key().lt(7)));
}

#[test]
fn json_is_read_as_the_builder_builds() {
    let cases = [
        (json!(true), Filter::all()),
        (json!({"and": []}), Filter::all()),
        (json!({"or": []}), Filter::none()),
        (json!({"field": "a.b", "eq": 1}), field("a.b").eq(1)),
        (json!({"not": {"field": "a", "in": [1, "x"]}}), !field("a").is_in([Value::from(1), "x".into()])),
        (json!({"not": "a = 1 or b = 2"}), !field("a").eq(1).or(field("b").eq(2))),
        (json!({"field": "a", "between": [1, 2.5]}), field("a").between(1, 2.5)),
        (json!({"field": "@key", "eq": {"$bytes": "Cv8="}}), key().eq(vec![10u8, 255])),
        (json!({"field": "`@key`", "is": "present"}), field("`@key`").is_present()),
        (json!({"field": "@time", "lt": {"now": "-7d"}}), Filter::parse("@time < now() - '7d'").unwrap()),
    ];
    for (json, built) in cases {
        assert_eq!(Filter::from_json(&json).unwrap(), built, "{json}");
    }
}

#[test]
fn json_that_is_no_filter_says_where_and_why() {
    for (json, place, named) in [
        (json!(1), None, "true, false or an object"),
        (json!({"and": [true, "a = "]}), Some(".and[1]"), "a value"),
        (json!({"nad": []}), None, "did you mean \\\"and\\\"?"),
        (json!({"and": [true, {"field": "a", "qe": 1}]}), Some(".and[1].qe"), "eq"),
        (json!({"not": {"field": "a b", "eq": 1}}), Some(".not.field"), "names no field"),
        (json!({"field": "a", "eq": null}), Some(".eq"), "IS NULL"),
        (json!({"field": "a"}), None, "one thing"),
        (json!({"field": "a", "in": 1}), Some(".in"), "array"),
        (json!({"field": "a", "is": "nothing"}), Some(".is"), "missing"),
        (json!({"field": "@time", "lt": {"now": "soon"}}), Some(".lt"), "duration"),
    ] {
        let error = Filter::from_json(&json).unwrap_err();
        assert_eq!((error.kind(), error.place()), (ErrorKind::Filter, place), "{json}: {error}");
        assert!(error.to_string().contains(&named.replace("\\\"", "\"")), "{json}: {error}");
    }
}

#[test]
fn the_builder_tells_what_it_could_not_make_when_it_is_used() {
    for (filter, named) in [
        (field("my-field").eq(1), "my-field"),
        (field("").eq(1), "names no field"),
        (field("a").eq(f64::NAN).and(Filter::all()), "finite"),
        (!field("a").eq(None::<i64>), "IS NULL"),
        (Filter::all().or(field("a").eq(Vec::<Value>::new())), "IN or CONTAINS"),
        (key().contains_any([1]), "no array"),
        (field("a").is_in(0..=MAX_FILTER_VALUES), "limit of 65536"),
    ] {
        let error = filter.clone().into_filter().unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        assert_eq!((error.kind(), error.span()), (ErrorKind::Filter, None));
        assert!(serde_json::to_string(&filter).is_err());
        assert_eq!(filter.to_json(), Json::Null);
    }
}

#[test]
fn nesting_of_any_depth_is_refused_and_never_overflows() {
    let told = |result: Result<Filter>| assert!(result.unwrap_err().to_string().contains("64 levels"));
    for levels in [MAX_FILTER_DEPTH + 1, 10_000] {
        told(Filter::parse(&format!("{}a = 1{}", "(".repeat(levels), ")".repeat(levels))));
        told(Filter::parse(&format!("{}a = 1", "not ".repeat(levels))));
        let one = || field("a").eq(1);
        told((0..levels).fold(one(), |filter, _| !filter).into_filter());
        told((0..levels).fold(one(), |filter, _| filter.or(one()).and(one())).into_filter());
    }
    // Not by `json!`, which would copy what is inside by recursion.
    let object = |name: &str, inner: Json| Json::Object([(name.to_owned(), inner)].into_iter().collect());
    for name in ["not", "and", "or"] {
        let wrap = |inner| object(name, if name == "not" { inner } else { Json::Array(vec![inner]) });
        let mut json = (0..10_000).fold(Json::Bool(true), |inner, _| wrap(inner));
        let result = Filter::from_json(&json);
        assert!(result.unwrap_err().to_string().contains("64 levels"));
        // JSON this deep cannot be dropped by recursion either.
        while let Some(inner) = json.as_object_mut().and_then(|object| object.values_mut().next().map(Json::take)) {
            json = if let Json::Array(mut parts) = inner { parts.swap_remove(0) } else { inner };
        }
    }
}

#[test]
fn what_is_within_the_limits_is_read_from_its_text_again() {
    let deepest = Filter::parse(&format!("{}a = 1", "not ".repeat(MAX_FILTER_DEPTH))).unwrap();
    assert_eq!(Filter::parse(&deepest.to_string()).unwrap(), deepest);
    let mut zigzag = field("a").eq(1);
    for _ in 0..MAX_FILTER_DEPTH {
        zigzag = zigzag.or(field("b").eq(2)).and(field("c").eq(3));
    }
    assert_eq!(Filter::parse(&zigzag.to_string()).unwrap(), zigzag);
    assert_eq!(Filter::from_json(&zigzag.to_json()).unwrap(), zigzag);
    assert!((!zigzag).into_filter().is_err());

    let long = (0..MAX_FILTER_NODES - 1).fold(Filter::all(), |filter, number| filter.and(field("a").ne(number)));
    assert!(long.clone().into_filter().is_err());
    let error = Filter::parse(&" ".repeat(MAX_FILTER_BYTES + 1)).unwrap_err();
    assert!(error.to_string().contains("limit of 65536"), "{error}");
}

#[test]
fn the_json_of_the_deepest_filters_is_within_what_readers_follow() {
    let mut zigzag = field("a").eq(vec![10u8, 255]);
    let mut negated = field("a").eq(1);
    for level in 1..=MAX_FILTER_DEPTH {
        zigzag = zigzag.or(field("b").is_in([vec![1u8]])).and(field("c").eq(3));
        negated = !negated;
        for filter in [&zigzag, &negated] {
            let text = serde_json::to_string(filter).unwrap();
            assert_eq!(serde_json::from_str::<Filter>(&text).ok().as_ref(), Some(filter), "{level}: {text}");
        }
    }
}

#[test]
fn all_of_a_list_counts_values_that_an_array_repeats_once() {
    let passes = |filter: Filter| {
        let payload = crate::payload::encode(&json!({"tags": ["x", "x", 1, null]}).into()).unwrap();
        let row = Row { key: &[], created: crate::clock::Timestamp(0), payload: &payload };
        filter.bind(crate::clock::Timestamp(0)).unwrap().matches(&row).unwrap()
    };
    assert!(passes(field("tags").contains_all([Value::from("x"), 1.into(), 1.0.into()])));
    assert!(!passes(field("tags").contains_all(["x", "y"])));
    assert!(passes(field("tags").contains_all(Vec::<Value>::new())));
    assert!(passes(field("tags").contains_none([true])));
}

#[test]
fn a_filter_ends_before_what_belongs_to_a_statement() {
    for (text, end, rest) in [
        ("a = 1 limit 10", 5, "a = 1"),
        ("a in [1] ;", 8, "a IN [1]"),
        ("a = 1", 5, "a = 1"),
        ("@time < now() -- remark\n select", 13, "@time < now()"),
    ] {
        let (filter, found) = parse_prefix(text, &Params::new()).unwrap();
        assert_eq!((found, filter.to_string().as_str()), (end, rest), "{text}");
    }
    assert!(parse_prefix("limit 10", &Params::new()).is_err());
}
