//! How models do: predictions, the truth about them, figures over windows, and what rules say of these.

mod baseline;
mod builder;
mod closing;
mod concept;
mod figures;
mod monitor;
mod normal;
mod outputs;
mod prediction;
mod quality;
mod records;
mod repeats;
mod rows;
mod scoring;
mod settings;
mod signals;
mod summary;
mod tail;
mod tally;
mod vectors;

pub use baseline::{Baseline, SigmaReport, Signal};
pub use builder::MonitorBuilder;
pub use closing::TickReport;
pub use figures::{Classification, Distribution, Figures, Latency, RegressionFigures};
pub use monitor::{BatchReport, Monitor};
pub use prediction::{Failure, Output, PredictionRecord};
pub use quality::{DataQuality, FeatureProfile, FeatureShape};
pub use repeats::Repeats;
pub use settings::{MonitorSettings, Orphans};
pub use summary::{
    AlertCounts, Measure, MonitorStatistics, MonitorStatus, MonitoringSummary, PredictionTime, TrendPoint,
};
pub use tally::ErrorPattern;
pub use vectors::VectorShape;
