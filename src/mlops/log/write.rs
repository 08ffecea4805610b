//! Logging.

use std::collections::BTreeMap;
use std::ops::Range;

use super::EmbeddingLog;
use super::entry::{Entry, Row};
use super::options::SpaceOptions;
use super::rows::{Slices, check_time};
use super::space::Space;
use crate::clock::Timestamp;
use crate::collection::record::Record;
use crate::database::batch::Batch;
use crate::database::request::check_size;
use crate::error::{Error, Result};
use crate::mlops::model::ModelId;
use crate::vector::Vector;

impl EmbeddingLog {
    /// Logs a vector of a model and returns its number. The space of the model is made if there is none, with the default
    /// [`SpaceOptions`]. Fails with `Dimension` when its vectors have another dimension; with `Invalid` for numbers that are
    /// not finite, for zeros under the cosine, and for what is older than the space keeps; and as
    /// [`Batch::commit`](crate::Batch::commit) does.
    pub fn log(&self, model: &ModelId, entry: Entry) -> Result<u64> {
        self.log_all(model, [entry]).map(|keys| keys.start)
    }

    /// Logs vectors of a model in one batch, all or none, and returns their numbers.
    pub fn log_all(&self, model: &ModelId, entries: impl IntoIterator<Item = Entry>) -> Result<Range<u64>> {
        let (batch, keys) = self.add(self.db.batch(), model, entries)?;
        if !keys.is_empty() {
            batch.commit()?;
            self.space(model)?.settle_if_free(&self.db);
        }
        Ok(keys)
    }

    /// Adds vectors of a model to a batch: they are logged when it is committed, together with all it holds, or not at all.
    ///
    /// While the batch is open, profiles and samples show nothing that was logged after this call.
    pub fn log_in(&self, batch: Batch, model: &ModelId, entries: impl IntoIterator<Item = Entry>) -> Batch {
        batch.and_then(|batch| self.add(batch, model, entries).map(|(batch, _)| batch))
    }

    fn add(
        &self,
        batch: Batch,
        model: &ModelId,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(Batch, Range<u64>)> {
        self.check_writes()?;
        let entries = collect(entries)?;
        let Some(first) = entries.first() else { return Ok((batch, 0..0)) };
        let space = self.ensure(model, &SpaceOptions::new(first.vector.len()))?;
        space.settle_if_free(&self.db);
        let mut reservation = space.keys.reserve(entries.len())?;
        let keys = reservation.range.clone();
        let slices = self.sort(&space, entries, keys.clone())?;
        Slices::of(&self.db, space.number)?.check_room_for(slices.keys())?;
        let mut batch = batch;
        for (slice, records) in &slices {
            batch = batch.put_each(&space.slice(&self.db, *slice)?, records);
        }
        if let Some(refused) = batch.refusal() {
            return Err(blamed(refused.clone(), &space, &slices, keys.start));
        }
        reservation.rows = slices.into_values().flatten().map(Row::of).collect::<Result<_>>()?;
        reservation.rows.sort_unstable_by_key(|row| row.key);
        Ok((batch.follow(reservation), keys))
    }

    /// The records of entries, by slice.
    fn sort(&self, space: &Space, entries: Vec<Entry>, keys: Range<u64>) -> Result<BTreeMap<i64, Vec<Record>>> {
        let now = self.db.now();
        let oldest = space.oldest(now);
        let mut slices: BTreeMap<i64, Vec<Record>> = BTreeMap::new();
        for (place, (mut entry, key)) in entries.into_iter().zip(keys).enumerate() {
            let time = entry.time.unwrap_or(now);
            let checked = check(space, &entry, time, oldest).and_then(|()| entry.stored_payload());
            let payload = checked.map_err(|error| error.at(of_entry(space, place as u64)))?;
            let record = Record::new(key).vector(entry.vector).payload(payload).created_at(time);
            slices.entry(space.plan.slice(time)).or_default().push(record);
        }
        Ok(slices)
    }
}

/// All entries, unless they are more than a batch may take.
fn collect(entries: impl IntoIterator<Item = Entry>) -> Result<Vec<Entry>> {
    let mut bytes = 0;
    let add = |entry: Entry| {
        bytes += size_of_val(&entry.vector[..]);
        check_size(bytes).map(|()| entry)
    };
    entries.into_iter().map(add).collect()
}

fn check(space: &Space, entry: &Entry, time: Timestamp, oldest: Timestamp) -> Result<()> {
    if entry.vector.len() != space.plan.dimension {
        return Err(space.plan.wrong_dimension(&space.model, entry.vector.len()));
    }
    check_time(time)?;
    if time < oldest {
        let message =
            format!("the entry is from {} us, and {} keeps none from before {} us", time.0, space.model, oldest.0);
        return Err(Error::invalid(message).mend("leave it out, or keep vectors longer by EmbeddingLog::set_retention"));
    }
    Ok(())
}

fn of_entry(space: &Space, place: u64) -> String {
    format!("log of {}, entry {place}", space.model)
}

/// The refusal of a batch, said of the entry that is to blame.
fn blamed(refused: Error, space: &Space, slices: &BTreeMap<i64, Vec<Record>>, first: u64) -> Error {
    let Ok(schema) = space.plan.schema(&space.model) else { return refused };
    let bad = |record: &&Record| schema.check_vector(record.vector.as_ref().map(Vector::view)).is_err();
    match slices.values().flatten().find(bad).and_then(|record| record.key.as_number()) {
        Some(key) => refused.at(of_entry(space, key - first)),
        None => refused.at(format!("log of {}", space.model)),
    }
}
