//! `metrics`: what the store does.

use driftline::json;

use crate::failure::Outcome;
use crate::render;
use crate::session::Session;

pub(super) fn metrics(session: &mut Session, file: Option<&str>) -> Outcome {
    let db = session.store.reading()?;
    let Some(file) = file else {
        let text = db.metrics_text();
        return session.output.one(&json!({"metrics": text}), || text.trim_end().to_owned());
    };
    db.write_metrics(file)?;
    session.output.one(&json!({"written": file}), || format!("wrote {}", render::plain(file)))
}
