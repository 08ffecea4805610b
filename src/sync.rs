//! The locks the engine uses, from one place, so that a model checker can replace them.
//!
//! Lock order, outermost first; a thread that holds one may take only those below it:
//!
//! 1. `publish`: the right to publish a manifest (flush, merge, create, drop, import, blob).
//! 2. `commit`: the right to append to the log and apply to mutable segments.
//! 3. `queue`: the waiting batches.
//! 4. `current`: the visible view, held for the length of a clone or a swap.
//! 5. locks inside one segment: its open block, its recent deletions.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
