//! The table of verbs: what the parser takes, what help says, what a shell completes.

mod collections;
mod files;
mod models;
mod monitoring;
mod reads;
mod records;

use super::reader::{Clause, Reader};
use super::tree::Statement;
use crate::error::Result;

/// A verb: the first word of a statement.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verb {
    /// Its word.
    pub name: &'static str,
    /// How a statement of it is written, without its clauses.
    pub head: &'static str,
    /// What may follow, in any order.
    pub clauses: &'static [Clause],
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else is to be known; may be empty.
    pub details: &'static str,
    /// Statements to learn from.
    pub examples: &'static [&'static str],
    pub(super) read: fn(&mut Reader<'_>) -> Result<Statement>,
}

impl Verb {
    /// How a statement of it is written, in one line.
    pub fn usage(&self) -> String {
        let clauses = self.clauses.iter().map(|clause| match clause.argument {
            "" => format!(" [{}]", clause.keyword),
            argument => format!(" [{} {argument}]", clause.keyword),
        });
        std::iter::once(self.head.to_owned()).chain(clauses).collect()
    }

    /// The verb of this name, in either case.
    pub fn named(name: &str) -> Option<&'static Verb> {
        VERBS.iter().find(|verb| verb.name.eq_ignore_ascii_case(name))
    }
}

/// Verbs of other versions, so that using one is answered with more than "unknown".
pub(super) const PLANNED: &[&str] = &["index", "reembed", "tune"];

/// Words that begin a command of the program and no statement, and how it is written: they make a store and have none
/// open.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("migrate", "driftline migrate STORE DIRECTORY"),
    ("restore", "driftline restore BACKUP DIRECTORY"),
    ("salvage", "driftline salvage STORE DIRECTORY"),
];

const fn clause(keyword: &'static str, argument: &'static str, summary: &'static str) -> Clause {
    Clause { keyword, argument, summary, repeats: false }
}

const WHERE: Clause = clause("where", "FILTER", "only records that match: year >= 2020 and lang in ['en', 'de']");
const SELECT: Clause =
    clause("select", "FIELDS", "what is shown: fields such as lang, size.net; @key alone; * for all");
const LIMIT: Clause = clause("limit", "N", "at most so many");

const WANTED: Clause = clause("recall", "SHARE", "which share of the nearest to find on average; 0.95 unless told");
const EF: Clause = clause("ef", "N", "how many candidates an index looks at, instead of a recall");

const KEYS: &str = "A KEY is a number, a text, or bytes as 0x00ff. Quotes make anything a text: '7'.";
const VECTORS: &str = "A VECTOR is [0.1, -2, ...], that of a record as @7 or @'sku-1', a row of a file as \
    file('q.npy')[3] counted from 0, hexadecimal digits for bits as 0xff00, or a parameter as $q.";
const SEARCH: &str = "A record that is named as the vector is left out of the answer. Lower distances are closer, whatever \
    the metric. The name of a model, as minilm@1, stands for what was logged of it.";

const QUERY: &[Clause] = &[
    WHERE,
    clause("limit", "N", "how many; 10 unless told"),
    clause("within", "DISTANCE", "only what is no further away"),
    SELECT,
    clause("after", "CURSOR", "go on where an earlier answer ended"),
    clause("model", "NAME", "the model that made the vector; refused unless it is the collection's"),
    WANTED,
    EF,
    clause("exact", "", "compare with every vector, whatever index there is"),
];

const BY: Clause = clause("by", "NAME", "who does it");
const BECAUSE: Clause = clause("because", "TEXT", "why, for the history and the audit log");

/// Every verb, in the order of their names.
pub const VERBS: &[Verb] = &[
    monitoring::ALERTS,
    models::ALIAS,
    models::AUDIT,
    files::BACKUP,
    monitoring::BASELINE,
    models::CACHE,
    collections::COLLECTIONS,
    collections::COMPACT,
    models::CONFIG,
    reads::COUNT,
    collections::CREATE,
    monitoring::DASHBOARD,
    records::DELETE,
    collections::DISK,
    monitoring::DRIFT,
    collections::DROP,
    models::EXPERIMENT,
    reads::EXPLAIN,
    files::EXPORT,
    reads::FIND,
    collections::FLUSH,
    records::GET,
    collections::HEALTH,
    files::IMPORT,
    monitoring::LOG,
    monitoring::LOGS,
    monitoring::METRICS,
    models::MODE,
    models::MODEL,
    monitoring::MONITOR,
    records::PATCH,
    models::PIPELINE,
    records::PUT,
    collections::REBUILD,
    reads::RECALL,
    collections::REINDEX,
    models::RETRAIN,
    reads::SCAN,
    collections::SCRUB,
    collections::STATS,
    collections::VERIFY,
];

/// What help says of keys and vectors.
pub const NOTATION: [&str; 2] = [KEYS, VECTORS];
