//! The table of verbs: what the parser takes, what help says, what a shell completes.

use super::reader::{Clause, Reader};
use super::tree::Statement;
use super::{collections, drift, files, logs, models, monitoring, reads, records, trials, watching};
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
pub(super) const PLANNED: &[&str] = &["cache", "index", "reembed", "tune"];

/// Words that begin a command of the program and no statement, and how it is written: they make a store and have none
/// open.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("migrate", "driftline migrate STORE DIRECTORY"),
    ("restore", "driftline restore BACKUP DIRECTORY"),
    ("salvage", "driftline salvage STORE DIRECTORY"),
];

const fn clause(keyword: &'static str, argument: &'static str, summary: &'static str) -> Clause {
    Clause { keyword, argument, summary }
}

const WHERE: Clause = clause("where", "FILTER", "only records that match: year >= 2020 and lang in ['en', 'de']");
const SELECT: Clause =
    clause("select", "FIELDS", "what is shown: fields such as lang, size.net; @key alone; * for all");
const LIMIT: Clause = clause("limit", "N", "at most so many");

const RECALL: Clause = clause("recall", "SHARE", "which share of the nearest to find on average; 0.95 unless told");
const EF: Clause = clause("ef", "N", "how many candidates an index looks at, instead of a recall");

const KEYS: &str = "A KEY is a number, a text, or bytes as 0x00ff. Quotes make anything a text: '7'.";
const VECTORS: &str = "A VECTOR is [0.1, -2, ...], that of a record as @7 or @'sku-1', a row of a file as \
    file('q.npy')[3] counted from 0, hexadecimal digits for bits as 0xff00, or a parameter as $q.";
const FIND: &str = "A record that is named as the vector is left out of the answer. Lower distances are closer, whatever \
    the metric. The name of a model, as minilm@1, stands for what was logged of it.";

const QUERY: &[Clause] = &[
    WHERE,
    clause("limit", "N", "how many; 10 unless told"),
    clause("within", "DISTANCE", "only what is no further away"),
    SELECT,
    clause("after", "CURSOR", "go on where an earlier answer ended"),
    clause("model", "NAME", "the model that made the vector; refused unless it is the collection's"),
    RECALL,
    EF,
    clause("exact", "", "compare with every vector, whatever index there is"),
];

const BY: Clause = clause("by", "NAME", "who does it");
const BECAUSE: Clause = clause("because", "TEXT", "why, for the history and the audit log");

/// Every verb, in the order of their names.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "alerts",
        head: "alerts [WHAT]",
        clauses: &[
            clause("last", "TIME", "of history: how far back, such as '24h'; all unless told"),
            clause("limit", "N", "of history: how many; 50 unless told"),
            clause("for", "TIME", "of silence: how long"),
            clause("on", "SUBJECT", "of silence: which subjects, such as 'minilm@*'; all unless told"),
            clause("by", "NAME", "of ack, resolve and silence: who"),
            clause("because", "TEXT", "of silence: why"),
        ],
        summary: "Show incidents and alerts, take incidents on, silence them, and change rules",
        details: "WHAT is list (the incidents), history, show N, ack N, resolve N, silence TYPE, silences, unsilence N, rules, \
            set RULE, unset NAME, or raise SEVERITY TEXT. N is the number of an incident, or of an alert for show. TYPE is the \
            name of a rule; in it and in a SUBJECT, * stands for any characters. A RULE is JSON, as `alerts rules --format \
            json` prints it. What is silenced is recorded and told to nobody.",
        examples: &[
            "alerts",
            "alerts history last '24h'",
            "alerts ack 17 by ann",
            "alerts silence 'high_latency' on 'minilm@*' for '2h' by ann because 'moving to the new machine'",
            "alerts raise warning 'the disk of the feature store is slow'",
        ],
        read: monitoring::alerts,
    },
    Verb {
        name: "alias",
        head: "alias [ACTION] MODEL [ALIAS] [VERSION]",
        clauses: &[BY, BECAUSE, clause("tagged", "TAG", "of rollback: back to the last version that has it")],
        summary: "Point names such as production to versions of a model, and back",
        details: "Without an action: the aliases of a model. ACTION is set, rollback, remove, history, or at TIME. Rolling back \
            again goes further back, never forth, and works in every mode; every move is in the audit log.",
        examples: &[
            "alias ranker",
            "alias set ranker production '1.2.0' by kim because 'better on every slice'",
            "alias rollback ranker production",
            "alias history ranker production",
            "alias at '2026-01-31T12:00:00Z' ranker production",
        ],
        read: models::alias,
    },
    Verb {
        name: "audit",
        head: "audit",
        clauses: &[
            clause("limit", "N", "so many of the newest entries; 20 unless told"),
            clause("action", "ACTION", "only of this action, such as alias.set"),
            BY,
        ],
        summary: "Show who changed what, and check that nobody changed the log of it",
        details: "audit verify follows the chain of hashes and tells where it breaks first; audit of 'ID' shows what belongs to \
            one incident.",
        examples: &["audit limit 5", "audit verify", "audit of 'incident-7'"],
        read: models::audit,
    },
    Verb {
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
    },
    Verb {
        name: "baseline",
        head: "baseline create NAME from SUBJECT | list | show NAME [version N]",
        clauses: &[
            clause("last", "TIME", "of create: how long back its rows go; 30d unless told"),
            clause(
                "fields",
                "FIELDS",
                "of create: what it holds; the vectors and every field that can be judged unless told",
            ),
        ],
        summary: "Keep what is normal under a name, to hold later records against with `drift`",
        details: "SUBJECT is a COLLECTION, or model and a NAME@VERSION whose vectors are logged. A name that is used again \
            gets the next version; earlier ones stay. At most 1,000 rows are kept.",
        examples: &[
            "baseline create 'spring' from docs last '30d' fields lang, vector",
            "baseline create embeddings from model 'minilm@1' last '7d'",
            "baseline list",
            "baseline show 'spring' version 1",
        ],
        read: drift::baseline,
    },
    Verb {
        name: "collections",
        head: "collections",
        clauses: &[],
        summary: "List the collections of the store",
        details: "",
        examples: &["collections"],
        read: collections::collections,
    },
    Verb {
        name: "compact",
        head: "compact [COLLECTION]",
        clauses: &[],
        summary: "Merge the files of a collection, or of all, and free what was deleted",
        details: "Needs the size of the collection free on the disk while it works.",
        examples: &["compact docs"],
        read: collections::compact,
    },
    Verb {
        name: "count",
        head: "count COLLECTION",
        clauses: &[WHERE],
        summary: "Count records",
        details: "",
        examples: &["count docs", "count docs where year >= 2020"],
        read: reads::count,
    },
    Verb {
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
    },
    Verb {
        name: "delete",
        head: "delete COLLECTION [KEY, ... | where FILTER]",
        clauses: &[],
        summary: "Delete records: those of these keys, those that match, or all",
        details: KEYS,
        examples: &["delete docs 7, 'sku-1'", "delete docs where @time < now() - '90d'"],
        read: records::delete,
    },
    Verb {
        name: "disk",
        head: "disk",
        clauses: &[],
        summary: "Print what takes how much room on the disk, and what keeps files that are not needed any more",
        details: "Live and dead rows lie in the same files; what each takes is estimated by how many there are.",
        examples: &["disk"],
        read: collections::disk,
    },
    Verb {
        name: "drift",
        head: "drift [show | history | incidents] SUBJECT",
        clauses: &[
            clause("last", "TIME", "the time that is judged; a day unless told"),
            clause(
                "against",
                "TIME | baseline NAME [version N]",
                "the time before it, or a baseline; as long unless told",
            ),
            clause("by", "FIELD", "judge the records of each value of this field by themselves, too"),
            clause("fields", "FIELDS", "what is judged, vector among them; all that can be unless told"),
            WHERE,
            clause("method", "NAME", "auto, ks, psi, sigma, cosine, wasserstein, js or chi_square; auto unless told"),
            clause("threshold", "NUMBER", "a p-value, a distance or standard deviations, as the method has it"),
            clause("rows", "N", "rows drawn a side; 1000 unless told"),
            clause("record", "", "keep the report for `drift history`"),
            clause("report", "FILE", "write a page of HTML with plots over what was recorded, too"),
        ],
        summary: "Tell whether what a collection or a model holds has changed",
        details: "SUBJECT is a COLLECTION, by when records were created, or model and a NAME@VERSION whose vectors are \
            logged. Drift is what chance does not explain; an alarm is drift that is large enough to matter, and has exit code \
            5. `drift show` sums up what was recorded, `history` lists it, and `incidents` lists what monitors opened.",
        examples: &[
            "drift docs last '7d' against '30d' by lang",
            "drift docs against baseline 'spring' fields lang, vector method auto",
            "drift model 'minilm@1' last '1d' against '7d' record",
            "drift incidents docs last '90d'",
        ],
        read: drift::drift,
    },
    Verb {
        name: "drop",
        head: "drop COLLECTION",
        clauses: &[],
        summary: "Drop a collection with all its records",
        details: "",
        examples: &["drop docs"],
        read: collections::drop,
    },
    Verb {
        name: "experiment",
        head: "experiment [ACTION] [NAME]",
        clauses: &[
            clause("split", "SHARE", "of create: the share of users who get B; 0.3 unless told"),
            clause("for", "TIME", "of create: how long it runs; 14d unless told"),
            clause("samples", "N", "of create: users with an outcome each variant must have; 1000 unless told"),
            clause("level", "P", "of create: the significance level; 0.05 unless told"),
            clause(
                "metric",
                "NAME [mean] [lower]",
                "of create: what decides; the rate accuracy, higher is better, unless told",
            ),
            clause(
                "guardrail",
                "NAME [mean] [lower]",
                "of create: what must not become worse; may be given several times",
            ),
            clause("segment", "'FILTER'", "of create: which users take part"),
            BY,
            BECAUSE,
        ],
        summary: "Compare two versions of a model on users who are divided by chance",
        details: "Without an action: how it stands; without a name: all. ACTION is create NAME on MODEL A B, start, pause, stop, \
            split NAME SHARE, assign NAME USER [JSON], outcome NAME USER METRIC VALUE, or tick. It may be looked at as often \
            as one likes.",
        examples: &[
            "experiment create 'ranker-2' on ranker '1.0.0' '2.0.0' split 0.5 guardrail latency_ms mean lower",
            "experiment start 'ranker-2'",
            "experiment assign 'ranker-2' 'user-1' {\"country\": \"de\"}",
            "experiment outcome 'ranker-2' 'user-1' accuracy 1",
            "experiment 'ranker-2'",
        ],
        read: trials::experiment,
    },
    Verb {
        name: "explain",
        head: "explain find COLLECTION near VECTOR",
        clauses: QUERY,
        summary: "Run a search and tell how it was answered and what that cost",
        details: "Beside it stands what the exact answer would have cost, and what would serve better.",
        examples: &["explain find docs near @7 where year >= 2020 limit 10"],
        read: reads::explain,
    },
    Verb {
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
    },
    Verb {
        name: "find",
        head: "find COLLECTION near VECTOR",
        clauses: QUERY,
        summary: "Find the records nearest to a vector",
        details: FIND,
        examples: &[
            "find docs near @7 where year >= 2020 and lang in ['en'] limit 10 select lang, year",
            "find docs near file('q.npy')[3] within 0.3",
            "find minilm@1 near [0.1, 0.9, 0] where @time >= now() - '7d'",
        ],
        read: reads::find,
    },
    Verb {
        name: "flush",
        head: "flush",
        clauses: &[],
        summary: "Bring all rows from memory into files",
        details: "",
        examples: &["flush"],
        read: collections::flush,
    },
    Verb {
        name: "get",
        head: "get COLLECTION KEY",
        clauses: &[],
        summary: "Print a record",
        details: KEYS,
        examples: &["get docs 7", "get docs 'sku-1'"],
        read: records::get,
    },
    Verb {
        name: "health",
        head: "health",
        clauses: &[],
        summary: "Check whether the store can do its work",
        details: "A critical check that fails has exit code 5. `verify` reads what is stored; this does not.",
        examples: &["health"],
        read: collections::health,
    },
    Verb {
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
    },
    Verb {
        name: "log",
        head: "log MODEL VECTOR [PAYLOAD]",
        clauses: &[
            clause("at", "TIME", "when the vector was made; now unless told"),
            clause("input", "TEXT", "what was embedded; its SHA-256 is kept"),
        ],
        summary: "Log a vector that a model made",
        details: "A MODEL is a name and a version, as minilm@1. Each has a space of its own, made by its first vector. `find` \
            searches it by the name of the model, and `logs` tells what is in it.",
        examples: &[
            "log minilm@1 [0.1, 0.9, 0] {\"lang\": \"en\"}",
            "log minilm@1 [0.1, 0.9, 0] at 2026-01-31 input 'a text'",
        ],
        read: logs::log,
    },
    Verb {
        name: "logs",
        head: "logs [MODEL]",
        clauses: &[
            clause("from", "TIME", "only windows that reach beyond this time"),
            clause("to", "TIME", "only windows that begin before this time"),
        ],
        summary: "List the models of the embedding log, or the windows of one",
        details: "Times are written as '2026-01-31T12:00:00Z' or 2026-01-31.",
        examples: &["logs", "logs minilm@1 from 2026-01-01 to 2026-02-01"],
        read: logs::logs,
    },
    Verb {
        name: "metrics",
        head: "metrics",
        clauses: &[clause("to", "FILE", "write them to a file, which readers see whole")],
        summary: "Print what the store does, as Prometheus reads it",
        details: "Counters begin at 0 when the store is opened, so they tell most of a store that stays open.",
        examples: &["metrics", "metrics to '/var/lib/node_exporter/driftline.prom'"],
        read: watching::metrics,
    },
    Verb {
        name: "mode",
        head: "mode [set MODE]",
        clauses: &[BY, BECAUSE],
        summary: "Show or set what may be changed: inference, training or maintenance",
        details: "In inference mode models, indexes and baselines stay as they are. The first version in production brings a store \
            into it.",
        examples: &["mode", "mode set training by kim"],
        read: models::mode,
    },
    Verb {
        name: "model",
        head: "model [ACTION] [MODEL] [VERSION]",
        clauses: &[
            clause("metrics", "JSON", "of register: figures by name, such as {\"accuracy\": 0.92}"),
            clause("config", "JSON", "of register: how the model is made"),
            clause("training", "JSON", "of register: how it was trained"),
            clause("format", "NAME", "of register: what the artifact is, such as onnx"),
            clause("description", "TEXT", "of register: what it is"),
            clause("tags", "TAG, ...", "of register: words to find it by"),
            BY,
            BECAUSE,
        ],
        summary: "Register versions of models with their artifacts, and look at them",
        details: "Without an action: the versions of a model; without a model: all models. ACTION is register MODEL [VERSION] from \
            FILE, show, load MODEL VERSION to FILE, compare MODEL A B, tag MODEL VERSION TAG, ..., approve MODEL VERSION for \
            ALIAS, gate MODEL ALIAS JSON, export MODEL to FILE, or import MODEL from FILE. A version never changes; its \
            artifact is stored once, never executed, and checked against its SHA-256 when it is loaded.",
        examples: &[
            "model",
            "model register ranker '1.2.0' from 'ranker.onnx' metrics {\"accuracy\": 0.92} tags stable by kim",
            "model compare ranker '1.1.0' '1.2.0'",
            "model load ranker '1.2.0' to 'out.onnx'",
            "model gate ranker production {\"requirements\": [{\"metric\": \"accuracy\", \"bound\": {\"at_least\": 0.9}}], \"approvals\": 1}",
        ],
        read: models::model,
    },
    Verb {
        name: "monitor",
        head: "monitor [MODEL | MODEL trend FIGURE | WHAT]",
        clauses: &[
            clause("last", "TIME", "over which time; a day unless told, of a trend a week"),
            clause("step", "TIME", "of a trend: in which steps; a day unless told"),
            clause("because", "TEXT", "of baseline: why"),
        ],
        summary: "Show how models do, and record what they say and what was true",
        details: "WHAT is record MODEL JSON, label MODEL ID TRUTH, tick [MODEL], or baseline MODEL. A MODEL is written \
            name@version. JSON has an output (a label, a number, or an object of scores) or an error, \
            and may have truth, confidence, latency_ms, id, features, error_kind. A FIGURE is accuracy, error_rate, \
            latency_p95, predictions, throughput, confidence, precision, recall, f1, calibration_error, mse, rmse, mae, r2 or \
            data_quality. tick closes windows that are over, and has the rules of `alerts` judge them.",
        examples: &[
            "monitor spam@3 last '24h'",
            "monitor spam@3 trend accuracy last '7d' step '1d'",
            "monitor record spam@3 {\"output\": \"spam\", \"confidence\": 0.93, \"latency_ms\": 12, \"id\": \"request-7\"}",
            "monitor label spam@3 request-7 ham",
        ],
        read: monitoring::monitor,
    },
    Verb {
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
    },
    Verb {
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
    },
    Verb {
        name: "rebuild",
        head: "rebuild index COLLECTION",
        clauses: &[],
        summary: "Throw the index of every file away and build it anew, and wait until that is so",
        details: "Queries go through the old one meanwhile, unless it is damaged. Damaged indexes are built anew without this.",
        examples: &["rebuild index docs"],
        read: collections::rebuild,
    },
    Verb {
        name: "recall",
        head: "recall COLLECTION",
        clauses: &[
            clause("sample", "N", "how many queries; 500 unless told"),
            clause("k", "N", "how many neighbours each asks for; 10 unless told"),
            RECALL,
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
    },
    Verb {
        name: "reindex",
        head: "reindex COLLECTION INDEX",
        clauses: &[],
        summary: "Change how near vectors are found, and wait until that is so",
        details: "INDEX is flat, hnsw, lsh or auto; hnsw(m=24, ef_construction=200) and lsh(recall=0.9) say more. Queries go \
            on meanwhile. When it is interrupted, the rest is built whenever the store is open.",
        examples: &["reindex docs hnsw", "reindex docs hnsw(m=24)", "reindex docs flat"],
        read: collections::reindex,
    },
    Verb {
        name: "retrain",
        head: "retrain [ACTION] [MODEL]",
        clauses: &[clause("days", "N", "so many days of runs; 7 unless told"), BY, BECAUSE],
        summary: "Say when a model is to be trained anew, ask for it, and see what came of it",
        details: "Without an action: the runs of a model; without a model: all triggers. ACTION is configure MODEL JSON, force \
            MODEL, approve MODEL RUN, reject MODEL RUN, or tick. Training itself is done by the application, which registers \
            a handler.",
        examples: &[
            "retrain configure ranker {\"samples_in\": \"labelled\", \"min_new_samples\": 500}",
            "retrain ranker days 30",
            "retrain force ranker by kim because 'new labels'",
        ],
        read: trials::retrain,
    },
    Verb {
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
    },
    Verb {
        name: "scrub",
        head: "scrub",
        clauses: &[clause("rate", "N", "read at most so many MiB a second; 16 unless told")],
        summary: "Read every byte of the store's files at a low rate, and tell which are damaged",
        details: "For a store in use: `verify` finds more and takes all it can get. Damage has exit code 4.",
        examples: &["scrub", "scrub rate 100"],
        read: collections::scrub,
    },
    Verb {
        name: "stats",
        head: "stats [COLLECTION]",
        clauses: &[],
        summary: "Print sizes, counts and positions",
        details: "",
        examples: &["stats", "stats docs"],
        read: collections::stats,
    },
    Verb {
        name: "verify",
        head: "verify [quick | full]",
        clauses: &[],
        summary: "Check the store: its structure, or every byte and every record by its key",
        details: "full unless told. Damage has exit code 4.",
        examples: &["verify", "verify quick"],
        read: collections::verify,
    },
];

/// What help says of keys and vectors.
pub const NOTATION: [&str; 2] = [KEYS, VECTORS];
