//! What a store does, as text for Prometheus: written to a file or served by the application, no HTTP in here.
//!
//! `text` writes the format, `store` tells of the engine, `models`, `training` and `caches` of what stands on it; `file` puts
//! it where a collector looks. The guide lists every metric: docs/guide/metrics.md.

mod caches;
mod file;
mod models;
mod store;
mod text;
mod training;

use std::path::Path;

use crate::database::handle::Database;
use crate::error::Result;
use text::Exposition;

/// Labels take at most so many values; the rest is told of together, under [`OTHERS`].
const MOST_NAMES: usize = 100;
/// No collection and no model can have this name.
const OTHERS: &str = "(others)";

/// Writes a part of the metrics.
type Tell = fn(&Database, &mut Exposition) -> Result<()>;

/// The parts are written one after the other, and one that fails leaves the others.
const PARTS: [(&str, Tell); 8] = [
    ("engine", store::engine),
    ("stats", store::sizes),
    ("disk", store::disk),
    ("alerts", models::alerts),
    ("drift", models::drift),
    ("predictions", models::predictions),
    ("caches", caches::tell),
    ("training", training::tell),
];

impl Database {
    /// Everything that can be measured of this store, as Prometheus reads it: the text exposition format, version 0.0.4.
    /// Serve it under `text/plain; version=0.0.4`, or write it with [`Database::write_metrics`].
    ///
    /// All names begin with `driftline_`, times are in seconds and sizes in bytes. Labels are names of collections and
    /// models and words of the engine, never keys or payloads; from the 101st collection, model or subject on, counters and
    /// sizes are added up under `(others)`, an incident of any of them shows there, and what cannot be added up is left out.
    /// Counters begin at 0 when the store is opened. What cannot be read, such as of a closed store, is
    /// left out and named by `driftline_metrics_unreadable`.
    ///
    /// Costs what [`Database::stats`], [`Database::disk_usage`] and [`Database::health_within`] of one second cost: a
    /// look at every file's length and at the rows in memory, no row on disk. Beside these it reads rows of the store's own
    /// collections: incidents, newest checks, windows of monitors, and all runs of training. For a scrape
    /// every few seconds and more.
    ///
    /// ```
    /// # fn main() -> driftline::Result<()> {
    /// let db = driftline::Database::in_memory()?;
    /// let text = db.metrics_text();
    /// assert!(text.contains("# TYPE driftline_batches_total counter\ndriftline_batches_total 0\n"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn metrics_text(&self) -> String {
        let mut text = Exposition::default();
        let mut unreadable = Vec::new();
        for (part, tell) in PARTS {
            if tell(self, &mut text).is_err() {
                unreadable.push(part);
            }
        }
        let help = "Parts of these metrics that could not be read.";
        let mut family = text.gauge("driftline_metrics_unreadable", help);
        for (part, _) in PARTS {
            family.sample(&[("part", part)], f64::from(u8::from(unreadable.contains(&part))));
        }
        text.finish()
    }

    /// Writes [`Database::metrics_text`] to a file, such as for the textfile collector of the node exporter, whose files
    /// end in `.prom`. A reader sees the old file or the new one, whole; nothing is synced. Fails with `Io`.
    pub fn write_metrics(&self, path: impl AsRef<Path>) -> Result<()> {
        file::replace(path.as_ref(), &self.metrics_text())
    }
}
