//! Holding on to what is on disk at one moment, while writers go on.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::database::engine::{Access, DatabaseView, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{FileId, Lsn};
use crate::storage::manifest::Manifest;

/// A store at one moment. Its files stay until this is dropped.
#[derive(Debug)]
pub(crate) struct Captured {
    /// Lists what was committed up to its `last_lsn` and nothing later: no log, and no import that is not finished.
    pub(crate) manifest: Manifest,
    /// Owns the files.
    _view: Arc<DatabaseView>,
}

impl Engine {
    /// Brings everything into files and holds on to them. Fails with `Corrupt` when a collection is damaged.
    ///
    /// Unfinished imports are left out: their files would not stay, and they can be run again. So are indexes that are
    /// damaged.
    pub(crate) fn capture(&self) -> Result<Captured> {
        self.check_open()?;
        let _busy = (self.access == Access::ReadWrite).then(|| self.begin()).transpose()?;
        let _structure = self.structure.lock();
        refuse_damaged(&self.current().view)?;
        let lsn = match self.access {
            Access::ReadWrite => {
                let ids: Vec<_> = self.current().view.collections.keys().copied().collect();
                self.flush_beside_writers(&ids)?
            }
            Access::ReadOnly => self.position_in_files()?,
        };
        let view = self.current().view;
        let mut manifest = self.manifest.lock().clone();
        manifest.last_lsn = lsn;
        manifest.logs.clear();
        manifest.imports.clear();
        leave_out_damaged_indexes(&mut manifest, &view);
        Ok(Captured { manifest, _view: view })
    }

    /// The position of a store that is open for reading only, all of which must be in files.
    fn position_in_files(&self) -> Result<Lsn> {
        if self.manifest.lock().logs.is_empty() {
            return Ok(self.current().visible);
        }
        Err(Error::new(ErrorKind::ReadOnly, "some of the store is in its log, and a reader cannot bring it into files")
            .at(self.location())
            .mend("open the store for writing to back it up"))
    }
}

fn refuse_damaged(view: &DatabaseView) -> Result<()> {
    let damaged = view.collections.values().find_map(|it| Some((&it.name, it.damage.as_ref()?)));
    match damaged {
        None => Ok(()),
        Some((name, damage)) => Err(Error::corrupt(format!("collection {name} is damaged: {damage}"), "the backup")
            .mend("salvage the store into a new directory, or drop the collection; earlier backups are not touched")),
    }
}

fn leave_out_damaged_indexes(manifest: &mut Manifest, view: &DatabaseView) {
    let segments = view.collections.values().flat_map(|collection| &collection.sealed);
    let indexes = segments.filter_map(|segment| segment.index());
    let damaged: BTreeSet<FileId> =
        indexes.filter(|index| index.usable().is_none()).map(|index| index.entry().file.id).collect();
    for segment in manifest.collections.iter_mut().flat_map(|collection| &mut collection.segments) {
        segment.index.take_if(|index| damaged.contains(&index.file.id));
    }
}
