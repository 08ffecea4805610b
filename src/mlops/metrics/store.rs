//! What the engine tells of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::text::Exposition;
use super::{MOST_NAMES, OTHERS};
use crate::collection::meters::Durations;
use crate::database::handle::Database;
use crate::database::health::{CheckResult, HealthStatus, Severity};
use crate::database::stats::CollectionStats;
use crate::error::Result;

/// How long checks may take together.
const CHECKS: Duration = Duration::from_secs(1);

/// Counters, durations and health: what needs no file and is there for a closed store, too.
pub(super) fn engine(db: &Database, text: &mut Exposition) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    text.gauge("driftline_build_info", "The version of the library; always 1.").sample(&[("version", version)], 1.0);
    let measured = db.measured();
    text.counter("driftline_calls_total", "Reads, searches and writes that were begun.")
        .sample(&[], measured.calls as f64);
    text.counter("driftline_call_errors_total", "Calls that failed, for whatever reason.")
        .sample(&[], measured.failed_calls as f64);
    text.counter("driftline_batches_total", "Batches that were committed.").sample(&[], measured.batches as f64);
    let mut rows = text.counter("driftline_rows_written_total", "Records that were put or deleted.");
    rows.sample(&[("kind", "put")], measured.puts as f64);
    rows.sample(&[("kind", "delete")], measured.deletes as f64);
    text.histogram("driftline_commit_duration_seconds", "From the call that commits a batch to its answer.")
        .durations(&[], &measured.commit);
    text.histogram("driftline_wal_fsync_duration_seconds", "Syncs of the log that made batches durable.")
        .durations(&[], &measured.log_sync);
    searches(&measured.searches, text);
    health(db, text);
    Ok(())
}

fn searches<N: AsRef<str>>(searches: &[(N, &'static str, Durations)], text: &mut Exposition) {
    let names = Names::of(searches.iter().map(|(name, ..)| name.as_ref()));
    let mut sums: BTreeMap<(&str, &str), Durations> = BTreeMap::new();
    for (name, way, durations) in searches {
        sums.entry((names.label(name.as_ref()), way)).or_insert_with(Durations::none).add(durations);
    }
    let help =
        "Searches, by collection and by the index it is to have; of queries asked together each takes its share.";
    let mut family = text.histogram("driftline_search_duration_seconds", help);
    for ((collection, index), durations) in &sums {
        family.durations(&[("collection", collection), ("index", index)], durations);
    }
}

fn health(db: &Database, text: &mut Exposition) {
    let report = db.health_within(CHECKS);
    text.gauge("driftline_uptime_seconds", "How long the store has been open, by its clock.")
        .sample(&[], report.uptime_ms as f64 / 1e3);
    let mut health = text.gauge("driftline_health", "1 for how the store is, 0 for how it is not.");
    for status in [HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Unhealthy] {
        health.sample(&[("status", &status.to_string())], f64::from(u8::from(report.status == status)));
    }
    let mut passed = text.gauge("driftline_check_passed", "Whether a check of the store's health passed.");
    for check in report.checks.iter().take(MOST_NAMES) {
        let CheckResult { name, severity, .. } = check;
        let severity = match severity {
            Severity::Critical => "critical",
            Severity::Minor => "minor",
        };
        passed.sample(&[("check", name), ("severity", severity)], f64::from(u8::from(check.passed())));
    }
}

/// Counts and positions.
pub(super) fn sizes(db: &Database, text: &mut Exposition) -> Result<()> {
    let stats = db.stats()?;
    text.gauge("driftline_last_lsn", "The position of the newest batch that readers see.")
        .sample(&[], stats.lsn.0 as f64);
    text.gauge("driftline_durable_lsn", "The position of the newest batch that a power cut cannot take away.")
        .sample(&[], stats.durable_lsn.0 as f64);
    text.gauge("driftline_wal_files", "Files of the log.").sample(&[], stats.log_files as f64);
    text.gauge("driftline_wal_bytes", "What the file of the log being written holds.")
        .sample(&[], stats.log_bytes as f64);
    text.gauge("driftline_unsealed_bytes", "Rows in memory that are in no file yet.")
        .sample(&[], stats.unsealed_bytes as f64);
    if let Some(free) = stats.free_bytes {
        text.gauge("driftline_disk_free_bytes", "Free space on the disk of the store.").sample(&[], free as f64);
    }
    collections(&stats.collections, text);
    Ok(())
}

/// A figure of a collection, and the metric that tells it.
type Figure = (&'static str, &'static str, fn(&CollectionStats) -> u64);

const FIGURES: [Figure; 5] = [
    ("driftline_collection_records", "Live records.", |it| it.records),
    ("driftline_collection_segments", "Sealed segments.", |it| it.segments),
    ("driftline_collection_deleted_rows", "Rows in files that were deleted or replaced.", |it| it.deleted_rows),
    ("driftline_collection_unindexed_rows", "Rows in files that wait for their index.", |it| it.unindexed_rows),
    ("driftline_collection_bytes", "Files of its segments, deletions, indexes and imports.", |it| it.file_bytes),
];

fn collections(collections: &[CollectionStats], text: &mut Exposition) {
    let names = Names::of(collections.iter().map(|it| it.name.as_str()));
    for (metric, help, figure) in FIGURES {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for collection in collections {
            *sums.entry(names.label(&collection.name)).or_default() += figure(collection);
        }
        let mut family = text.gauge(metric, help);
        sums.iter().for_each(|(collection, sum)| family.sample(&[("collection", collection)], *sum as f64));
    }
}

/// What takes how much room.
pub(super) fn disk(db: &Database, text: &mut Exposition) -> Result<()> {
    let usage = db.disk_usage()?;
    let mut family = text.gauge("driftline_store_bytes", "Files of the store, by what they are for.");
    for (kind, bytes) in [
        ("live", usage.live_bytes),
        ("dead", usage.dead_bytes),
        ("index", usage.index_bytes),
        ("import", usage.import_bytes),
        ("blob", usage.blob_bytes),
        ("wal", usage.log_bytes),
        ("root", usage.root_bytes),
        ("reserve", usage.reserve_bytes),
        ("temporary", usage.temporary_bytes),
        ("pinned", usage.pinned_bytes),
    ] {
        family.sample(&[("kind", kind)], bytes as f64);
    }
    Ok(())
}

/// The names that become labels: the first in their order, as many as there may be.
pub(super) struct Names<'a>(Vec<&'a str>);

impl<'a> Names<'a> {
    pub(super) fn of(names: impl Iterator<Item = &'a str>) -> Names<'a> {
        // Those of the system are many where a model logs for long, so they come last.
        let mut names: Vec<&str> = names.collect();
        names.sort_by_key(|name| (name.starts_with('_'), *name));
        names.dedup();
        names.truncate(MOST_NAMES);
        Names(names)
    }

    pub(super) fn label(&self, name: &'a str) -> &'a str {
        if self.0.contains(&name) { name } else { OTHERS }
    }
}
