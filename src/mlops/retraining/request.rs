//! Asking for a run: by a rule, or by somebody who wants it now.

use serde_json::json;

use crate::database::batch::Batch;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::audit::AuditEntry;
use crate::mlops::change::Change;
use crate::mlops::model::ModelId;
use crate::mlops::retraining::config::RetrainConfig;
use crate::mlops::retraining::event::{RetrainEvent, RetrainReason, RetrainState, Trigger};
use crate::mlops::retraining::{Retraining, key, rules};

/// A run as it is asked for.
struct Request<'a> {
    model: &'a str,
    reasons: Vec<RetrainReason>,
    state: RetrainState,
    /// Whether a limit stood against it, of one that is forced.
    forced: Option<bool>,
}

impl RetrainConfig {
    /// Where a run stands that is asked for.
    pub(super) fn first_state(&self) -> RetrainState {
        if self.approval { RetrainState::Requested } else { RetrainState::Approved }
    }
}

impl Retraining {
    /// Asks for a run now, whatever rules, limits and approvals say; that a limit stood against it is written down. It
    /// begins at once where a handler of the model is registered, and trains on this thread; else it stays approved, and
    /// begins with a tick of whoever registers one, unless it is rejected before. Fails with `Conflict` while a run of the model is open.
    pub fn force_retrain(&self, model: &str, change: Change) -> Result<RetrainEvent> {
        let mut forced = None;
        self.db.audit().commit_built(|db| {
            let (batch, event, entry) = self.force(db.batch(), model, RetrainState::Approved, &change)?;
            forced = Some(event.number);
            Ok(Some((batch, vec![entry])))
        })?;
        let number = forced.ok_or_else(|| Error::internal("a run was forced and is not there"))?;
        self.run(model, number)
    }

    /// What forcing a run would commit, for a batch that does more. It begins with a tick; where the trigger asks for
    /// approval, it waits for that first.
    pub(crate) fn force_in(
        &self,
        batch: Batch,
        model: &str,
        change: &Change,
    ) -> Result<(Batch, RetrainEvent, AuditEntry)> {
        let config = self.triggers.get(model)?.map_or_else(RetrainConfig::new, |row| row.value.config);
        self.force(batch, model, config.first_state(), change)
    }

    fn force(
        &self,
        batch: Batch,
        model: &str,
        state: RetrainState,
        change: &Change,
    ) -> Result<(Batch, RetrainEvent, AuditEntry)> {
        let config = self.triggers.get(model)?.map_or_else(RetrainConfig::new, |row| row.value.config);
        let limit = rules::limit(&config, &self.events_of(model)?, self.db.now());
        let text = if change.reason.is_empty() { "forced".to_owned() } else { change.reason.clone() };
        let reason = RetrainReason { trigger: Trigger::Forced, value: 0.0, threshold: 0.0, text };
        self.requested(batch, Request { model, reasons: vec![reason], state, forced: Some(limit.is_some()) }, change)
    }

    /// Writes down that a rule asks for a run, on the strength of the runs that were `seen`; none where these are others by
    /// now, as somebody else's run may have begun that a limit counts from.
    pub(super) fn request(
        &self,
        model: &str,
        reasons: &[RetrainReason],
        state: RetrainState,
        seen: &[RetrainEvent],
    ) -> Result<Option<RetrainEvent>> {
        let mut requested = None;
        let change = Change::default();
        self.db.audit().commit_built(|db| {
            if self.events_of(model)? != seen {
                return Ok(None);
            }
            let request = Request { model, reasons: reasons.to_vec(), state, forced: None };
            let (batch, event, entry) = self.requested(db.batch(), request, &change)?;
            requested = Some(event);
            Ok(Some((batch, vec![entry])))
        })?;
        Ok(requested)
    }

    fn requested(
        &self,
        batch: Batch,
        request: Request<'_>,
        change: &Change,
    ) -> Result<(Batch, RetrainEvent, AuditEntry)> {
        let Request { model, reasons, state, forced } = request;
        ModelId::new(model, "1")?;
        let events = self.events_of(model)?;
        if let Some(open) = events.iter().find(|event| event.state.is_open()) {
            let told = format!("run {} of `{model}` is still open", open.number);
            return Err(Error::new(ErrorKind::Conflict, told).mend("wait for its end, or reject it before it begins"));
        }
        let event = RetrainEvent {
            number: events.len() as u64 + 1,
            model: model.to_owned(),
            reasons,
            forced: forced.is_some(),
            over_limit: forced.unwrap_or(false),
            state,
            requested_at: self.db.now(),
            started_at: None,
            finished_at: None,
            actor: change.actor.clone(),
            outcome: None,
            correlation: change.correlation.clone(),
        };
        let action = if event.forced { "retrain.force" } else { "retrain.request" };
        let entry = change.audited(action, model.to_owned(), json!({"run": event.number, "reasons": event.reasons}));
        let key = key(model, event.number);
        let batch = batch.require(&self.events.collection()?, &*key, Precondition::Absent);
        Ok((self.events.put_in(batch, &*key, &event)?, event, entry))
    }
}
