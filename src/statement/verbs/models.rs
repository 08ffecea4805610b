//! Verbs of models: versions, aliases, modes, caches, experiments, training anew, and who changed what.

use super::{BECAUSE, BY, Verb, clause};
use crate::statement::{configuration, models, pipelines, trials};

pub(super) const ALIAS: Verb = Verb {
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
};

pub(super) const AUDIT: Verb = Verb {
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
};

pub(super) const CACHE: Verb = Verb {
    name: "cache",
    head: "cache [show CACHE | get NAME | clear CACHE]",
    clauses: &[],
    summary: "Show what the caches hold and how often they helped, and empty them",
    details: "A CACHE is values, predictions, or the model whose embeddings are kept, as minilm@1. get prints what is kept as a \
        value under a NAME. Hits, misses and limits are those of this program since it opened the store.",
    examples: &["cache", "cache show minilm@1", "cache get 'exchange-rate'", "cache clear predictions"],
    read: models::cache,
};

pub(super) const CONFIG: Verb = Verb {
    name: "config",
    head: "config [ACTION]",
    clauses: &[
        clause("profile", "NAME", "of check and apply: the profile of the file, such as production"),
        clause("for", "MODEL", "of apply: the model that is watched so; of show: what that was set up with"),
        BY,
        BECAUSE,
    ],
    summary: "Show how models are watched: every key, its value, and where that was said",
    details: "Without an action or with show: the defaults, and what the environment changes. ACTION is keys, which tells every \
        key with what it takes and means, or check 'FILE', which tells what would hold with that file, of TOML or YAML, and \
        what does not apply of it. Neither changes anything; apply 'FILE' for MODEL sets up the pipeline of a model with it. \
        DRIFTLINE_PROFILE names a profile where the statement does not.",
    examples: &[
        "config",
        "config keys",
        "config show for ranker",
        "config check 'production_config.yaml' profile production",
        "config apply 'production_config.yaml' for ranker by kim",
    ],
    read: configuration::config,
};

pub(super) const EXPERIMENT: Verb = Verb {
    name: "experiment",
    head: "experiment [ACTION] [NAME]",
    clauses: &[
        clause("split", "SHARE", "of create and power: the share of users who get B; 0.3 unless told"),
        clause("for", "TIME", "of create: how long it runs; 14d unless told"),
        clause("samples", "N", "of create: users with an outcome each variant must have; 1000 unless told"),
        clause("level", "P", "of create and power: the significance level; 0.05 unless told"),
        clause(
            "metric",
            "NAME [mean] [lower]",
            "of create: what decides; the rate accuracy, higher is better, unless told",
        ),
        clause("guardrail", "NAME [mean] [lower]", "of create: what must not become worse; several may be said")
            .repeated(),
        clause("secondary", "NAME [mean] [lower]", "of create: what is looked at, too; several may be said").repeated(),
        clause(
            "ramp",
            "TIME SHARE",
            "of create: another share of B from so long after the start on; several may be said",
        )
        .repeated(),
        clause("effect", "N", "of create: the smallest difference of interest"),
        clause("segment", "'FILTER'", "of create: which users take part"),
        clause("chance", "P", "of power: how often the difference is found; 0.8 unless told"),
        clause("daily", "N", "of power: how many users come in a day"),
        clause("deviation", "N", "of power: the standard deviation of users, where the metric is no rate"),
        BY,
        BECAUSE,
    ],
    summary: "Compare two versions of a model on users who are divided by chance",
    details: "Without an action: how it stands; without a name: all. ACTION is create NAME on MODEL A B, start, pause, stop, \
        split NAME SHARE, assign NAME USER [JSON], outcome NAME USER METRIC VALUE, tick, or power RATE DIFFERENCE, which \
        tells how many users it takes to find that B is that much above or below the RATE of A. It may be looked at as \
        often as one likes.",
    examples: &[
        "experiment power 0.85 0.03 split 0.5 daily 500",
        "experiment create 'ranker-2' on ranker '1.0.0' '2.0.0' split 0.5 guardrail latency_ms mean lower",
        "experiment start 'ranker-2'",
        "experiment assign 'ranker-2' 'user-1' {\"country\": \"de\"}",
        "experiment outcome 'ranker-2' 'user-1' accuracy 1",
        "experiment 'ranker-2'",
    ],
    read: trials::experiment,
};

pub(super) const MODE: Verb = Verb {
    name: "mode",
    head: "mode [set MODE]",
    clauses: &[BY, BECAUSE],
    summary: "Show or set what may be changed: inference, training or maintenance",
    details: "In inference mode models, indexes and baselines stay as they are. The first version in production brings a store \
        into it.",
    examples: &["mode", "mode set training by kim"],
    read: models::mode,
};

pub(super) const MODEL: Verb = Verb {
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
};

pub(super) const PIPELINE: Verb = Verb {
    name: "pipeline",
    head: "pipeline [tick] [MODEL]",
    clauses: &[],
    summary: "Show how a model that is watched stands, and do what is due for it",
    details: "Without a model: all that have a pipeline. tick closes windows, judges them, and does what alerts ask for: rolling \
        back, asking for training, pausing experiments. A pipeline is set up by `config apply`, or by the application, which \
        also trains.",
    examples: &["pipeline", "pipeline ranker", "pipeline tick ranker"],
    read: pipelines::pipeline,
};

pub(super) const RETRAIN: Verb = Verb {
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
};
