//! Committing: conditions are resolved, the effects of a group are logged in one write, synced once, applied and shown.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::collection::operation::{Effect, effects};
use crate::collection::record::Patch;
use crate::collection::view::{CollectionView, Stale};
use crate::database::due::Due;
use crate::database::engine::{DatabaseView, Engine, LogState, PoisonOnPanic};
use crate::database::options::{Durability, Maintenance};
use crate::database::request::{
    Commit, EncodedRow, MAX_BATCH_BYTES, Precondition, Request, Step, check_size, conflict, nothing_to_patch,
};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, Lsn};
use crate::payload::{self, BlobId};
use crate::segment::Moment;
use crate::storage::wal::{AppendError, Group, Room};
use crate::sync::Ordering;

/// A request whose conditions held: its effects, which of them to log, and what each replaces in files.
#[derive(Debug, Clone)]
struct Resolved {
    bytes: Vec<u8>,
    /// The effects to log, where those are not all of them: ephemeral collections keep out of the log.
    logged: Option<Vec<u8>>,
    stale: Vec<Option<Stale>>,
    collections: BTreeSet<CollectionId>,
    durability: Durability,
}

impl Resolved {
    fn logged(&self) -> &[u8] {
        self.logged.as_deref().unwrap_or(&self.bytes)
    }

    fn only_deletes(&self) -> bool {
        effects(self.logged()).flatten().all(|effect| matches!(effect, Effect::Delete(..)))
    }

    /// False where all it changes is in ephemeral collections.
    fn is_logged(&self) -> bool {
        self.logged.as_ref().is_none_or(|logged| !logged.is_empty())
    }
}

impl Engine {
    /// Commits a request, alone or in a group with those of other threads.
    pub(crate) fn commit(&self, request: Request) -> Result<Commit> {
        self.check_writable()?;
        let bytes = request.bytes.len();
        if !request.only_deletes() {
            self.wait_for_room()?;
            self.admit(bytes as u64)?;
        }
        let lost = || {
            let error = Error::internal("a thread panicked while it committed");
            self.poison.set(&error);
            Err(error.into_kind(ErrorKind::OutcomeUnknown))
        };
        let start = Instant::now();
        let outcome = self.queue.submit(request, bytes, |requests| self.commit_requests(requests), lost);
        if outcome.is_ok() {
            self.meters.commit.observe(start.elapsed());
        }
        outcome
    }

    /// Blocks while rows come in faster than they get into files.
    fn wait_for_room(&self) -> Result<()> {
        let start = Instant::now();
        while let Some(what) = self.overload() {
            let waited = start.elapsed();
            let busy = || {
                Error::new(ErrorKind::Busy, format!("{what}; the write was not begun"))
                    .mend("retry later; under Maintenance::Manual call Database::tick first")
            };
            if self.options.maintenance == Maintenance::Manual {
                return Err(busy());
            }
            if waited >= self.options.busy_timeout {
                let failure = self.pressure.flush_failure.lock().clone();
                return Err(failure.filter(|error| error.kind() == ErrorKind::DiskFull).unwrap_or_else(busy));
            }
            if waited.is_zero() {
                self.waker.wake_flusher();
                self.waker.wake_merger();
            }
            // Room may have come between looking and waiting, so the wait is short and looks again.
            let mut failure = self.pressure.flush_failure.lock();
            self.pressure.relieved.wait_for(&mut failure, LOOK_AGAIN);
            drop(failure);
            self.check_writable()?;
        }
        Ok(())
    }

    /// Why writers have to wait, if they have to.
    fn overload(&self) -> Option<String> {
        let unsealed = self.pressure.unsealed_bytes.load(Ordering::Relaxed);
        let budget = self.options.memory_budget_bytes;
        if unsealed >= budget {
            return Some(format!("{unsealed} bytes of rows wait to be sealed and the budget is {budget}"));
        }
        let logs = self.pressure.log_bytes.load(Ordering::Relaxed);
        if logs >= self.options.log_budget_bytes.saturating_mul(2) {
            return Some(format!("the log holds {logs} bytes, twice its budget"));
        }
        let segments = self.pressure.most_segments.load(Ordering::Relaxed);
        (segments >= MAX_SEGMENTS).then(|| format!("{segments} segments of one collection wait to be merged"))
    }

    fn commit_requests(&self, requests: Vec<Request>) -> Vec<Result<Commit>> {
        let mut log = self.log.lock();
        // Dropped before the lock, so that nobody works on with a batch that was half applied.
        let _guard = PoisonOnPanic(self, "a thread panicked while it committed");
        let mut outcomes = Vec::with_capacity(requests.len());
        while outcomes.len() < requests.len() {
            let round = self.resolve_round(&log, &requests[outcomes.len()..]);
            outcomes.extend(self.commit_round(&mut log, round));
        }
        outcomes
    }

    /// Resolves the first of `requests`, as many as can be judged by what is committed now and fit one group of the
    /// log: a request that depends on a key an earlier one writes waits for the next round.
    fn resolve_round(&self, log: &LogState, requests: &[Request]) -> Vec<Result<Resolved>> {
        let current = self.current();
        let moment = self.moment(&current);
        let track = requests.len() > 1 && requests.iter().any(Request::is_conditional);
        let mut touched = HashSet::new();
        let mut bytes = 0;
        let mut round = Vec::new();
        for request in requests {
            if track {
                let keys: Vec<u64> = request.keys().collect();
                if request.is_conditional() && keys.iter().any(|key| touched.contains(key)) {
                    break;
                }
                touched.extend(keys);
            }
            let refused = if log.closed { self.check_open() } else { self.poison.check() };
            // How large a patch is, is known only now.
            let admitted = |resolved: Resolved| match request.has_patches() {
                true => self.admit(resolved.bytes.len() as u64).map(|()| resolved),
                false => Ok(resolved),
            };
            let resolved = refused.and_then(|()| resolve(request, &current.view, moment)).and_then(admitted);
            bytes += resolved.as_ref().map_or(0, |resolved| resolved.bytes.len());
            if bytes > MAX_BATCH_BYTES && !round.is_empty() {
                break;
            }
            round.push(resolved);
        }
        round
    }

    fn commit_round(&self, log: &mut LogState, round: Vec<Result<Resolved>>) -> Vec<Result<Commit>> {
        let accepted: Vec<&Resolved> = round.iter().flatten().collect();
        let commits = match accepted.is_empty() {
            true => Ok(Vec::new()),
            false => self.write_and_apply(log, &accepted),
        };
        if let Err(error) = &commits
            && error.kind() == ErrorKind::DiskFull
            && let Some(round) = without_rows(&round, error)
        {
            return self.commit_round(log, round);
        }
        let mut commits = commits.map(Vec::into_iter);
        round
            .iter()
            .map(|resolved| match (resolved, &mut commits) {
                (Err(refused), _) => Err(refused.clone()),
                (Ok(_), Err(failed)) => Err(failed.clone()),
                (Ok(_), Ok(commits)) => commits.next().ok_or_else(|| Error::internal("a batch without an outcome")),
            })
            .collect()
    }

    /// Logs the batches in one group, syncs if one of them asks for it, applies them and shows them to readers.
    fn write_and_apply(&self, log: &mut LogState, batches: &[&Resolved]) -> Result<Vec<Commit>> {
        let mut group = Group::new();
        let mut lsn = log.next_lsn;
        for batch in batches {
            if batch.is_logged() {
                group.push(lsn, batch.logged());
            }
            lsn = lsn.next();
        }
        if !group.is_empty() {
            let room = room_for(batches);
            self.prepare_log(log, room)?;
            self.append(log, &group, room)?;
            self.sync_as_promised(log, batches)?;
        }

        let view = self.current().view;
        let now = self.now();
        let touched: BTreeSet<CollectionId> = batches.iter().flat_map(|batch| &batch.collections).copied().collect();
        let touched: Vec<_> = touched.iter().filter_map(|id| view.collections.get(id)).collect();
        let in_memory = || touched.iter().map(|collection| collection.mutable.bytes()).sum::<u64>();
        let before = in_memory();
        let mut commits = Vec::with_capacity(batches.len());
        for (batch, lsn) in batches.iter().zip(log.next_lsn.0..) {
            let applied = apply(&view, batch, Lsn(lsn), now);
            self.meters.note_batch(applied.puts, applied.deletes);
            commits.push(Commit { lsn: Lsn(lsn), existed: applied.existed });
        }
        self.pressure.unsealed_bytes.fetch_add(in_memory() - before, Ordering::Relaxed);
        log.next_lsn = lsn;
        self.current.advance(Lsn(lsn.0 - 1));
        if touched.iter().any(|collection| self.is_large(collection)) || self.is_half_full() {
            self.waker.wake_flusher();
        } else if touched.iter().any(|collection| self.lacks_wave(collection)) {
            self.waker.wake_indexer();
        }
        Ok(commits)
    }

    fn append(&self, log: &mut LogState, group: &Group, room: Room) -> Result<()> {
        let writer = log.writer.as_mut().ok_or_else(|| Error::internal("no log to write to"))?;
        let mut append = || {
            writer.append(group, room).map_err(|error| match error {
                AppendError::Refused(error) => error,
                AppendError::Broken(error) => {
                    self.poison.set(&error);
                    error.into_kind(ErrorKind::OutcomeUnknown).mend("close the store, open it again and look")
                }
            })
        };
        match room {
            Room::Ordinary => append(),
            Room::Reserve => self.with_last_room(append),
        }
    }

    fn sync_as_promised(&self, log: &mut LogState, batches: &[&Resolved]) -> Result<()> {
        let logged = || batches.iter().filter(|batch| batch.is_logged());
        if logged().any(|batch| batch.durability == Durability::Commit) {
            return self.sync_log(log);
        }
        for batch in logged() {
            if let Durability::Interval(interval) = batch.durability {
                let due = Due { at: self.options.clock.now().after(interval), within: interval };
                if log.sync_due.is_none_or(|earlier| due.at < earlier.at) {
                    log.sync_due = Some(due);
                    self.waker.wake_syncer();
                }
            }
        }
        Ok(())
    }
}

/// Whether a group may take the last room there is: where it only deletes.
fn room_for(batches: &[&Resolved]) -> Room {
    if batches.iter().all(|batch| batch.only_deletes()) { Room::Reserve } else { Room::Ordinary }
}

/// The same round with `full` in the place of the batches that write rows, so that those that only delete go on. None
/// where all are of one kind.
fn without_rows(round: &[Result<Resolved>], full: &Error) -> Option<Vec<Result<Resolved>>> {
    let (deletes, rows) = round.iter().flatten().partition::<Vec<_>, _>(|batch| batch.only_deletes());
    if deletes.is_empty() || rows.is_empty() {
        return None;
    }
    let kept = |batch: &Resolved| if batch.only_deletes() { Ok(batch.clone()) } else { Err(full.clone()) };
    Some(round.iter().map(|batch| batch.as_ref().map_err(Clone::clone).and_then(kept)).collect())
}

/// While a collection has this many segments, writers wait for them to be merged.
pub(crate) const MAX_SEGMENTS: u64 = 64;
/// How often a waiting writer looks whether there is room.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Checks the preconditions and turns patches into puts.
fn resolve(request: &Request, view: &DatabaseView, moment: Moment) -> Result<Resolved> {
    for (collection, key, expected) in &request.preconditions {
        let collection = usable(view, *collection)?;
        let found = collection.lsn_of(key, moment)?;
        let holds = match expected {
            Precondition::Absent => found.is_none(),
            Precondition::Present => found.is_some(),
            Precondition::AtLsn(lsn) => found == Some(*lsn),
        };
        if !holds {
            return Err(conflict(collection, key, *expected, found));
        }
    }
    let bytes = resolve_steps(request, view, moment)?;
    let stale = stale_rows(view, &bytes)?;
    let collections: BTreeSet<CollectionId> = effects(&bytes).flatten().map(|effect| effect.collection()).collect();
    let logged = logged_part(view, &bytes, &collections);
    Ok(Resolved { bytes, logged, stale, collections, durability: request.durability })
}

/// The effects of a batch without those on ephemeral collections; `None` when it has no such.
fn logged_part(view: &DatabaseView, bytes: &[u8], collections: &BTreeSet<CollectionId>) -> Option<Vec<u8>> {
    let is_ephemeral = |id: &CollectionId| view.collections.get(id).is_some_and(|it| it.schema.is_ephemeral());
    let ephemeral: BTreeSet<_> = collections.iter().filter(|id| is_ephemeral(id)).collect();
    if ephemeral.is_empty() {
        return None;
    }
    let mut logged = Vec::new();
    let kept = effects(bytes).flatten().filter(|effect| !ephemeral.contains(&effect.collection()));
    kept.for_each(|effect| effect.encode_into(&mut logged));
    Some(logged)
}

/// The effects of a request's steps, in logged form.
fn resolve_steps(request: &Request, view: &DatabaseView, moment: Moment) -> Result<Vec<u8>> {
    if !request.has_open_steps() {
        return Ok(request.bytes.clone());
    }
    let mut resolved = Effects { bytes: Vec::with_capacity(request.bytes.len()), newest: HashMap::new() };
    for step in &request.steps {
        match step {
            Step::Effect(range) => {
                let bytes = &request.bytes[range.clone()];
                let effect = effects(bytes).next().and_then(std::result::Result::ok);
                let effect = effect.ok_or_else(|| Error::internal("a batch that cannot be read"))?;
                resolved.push(effect.collection(), effect.key(), bytes)?;
            }
            Step::Patch { collection, key, patch, at } => {
                let collection = usable(view, *collection)?;
                if at.is_some() && collection.lsn_of(key, moment)? != *at {
                    continue;
                }
                let effect = patched(collection, key, patch, resolved.newest(collection.id, key), moment)?;
                resolved.push(collection.id, key, &effect)?;
            }
            Step::Delete { collection, key, at } => {
                if usable(view, *collection)?.lsn_of(key, moment)? == Some(*at) {
                    let mut effect = Vec::new();
                    Effect::Delete(*collection, key).encode_into(&mut effect);
                    resolved.push(*collection, key, &effect)?;
                }
            }
        }
    }
    Ok(resolved.bytes)
}

/// The effects of a batch as they become known, and where the newest on each key stands.
struct Effects<'a> {
    bytes: Vec<u8>,
    newest: HashMap<(CollectionId, &'a [u8]), usize>,
}

impl<'a> Effects<'a> {
    /// Adds an effect in logged form. Refuses to grow beyond what a batch may take.
    fn push(&mut self, collection: CollectionId, key: &'a [u8], effect: &[u8]) -> Result<()> {
        check_size(self.bytes.len() + effect.len())?;
        self.newest.insert((collection, key), self.bytes.len());
        self.bytes.extend_from_slice(effect);
        Ok(())
    }

    fn newest(&self, collection: CollectionId, key: &[u8]) -> Option<Effect<'_>> {
        let offset = self.newest.get(&(collection, key))?;
        effects(self.bytes.get(*offset..)?).next()?.ok()
    }
}

fn usable(view: &DatabaseView, collection: CollectionId) -> Result<&Arc<CollectionView>> {
    let collection = view.by_id(collection)?;
    collection.check_usable()?;
    Ok(collection)
}

/// What each effect replaces in files; also refuses effects on collections or blobs that are not there.
fn stale_rows(view: &DatabaseView, bytes: &[u8]) -> Result<Vec<Option<Stale>>> {
    let mut stale = Vec::new();
    for effect in effects(bytes) {
        let effect = effect.map_err(|_| Error::internal("a batch that cannot be read"))?;
        let collection = usable(view, effect.collection())?;
        if let Effect::Put(_, row) = effect {
            check_blobs(view, row.payload)?;
        }
        stale.push(collection.stale(effect.key())?);
    }
    Ok(stale)
}

pub(crate) fn check_blobs(view: &DatabaseView, stored: &[u8]) -> Result<()> {
    let named = payload::blobs(stored).map_err(|_| Error::internal("a payload that cannot be read"))?;
    named.into_iter().try_for_each(|blob| check_blob(view, blob))
}

pub(crate) fn check_blob(view: &DatabaseView, blob: BlobId) -> Result<()> {
    if view.blobs.contains_key(&blob.0) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, format!("the payload names blob {blob}, which is not stored"))
        .mend("store it first with Database::put_blob"))
}

/// The effect of a patch: the record as it stands, or as an earlier step of the batch left it, changed and put whole.
fn patched(
    collection: &CollectionView,
    key: &[u8],
    patch: &Patch,
    earlier: Option<Effect<'_>>,
    moment: Moment,
) -> Result<Vec<u8>> {
    let missing = || nothing_to_patch(collection, collection.id, key);
    let mut record = match earlier {
        Some(Effect::Put(_, row)) if row.expires > moment.now => collection.record_of(&row)?,
        Some(Effect::Put(..) | Effect::Delete(..)) => return Err(missing()),
        None => collection.get(key, moment)?.ok_or_else(missing)?,
    };
    if let Some(payload) = &patch.payload {
        record.payload.merge(payload.clone());
    }
    if let Some(vector) = &patch.vector {
        record.vector = Some(vector.clone());
    }
    if let Some(expires) = patch.expires {
        record.expires = expires;
    }
    let lives = record.expires.unwrap_or(Timestamp::NEVER);
    record.expires = Some(lives);
    let row = EncodedRow::new(collection, &record, moment.now)?;
    let mut effect = Vec::new();
    Effect::Put(collection.id, row.as_row(&record)).encode_into(&mut effect);
    Ok(effect)
}

/// What the effects of a batch did.
#[derive(Debug, Default)]
struct Applied {
    /// How many met a live record.
    existed: u64,
    puts: u64,
    deletes: u64,
}

/// Applies a logged batch.
fn apply(view: &DatabaseView, batch: &Resolved, lsn: Lsn, now: Timestamp) -> Applied {
    let mut applied = Applied::default();
    for (effect, stale) in effects(&batch.bytes).flatten().zip(&batch.stale) {
        if let Ok(collection) = view.by_id(effect.collection()) {
            applied.existed += u64::from(collection.apply(&effect, *stale, lsn, now));
            match effect {
                Effect::Put(..) => applied.puts += 1,
                Effect::Delete(..) => applied.deletes += 1,
            }
        }
    }
    applied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::record::Record;
    use crate::database::options::Options;
    use crate::key::Key;
    use crate::payload::Value;
    use crate::schema::Schema;
    use crate::storage::fs::{Fault, SimulatedFs};
    use serde_json::json;

    /// Patches that double records of 15 MiB, whose size the queue does not know.
    #[test]
    fn patches_that_are_too_much_for_one_group_take_several() {
        let options = Options::new().maintenance(Maintenance::Manual).memory_budget_bytes(1 << 30);
        let db = options.in_memory().unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        let text = Value::from("x".repeat(15 << 20));
        let keys: Vec<Key> = (0..5u64).map(Key::from).collect();
        for key in &keys {
            notes.put(Record::new(key).payload(text.clone())).unwrap();
        }

        let id = notes.view().unwrap().id;
        let patch = |key: &Key| {
            let patch = Patch::new().expires(None);
            Step::Patch { collection: id, key: key.encode(), patch, at: None }
        };
        let request = |steps| Request { steps, ..Request::default() };
        let all = request(keys.iter().map(patch).collect());
        let mut requests: Vec<Request> = keys.iter().map(|key| request(vec![patch(key)])).collect();
        requests.push(all);
        let outcomes = db.engine().commit_requests(requests);
        let lsns: Vec<u64> = outcomes[..5].iter().map(|outcome| outcome.as_ref().unwrap().lsn.0).collect();
        assert_eq!(lsns, [6, 7, 8, 9, 10]);
        assert_eq!(outcomes[5].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
    }

    /// What others write at the same time is in the same group of the log.
    #[test]
    fn on_a_full_disk_deletes_go_on_beside_rows_that_are_refused() {
        let fs = SimulatedFs::new(1);
        let options = Options::new().maintenance(Maintenance::Manual).seed(1);
        let db = options.open_on(Arc::new(fs.clone())).unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        (0..3u64).for_each(|key| _ = notes.put(Record::new(key)).unwrap());
        let text = Value::from("x".repeat(2 << 20));
        fs.inject(Fault::DiskFull { after_bytes: 0 });

        let view = notes.view().unwrap();
        let put = |key: u64| {
            let record = Record::new(key).payload(text.clone());
            let row = EncodedRow::new(&view, &record, db.engine().now()).unwrap();
            let mut bytes = Vec::new();
            Effect::Put(view.id, row.as_row(&record)).encode_into(&mut bytes);
            Request { bytes, ..Request::default() }
        };
        let delete = |key: u64| {
            let mut bytes = Vec::new();
            Effect::Delete(view.id, &Key::from(key).encode()).encode_into(&mut bytes);
            Request { bytes, ..Request::default() }
        };
        let outcomes = db.engine().commit_requests(vec![put(7), delete(0), put(8), delete(1)]);
        let kinds: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().map(Error::kind)).collect();
        let full = Some(ErrorKind::DiskFull);
        assert_eq!(kinds, [full, None, full, None]);
        assert_eq!(notes.count().unwrap(), 1);
    }

    #[test]
    fn a_patch_changes_what_earlier_steps_of_its_batch_left_however_many_there_are() {
        let db = Options::new().maintenance(Maintenance::Manual).in_memory().unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        notes.put_all((0..20_000u64).map(|key| Record::new(key).payload(json!({"a": 1})))).unwrap();
        let mut batch = db.batch().put(&notes, Record::new(7u64).payload(json!({"a": 2})));
        for key in (0..20_000u64).chain(7..9) {
            batch = batch.patch(&notes, key, Patch::new().merge(json!({"b": key})));
        }
        batch = batch.patch(&notes, 7u64, Patch::new().merge(json!({"c": 4})));
        let start = Instant::now();
        batch.commit().unwrap();
        // Looking through all earlier effects for each takes many times as long.
        assert!(start.elapsed() < Duration::from_secs(5));
        let payload = |key: u64| notes.get(key).unwrap().unwrap().payload;
        assert_eq!(payload(7), json!({"a": 2, "b": 7, "c": 4}).into());
        assert_eq!(payload(19_999), json!({"a": 1, "b": 19_999}).into());

        let gone = db.batch().delete(&notes, 7u64).patch(&notes, 7u64, Patch::new().merge(json!({"b": 1})));
        assert_eq!(gone.commit().unwrap_err().kind(), ErrorKind::NotFound);
    }
}
