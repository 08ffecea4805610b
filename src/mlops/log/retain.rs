//! What is done now and then: checkpoints, and letting go of what is kept no longer.

use super::EmbeddingLog;
use super::fold::Fold;
use super::options::Retention;
use super::rows::{Slices, slice_name};
use super::space::Space;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::mlops::times::before;

/// What [`EmbeddingLog::tick`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LogTick {
    /// Spaces whose checkpoint was written.
    pub checkpoints: u64,
    /// Slices that were dropped.
    pub dropped: u64,
}

impl EmbeddingLog {
    /// Does what is to be done now and then, as at the time `now`: writes checkpoints, so that little is read again after a
    /// crash, and drops slices whose vectors are kept no longer. Call it every some minutes; the log starts no thread.
    ///
    /// A slice goes when all its times are past the age, or, the oldest first, while the space takes more bytes than it may; the
    /// newest stays, and each whose time is not over. That drops whole files and costs nothing for each vector. What is kept
    /// of its windows goes as well, at most 1,000 windows a call. A slice in which something was logged behind a batch that
    /// is still open stays until that has ended.
    pub fn tick(&self, now: Timestamp) -> Result<LogTick> {
        self.check_writes()?;
        let mut done = LogTick::default();
        for (space, _) in self.all()? {
            let mut fold = space.fold.lock();
            space.settle(&self.db, &mut fold)?;
            let slices = Slices::of(&self.db, space.number)?;
            let floor = self.new_floor(&space, &fold, &slices, now)?;
            space.raise_floor(&mut fold, floor);
            done.checkpoints += u64::from(fold.save(&self.db)?);
            // From here on nobody reads them; a crash leaves the rest to the next tick.
            for slice in slices.numbers().iter().filter(|slice| space.plan.times_of(**slice).to <= fold.at().floor) {
                self.db.drop_system_collection(&slice_name(space.number, *slice))?;
                done.dropped += 1;
            }
            fold.remove_below_floor(&self.db)?;
        }
        Ok(done)
    }

    /// Where the slices end that can go.
    fn new_floor(&self, space: &Space, fold: &Fold, slices: &Slices, now: Timestamp) -> Result<Timestamp> {
        let retention = *space.retention.lock();
        let mut over = match retention {
            Retention::Bytes(budget) => self.bytes(space, slices)?.saturating_sub(budget),
            Retention::Forever | Retention::Age(_) => 0,
        };
        let mut floor = fold.at().floor;
        for (place, slice) in slices.numbers().iter().enumerate() {
            let end = space.plan.times_of(*slice).to;
            let is_due = match retention {
                Retention::Forever => false,
                Retention::Age(age) => end <= before(now, age),
                // The newest may lie ahead of the time, and the one that is written to before it.
                Retention::Bytes(_) => over > 0 && end <= now && place + 1 < slices.numbers().len(),
            };
            // What is not folded yet would be missing from its windows.
            if !is_due || slices.last_key(*slice)?.is_some_and(|last| last >= fold.at().through) {
                break;
            }
            over = over.saturating_sub(self.db.collection(&slice_name(space.number, *slice))?.bytes()?);
            floor = end;
        }
        Ok(floor)
    }

    pub(super) fn bytes(&self, space: &Space, slices: &Slices) -> Result<u64> {
        let names = slices.numbers().iter().map(|slice| slice_name(space.number, *slice));
        names.map(|name| self.db.collection(&name)?.bytes()).sum()
    }
}
