//! `audit`: who changed what.

use driftline::Value;
use driftline::mlops::{AuditLog, AuditRecord};
use driftline::statement::AuditStatement;
use serde::{Serialize, Serializer};

use crate::failure::{Failure, Outcome};
use crate::render::{self, Look, Row};
use crate::session::Session;

pub(super) fn audit(session: &mut Session, asked: &AuditStatement) -> Outcome {
    let audit = session.store.reading()?.audit();
    match asked {
        AuditStatement::Verify => verify(session, &audit),
        AuditStatement::Correlated(id) => entries(session, audit.correlated(id)?),
        AuditStatement::Newest { limit, action, by } => {
            let wanted = |it: &AuditRecord| {
                action.as_ref().is_none_or(|action| it.action == *action)
                    && by.as_ref().is_none_or(|by| it.actor == *by)
            };
            entries(session, audit.newest(*limit, wanted)?)
        }
    }
}

fn verify(session: &mut Session, audit: &AuditLog) -> Outcome {
    let verdict = audit.verify()?;
    let head =
        verdict.head.as_ref().map_or_else(String::new, |head| format!("\nhead: {} {}", head.position, head.hash));
    session.output.one(&verdict, || format!("{verdict}{head}"))?;
    if verdict.is_whole() { Ok(()) } else { session.output.finish().and(Err(Failure::damaged())) }
}

fn entries(session: &mut Session, records: Vec<AuditRecord>) -> Outcome {
    let headings = ["entry", "time", "by", "action", "subject", "details"];
    session.output.many(&headings, records.into_iter().map(|record| Ok(Entry(record))))
}

/// An entry as a row; tables shorten its details.
struct Entry(AuditRecord);

impl Row for Entry {
    fn cells(&self, look: Look) -> Vec<String> {
        let texts = [&self.0.actor, &self.0.action, &self.0.subject].map(|text| render::plain(text));
        let details = render::payload_as(&Value::from(self.0.details.clone()), look);
        let cells = [self.0.position.to_string(), render::time(self.0.time)];
        cells.into_iter().chain(texts).chain([details]).collect()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
