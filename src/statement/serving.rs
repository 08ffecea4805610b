//! Statements about models, experiments and training, once they have been read.

use std::time::Duration;

use serde_json::Value as Json;

use crate::clock::Timestamp;

/// Who does something, and why.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Author {
    /// Who; the shell says who it is unless told.
    pub by: Option<String>,
    /// Why.
    pub because: Option<String>,
}

/// What a `model` statement does.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelStatement {
    /// Lists the models.
    Models,
    /// Lists the versions of a model.
    Versions(String),
    /// Shows a version.
    Show(String, String),
    /// Registers a version.
    Register(Box<NewModel>),
    /// Checks the artifact of a version and writes it to a file.
    Load(String, String, String),
    /// Shows the metrics of two versions beside each other.
    Compare(String, String, String),
    /// Replaces the tags of a version.
    Tag(String, String, Vec<String>, Author),
    /// Approves a version for an alias.
    Approve(String, String, String, Author),
    /// Sets the gate of an alias.
    Gate(String, String, Json, Author),
    /// Writes the versions to a file of JSON.
    Export(String, String),
    /// Registers the versions of a file of JSON.
    Import(String, String, Author),
}

/// A version to be registered from the shell.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModel {
    /// The model.
    pub model: String,
    /// The version; a name made of the time unless told.
    pub version: Option<String>,
    /// The file that holds the artifact.
    pub file: String,
    /// Its metrics, an object of numbers.
    pub metrics: Option<Json>,
    /// Its configuration.
    pub config: Option<Json>,
    /// How it was trained.
    pub training: Option<Json>,
    /// What the artifact is.
    pub format: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who registers it.
    pub author: Author,
}

/// What an `alias` statement does; the model comes first, then the alias.
#[derive(Debug, Clone, PartialEq)]
pub enum AliasStatement {
    /// Lists the aliases of a model.
    List(String),
    /// Points it to a version.
    Set(String, String, String, Author),
    /// Points it to where it pointed before, or to the last version with a tag.
    Rollback(String, String, Option<String>, Author),
    /// Takes it away.
    Remove(String, String, Author),
    /// Lists its moves.
    History(String, String),
    /// Tells where it pointed at a time.
    At(String, String, Timestamp),
}

/// What a `cache` statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheStatement {
    /// Lists the caches.
    List,
    /// Tells of one of them.
    Show(String),
    /// Prints what is kept as a value under a name.
    Get(String),
    /// Forgets all entries of one of them.
    Clear(String),
}

/// What an `audit` statement does.
#[derive(Debug, Clone, PartialEq)]
pub enum AuditStatement {
    /// Shows the newest entries.
    Newest {
        /// How many.
        limit: usize,
        /// Of this action only.
        action: Option<String>,
        /// By this actor only.
        by: Option<String>,
    },
    /// Shows all entries of one incident.
    Correlated(String),
    /// Checks the chain.
    Verify,
}

/// What an `experiment` statement does; its name comes first.
#[derive(Debug, Clone, PartialEq)]
pub enum ExperimentStatement {
    /// Lists all.
    List,
    /// Creates one: model, version A, version B, and what differs from the defaults.
    Create(String, String, [String; 2], Box<ExperimentClauses>),
    /// Starts it.
    Start(String, Author),
    /// Pauses it.
    Pause(String, Author),
    /// Stops it.
    Stop(String, Author),
    /// Sets the share of B.
    Split(String, f64, Author),
    /// Tells how it stands.
    Analyze(String),
    /// Assigns a user with these attributes.
    Assign(String, String, Option<Json>),
    /// Notes an outcome: user, metric, value.
    Outcome(String, String, String, f64),
    /// Works out how many users one takes.
    Power(PowerQuestion),
    /// Stops those whose time is over.
    Tick,
}

/// What a new experiment has that differs from the defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExperimentClauses {
    /// The share of B.
    pub split: Option<f64>,
    /// How long it runs.
    pub length: Option<Duration>,
    /// Users each variant must have.
    pub samples: Option<u64>,
    /// The significance level.
    pub level: Option<f64>,
    /// The primary metric, and whether its values are any numbers and lower ones are better.
    pub primary: Option<(String, bool, bool)>,
    /// Metrics that are looked at, too.
    pub secondary: Vec<(String, bool, bool)>,
    /// Metrics that must not become worse.
    pub guardrails: Vec<(String, bool, bool)>,
    /// Other shares of B, from so long after the start on.
    pub ramp: Vec<(Duration, f64)>,
    /// The smallest difference of interest.
    pub effect: Option<f64>,
    /// Which users take part.
    pub segment: Option<String>,
    /// Who creates it.
    pub author: Author,
}

/// How many users an experiment takes that is to find a difference.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PowerQuestion {
    /// The rate of A, or its mean.
    pub base: f64,
    /// How much higher that of B is.
    pub lift: f64,
    /// The standard deviation of users, where the metric is no rate.
    pub deviation: Option<f64>,
    /// The share of B.
    pub split: Option<f64>,
    /// The significance level.
    pub level: Option<f64>,
    /// The chance to find the difference.
    pub chance: Option<f64>,
    /// Users who come in a day.
    pub daily: Option<f64>,
}

/// What a `retrain` statement does; the model comes first.
#[derive(Debug, Clone, PartialEq)]
pub enum RetrainStatement {
    /// Lists the models whose triggers are configured.
    List,
    /// Configures the trigger.
    Configure(String, Json, Author),
    /// Asks for a run now.
    Force(String, Author),
    /// Lets a run begin.
    Approve(String, u64, Author),
    /// Keeps a run from taking place.
    Reject(String, u64, Author),
    /// Lists runs.
    History(String, u32),
    /// Looks whether something is due.
    Tick,
}
