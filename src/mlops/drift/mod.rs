//! Has what a model sees, says, or gets wrong changed?
//!
//! - [`DriftDetector`] compares columns of numbers, categories or vectors with those of a reference; [`embedding::judge`]
//!   compares vectors alone. Both are pure: they read no store and no clock. So is [`concept`], for errors of labelled
//!   predictions.
//! - [`Database::drift`](crate::Database::drift) holds what a collection or a model wrote in one time against another, or
//!   against one of the [`Baselines`].
//! - [`Database::drift_monitor`](crate::Database::drift_monitor) does so window after window, and opens incidents;
//!   [`Database::drift_report`](crate::Database::drift_report) sums up what was found, and [`DriftSeries`] looks at how it goes.
//!
//! A [`DriftResult`] tells drift, which chance does not explain, from an alarm, which is drift that is also large enough
//! to matter.

mod baseline;
mod check;
mod column;
pub mod concept;
mod course;
mod detector;
pub mod embedding;
pub(in crate::mlops) mod findings;
mod incident;
mod method;
mod monitor;
mod monitor_options;
mod permuted;
pub(in crate::mlops) mod pieces;
mod report;
mod result;
mod scalar;
mod series;
mod side;
mod source;
mod stored;
mod subject;
mod summary;
mod vectors;
mod verdict;
mod watch;

pub use baseline::{BASELINE_ROWS, Baseline, BaselineColumn, Baselines, ColumnKind};
pub use check::{DriftCheck, Reference};
pub use column::{Column, Columns};
pub use detector::DriftDetector;
pub use incident::{DriftIncident, IncidentCause};
pub use method::{Method, Scale, Test};
pub use monitor::{DriftMonitor, MonitorTick};
pub use monitor_options::MonitorOptions;
pub use report::{DriftReport, Evidence, ReferenceOf};
pub use result::{BaselineRef, DriftKind, DriftResult, Effect};
pub use series::{Anomaly, ChangePoint, ChangeTest, DriftSeries, Season};
pub use source::VECTOR;
pub use subject::Subject;
pub use summary::{DriftSummary, NamedMonitor};
pub use verdict::{Counts, Note, Verdict};
pub use watch::MonitorThread;
