//! What of a store was found damaged when it was opened.

use std::sync::Arc;

use crate::collection::view::CollectionView;
use crate::database::engine::Engine;
use crate::database::pending;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::sealed::Sealed;

/// A listed file that is not there, or that the disk cannot read, is damage like any other until the store is opened
/// anew.
pub(crate) fn as_damage(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.into_kind(ErrorKind::Corrupt).mend("restore the file from a backup"),
        _ if error.is_unreadable() => error.into_kind(ErrorKind::Corrupt).mend(
            "check the disk and the system's log, then open the store again; if the file stays unreadable, restore it \
             from a backup",
        ),
        _ => error,
    }
}

/// Collections that cannot be used, and why.
pub(crate) fn collections(engine: &Engine) -> Vec<(String, String)> {
    let view = engine.current().view;
    let damaged =
        view.collections.values().filter_map(|it| Some((it.name.to_string(), it.damage.as_ref()?.to_string())));
    damaged.collect()
}

/// Collections in which an index cannot be used, and why.
pub(crate) fn indexes(engine: &Engine) -> Vec<(String, String)> {
    let view = engine.current().view;
    let of = |collection: &Arc<CollectionView>| {
        let damage = |segment: &Arc<Sealed>| Some(segment.index()?.damage()?.to_string());
        let named = |error| (collection.name.to_string(), error);
        collection.sealed.iter().filter_map(damage).map(named).collect::<Vec<_>>()
    };
    view.collections.values().flat_map(of).collect()
}

/// Imports that cannot be taken up, and why.
pub(crate) fn imports(engine: &Engine) -> Result<Vec<(String, String)>> {
    let (view, imports) = (engine.current().view, engine.manifest.lock().imports.clone());
    let mut damaged = Vec::new();
    for import in imports {
        let Some(collection) = view.collections.get(&import.collection).filter(|it| it.damage.is_none()) else {
            continue;
        };
        let opened =
            import.files.iter().try_for_each(|file| pending::open(&engine.opener, &collection.schema, file).map(drop));
        match opened {
            Err(error) if error.is_damage() || error.is_unreadable() => {
                damaged.push((import.name, as_damage(error).to_string()));
            }
            opened => opened?,
        }
    }
    Ok(damaged)
}
