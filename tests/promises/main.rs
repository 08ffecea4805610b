//! What Driftline promises, one module per promise; a failing test's name alone should say what broke.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests look at the source tree and at the files of a store, and stop where they are surprised"
)]

mod alerts;
mod alerts_ended;
mod alerts_handlers;
mod alerts_killed;
mod audits;
mod backups;
mod backups_hostile;
mod bad_input_watching;
mod bad_sectors;
mod batches;
#[cfg(feature = "cli")]
mod bench;
mod blobs;
mod caches;
mod closing;
#[cfg(feature = "config")]
mod configuration;
mod contained;
mod containment;
mod crash;
mod damage;
mod defaults;
mod disk;
mod documents;
mod drift;
#[cfg(feature = "cli")]
mod drift_page;
mod drift_permutations;
mod drift_stored;
mod drift_trigger;
mod drift_windows;
mod embedding_crashes;
mod embedding_log;
mod ephemeral;
mod events;
mod exact;
mod experiments;
mod expiry;
mod explain;
mod exports;
mod fields;
mod filters;
mod format;
mod full_disk;
mod fuzz_corpus;
mod golden;
#[cfg(feature = "cli")]
mod guide_code;
mod health;
mod house;
mod importers;
mod imports;
mod incident_path;
mod indexes;
mod kill;
mod killed_imports;
mod knn;
mod locks;
mod long_names;
mod memory_waves;
mod metrics;
mod migrations;
#[cfg(feature = "exchange")]
mod mnist;
mod monitor_baselines;
mod orders;
mod passing_errors;
mod performance;
mod pipeline;
mod pipeline_bounds;
mod pipeline_full_disk;
mod pipeline_windows;
mod prediction_drift;
mod queries;
mod recall;
mod refusals;
mod registry;
mod registry_words;
mod retraining;
mod salvage;
mod scans;
mod scrub;
#[cfg(feature = "cli")]
mod shell;
#[cfg(feature = "cli")]
mod shell_caches;
#[cfg(feature = "cli")]
mod shell_configuration;
#[cfg(feature = "cli")]
mod shell_dashboard;
#[cfg(feature = "cli")]
mod shell_drift;
#[cfg(feature = "cli")]
mod shell_files;
#[cfg(feature = "cli")]
mod shell_models;
#[cfg(feature = "cli")]
mod shell_narrow;
#[cfg(feature = "cli")]
mod shell_pipeline;
mod shell_registry;
#[cfg(feature = "cli")]
mod shell_rescue;
#[cfg(feature = "cli")]
mod shell_scripts;
#[cfg(all(unix, feature = "cli"))]
mod shell_terminal;
mod snapshots;
mod sound_data;
mod support;
mod threads;
mod unsafe_code;
mod verify;
mod windows_that_stand_out;
