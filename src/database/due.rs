//! When something has to be done.

use std::time::Duration;

use crate::clock::Timestamp;

/// When something has to be done, and how long that was to wait at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Timestamp,
    pub(crate) within: Duration,
}

impl Due {
    /// How long there is left. A clock that was set back makes nobody wait longer than that.
    pub(crate) fn wait(self, now: Timestamp) -> Duration {
        let left = self.at.since(now);
        if left > self.within { Duration::ZERO } else { left }
    }
}
