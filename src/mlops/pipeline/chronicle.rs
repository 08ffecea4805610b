//! Writing down in the audit log what alerts there were about a model.

use serde_json::json;

use super::{Pipeline, stored};
use crate::error::Result;
use crate::mlops::alerts::{Alert, model_of};
use crate::mlops::audit::AuditEntry;
use crate::mlops::table::Row;

/// Who does what pipelines do, in the audit log.
pub(super) const ACTOR: &str = "pipeline";
/// Alerts looked at in one batch.
const PAGE: u64 = 64;

impl Pipeline {
    /// Writes down the alerts about the model that are not in the audit log yet, in their order. How far this is, is stored in
    /// the same batch, so each is there once.
    pub(super) fn write_down(&self) -> Result<()> {
        while self.write_page()? {}
        Ok(())
    }

    fn write_page(&self) -> Result<bool> {
        let table = stored::table(&self.db);
        let done = self.db.audit().commit_built(|db| {
            let Some(Row { mut value, .. }) = table.get(self.model.as_str())? else { return Ok(None) };
            let alerts = db.alerts().after(value.written, PAGE)?;
            let Some(last) = alerts.last() else { return Ok(None) };
            value.written = last.id;
            let entries = alerts.iter().filter(|alert| self.concerns(alert)).map(entry).collect();
            Ok(Some((table.put_in(db.batch(), self.model.as_str(), &value)?, entries)))
        })?;
        Ok(done.is_some())
    }

    fn concerns(&self, alert: &Alert) -> bool {
        alert.subject.as_deref().and_then(model_of) == Some(&*self.model)
    }
}

fn entry(alert: &Alert) -> AuditEntry {
    let details = json!({
        "alert": alert.id,
        "incident": alert.incident,
        "rule": alert.alert_type,
        "severity": alert.severity,
        "message": alert.message,
        "asks_for": alert.actions,
    });
    let subject = alert.subject.clone().unwrap_or_else(|| alert.alert_type.clone());
    let entry = AuditEntry::new(format!("alert.{}", alert.kind), subject).actor(ACTOR).details(details);
    entry.correlation(alert.correlation.clone())
}
