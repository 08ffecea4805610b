//! Gates: what a version must have before an alias may point to it.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::database::gate::Protected;
use crate::error::{Error, Result};
use crate::mlops::change::Change;
use crate::mlops::registry::Model;
use crate::mlops::registry::alias::Alias;
use crate::mlops::registry::version::ModelVersion;

/// What a version must have before an alias of its model may be set to it. Rolling back asks no gate.
///
/// ```
/// use driftline::mlops::{Bound, PromotionGate};
///
/// let gate = PromotionGate::new().require("accuracy", Bound::AtLeast(0.9)).require("latency_ms", Bound::AtMost(50.0)).approvals(1);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PromotionGate {
    /// What its metrics must be.
    pub requirements: Vec<Requirement>,
    /// How many people must have approved it.
    pub approvals: u32,
}

/// What a metric must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Requirement {
    /// The metric's name. A version without it does not pass.
    pub metric: String,
    /// What it must be.
    pub bound: Bound,
}

/// What a metric must be; each bound includes its edge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
    /// No more than so much below that of the version the alias points to; anything where that has no such metric.
    NotBelowCurrentBy(f64),
    /// No more than so much above that of the version the alias points to; anything where that has no such metric.
    NotAboveCurrentBy(f64),
}

/// That somebody approves a version for an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Approval {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

impl PromotionGate {
    /// A gate that lets everything through.
    pub fn new() -> PromotionGate {
        PromotionGate::default()
    }

    /// Asks for a metric.
    #[must_use]
    pub fn require(mut self, metric: impl Into<String>, bound: Bound) -> PromotionGate {
        self.requirements.push(Requirement { metric: metric.into(), bound });
        self
    }

    /// Asks for the approval of so many people.
    #[must_use]
    pub fn approvals(mut self, count: u32) -> PromotionGate {
        self.approvals = count;
        self
    }
}

impl Requirement {
    /// Why a version with these metrics does not pass, if it does not.
    fn unmet(&self, version: &ModelVersion, current: Option<&ModelVersion>) -> Option<String> {
        let Some(value) = version.metrics.get(&self.metric) else {
            return Some(format!("it has no metric `{}`", self.metric));
        };
        let current = current.and_then(|current| current.metrics.get(&self.metric));
        let (passes, rule) = match self.bound {
            Bound::AtLeast(least) => (*value >= least, format!("at least {least}")),
            Bound::AtMost(most) => (*value <= most, format!("at most {most}")),
            Bound::NotBelowCurrentBy(by) => {
                let least = current.map_or(f64::NEG_INFINITY, |current| current - by);
                (*value >= least, format!("at least {least}, which is {by} below the current version's"))
            }
            Bound::NotAboveCurrentBy(by) => {
                let most = current.map_or(f64::INFINITY, |current| current + by);
                (*value <= most, format!("at most {most}, which is {by} above the current version's"))
            }
        };
        (!passes).then(|| format!("`{}` is {value} and must be {rule}", self.metric))
    }
}

impl Model {
    /// Sets the gate of an alias; [`PromotionGate::new`] lets everything through again.
    pub fn set_gate(&self, alias: &str, gate: &PromotionGate, change: &Change) -> Result<()> {
        Alias::new(alias)?;
        let numbers = gate.requirements.iter().map(|it| match it.bound {
            Bound::AtLeast(by) | Bound::AtMost(by) | Bound::NotBelowCurrentBy(by) | Bound::NotAboveCurrentBy(by) => by,
        });
        if numbers.into_iter().any(|number| !number.is_finite()) {
            return Err(Error::invalid("a bound of the gate is no finite number").mend("leave out what is not bounded"));
        }
        self.db.check_gate(Protected::Models)?;
        let details = serde_json::json!({"alias": alias, "gate": gate});
        let entry = change.audited("gate.set", self.name.clone(), details);
        let batch = self.gates.put_in(self.db.batch(), self.alias_key(alias), gate)?;
        self.db.audit().commit(batch, entry).map(drop)
    }

    /// The gate of an alias; one that lets everything through unless one was set.
    pub fn gate(&self, alias: &str) -> Result<PromotionGate> {
        Ok(self.gates.get(self.alias_key(alias))?.map(|row| row.value).unwrap_or_default())
    }

    /// Approves a version for an alias. Each actor counts once.
    pub fn approve(&self, alias: &str, version: &str, change: &Change) -> Result<()> {
        let version = self.version(version)?;
        Alias::new(alias)?;
        let approval = Approval { actor: change.actor.clone(), reason: change.reason.clone(), time: self.db.now() };
        let key = self.approval_key(alias, version.version()) + &change.actor;
        let entry = change.audited("approve", version.model.to_string(), serde_json::json!({ "alias": alias }));
        let batch = self.approvals.put_in(self.db.batch(), key, &approval)?;
        self.db.audit().commit(batch, entry).map(drop)
    }

    /// Who has approved a version for an alias.
    pub fn approvals(&self, alias: &str, version: &str) -> Result<Vec<Approval>> {
        let rows = self.approvals.prefix(self.approval_key(alias, version))?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// Refuses a version that the gate of the alias does not let through, telling all that is missing.
    pub(super) fn check_gate(&self, alias: &str, version: &ModelVersion) -> Result<()> {
        let gate = self.gate(alias)?;
        let current = self.alias(alias)?.and_then(|alias| alias.version);
        let current = current.map(|version| self.find(&version)).transpose()?.flatten();
        let mut unmet: Vec<String> =
            gate.requirements.iter().filter_map(|it| it.unmet(version, current.as_ref())).collect();
        let approved = self.approvals(alias, version.version())?.len();
        if approved < gate.approvals as usize {
            unmet.push(format!("{approved} of {} have approved it", gate.approvals));
        }
        if unmet.is_empty() {
            return Ok(());
        }
        let told = format!("the gate of `{alias}` does not let {} through: {}", version.model, unmet.join("; "));
        Err(Error::invalid(told).mend("register a version that passes, have it approved, or change the gate"))
    }

    fn approval_key(&self, alias: &str, version: &str) -> String {
        format!("{}@{version}\u{1f}{alias}\u{1f}", self.name)
    }
}
