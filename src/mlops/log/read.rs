//! Reading the log: vectors by key and time, and what was kept of them.

use std::ops::Range;
use std::sync::Arc;

use super::EmbeddingLog;
use super::bottom::hash;
use super::entry::{Logged, Row};
use super::fold::Fold;
use super::profile::{Profile, Sample};
use super::rows::{ByKey, Slices, in_times};
use super::sketch::Sketch;
use super::space::Space;
use crate::database::cancel::CancelToken;
use crate::error::Result;
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;
use crate::sync::MutexGuard;

impl EmbeddingLog {
    /// The vector of a number. Looks into every slice, the newest first.
    pub fn get(&self, model: &ModelId, key: u64) -> Result<Option<Logged>> {
        let space = self.space(model)?;
        let slices = Slices::of(&self.db, space.number)?;
        for slice in slices.numbers().iter().rev() {
            if let Some(record) = slices.get(*slice, key)? {
                let logged = Logged::of(&space.model, record)?;
                return Ok(Some(logged).filter(|logged| logged.time >= space.floor()));
            }
        }
        Ok(None)
    }

    /// Walks the vectors of a time in the order in which they were logged, as it is now.
    pub fn scan(&self, model: &ModelId, range: TimeRange) -> Result<LogScan> {
        self.scan_keys(model, range, 0..u64::MAX, &CancelToken::new())
    }

    /// The same for some keys.
    pub(super) fn scan_keys(
        &self,
        model: &ModelId,
        range: TimeRange,
        keys: Range<u64>,
        cancel: &CancelToken,
    ) -> Result<LogScan> {
        let space = self.space(model)?;
        let range = TimeRange { from: range.from.max(space.floor()), ..range };
        let slices = Slices::of(&self.db, space.number)?;
        let records = slices.scan(slices.within(&space.plan, range), keys, Some(&in_times(range)), cancel)?;
        Ok(LogScan { model: Arc::clone(&space.model), records })
    }

    /// What the vectors of a time are like.
    pub fn profile(&self, model: &ModelId, range: TimeRange) -> Result<Profile> {
        let space = self.space(model)?;
        let (range, fold) = self.settled(&space, range)?;
        let mut whole = fold.empty(crate::clock::Timestamp(0))?;
        for (_, sketch) in self.parts(&space, &fold, range)? {
            whole.merge(&sketch)?;
        }
        Ok(Profile::new(&space.model, range, whole))
    }

    /// The windows that meet a time, the earliest first, each whole. Windows without vectors are left out.
    pub fn windows(&self, model: &ModelId, range: TimeRange) -> Result<Vec<Profile>> {
        let space = self.space(model)?;
        let (range, fold) = self.settled(&space, range)?;
        let windows = fold.windows(&self.db, range)?.into_iter();
        Ok(windows.map(|(range, sketch)| Profile::new(&space.model, range, sketch)).collect())
    }

    /// Draws vectors of a time: at most `max`, and at most as many as the space keeps of a window (1,000 unless it was
    /// registered with another number), each as likely as any other. The same seed draws the same.
    pub fn sample(&self, model: &ModelId, range: TimeRange, max: usize, seed: u64) -> Result<Sample> {
        let space = self.space(model)?;
        let (range, fold) = self.settled(&space, range)?;
        let parts = self.parts(&space, &fold, range)?;
        let mut whole = fold.empty(range.from)?;
        parts.iter().try_for_each(|(_, part)| whole.merge(part))?;
        let mut drawn: Vec<u64> = whole.rows.keys().collect();
        drawn.sort_by_key(|key| (hash(*key, seed), *key));
        drawn.truncate(max);
        drawn.sort_unstable();
        self.fetch(&space, &parts, &drawn)
    }

    /// Reads the vectors of these keys, which ascend and are in the samples of `parts`.
    fn fetch(&self, space: &Space, parts: &[(TimeRange, Sketch)], keys: &[u64]) -> Result<Sample> {
        let slices = Slices::of(&self.db, space.number)?;
        let slice_of = |(window, part): &(TimeRange, Sketch)| {
            let slice = space.plan.slice(window.from);
            part.rows.keys().filter(|key| keys.binary_search(key).is_ok()).map(|key| (key, slice)).collect::<Vec<_>>()
        };
        let mut places: Vec<(u64, i64)> = parts.iter().flat_map(slice_of).collect();
        places.sort_unstable();
        let mut sample = Sample { dimension: space.plan.dimension, ..Sample::default() };
        for (key, slice) in places {
            // None where the slice has gone since.
            let Some(record) = slices.get(slice, key)? else { continue };
            let row = Row::of(record)?;
            sample.keys.push(row.key);
            sample.times.push(row.time);
            sample.vectors.extend(row.vector);
        }
        Ok(sample)
    }

    /// The state of a space with all that was committed, and the part of the range that is kept.
    pub(super) fn settled<'a>(&self, space: &'a Space, range: TimeRange) -> Result<(TimeRange, MutexGuard<'a, Fold>)> {
        let mut fold = space.fold.lock();
        space.settle(&self.db, &mut fold)?;
        Ok((TimeRange { from: range.from.max(fold.at().floor), ..range }, fold))
    }

    /// The state of a range, window by window: as it was kept, and from the rows where the range ends inside one.
    fn parts(&self, space: &Space, fold: &Fold, range: TimeRange) -> Result<Vec<(TimeRange, Sketch)>> {
        let cut = |(window, sketch): (TimeRange, Sketch)| {
            let inside = sketch.times.is_some_and(|(first, last)| range.contains(first) && range.contains(last));
            let part = if inside { sketch } else { self.cut(space, fold, window, &sketch, range)? };
            Ok((window, part))
        };
        let parts = fold.windows(&self.db, range)?.into_iter().map(cut).collect::<Result<Vec<_>>>()?;
        Ok(parts.into_iter().filter(|(_, part)| part.count() > 0).collect())
    }

    /// The state of those rows of a window that lie in the range.
    fn cut(&self, space: &Space, fold: &Fold, window: TimeRange, whole: &Sketch, range: TimeRange) -> Result<Sketch> {
        let mut part = fold.empty(window.from)?;
        let (from, to) = (range.from.max(window.from), range.to.min(window.to));
        let Some((first, last)) = whole.keys.filter(|_| from < to) else { return Ok(part) };
        let slices = Slices::of(&self.db, space.number)?;
        let slice = slices.within(&space.plan, TimeRange { from, to });
        let keys = first..last.saturating_add(1).min(fold.at().through);
        for record in slices.scan(slice, keys, Some(&in_times(TimeRange { from, to })), &CancelToken::new())? {
            part.add(&Row::of(record?)?)?;
        }
        Ok(part)
    }
}

/// The vectors of a time, in the order in which they were logged. After an error it is over.
#[derive(Debug)]
#[must_use = "a scan does nothing until it is iterated"]
pub struct LogScan {
    model: Arc<ModelId>,
    records: ByKey,
}

impl Iterator for LogScan {
    type Item = Result<Logged>;

    fn next(&mut self) -> Option<Result<Logged>> {
        let record = self.records.next()?;
        Some(record.and_then(|record| Logged::of(&self.model, record)))
    }
}
