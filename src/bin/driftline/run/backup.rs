//! `backup`.

use driftline::BackupReport;
use driftline::statement::Backup;

use crate::failure::Outcome;
use crate::render;
use crate::rescue::Meter;
use crate::session::Session;

pub(super) fn backup(session: &mut Session, asked: &Backup) -> Outcome {
    let db = match session.store.is_read_only() {
        true => session.store.reading()?,
        false => session.store.writing()?,
    };
    let meter = Meter::new(session.shows_progress());
    let mut backup = db.backup().cancel(session.token()).progress(|it| meter.show(&it));
    if asked.copy {
        backup = backup.copy();
    }
    if asked.verify {
        backup = backup.verify();
    }
    let archive = asked.path.ends_with(".tar");
    let report = if archive { backup.to_archive(&asked.path) } else { backup.to_dir(&asked.path) };
    meter.clear();
    let report = report?;
    session.output.one(&report, || told(&report, &asked.path))
}

fn told(report: &BackupReport, path: &str) -> String {
    let sizes = match (report.linked_bytes, report.copied_bytes) {
        (0, copied) => render::size(copied),
        (linked, 0) => format!("{} by hard links", render::size(linked)),
        (linked, copied) => format!("{} by hard links, {} copied", render::size(linked), render::size(copied)),
    };
    let verified = if report.verified { ", verified" } else { "" };
    format!(
        "backed up to {}: {}, {sizes}{verified} (LSN {}) in {}",
        render::plain(path),
        render::counted(report.files, "file"),
        report.lsn,
        render::elapsed(report.elapsed)
    )
}
