//! Verbs of single records.

use super::{KEYS, Verb, clause};
use crate::statement::records;

pub(super) const DELETE: Verb = Verb {
    name: "delete",
    head: "delete COLLECTION [KEY, ... | where FILTER]",
    clauses: &[],
    summary: "Delete records: those of these keys, those that match, or all",
    details: KEYS,
    examples: &["delete docs 7, 'sku-1'", "delete docs where @time < now() - '90d'"],
    read: records::delete,
};

pub(super) const GET: Verb = Verb {
    name: "get",
    head: "get COLLECTION KEY",
    clauses: &[],
    summary: "Print a record",
    details: KEYS,
    examples: &["get docs 7", "get docs 'sku-1'"],
    read: records::get,
};

pub(super) const PATCH: Verb = Verb {
    name: "patch",
    head: "patch COLLECTION [KEY]",
    clauses: &[
        clause("set", "FIELD = VALUE, ...", "change these fields of the payload; null removes one"),
        clause("vector", "VECTOR", "replace the vector"),
        clause("where", "FILTER", "all records that match, instead of one"),
    ],
    summary: "Change parts of records",
    details: "Instead of set, changes may be given as JSON, as RFC 7396 merges it: {\"lang\": \"en\", \"draft\": null}.",
    examples: &["patch docs 7 set lang = 'en', size.net = 3", "patch docs set draft = null where year < 2000"],
    read: records::patch,
};

pub(super) const PUT: Verb = Verb {
    name: "put",
    head: "put COLLECTION KEY [VECTOR] [PAYLOAD]",
    clauses: &[
        clause("payload", "JSON", "the payload, where it is not an object"),
        clause("ttl", "TIME", "how long from now the record lives, such as 1h"),
        clause("if", "absent", "fail if there is a record of that key"),
    ],
    summary: "Put a record: insert it, or replace the one of that key",
    details: "`put COLLECTION -` puts records from the standard input, all or none, written one a line as scan prints \
        them under --format jsonl.",
    examples: &["put docs 7 [0.1, 0.9, 0] {\"lang\": \"en\"}", "put notes 'a note' {\"text\": \"hello\"} ttl 1h"],
    read: records::put,
};
