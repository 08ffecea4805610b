//! Verbs that make, change and check collections and the store.

use super::{Verb, clause};
use crate::statement::collections;

pub(super) const COLLECTIONS: Verb = Verb {
    name: "collections",
    head: "collections",
    clauses: &[],
    summary: "List the collections of the store",
    details: "",
    examples: &["collections"],
    read: collections::collections,
};

pub(super) const COMPACT: Verb = Verb {
    name: "compact",
    head: "compact [COLLECTION]",
    clauses: &[],
    summary: "Merge the files of a collection, or of all, and free what was deleted",
    details: "Needs the size of the collection free on the disk while it works.",
    examples: &["compact docs"],
    read: collections::compact,
};

pub(super) const CREATE: Verb = Verb {
    name: "create",
    head: "create COLLECTION VECTORS",
    clauses: &[
        clause("ttl", "TIME", "how long a record lives, such as 90d"),
        clause("model", "NAME", "the model that the vectors come from, such as 'minilm-l6@1'"),
        clause("index", "SPEC", "how near vectors are found: flat, hnsw, lsh or auto; flat unless told"),
        clause("fields", "NAME TYPE, ...", "types of fields: bool, int, float or text; others are refused"),
        clause("field", "indexing none", "make no indexes of fields; auto unless told"),
        clause("ephemeral", "", "keep records out of the log: a crash takes what came after the last flush"),
    ],
    summary: "Create a collection, and the store if there is none",
    details: "VECTORS is f32[384] and a metric (l2, cosine, dot or l1), bits[64], or payload only.",
    examples: &[
        "create docs f32[384] cosine model 'minilm-l6@1' ttl 90d",
        "create docs (f32[384] cosine, lang text, year int, ttl 90d)",
        "create hashes bits[64]",
        "create notes payload only",
    ],
    read: collections::create,
};

pub(super) const DISK: Verb = Verb {
    name: "disk",
    head: "disk",
    clauses: &[],
    summary: "Print what takes how much room on the disk, and what keeps files that are not needed any more",
    details: "Live and dead rows lie in the same files; what each takes is estimated by how many there are.",
    examples: &["disk"],
    read: collections::disk,
};

pub(super) const DROP: Verb = Verb {
    name: "drop",
    head: "drop COLLECTION",
    clauses: &[],
    summary: "Drop a collection with all its records",
    details: "",
    examples: &["drop docs"],
    read: collections::drop,
};

pub(super) const FLUSH: Verb = Verb {
    name: "flush",
    head: "flush",
    clauses: &[],
    summary: "Bring all rows from memory into files",
    details: "",
    examples: &["flush"],
    read: collections::flush,
};

pub(super) const HEALTH: Verb = Verb {
    name: "health",
    head: "health",
    clauses: &[],
    summary: "Check whether the store can do its work",
    details: "A critical check that fails has exit code 5. `verify` reads what is stored; this does not.",
    examples: &["health"],
    read: collections::health,
};

pub(super) const REBUILD: Verb = Verb {
    name: "rebuild",
    head: "rebuild index COLLECTION",
    clauses: &[],
    summary: "Throw the index of every file away and build it anew, and wait until that is so",
    details: "Queries go through the old one meanwhile, unless it is damaged. Damaged indexes are built anew without this.",
    examples: &["rebuild index docs"],
    read: collections::rebuild,
};

pub(super) const REINDEX: Verb = Verb {
    name: "reindex",
    head: "reindex COLLECTION INDEX",
    clauses: &[],
    summary: "Change how near vectors are found, and wait until that is so",
    details: "INDEX is flat, hnsw, lsh or auto; hnsw(m=24, ef_construction=200) and lsh(recall=0.9) say more. Queries go \
        on meanwhile. When it is interrupted, the rest is built whenever the store is open.",
    examples: &["reindex docs hnsw", "reindex docs hnsw(m=24)", "reindex docs flat"],
    read: collections::reindex,
};

pub(super) const SCRUB: Verb = Verb {
    name: "scrub",
    head: "scrub",
    clauses: &[clause("rate", "N", "read at most so many MiB a second; 16 unless told")],
    summary: "Read every byte of the store's files at a low rate, and tell which are damaged",
    details: "For a store in use: `verify` finds more and takes all it can get. Damage has exit code 4.",
    examples: &["scrub", "scrub rate 100"],
    read: collections::scrub,
};

pub(super) const STATS: Verb = Verb {
    name: "stats",
    head: "stats [COLLECTION]",
    clauses: &[],
    summary: "Print sizes, counts and positions",
    details: "",
    examples: &["stats", "stats docs"],
    read: collections::stats,
};

pub(super) const VERIFY: Verb = Verb {
    name: "verify",
    head: "verify [quick | full]",
    clauses: &[],
    summary: "Check the store: its structure, or every byte and every record by its key",
    details: "full unless told. Damage has exit code 4.",
    examples: &["verify", "verify quick"],
    read: collections::verify,
};
