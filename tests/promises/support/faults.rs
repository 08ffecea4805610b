//! What can go wrong with one call to the file system, by name.

use std::io::ErrorKind;

use driftline::fs::{Fault, Lasting};

/// A kind of misfortune.
pub(crate) struct Misfortune {
    pub(crate) name: &'static str,
    at: fn(u64) -> Fault,
}

impl Misfortune {
    /// It strikes this call.
    pub(crate) fn at(&self, call: u64) -> Fault {
        (self.at)(call)
    }
}

const fn misfortune(name: &'static str, at: fn(u64) -> Fault) -> Misfortune {
    Misfortune { name, at }
}

fn once(at_call: u64, error: ErrorKind) -> Fault {
    Fault::Fail { at_call, error, lasting: Lasting::Once }
}

fn for_good(at_call: u64, error: ErrorKind) -> Fault {
    Fault::Fail { at_call, error, lasting: Lasting::Always }
}

/// The misfortunes that every call of every scenario meets.
pub(crate) const COMMON: &[Misfortune] = &[
    misfortune("EIO, once", |call| once(call, ErrorKind::Other)),
    misfortune("EIO, from then on", |call| for_good(call, ErrorKind::Other)),
    misfortune("ENOSPC, from then on", |call| for_good(call, ErrorKind::StorageFull)),
];

/// The others, which the calls meet by turns.
pub(crate) const OTHERS: &[Misfortune] = &[
    misfortune("ENOSPC, once", |call| once(call, ErrorKind::StorageFull)),
    misfortune("EACCES, once", |call| once(call, ErrorKind::PermissionDenied)),
    misfortune("EACCES, from then on", |call| for_good(call, ErrorKind::PermissionDenied)),
    misfortune("EROFS, once", |call| once(call, ErrorKind::ReadOnlyFilesystem)),
    misfortune("EROFS, from then on", |call| for_good(call, ErrorKind::ReadOnlyFilesystem)),
    misfortune("EINTR, once", |call| once(call, ErrorKind::Interrupted)),
    misfortune("short write", |at_call| Fault::ShortWrite { at_call }),
    misfortune("sync that fails and drops", |at_call| Fault::SyncFails { at_call }),
    misfortune("directory sync that fails and drops", |at_call| Fault::DirSyncFails { at_call }),
];

/// Each of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Misfortune> {
    COMMON.iter().chain(OTHERS)
}
