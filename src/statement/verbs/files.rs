//! Verbs that read and write files.

use super::{LIMIT, Verb, WHERE, clause};
use crate::statement::files;

pub(super) const BACKUP: Verb = Verb {
    name: "backup",
    head: "backup to PATH",
    clauses: &[
        clause("copy", "", "copy every file, where hard links would share them with the store"),
        clause("verify", "", "read every byte of the backup again and check it"),
    ],
    summary: "Make a backup of the whole store as it is now, while it is used",
    details: "A PATH that ends in .tar is one file, an archive; any other is a directory, which must be empty or not \
        there. Hard links take no room, and are lost with the disk: a backup for a bad day is a copy that was verified, \
        on another disk. `driftline restore BACKUP DIRECTORY` brings it back.",
    examples: &["backup to 'monday.tar' verify", "backup to '/mnt/other/shop' copy verify"],
    read: files::backup,
};

pub(super) const EXPORT: Verb = Verb {
    name: "export",
    head: "export COLLECTION to FILE",
    clauses: &[
        WHERE,
        clause("format", "NAME", "jsonl, csv, npy, fvecs, bvecs or fbin, where the file's name does not tell"),
        clause("replace", "", "write over a file of that name"),
    ],
    summary: "Write a collection to a file",
    details: "jsonl and csv keep everything. Beside the other formats a .jsonl file is written with keys and payloads.",
    examples: &["export docs to 'docs.jsonl'", "export docs to 'english.csv' where lang = 'en'"],
    read: files::export,
};

pub(super) const IMPORT: Verb = Verb {
    name: "import",
    head: "import FILE into COLLECTION",
    clauses: &[
        clause("create", "[METRIC]", "make the collection, and the store; the file tells the dimension"),
        clause("format", "NAME", "npy, fvecs, bvecs, ivecs, fbin, idx, jsonl or csv, where the name does not tell"),
        clause("keys", "from N | FIELD | file FILE", "where the keys are; else the file's own, or its rows from 0"),
        clause("vector", "FIELD", "the field of the vector, or columns as v0..v767"),
        clause("labels", "FILE [as FIELD]", "a label for each row, in the field label unless told"),
        clause("payload", "FILE", "a payload for each row, from jsonl, csv or npy"),
        clause("skip", "N", "leave out so many rows at the beginning"),
        LIMIT,
    ],
    summary: "Import records from a file, which may be compressed by gzip",
    details: "All records appear at once, when the import ends; one that fails leaves nothing. One that was cut off \
        goes on where it was when the same statement is run again. The FILE '-' is the standard input.",
    examples: &[
        "import 'sift.fvecs' into sift create l2",
        "import 'train-images-idx3-ubyte.gz' into mnist create l2 labels 'train-labels-idx1-ubyte.gz'",
        "import 'docs.csv' into docs keys id vector v0..v767",
    ],
    read: files::import,
};
