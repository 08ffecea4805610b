//! Watching models: what stands on the store and keeps its records in system collections of it.
//!
//! A system collection is a collection whose name begins with `_`. Anybody may read, scan, search and export it; only the
//! part that owns it writes it. So everything here survives a crash like any record, and takes part in atomic batches.
//!
//! Nothing here starts a thread unasked or waits for a network. Time comes from the store's clock, or from the caller; what
//! is drawn by chance has a seed that follows from names and times, so equal stores give equal answers.

mod alerts;
mod audit;
mod cache;
mod canonical;
mod change;
mod config;
mod dashboard;
pub mod drift;
mod experiments;
mod knn;
mod log;
mod metrics;
mod model;
mod modes;
mod performance;
mod pipeline;
mod registry;
mod retraining;
mod table;
mod times;

pub use crate::database::gate::Mode;
pub use alerts::{
    Acknowledgement, Action, ActionOutcome, ActionRun, Alert, AlertConfig, AlertKind, AlertRule, Alerts, Band,
    Delivery, Edge, FileHandler, Handler, HandlerStatus, Incident, Observation, Route, Severity, Silence,
    StdoutHandler, metric,
};
pub use audit::{AuditBreak, AuditEntry, AuditHead, AuditLog, AuditRecord, AuditVerdict};
pub use cache::{
    Cache, CacheLimits, CacheOverview, CacheStats, EmbeddingCache, LoadedModels, LruCache, MemoryCache,
    PersistentCache, PredictionCache, SimilarEmbedding,
};
pub use change::Change;
#[cfg(feature = "config")]
pub use config::ConfigLoader;
pub use config::{
    AlertingConfig, Config, ConfigKey, ExperimentDefaults, MonitoringConfig, NotApplied, Origin, Setting,
};
pub use dashboard::{Course, Dashboard, ModelBoard, RunningExperiment, StoreBoard};
pub use experiments::{
    Analysis, ArmSummary, Assignment, Attributes, Experiment, ExperimentConfig, ExperimentMetric, ExperimentPrediction,
    ExperimentSize, ExperimentState, Experiments, Exposure, Goal, MetricKind, MetricResult, OutcomeCounts,
    PowerCalculator, RampStep, Recommendation, Role, SampleRatioCheck, Variant, Winner, user_position,
};
pub use knn::{Estimate, KnnClassifier, KnnRegressor, LabelShare, Neighbour, Prediction, Weights};
pub use log::{
    Attached, Canary, CanaryPolicy, Embedder, EmbeddingLog, EmbeddingQuality, Entry, INPUT_FIELD, LogHit, LogHits,
    LogQuery, LogScan, LogTick, Logged, Profile, Reembed, ReembedReport, Retention, Sample, SpaceInfo, SpaceOptions,
};
pub use model::ModelId;
pub use modes::{ModeGuard, Modes};
pub use performance::{
    AlertCounts, Baseline, BatchReport, Classification, DataQuality, Distribution, ErrorPattern, Failure,
    FeatureProfile, FeatureShape, Figures, Latency, Measure, Monitor, MonitorBuilder, MonitorSettings,
    MonitorStatistics, MonitorStatus, MonitoringSummary, Orphans, Output, PredictionRecord, PredictionTime,
    RegressionFigures, Repeats, SigmaReport, Signal, TickReport, TrendPoint, VectorShape,
};
pub use pipeline::{Concern, Finding, Pipeline, PipelineBuilder, PipelineStatus, PipelineThread, PipelineTick};
pub use registry::{
    Alias, AliasMove, Approval, Artifact, ArtifactReader, Bound, Lineage, MetricChange, Model, ModelVersion, MoveKind,
    NewVersion, PRODUCTION, PromotionGate, Requirement,
};
pub use retraining::{
    RetrainCommand, RetrainConfig, RetrainEvent, RetrainReason, RetrainState, RetrainSummary, Retraining, Signals,
    Trigger,
};
pub use times::TimeRange;
