//! Telling how far something is, and hearing whether to go on.

use std::fmt;

use crate::database::cancel::CancelToken;
use crate::error::Result;

/// How far a backup, a restore, a salvage or a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RescueProgress {
    /// What is being done.
    pub phase: RescuePhase,
    /// Bytes done in this phase.
    pub bytes: u64,
    /// Bytes in all, where that is known.
    pub of_bytes: Option<u64>,
}

/// What a backup, a restore, a salvage or a migration is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RescuePhase {
    /// Linking, copying or rewriting files.
    Copying,
    /// Reading what was written and checking it.
    Verifying,
}

/// Who is told, and what says that it is to end.
#[derive(Default)]
pub(super) struct Watch<'a> {
    pub(super) cancel: CancelToken,
    pub(super) tell: Option<Box<dyn FnMut(RescueProgress) + 'a>>,
}

impl Watch<'_> {
    /// A phase begins.
    pub(super) fn begin(&mut self, phase: RescuePhase, of_bytes: Option<u64>) -> Steps<'_> {
        let tell: Option<Tell<'_>> = match &mut self.tell {
            Some(tell) => Some(&mut **tell),
            None => None,
        };
        let mut steps = Steps { cancel: &self.cancel, tell, now: RescueProgress { phase, bytes: 0, of_bytes } };
        steps.tell();
        steps
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("cancel", &self.cancel).field("tells", &self.tell.is_some()).finish()
    }
}

type Tell<'a> = &'a mut dyn FnMut(RescueProgress);

/// The steps of one phase.
pub(super) struct Steps<'a> {
    cancel: &'a CancelToken,
    tell: Option<Tell<'a>>,
    now: RescueProgress,
}

impl Steps<'_> {
    /// So many more bytes are done. Fails when somebody has cancelled.
    pub(super) fn advance(&mut self, bytes: u64) -> Result<()> {
        self.now.bytes += bytes;
        self.tell();
        self.cancel.check()
    }

    fn tell(&mut self) {
        let now = self.now;
        if let Some(tell) = &mut self.tell {
            tell(now);
        }
    }
}
