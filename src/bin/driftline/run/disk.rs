//! `disk`: what takes how much room.

use driftline::{CollectionUsage, DiskUsage, Pin};

use crate::failure::Outcome;
use crate::render::{self, Output, Plain};
use crate::session::Session;

pub(super) fn disk(session: &mut Session) -> Outcome {
    let usage = session.store.reading()?.disk_usage()?;
    if !session.output.is_table() {
        return session.output.one(&usage, String::new);
    }
    let lines = parts(&usage).into_iter().map(|(part, bytes)| (part, render::size(bytes)));
    session.output.line(&render::pairs(lines))?;
    if !usage.collections.is_empty() {
        session.output.line("")?;
        collections(&mut session.output, &usage.collections)?;
    }
    if !usage.pins.is_empty() {
        session.output.line("")?;
        pins(&mut session.output, &usage.pins)?;
    }
    Ok(())
}

/// The whole and its parts; rare parts only where there is something of them.
fn parts(usage: &DiskUsage) -> Vec<(&'static str, u64)> {
    let always = [
        ("in all", usage.bytes),
        ("live rows", usage.live_bytes),
        ("dead rows", usage.dead_bytes),
        ("indexes", usage.index_bytes),
        ("blobs", usage.blob_bytes),
        ("log", usage.log_bytes),
        ("manifest", usage.root_bytes),
        ("set aside", usage.reserve_bytes),
    ];
    let rare = [
        ("unfinished imports", usage.import_bytes),
        ("temporary", usage.temporary_bytes),
        ("kept by readers", usage.pinned_bytes),
    ];
    always.into_iter().chain(rare.into_iter().filter(|(_, bytes)| *bytes > 0)).collect()
}

fn collections(output: &mut Output, collections: &[CollectionUsage]) -> Outcome {
    let row = |it: &CollectionUsage| {
        let sizes = [it.live_bytes, it.dead_bytes, it.index_bytes, it.import_bytes];
        let cells = std::iter::once(it.name.clone()).chain(sizes.map(render::size)).collect();
        Ok(Plain { thing: it.clone(), cells })
    };
    output.many(&["collection", "live rows", "dead rows", "indexes", "imports"], collections.iter().map(row))
}

fn pins(output: &mut Output, pins: &[Pin]) -> Outcome {
    let row = |it: &Pin| {
        let by = it.snapshot.map_or("running reads".into(), |lsn| format!("snapshot of LSN {lsn}"));
        let since = it.since.map_or(String::new(), render::time);
        Ok(Plain { thing: it.clone(), cells: vec![by, since, render::count(it.files), render::size(it.bytes)] })
    };
    output.many(&["kept by", "since", "files", "size"], pins.iter().map(row))
}
