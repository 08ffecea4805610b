//! Filters as JSON, for programs that send them.
//!
//! ```text
//! filter = true | false | {"and": [filter, ..]} | {"or": [filter, ..]} | {"not": filter} | {"field": path, NAME: argument}
//!        | text
//! ```
//!
//! A path is written as in text (`"size.width"`, `"@key"`), and `NAME` is that of the builder's method. Bytes are
//! `{"$bytes": base64}` and the time of use is `{"now": "-7d"}`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use super::tree::{Check, Comparison, Filter, Literal, Node, Quantifier, Subject, Test, too_deep};
use super::{MAX_FILTER_DEPTH, number::Number, parse, refuse, suggest, time};
use crate::error::{Error, Result};
use crate::payload::Value;

/// How many connectives may stand around one that is written as an object. Each takes two levels of JSON and readers
/// follow some 128, so that what lies deeper is written as text.
const MAX_OBJECT_DEPTH: usize = 32;

/// Names of what is said of a field, beside the six comparisons.
const NAMES: [&str; 9] =
    ["between", "in", "not_in", "like", "not_like", "contains_any", "contains_all", "contains_none", "is"];

impl Filter {
    /// Reads the JSON form: `true`, `false`, `{"and": [..]}`, `{"or": [..]}`, `{"not": ..}`, or a predicate such as
    /// `{"field": "year", "ge": 2020}`. The names of predicates are `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `between`, `in`,
    /// `not_in`, `like`, `not_like`, `contains_any`, `contains_all`, `contains_none`, and `is` with `"null"`,
    /// `"not_null"`, `"missing"` or `"present"`. A time may be `{"now": "-7d"}`.
    /// In place of any of them a filter may stand as text, such as `"year >= 2020"`.
    ///
    /// An error is of kind [`ErrorKind::Filter`](crate::ErrorKind::Filter) and names the way to where it lies.
    ///
    /// ```
    /// use driftline::{Filter, json};
    ///
    /// let filter = Filter::from_json(&json!({"and": [{"field": "lang", "eq": "en"}, {"field": "year", "ge": 2020}]}))?;
    /// assert_eq!(filter, Filter::parse("lang = 'en' AND year >= 2020")?);
    /// # Ok::<(), driftline::Error>(())
    /// ```
    pub fn from_json(json: &Json) -> Result<Filter> {
        let filter = read(json, 0)?;
        filter.check_made()?;
        Ok(filter)
    }

    /// The JSON form, which [`Filter::from_json`] reads as an equal filter; null when the filter could not be made.
    /// Connectives inside 32 others are written as text, so that no legal filter nests deeper than readers of JSON
    /// follow.
    pub fn to_json(&self) -> Json {
        self.node().map_or(Json::Null, |node| write(node, 0))
    }
}

/// As JSON; fails when the filter could not be made.
impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.check_made().map_err(serde::ser::Error::custom)?;
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Filter, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Filter::from_json(&json).map_err(serde::de::Error::custom)
    }
}

/// Reads what stands inside `depth` objects. `AND` inside `OR` takes a level here and none in text, so twice as many
/// are followed; the limit itself is kept where trees are made.
fn read(json: &Json, depth: usize) -> Result<Filter> {
    if depth > 2 * MAX_FILTER_DEPTH + 1 {
        return Err(too_deep());
    }
    let object = match json {
        Json::Bool(true) => return Ok(Filter::all()),
        Json::Bool(false) => return Ok(Filter::none()),
        Json::String(text) => return parse::embedded(text),
        Json::Object(object) => object,
        _ => {
            return Err(refuse("a filter is true, false or an object, or its text")
                .mend("such as {\"field\": \"lang\", \"eq\": \"en\"}"));
        }
    };
    if let Some(path) = object.get("field") {
        return Ok(Filter::test(Ok(read_test(path, object)?)));
    }
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((name, inner)), None) => read_connective(name, inner, depth),
        _ => Err(refuse(
            "an object of a filter has the one field and, or or not, or the field \"field\" and one beside it",
        )),
    }
}

fn read_connective(name: &str, inner: &Json, depth: usize) -> Result<Filter> {
    let parts = || {
        let parts = array(inner)?.iter().enumerate();
        let part = |(index, part)| read(part, depth + 1).map_err(|error| inside(error, &format!("[{index}]")));
        parts.map(part).collect::<Result<Vec<_>>>()
    };
    let read = match name {
        "and" => parts().map(Filter::all_of),
        "or" => parts().map(Filter::any_of),
        "not" => read(inner, depth + 1).map(|filter| !filter),
        _ => return Err(unknown(name, &["and", "or", "not", "field"])),
    };
    read.map_err(|error| inside(error, &format!(".{name}")))
}

/// The error, with `step` before the way to where it lies.
fn inside(error: Error, step: &str) -> Error {
    let place = format!("{step}{}", error.place().unwrap_or_default());
    error.at(place)
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let error = refuse(format!("{name:?} is no part of a filter"));
    match suggest(name, known.iter().copied()) {
        Some(known) => error.mend(format!("did you mean {known:?}?")),
        None => error.mend(format!("use one of {}", known.join(", "))),
    }
}

fn array(json: &Json) -> Result<&Vec<Json>> {
    json.as_array().ok_or_else(|| refuse("an array is needed here"))
}

fn read_test(path: &Json, object: &Map<String, Json>) -> Result<Test> {
    let Json::String(path) = path else { return Err(refuse("\"field\" must be a text").at(".field")) };
    // A span counts in the text of the path, which nobody sees as a text of its own.
    let subject = parse::subject(path).map_err(|error| inside(error, ".field"))?;
    let mut others = object.iter().filter(|(name, _)| *name != "field");
    let (Some((name, argument)), None) = (others.next(), others.next()) else {
        return Err(refuse(format!("beside \"field\" there must be one thing that is said of {subject}")));
    };
    let check = read_check(&subject, name, argument).map_err(|error| inside(error, &format!(".{name}")))?;
    Test::new(subject, check).map_err(|error| inside(error, &format!(".{name}")))
}

fn read_check(subject: &Subject, name: &str, argument: &Json) -> Result<Check> {
    if let Some((comparison, ..)) = Comparison::ALL.iter().find(|(_, _, known)| *known == name) {
        return Ok(Check::Compare(*comparison, read_literal(subject, argument)?));
    }
    let values = || array(argument)?.iter().map(|value| read_literal(subject, value)).collect::<Result<Vec<_>>>();
    let text = || argument.as_str().map(str::to_owned).ok_or_else(|| refuse("a text is needed here"));
    match name {
        "between" => match array(argument)?.as_slice() {
            [low, high] => Ok(Check::Between(read_literal(subject, low)?, read_literal(subject, high)?)),
            _ => Err(refuse("an array of two values is needed here")),
        },
        "in" => values().map(Check::In),
        "not_in" => values().map(Check::NotIn),
        "like" => text().map(Check::Like),
        "not_like" => text().map(Check::NotLike),
        "contains_any" => values().map(|values| Check::Contains(Quantifier::Any, values)),
        "contains_all" => values().map(|values| Check::Contains(Quantifier::All, values)),
        "contains_none" => values().map(|values| Check::Contains(Quantifier::None, values)),
        "is" => match argument.as_str() {
            Some("null") => Ok(Check::IsNull),
            Some("not_null") => Ok(Check::IsNotNull),
            Some("missing") => Ok(Check::IsMissing),
            Some("present") => Ok(Check::IsPresent),
            _ => Err(refuse("one of \"null\", \"not_null\", \"missing\" and \"present\" is needed here")),
        },
        _ => {
            let comparisons = Comparison::ALL.iter().map(|(_, _, name)| *name);
            Err(unknown(name, &comparisons.chain(NAMES).collect::<Vec<_>>()))
        }
    }
}

fn read_literal(subject: &Subject, json: &Json) -> Result<Literal> {
    match json.get("now") {
        Some(Json::String(moved)) => subject.now(time::parse_duration(moved)?),
        _ => subject.literal(Value::from(json.clone())),
    }
}

/// Writes what stands inside `depth` connectives.
fn write(node: &Node, depth: usize) -> Json {
    let all = |nodes: &[Node]| nodes.iter().map(|node| write(node, depth + 1)).collect::<Vec<_>>();
    match node {
        Node::And(_) | Node::Or(_) | Node::Not(_) if depth > MAX_OBJECT_DEPTH => Json::String(node.to_string()),
        Node::Constant(value) => Json::Bool(*value),
        Node::And(nodes) => json!({ "and": all(nodes) }),
        Node::Or(nodes) => json!({ "or": all(nodes) }),
        Node::Not(node) => json!({ "not": write(node, depth + 1) }),
        Node::Test(test) => {
            let (name, argument) = write_check(&test.check);
            json!({ "field": test.subject.to_string(), name: argument })
        }
    }
}

fn write_check(check: &Check) -> (&'static str, Json) {
    let list = |values: &[Literal]| Json::Array(values.iter().map(write_literal).collect());
    match check {
        Check::Compare(comparison, value) => (comparison.names().1, write_literal(value)),
        Check::Between(low, high) => ("between", json!([write_literal(low), write_literal(high)])),
        Check::In(values) => ("in", list(values)),
        Check::NotIn(values) => ("not_in", list(values)),
        Check::Like(pattern) => ("like", json!(pattern)),
        Check::NotLike(pattern) => ("not_like", json!(pattern)),
        Check::Contains(Quantifier::Any, values) => ("contains_any", list(values)),
        Check::Contains(Quantifier::All, values) => ("contains_all", list(values)),
        Check::Contains(Quantifier::None, values) => ("contains_none", list(values)),
        Check::IsNull => ("is", json!("null")),
        Check::IsNotNull => ("is", json!("not_null")),
        Check::IsMissing => ("is", json!("missing")),
        Check::IsPresent => ("is", json!("present")),
    }
}

fn write_literal(literal: &Literal) -> Json {
    match literal {
        Literal::Bool(value) => json!(value),
        Literal::Number(Number::Int(number)) => json!(number),
        Literal::Number(Number::UInt(number)) => json!(number),
        Literal::Number(Number::Float(number)) => json!(number),
        Literal::Text(text) => json!(text),
        Literal::Bytes(bytes) => Value::Bytes(bytes.clone()).to_json(),
        Literal::Time(moment) => time::print(*moment).map_or(json!(moment.0), Json::String),
        Literal::Now(micros) => {
            let sign = if *micros < 0 { "-" } else { "" };
            json!({ "now": format!("{sign}{}", time::print_duration(micros.unsigned_abs())) })
        }
    }
}
