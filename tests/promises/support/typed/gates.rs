//! The gate of an alias, and who has approved which version for it.

use std::collections::BTreeMap;

use driftline::mlops::{AuditRecord, Bound, Change, Model, PromotionGate};
use driftline::{Database, Result};

use super::change;
use super::models::{ALIAS, MODEL};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gates {
    /// How often the gate was set.
    set: u64,
    /// How many have approved a version.
    approvals: BTreeMap<u64, u64>,
}

/// One in three asks for somebody's approval. What they ask of the metric tells them apart, and every version has it.
fn gate(set: u64) -> PromotionGate {
    match set {
        0 => PromotionGate::new(),
        _ => PromotionGate::new().require("number", Bound::AtLeast(-(set as f64))).approvals(u32::from(set % 3 == 1)),
    }
}

/// Names in the order of their numbers.
fn approver(number: u64) -> String {
    format!("approver {number:04}")
}

impl Gates {
    fn approvals_of(&self, version: u64) -> u64 {
        self.approvals.get(&version).copied().unwrap_or(0)
    }

    pub(super) fn let_through(&self, version: u64) -> bool {
        self.approvals_of(version) >= u64::from(gate(self.set).approvals)
    }

    pub(super) fn set(&mut self) {
        self.set += 1;
    }

    pub(super) fn approve(&mut self, version: u64) {
        *self.approvals.entry(version).or_default() += 1;
    }

    pub(super) fn perform_set(&self, db: &Database) -> Result<()> {
        db.model(MODEL)?.set_gate(ALIAS, &gate(self.set + 1), &change())
    }

    pub(super) fn perform_approve(&self, db: &Database, version: u64) -> Result<()> {
        let change = Change::by(approver(self.approvals_of(version)));
        db.model(MODEL)?.approve(ALIAS, &version.to_string(), &change)
    }

    /// What the store holds of it, of so many versions: each change has its entry in the audit log.
    pub(super) fn of(model: &Model, versions: u64, entries: &[AuditRecord]) -> Result<Gates> {
        let set = entries.iter().filter(|it| it.action == "gate.set").count() as u64;
        assert_eq!(model.gate(ALIAS)?, gate(set), "the gate and the audit log are one");
        let mut approvals = BTreeMap::new();
        for version in 0..versions {
            let found = model.approvals(ALIAS, &version.to_string())?;
            let found: Vec<&str> = found.iter().map(|it| &*it.actor).collect();
            let subject = format!("{MODEL}@{version}");
            let told = entries.iter().filter(|it| it.action == "approve" && it.subject == subject);
            assert_eq!(found, told.map(|it| &*it.actor).collect::<Vec<_>>(), "approvals and the audit log are one");
            assert!(found.iter().copied().eq((0..found.len() as u64).map(approver)), "{found:?}");
            approvals.extend((!found.is_empty()).then_some((version, found.len() as u64)));
        }
        Ok(Gates { set, approvals })
    }
}
