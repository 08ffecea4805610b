//! Verbs that search and read.

use super::{EF, LIMIT, QUERY, SEARCH, SELECT, Verb, WANTED, WHERE, clause};
use crate::statement::reads;

pub(super) const COUNT: Verb = Verb {
    name: "count",
    head: "count COLLECTION",
    clauses: &[WHERE],
    summary: "Count records",
    details: "",
    examples: &["count docs", "count docs where year >= 2020"],
    read: reads::count,
};

pub(super) const EXPLAIN: Verb = Verb {
    name: "explain",
    head: "explain find COLLECTION near VECTOR",
    clauses: QUERY,
    summary: "Run a search and tell how it was answered and what that cost",
    details: "Beside it stands what the exact answer would have cost, and what would serve better.",
    examples: &["explain find docs near @7 where year >= 2020 limit 10"],
    read: reads::explain,
};

pub(super) const FIND: Verb = Verb {
    name: "find",
    head: "find COLLECTION near VECTOR",
    clauses: QUERY,
    summary: "Find the records nearest to a vector",
    details: SEARCH,
    examples: &[
        "find docs near @7 where year >= 2020 and lang in ['en'] limit 10 select lang, year",
        "find docs near file('q.npy')[3] within 0.3",
        "find minilm@1 near [0.1, 0.9, 0] where @time >= now() - '7d'",
    ],
    read: reads::find,
};

pub(super) const RECALL: Verb = Verb {
    name: "recall",
    head: "recall COLLECTION",
    clauses: &[
        clause("sample", "N", "how many queries; 500 unless told"),
        clause("k", "N", "how many neighbours each asks for; 10 unless told"),
        WANTED,
        EF,
        WHERE,
        clause("queries", "FILE", "a file of vectors to ask with, in any format of import"),
        clause("seed", "N", "which records are drawn; 0 unless told"),
    ],
    summary: "Compare the index with the exact answers",
    details: "Asks for the neighbours of records drawn by chance, each left out of its own answer, as a search does and \
        once more exactly. Without a filter it does so again among a half, a tenth, a hundredth and a thousandth of the \
        records, picked by chance. A file is asked whole, or its first rows up to the sample.",
    examples: &[
        "recall docs sample 500 k 10",
        "recall docs recall 0.99 where year >= 2020",
        "recall docs queries 'q.npy' k 100 ef 400",
    ],
    read: reads::recall,
};

pub(super) const SCAN: Verb = Verb {
    name: "scan",
    head: "scan COLLECTION",
    clauses: &[
        WHERE,
        clause("prefix", "KEY", "only keys that begin so"),
        clause("from", "KEY", "from this key on"),
        clause("to", "KEY", "up to this key, without it"),
        clause("after", "KEY", "go on where an earlier scan ended"),
        clause("reverse", "", "from the highest key to the lowest"),
        LIMIT,
        SELECT,
    ],
    summary: "Print records in key order",
    details: "Tables show a page unless a limit is given; the other formats print all.",
    examples: &["scan docs where lang = 'de' limit 100", "scan docs prefix 'sku-' reverse"],
    read: reads::scan,
};
