//! Sizes, counts and positions.

use std::path::Path;

use driftline::CollectionStats;

use crate::failure::Outcome;
use crate::render::{self, Output};
use crate::store;

pub(crate) fn stats(path: &Path, output: &mut Output) -> Outcome {
    let stats = store::read(path)?.stats()?;
    output.one(&stats, || {
        let mut pairs = vec![
            ("store", render::plain(&stats.location)),
            ("newest batch", format!("LSN {}", stats.lsn)),
            ("files", render::size(stats.file_bytes)),
            ("in memory", render::size(stats.unsealed_bytes)),
            ("log", format!("{}, {}", render::counted(stats.log_files, "file"), render::size(stats.log_bytes))),
            ("blobs", format!("{}, {}", render::count(stats.blobs), render::size(stats.blob_bytes))),
        ];
        pairs.extend(stats.free_bytes.map(|free| ("free on disk", render::size(free))));
        pairs.extend(stats.maintenance_failure.clone().map(|failure| ("maintenance failed", failure)));
        let mut table = render::table(&["collection", "records", "segments", "deleted", "size", "schema"]);
        table.add_rows(stats.collections.iter().map(cells));
        let damage = stats.collections.iter().filter_map(|it| Some(format!("\n{}: {}", it.name, it.damage.as_ref()?)));
        format!("{}\n\n{}{}", render::pairs(pairs), table.trim_fmt(), damage.collect::<String>())
    })
}

fn cells(collection: &CollectionStats) -> Vec<String> {
    vec![
        collection.name.clone(),
        render::count(collection.records),
        render::count(collection.segments),
        render::count(collection.deleted_rows),
        render::size(collection.file_bytes),
        collection.schema.clone(),
    ]
}
