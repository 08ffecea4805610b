//! What the monitor of a model's predictions finds, kept among the reports of drift, each kind apart.

use super::report::{DriftReport, ReferenceOf};
use super::result::{BaselineRef, DriftKind, DriftResult};
use super::stored;
use super::subject::Subject;
use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;

/// The report of a result about a model over a time, held against this version of what was normal.
pub(in crate::mlops) fn report(
    model: &ModelId,
    current: TimeRange,
    baseline: BaselineRef,
    result: DriftResult,
    judged: Timestamp,
) -> DriftReport {
    let result = DriftResult { baseline: Some(baseline.clone()), ..result };
    DriftReport::new(&Subject::Model(model.clone()), current, ReferenceOf::Baseline(baseline), vec![result], judged)
}

/// Adds a report to a batch, under the end of its time: an earlier one of the same end gives way.
pub(in crate::mlops) fn put_in(db: &Database, batch: Batch, kind: DriftKind, report: &DriftReport) -> Result<Batch> {
    let key = stored::at(&stored::findings_of(kind, &report.subject), report.current.to);
    stored::reports(db).put_in(batch, key, report)
}

/// The reports of a kind about a model whose time ends in a range, the earliest first.
pub(in crate::mlops) fn reports(
    db: &Database,
    kind: DriftKind,
    model: &ModelId,
    range: TimeRange,
) -> Result<Vec<DriftReport>> {
    let name = stored::findings_of(kind, &Subject::Model(model.clone()));
    let rows = stored::reports(db).range(stored::within(&name, range))?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// The newest of them.
pub(in crate::mlops) fn newest(db: &Database, kind: DriftKind, model: &ModelId) -> Result<Option<DriftReport>> {
    let name = stored::findings_of(kind, &Subject::Model(model.clone()));
    let newest = stored::reports(db).walk(|scan| scan.prefix(stored::prefix(&name)).reverse().limit(1))?;
    Ok(newest.into_iter().next().map(|row| row.value))
}
