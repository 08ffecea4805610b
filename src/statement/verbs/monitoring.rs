//! Verbs that watch models: what was logged, drift, performance, alerts, metrics.

use super::{Verb, WHERE, clause};
use crate::statement::{drift, logs, monitoring, watching};

pub(super) const ALERTS: Verb = Verb {
    name: "alerts",
    head: "alerts [WHAT]",
    clauses: &[
        clause("last", "TIME", "of history: how far back, such as '24h'; all unless told"),
        clause("limit", "N", "of history: how many; 50 unless told"),
        clause("for", "TIME", "of silence: how long"),
        clause("on", "SUBJECT", "of silence: which subjects, such as 'minilm@*'; all unless told; of unset: a model"),
        clause("by", "NAME", "of ack, resolve and silence: who"),
        clause("because", "TEXT", "of silence: why"),
    ],
    summary: "Show incidents and alerts, take incidents on, silence them, and change rules",
    details: "WHAT is list (the incidents), history, show N, ack N, resolve N, silence TYPE, silences, unsilence N, rules, \
        set RULE, unset NAME, or raise SEVERITY TEXT. N is the number of an incident, or of an alert for show. TYPE is the \
        name of a rule; in it and in a SUBJECT, * stands for any characters. A RULE is JSON, as `alerts rules --format \
        json` prints it; with a `model` it holds for that model alone, instead of the store's rule of its name. What is \
        silenced is recorded and told to nobody.",
    examples: &[
        "alerts",
        "alerts history last '24h'",
        "alerts ack 17 by ann",
        "alerts silence 'high_latency' on 'minilm@*' for '2h' by ann because 'moving to the new machine'",
        "alerts raise warning 'the disk of the feature store is slow'",
    ],
    read: monitoring::alerts,
};

pub(super) const BASELINE: Verb = Verb {
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
};

pub(super) const DASHBOARD: Verb = Verb {
    name: "dashboard",
    head: "dashboard [MODEL]",
    clauses: &[clause("last", "TIME", "the time that figures are about, such as '7d'; a day unless told")],
    summary: "Show the store and its models at one look",
    details: "Without a MODEL: a row for each version that has predictions, logged vectors or an artifact. With one: all that \
        is known of it, its course over 24 equal steps, drift, open alerts, the version in production, experiments and the \
        last training. MODEL is ranker for all its versions, or ranker@2.",
    examples: &["dashboard", "dashboard ranker last '7d'"],
    read: watching::dashboard,
};

pub(super) const DRIFT: Verb = Verb {
    name: "drift",
    head: "drift [show | history | incidents] SUBJECT",
    clauses: &[
        clause("last", "TIME", "the time that is judged; a day unless told"),
        clause("against", "TIME | baseline NAME [version N]", "the time before it, or a baseline; as long unless told"),
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
};

pub(super) const LOG: Verb = Verb {
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
};

pub(super) const LOGS: Verb = Verb {
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
};

pub(super) const METRICS: Verb = Verb {
    name: "metrics",
    head: "metrics",
    clauses: &[clause("to", "FILE", "write them to a file, which readers see whole")],
    summary: "Print what the store does, as Prometheus reads it",
    details: "Counters begin at 0 when the store is opened, so they tell most of a store that stays open.",
    examples: &["metrics", "metrics to '/var/lib/node_exporter/driftline.prom'"],
    read: watching::metrics,
};

pub(super) const MONITOR: Verb = Verb {
    name: "monitor",
    head: "monitor [MODEL | MODEL trend FIGURE | WHAT]",
    clauses: &[
        clause("last", "TIME", "over which time; a day unless told, of a trend a week"),
        clause("step", "TIME", "of a trend: in which steps; a day unless told"),
        clause("at", "TIME", "of record and label: when it was said, or found out; now unless told"),
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
        "monitor label spam@3 request-7 ham at '2026-01-31T12:00:00Z'",
    ],
    read: monitoring::monitor,
};
