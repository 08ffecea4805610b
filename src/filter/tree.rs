//! The tree every filter is, and the bounds it is made within.

use super::number::Number;
use super::{MAX_FILTER_DEPTH, MAX_FILTER_NODES, MAX_FILTER_VALUES, like, refuse, time};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::payload::Value;

/// Which records are meant.
///
/// Made by [`Filter::parse`], [`Filter::from_json`] or the builder that begins with [`field`](crate::field),
/// [`key`](crate::key) and [`time`](crate::time). `Display` prints text that is read back as an equal filter, unless it
/// is longer than [`MAX_FILTER_BYTES`](crate::MAX_FILTER_BYTES).
///
/// The builder never fails: what it cannot make (a name that is none, a value that cannot be compared, a tree over a
/// limit) is told when the filter is used, as an error of kind [`ErrorKind::Filter`](crate::ErrorKind::Filter).
/// Cloning costs as much as the tree is large.
///
/// ```
/// use driftline::{Filter, field};
///
/// let built = field("lang").eq("en").and(field("year").ge(2020));
/// assert_eq!(built, Filter::parse("lang = 'en' and year >= 2020")?);
/// assert_eq!(built.to_string(), "lang = 'en' AND year >= 2020");
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Filter(Result<Tree>);

/// A node that is within the limits.
#[derive(Debug, Clone)]
struct Tree {
    node: Node,
    /// Parentheses and `NOT`s inside one another in its text.
    depth: usize,
    /// Predicates and connectives.
    nodes: usize,
}

/// A predicate, or what connects several.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Constant(bool),
    /// Two or more; none is itself an `And`.
    And(Vec<Node>),
    /// Two or more; none is itself an `Or`.
    Or(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

/// Something said of one part of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Test {
    pub(crate) subject: Subject,
    pub(crate) check: Check,
}

/// A part of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// Names from the payload inward; at least one.
    Field(Vec<String>),
    Key,
    /// When the record was created.
    Time,
}

/// What is said of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Check {
    Compare(Comparison, Literal),
    /// Both ends belong to it.
    Between(Literal, Literal),
    In(Vec<Literal>),
    NotIn(Vec<Literal>),
    Like(String),
    NotLike(String),
    Contains(Quantifier, Vec<Literal>),
    IsNull,
    IsNotNull,
    IsMissing,
    IsPresent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How many of the values an array must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Any,
    All,
    None,
}

/// What a part of a record is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Number(Number),
    Text(String),
    Bytes(Vec<u8>),
    /// For the time of a record only.
    Time(Timestamp),
    /// The time at which the filter is used, moved by so many microseconds. For the time of a record only.
    Now(i64),
}

impl Filter {
    /// Every record.
    pub fn all() -> Filter {
        Filter::leaf(Node::Constant(true))
    }

    /// No record.
    pub fn none() -> Filter {
        Filter::leaf(Node::Constant(false))
    }

    /// Records that pass both.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        Filter::all_of([self, other])
    }

    /// Records that pass one of them, or both.
    #[must_use]
    pub fn or(self, other: Filter) -> Filter {
        Filter::any_of([self, other])
    }

    pub(crate) fn all_of(parts: impl IntoIterator<Item = Filter>) -> Filter {
        Filter::join(parts, true, Node::And, |node| match node {
            Node::And(nodes) => Ok(nodes),
            node => Err(node),
        })
    }

    pub(crate) fn any_of(parts: impl IntoIterator<Item = Filter>) -> Filter {
        Filter::join(parts, false, Node::Or, |node| match node {
            Node::Or(nodes) => Ok(nodes),
            node => Err(node),
        })
    }

    pub(crate) fn test(test: Result<Test>) -> Filter {
        match test {
            Ok(test) => Filter::leaf(Node::Test(test)),
            Err(error) => Filter(Err(error)),
        }
    }

    /// The tree, or why there is none.
    pub(crate) fn node(&self) -> Result<&Node> {
        self.0.as_ref().map(|tree| &tree.node).map_err(Error::clone)
    }

    /// Why there is no tree, if there is none.
    pub(crate) fn check_made(&self) -> Result<()> {
        self.node().map(drop)
    }

    fn leaf(node: Node) -> Filter {
        Filter(Ok(Tree { node, depth: 0, nodes: 1 }))
    }

    /// Connects `parts`, laying bare what is connected in the same way; `empty` is what no parts at all mean.
    fn join(
        parts: impl IntoIterator<Item = Filter>,
        empty: bool,
        connect: fn(Vec<Node>) -> Node,
        unpack: fn(Node) -> Result<Vec<Node>, Node>,
    ) -> Filter {
        let mut joined = Vec::new();
        let (mut depth, mut nodes) = (0, 1);
        for Filter(part) in parts {
            let tree = match part {
                Ok(tree) => tree,
                Err(error) => return Filter(Err(error)),
            };
            nodes += tree.nodes;
            match unpack(tree.node) {
                Ok(inner) => {
                    nodes -= 1;
                    depth = depth.max(tree.depth);
                    joined.extend(inner);
                }
                Err(node) => {
                    // `OR` inside `AND` is written in parentheses, the other way round is not.
                    depth = depth.max(tree.depth + usize::from(matches!(node, Node::Or(_))));
                    joined.push(node);
                }
            }
        }
        match joined.len() {
            0 => Filter::leaf(Node::Constant(empty)),
            1 => Tree { node: joined.remove(0), depth, nodes: nodes - 1 }.bounded(),
            _ => Tree { node: connect(joined), depth, nodes }.bounded(),
        }
    }
}

impl Tree {
    fn bounded(self) -> Filter {
        Filter(if self.depth > MAX_FILTER_DEPTH {
            Err(too_deep())
        } else if self.nodes > MAX_FILTER_NODES {
            Err(refuse(format!("the filter has more than {MAX_FILTER_NODES} predicates and connectives"))
                .mend("say it with IN and a list, or ask several times"))
        } else {
            Ok(self)
        })
    }
}

/// The error of a filter that nests too deeply, however it was written.
pub(super) fn too_deep() -> Error {
    refuse(format!("the filter nests deeper than {MAX_FILTER_DEPTH} levels")).mend("flatten it")
}

/// The records that do not pass; among them those for which a predicate was false because a field is missing.
impl std::ops::Not for Filter {
    type Output = Filter;

    fn not(self) -> Filter {
        let Ok(tree) = self.0 else { return self };
        let in_parentheses = matches!(tree.node, Node::And(_) | Node::Or(_));
        let depth = tree.depth + 1 + usize::from(in_parentheses);
        Tree { node: Node::Not(Box::new(tree.node)), depth, nodes: tree.nodes + 1 }.bounded()
    }
}

/// Equal trees; two that could not be made are equal if they fail alike.
impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        match (&self.0, &other.0) {
            (Ok(a), Ok(b)) => a.node == b.node,
            (Err(a), Err(b)) => a.to_string() == b.to_string(),
            _ => false,
        }
    }
}

impl Test {
    /// Refuses what can be said of no such part of a record.
    pub(crate) fn new(subject: Subject, check: Check) -> Result<Test> {
        match &check {
            Check::Like(pattern) | Check::NotLike(pattern) => {
                if subject == Subject::Time {
                    return Err(refuse("@time is no text, so LIKE cannot look at it").mend("compare it with < and >="));
                }
                like::check(pattern)?;
            }
            Check::Contains(..) if !matches!(subject, Subject::Field(_)) => {
                return Err(refuse(format!("{subject} is no array, so it contains nothing")).mend("compare it with IN"));
            }
            Check::In(values) | Check::NotIn(values) | Check::Contains(_, values)
                if values.len() > MAX_FILTER_VALUES =>
            {
                return Err(refuse(format!(
                    "a list of {} values is over the limit of {MAX_FILTER_VALUES}",
                    values.len()
                ))
                .mend("ask several times"));
            }
            _ => {}
        }
        Ok(Test { subject, check })
    }
}

impl Subject {
    /// The way from the payload to a field; empty for what is none.
    pub(crate) fn path(&self) -> &[String] {
        match self {
            Subject::Field(path) => path,
            Subject::Key | Subject::Time => &[],
        }
    }

    /// `value` as something to compare this part of a record with.
    pub(crate) fn literal(&self, value: Value) -> Result<Literal> {
        let literal = match value {
            Value::Null => {
                return Err(refuse("nothing compares with null").mend(format!("write {self} IS NULL, or IS NOT NULL")));
            }
            Value::Array(_) | Value::Object(_) | Value::Blob(_) => {
                return Err(refuse("a field is compared with a text, a number, true, false or bytes")
                    .mend("name the inner field, such as size.width; use IN or CONTAINS with lists"));
            }
            Value::Float(number) if !number.is_finite() => {
                return Err(refuse(format!("{number} is not a finite number")).mend("leave the predicate out"));
            }
            Value::Bool(value) => Literal::Bool(value),
            Value::Int(number) => Literal::Number(Number::Int(number)),
            Value::UInt(number) => Literal::Number(Number::from(number)),
            Value::Float(number) => Literal::Number(Number::Float(number)),
            Value::Text(text) => Literal::Text(text),
            Value::Bytes(bytes) => Literal::Bytes(bytes),
        };
        match (self, literal) {
            (Subject::Field(_), literal) => Ok(literal),
            (Subject::Key, Literal::Bool(_)) => {
                Err(refuse("a key is a number, a text or bytes").mend("compare it with one of these"))
            }
            (Subject::Key, literal) => Ok(literal),
            (Subject::Time, Literal::Text(text)) => time::parse(&text).map(Literal::Time),
            (Subject::Time, Literal::Number(Number::Int(micros))) => Ok(Literal::Time(Timestamp(micros))),
            (Subject::Time, _) => Err(refuse("@time is compared with times")
                .mend("write one like '2026-01-31T12:00:00Z' or now() - '7d', or microseconds since 1970")),
        }
    }

    /// The time of use, moved by so many microseconds, as something to compare this part of a record with.
    pub(crate) fn now(&self, micros: i64) -> Result<Literal> {
        match self {
            Subject::Time => Ok(Literal::Now(micros)),
            _ => {
                Err(refuse("now() is compared with @time only").mend("give a field a number or a text to compare with"))
            }
        }
    }
}

impl Comparison {
    /// Each with its sign and its name in the builder and in JSON.
    pub(crate) const ALL: [(Comparison, &'static str, &'static str); 6] = [
        (Comparison::Equal, "=", "eq"),
        (Comparison::Unequal, "!=", "ne"),
        (Comparison::Less, "<", "lt"),
        (Comparison::LessOrEqual, "<=", "le"),
        (Comparison::Greater, ">", "gt"),
        (Comparison::GreaterOrEqual, ">=", "ge"),
    ];

    /// Its sign and its name.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        let found = Comparison::ALL.iter().find(|(comparison, ..)| *comparison == self);
        found.map_or(("", ""), |(_, sign, name)| (sign, name))
    }

    /// Whether it holds of two values in this order.
    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::Unequal => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}
