//! The locks the engine uses, from one place, so that a model checker can replace them: `tests/loom/` does.
//!
//! Lock order of the engine's fields, outermost first; a thread that holds one may take only those below it:
//!
//! 1. `activity`: held shared by calls that change files outside the log, and whole by closing.
//! 2. `indexing`: the index of a sealed segment, from choosing the segment to showing it with the index; `merging`: a
//!    merge, from choosing the segments to showing the new one; `background` of `scrub`: a piece of the round that goes on
//!    by itself. No thread holds two of them.
//! 3. `structure`: the right to change which files a collection has (flush, end of a merge or import, create, drop,
//!    blobs).
//! 4. `log`, the commit lock: the right to append to the log, to apply to segments and to install a view.
//! 5. `manifest`: the manifest as last published, held while the next one is published.
//! 6. the cells, of which a thread holds one at a time: `current`, held for the length of a clone or a swap, `random`,
//!    the reason of `poison`, the last failures of maintenance, the full logs, the damaged segments,
//!    those without an index and those whose index is built anew, the running imports, the snapshots, the condemned files, what scrubbing has found, what is set aside, the queries to be audited, the guard of the directory.
//! 7. the locks inside one segment: its rows in memory, its recent deletions.
//!
//! The locks of what stands on the database, such as that of a handler of alerts, come before all of these: none of the
//! engine's is held while one of them is taken.
//!
//! The commit queue and its tickets stand apart: a ticket is locked under the queue, and neither while any of the
//! others is held.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
