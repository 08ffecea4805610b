//! Seeded work on a store, with a model beside it: every answer is checked, and after a crash the store must hold what
//! some beginning of its history leaves, with all that was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{ReadMode, SimulatedFs};
use driftline::{
    BlobId, Collection, Commit, Database, Durability, Error, ErrorKind, Import, ImportStart, IndexSpec, Key, Lsn,
    Maintenance, ManualClock, Metric, Options, Patch, Precondition, Random, Record, Result, Schema, Snapshot,
    Timestamp, Value, Work,
};

use super::reading::{any_vector, blob, check_files, check_verifies, named_blobs, read, read_snapshot, read_table};
use super::world::{Change, History, Row, World};

/// The shape of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    /// Keys of each kind in a collection.
    pub(crate) keys: u64,
    /// Whether faults other than a power cut are planned, so that calls may fail.
    pub(crate) faults: bool,
}

/// A store at work. Prints how to replay it when it is dropped by a panic.
pub(crate) struct Run {
    shape: Shape,
    pub(crate) fs: SimulatedFs,
    db: Option<Database>,
    clock: Arc<ManualClock>,
    random: Random,
    history: History,
    live: World,
    /// Blobs stored since the store was opened: they are kept, named or not.
    fresh: BTreeSet<BlobId>,
    /// Every content that was ever stored.
    contents: BTreeMap<BlobId, Vec<u8>>,
    snapshots: Vec<Held>,
    /// Unfinished imports, by table and name.
    pending: BTreeMap<(String, String), Pending>,
    /// An earlier failure made the store refuse writes.
    poisoned: bool,
    /// What was done, for the one who looks for the reason of a failure.
    trace: Vec<String>,
    case: String,
}

/// A snapshot and what it must show.
struct Held {
    snapshot: Snapshot,
    world: World,
    now: Timestamp,
}

/// What was put into an import that has a name.
#[derive(Default)]
struct Pending {
    changes: Vec<Change>,
    /// So many of them must be there when it is resumed.
    promised: usize,
}

const TABLES: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];
const EXPECTED_OPEN: &str = "the store is open";

/// A batch being built, with what it will do if its conditions hold.
struct Planned {
    batch: driftline::Batch,
    /// The model as the steps so far would leave it.
    world: World,
    changes: Vec<Change>,
    existed: u64,
    refused: Option<ErrorKind>,
}

impl Run {
    /// A new store on an empty directory. The opening itself may meet a planned fault: then there is no store yet.
    pub(crate) fn new(shape: Shape, fs: SimulatedFs, case: String) -> Run {
        let mut run = Run {
            shape,
            fs,
            db: None,
            clock: Arc::new(ManualClock::new(Timestamp(1_000_000))),
            random: Random::seeded(shape.seed, 10),
            history: History::default(),
            live: World::default(),
            fresh: BTreeSet::new(),
            contents: BTreeMap::new(),
            snapshots: Vec::new(),
            pending: BTreeMap::new(),
            poisoned: false,
            trace: Vec::new(),
            case,
        };
        match run.open() {
            Ok(db) => run.db = Some(db),
            Err(error) => run.tolerate(&error),
        }
        run
    }

    fn options(&self) -> Options {
        let mut random = Random::seeded(self.shape.seed, 11);
        let log_file = [4 << 10, 16 << 10, 64 << 10, 1 << 20][random.below(4) as usize];
        let modes = [ReadMode::Heap, ReadMode::Mmap];
        Options::new()
            .maintenance(Maintenance::Manual)
            .memory_budget_bytes(1 << 20)
            .log_file_bytes(log_file)
            .log_budget_bytes(log_file * (1 + random.below(6)))
            .free_disk_reserve_bytes(0)
            .index_min_rows(1 + random.below(6) as u32)
            .read_mode(modes[random.below(2) as usize])
            .clock(self.clock.clone())
            .seed(self.shape.seed)
    }

    /// Opens the store as it lies on the disk, without checking it.
    pub(crate) fn open(&mut self) -> Result<Database> {
        self.options().open_on(Arc::new(self.fs.clone()))
    }

    fn now(&self) -> Timestamp {
        driftline::Clock::now(&*self.clock)
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        let call = self.fs.calls();
        self.trace.push(format!("call {call}: {}", what()));
    }

    /// Whether the power is gone.
    pub(crate) fn is_off(&self) -> bool {
        self.fs.is_off()
    }

    /// Does so many operations, fewer when the power goes.
    pub(crate) fn work(&mut self, operations: u64) {
        for _ in 0..operations {
            if self.is_off() {
                return;
            }
            self.step();
        }
    }

    /// One operation.
    pub(crate) fn step(&mut self) {
        if self.db.is_none() {
            return self.reopen_live();
        }
        match self.random.below(100) {
            0..26 => self.put(),
            26..31 => self.put_many(),
            31..37 => self.patch(),
            37..47 => self.delete(),
            47..59 => self.batch(),
            59..63 => self.advance(),
            63..67 => self.create(),
            67..68 => self.drop_table(),
            68..71 => self.put_blob(),
            71..75 => self.flush(),
            75..83 => self.tick(),
            83..85 => self.compact(),
            85..87 => self.import(),
            87..88 => self.resume_import(),
            88..90 => self.hold_snapshot(),
            90..92 => self.check_snapshot(),
            92..94 => self.reopen(),
            94..96 => self.sync(),
            96 => self.reindex(),
            _ => self.check(),
        }
    }

    fn db(&self) -> &Database {
        self.db.as_ref().expect(EXPECTED_OPEN)
    }

    fn any_table(&mut self) -> Option<(String, Collection)> {
        let names: Vec<_> = self.live.tables.keys().cloned().collect();
        if names.is_empty() {
            return None;
        }
        let name = names[self.random.below(names.len() as u64) as usize].clone();
        let collection = self.db().collection(&name).expect("a collection that was made");
        Some((name, collection))
    }

    fn any_key(&mut self) -> Key {
        let number = self.random.below(self.shape.keys);
        match self.random.below(3) {
            0 => number.into(),
            1 => format!("key-{number}").into(),
            _ => vec![0xFF, number as u8].into(),
        }
    }

    fn any_payload(&mut self) -> Value {
        let number = self.random.draw();
        match self.random.below(16) {
            0..3 => Value::Null,
            3..5 => self.any_blob().map_or(Value::Null, |blob| Value::object([("blob", Value::Blob(blob))])),
            5 => {
                let mut bytes = vec![0; self.random.below(60_000) as usize];
                self.random.fill(&mut bytes);
                Value::Bytes(bytes)
            }
            6 => Value::Array(vec![number.into(), Value::Bool(true), "text".into()]),
            _ => Value::object([("n", number.into()), ("s", format!("text {number}").into()), ("gone", 1.into())]),
        }
    }

    fn any_blob(&mut self) -> Option<BlobId> {
        let certain: Vec<BlobId> = self.certain_blobs().into_iter().collect();
        (!certain.is_empty()).then(|| certain[self.random.below(certain.len() as u64) as usize])
    }

    /// The blobs that must be there: fresh ones, and those that live records name.
    fn certain_blobs(&self) -> BTreeSet<BlobId> {
        let now = self.now();
        let mut named = Vec::new();
        let rows = self.live.tables.values().flat_map(|table| table.rows.values());
        rows.filter(|row| row.is_live(now)).for_each(|row| named_blobs(&row.payload, &mut named));
        named.into_iter().chain(self.fresh.iter().copied()).collect()
    }

    /// A record, and what it will be once it is put.
    fn any_record(&mut self, table: &str) -> (Record, Row) {
        let schema = self.live.tables[table].schema.clone();
        let mut record = Record::new(self.any_key()).payload(self.any_payload());
        record.vector = any_vector(&schema, &mut self.random);
        let wait = Duration::from_micros(self.random.below(2_000));
        let mut lifetime = schema.time_to_live();
        match self.random.below(16) {
            0 => record = record.expires_at(self.now().after(wait)),
            1 => {
                lifetime = Some(wait);
                record = record.expires_in(wait);
            }
            2 => record = record.created_at(Timestamp(self.random.below(1_000_000) as i64)),
            _ => {}
        }
        let created = record.created.unwrap_or(self.now());
        let expires = record.expires.or(lifetime.map(|lifetime| created.after(lifetime)));
        let (vector, payload) = (record.vector.clone(), record.payload.clone());
        (record, Row { vector, payload, lsn: None, created, expires })
    }

    fn any_durability(&mut self) -> Durability {
        match self.random.below(4) {
            0 | 1 => Durability::Commit,
            2 => Durability::Interval(Duration::from_micros(1 + self.random.below(1_000))),
            _ => Durability::None,
        }
    }

    fn put(&mut self) {
        let Some((name, collection)) = self.any_table() else { return self.create() };
        let mut planned = self.plan();
        self.plan_put(&mut planned, &name, &collection);
        self.commit(planned, "put");
    }

    fn put_many(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        let mut planned = self.plan();
        for _ in 0..1 + self.random.below(8) {
            self.plan_put(&mut planned, &name, &collection);
        }
        self.commit(planned, "put many");
    }

    fn delete(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        let mut planned = self.plan();
        for _ in 0..1 + self.random.below(3) {
            self.plan_delete(&mut planned, &name, &collection);
        }
        self.commit(planned, "delete");
    }

    fn patch(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        let mut planned = self.plan();
        self.plan_patch(&mut planned, &name, &collection);
        self.commit(planned, "patch");
    }

    /// Several changes in several collections, often under conditions.
    fn batch(&mut self) {
        let mut planned = self.plan();
        for _ in 0..self.random.below(3) {
            let Some((name, collection)) = self.any_table() else { return };
            self.plan_condition(&mut planned, &name, &collection);
        }
        for _ in 0..1 + self.random.below(6) {
            let Some((name, collection)) = self.any_table() else { return };
            match self.random.below(6) {
                0..3 => self.plan_put(&mut planned, &name, &collection),
                3 => self.plan_patch(&mut planned, &name, &collection),
                _ => self.plan_delete(&mut planned, &name, &collection),
            }
        }
        self.commit(planned, "batch");
    }

    fn plan(&self) -> Planned {
        let batch = self.db().batch();
        Planned { batch, world: self.live.clone(), changes: Vec::new(), existed: 0, refused: None }
    }

    fn plan_put(&mut self, planned: &mut Planned, name: &str, collection: &Collection) {
        let (record, row) = self.any_record(name);
        self.change(planned, Change::Put(name.into(), record.key.clone(), row));
        self.with_batch(planned, |batch| batch.put(collection, record));
    }

    fn plan_delete(&mut self, planned: &mut Planned, name: &str, collection: &Collection) {
        let key = self.any_key();
        self.change(planned, Change::Delete(name.into(), key.clone()));
        self.with_batch(planned, |batch| batch.delete(collection, key));
    }

    fn plan_patch(&mut self, planned: &mut Planned, name: &str, collection: &Collection) {
        let key = self.any_key();
        let mut patch = Patch::new();
        let mut row = planned.world.row(name, &key, self.now()).cloned();
        if self.random.one_in(2) {
            let merged = Value::object([("n", self.random.draw().into()), ("gone", Value::Null)]);
            row.iter_mut().for_each(|row| row.payload.merge(merged.clone()));
            patch = patch.merge(merged);
        }
        if self.random.one_in(3)
            && let Some(vector) = any_vector(&self.live.tables[name].schema, &mut self.random)
        {
            row.iter_mut().for_each(|row| row.vector = Some(vector.clone()));
            patch = patch.vector(vector);
        }
        if self.random.one_in(4) {
            let time = self.random.one_in(2).then(|| self.now().after(Duration::from_micros(self.random.below(3_000))));
            row.iter_mut().for_each(|row| row.expires = time);
            patch = patch.expires(time);
        }
        match row {
            Some(row) => self.change(planned, Change::Put(name.into(), key.clone(), Row { lsn: None, ..row })),
            None => _ = planned.refused.get_or_insert(ErrorKind::NotFound),
        }
        self.with_batch(planned, |batch| batch.patch(collection, key, patch));
    }

    fn plan_condition(&mut self, planned: &mut Planned, name: &str, collection: &Collection) {
        let key = self.any_key();
        let found = self.live.row(name, &key, self.now()).map(|row| row.lsn.expect("a returned call tells"));
        // Mostly one that holds.
        let condition = match (self.random.below(5), found) {
            (0, _) => Precondition::Absent,
            (1, _) => Precondition::AtLsn(Lsn(self.random.below(50))),
            (2, Some(_)) => Precondition::Present,
            (_, Some(lsn)) => Precondition::AtLsn(lsn),
            (_, None) => Precondition::Absent,
        };
        let holds = match condition {
            Precondition::Absent => found.is_none(),
            Precondition::Present => found.is_some(),
            Precondition::AtLsn(lsn) => found == Some(lsn),
            _ => unreachable!("no other conditions are drawn"),
        };
        if !holds {
            // Conditions are judged before any step.
            planned.refused = Some(ErrorKind::Conflict);
        }
        self.with_batch(planned, |batch| batch.require(collection, key, condition));
    }

    fn with_batch(&self, planned: &mut Planned, add: impl FnOnce(driftline::Batch) -> driftline::Batch) {
        let batch = std::mem::replace(&mut planned.batch, self.db().batch());
        planned.batch = add(batch);
    }

    fn change(&self, planned: &mut Planned, change: Change) {
        let (Change::Put(table, key, _) | Change::Delete(table, key)) = &change else { unreachable!("a batch") };
        planned.existed += u64::from(planned.world.row(table, key, self.now()).is_some());
        planned.world.apply(&change);
        planned.changes.push(change);
    }

    fn commit(&mut self, planned: Planned, what: &str) {
        let durability = self.any_durability();
        let Planned { batch, mut changes, existed, refused, .. } = planned;
        self.note(|| format!("{what} {durability:?}: {}, to be refused: {refused:?}", summary(&changes)));
        let outcome = batch.durability(durability).commit();
        if let Ok(Commit { lsn, .. }) = &outcome {
            assert_eq!(refused, None, "a batch was committed that had to be refused");
            set_lsn(&mut changes, *lsn);
        }
        match (outcome, refused) {
            (Err(error), Some(kind)) if error.kind() == kind => {}
            (outcome, _) => {
                let outcome = outcome.inspect(|commit| assert_eq!(commit.existed, existed, "records met"));
                let is_logged = |change: &Change| !self.live.tables[change.table()].schema.is_ephemeral();
                let promises = durability == Durability::Commit && changes.iter().any(is_logged);
                self.settle(changes, promises, outcome.map(drop));
            }
        }
    }

    /// Brings the model in step with the outcome of a call that changes records.
    fn settle(&mut self, changes: Vec<Change>, promises: bool, outcome: Result<()>) {
        match outcome {
            Ok(()) => {
                self.live.apply_all(&changes);
                self.history.push(changes);
                if promises {
                    self.history.promise();
                }
            }
            Err(error) => {
                if error.kind() == ErrorKind::OutcomeUnknown || self.is_off() {
                    self.history.push(changes);
                }
                self.tolerate(&error);
            }
        }
    }

    /// Panics unless the error is one that the present misfortune explains.
    fn tolerate(&mut self, error: &Error) {
        self.note(|| format!("  fails: {error:?}"));
        let kind = error.kind();
        assert!(!matches!(kind, ErrorKind::Internal | ErrorKind::Corrupt), "{error:?}");
        if self.is_off() {
            return;
        }
        match kind {
            ErrorKind::Busy => self.relieve(),
            ErrorKind::Poisoned if self.poisoned => {}
            ErrorKind::OutcomeUnknown if self.shape.faults => self.poisoned = true,
            ErrorKind::Io | ErrorKind::DiskFull if self.shape.faults => {}
            _ => panic!("nothing explains this error: {error:?}"),
        }
    }

    /// Does the maintenance that a busy store waits for.
    fn relieve(&mut self) {
        for _ in 0..100 {
            match self.db().tick() {
                Ok(Some(Work::SyncedLog)) => self.history.promise(),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) if error.kind() == ErrorKind::Busy => panic!("maintenance is too busy to run"),
                Err(error) => return self.tolerate(&error),
            }
        }
        panic!("maintenance never ends");
    }

    fn advance(&mut self) {
        let wait = Duration::from_micros(self.random.below(700));
        self.note(|| format!("advance {wait:?}"));
        self.clock.advance(wait);
    }

    fn create(&mut self) {
        let name = TABLES[self.random.below(TABLES.len() as u64) as usize];
        let schema = match self.random.below(6) {
            0 => Schema::vector(4, Metric::L2),
            1 => Schema::vector(4, Metric::Cosine),
            2 => Schema::vector(4, Metric::Dot).ttl(Duration::from_micros(1_500)),
            3 => Schema::vector(3, Metric::L1).model("model@1"),
            4 => Schema::bits(16),
            _ => Schema::payload_only(),
        };
        let schema = if self.random.one_in(4) { schema.ephemeral() } else { schema };
        let schema = schema.index(self.any_index());
        self.note(|| format!("create {name} {schema}"));
        let outcome = self.db().create_collection(name, schema.clone()).map(drop);
        match outcome {
            Err(error) if error.kind() == ErrorKind::Exists => assert!(self.live.tables.contains_key(name), "{error}"),
            outcome => {
                assert!(outcome.is_err() || !self.live.tables.contains_key(name), "{name} was made twice");
                self.settle(vec![Change::Create(name.into(), schema)], true, outcome);
            }
        }
    }

    fn any_index(&mut self) -> IndexSpec {
        let text = ["flat", "hnsw(m=4, ef_construction=16)", "lsh(tables=1)", "auto"][self.random.below(4) as usize];
        text.parse().expect("an index")
    }

    fn reindex(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        let index = self.any_index();
        self.note(|| format!("reindex {name} {index}"));
        match collection.reindex(index.clone()) {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                assert!(self.live.tables[&name].schema.metric().is_none(), "{error}");
            }
            outcome => {
                // What is so already changes nothing, and promises nothing.
                let changes = *self.live.tables[&name].schema.index_spec() != index;
                self.settle(vec![Change::Reindex(name, index)], changes, outcome);
            }
        }
        if self.random.one_in(2) && !self.is_off() {
            match collection.wait_indexed(Duration::from_secs(3600)) {
                Ok(indexed) => assert!(indexed, "an index is missing"),
                Err(error) => self.tolerate(&error),
            }
        }
    }

    fn drop_table(&mut self) {
        let Some((name, old)) = self.any_table() else { return };
        self.note(|| format!("drop {name}"));
        let outcome = self.db().drop_collection(&name);
        let gone = outcome.is_ok();
        // After a failure the imports into it may be gone or not.
        self.pending.iter_mut().filter(|((table, _), _)| *table == name).for_each(|(_, pending)| pending.promised = 0);
        self.pending.retain(|(table, _), _| !gone || *table != name);
        self.settle(vec![Change::Drop(name)], true, outcome);
        if gone {
            assert_eq!(old.get("key").unwrap_err().kind(), ErrorKind::NotFound);
        }
    }

    fn put_blob(&mut self) {
        // Some contents come again.
        let number = self.random.below(12);
        let mut content = vec![0; [0, 1, 700, 5_000, 70_000][number as usize % 5]];
        Random::seeded(number, 12).fill(&mut content);
        self.note(|| format!("put blob {number} of {} bytes", content.len()));
        match self.db().put_blob(&content[..]) {
            Ok(id) => {
                self.fresh.insert(id);
                self.contents.insert(id, content);
            }
            Err(error) => self.tolerate(&error),
        }
    }

    fn flush(&mut self) {
        self.note(|| "flush".into());
        let outcome = self.db().flush();
        self.flushed_if(outcome);
    }

    fn sync(&mut self) {
        self.note(|| "sync".into());
        match self.db().sync() {
            Ok(()) => self.history.promise(),
            Err(error) => self.tolerate(&error),
        }
    }

    fn flushed_if(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.history.promise_flushed(),
            Err(error) => self.tolerate(&error),
        }
    }

    fn tick(&mut self) {
        for _ in 0..1 + self.random.below(3) {
            self.note(|| "tick".into());
            match self.db().tick() {
                Ok(None) => return,
                Ok(Some(Work::SyncedLog)) => self.history.promise(),
                Ok(Some(work)) => self.note(|| format!("  {work:?}")),
                Err(error) => return self.tolerate(&error),
            }
        }
    }

    fn compact(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        self.note(|| format!("compact {name}"));
        if let Err(error) = collection.compact() {
            self.tolerate(&error);
        }
    }

    /// An import, now and then with another write in between, now and then given up.
    fn import(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        self.note(|| format!("import into {name}"));
        let mut import = match collection.import() {
            Ok(import) => import,
            Err(error) => return self.tolerate(&error),
        };
        let lsn = import.lsn();
        let mut changes = Vec::new();
        for _ in 0..1 + self.random.below(12) {
            let (record, row) = self.any_record(&name);
            changes.push(Change::Put(name.clone(), record.key.clone(), row));
            if let Err(error) = import.put(record) {
                return self.tolerate(&error);
            }
        }
        match self.random.below(8) {
            0 => return self.note(|| "  import given up".into()),
            1 => self.put(),
            _ => {}
        }
        if !self.live.tables.contains_key(&name) || self.is_off() {
            return;
        }
        let outcome = import.finish();
        if let Ok(commit) = &outcome {
            assert!(commit.lsn > lsn, "an import appears after it was begun");
            set_lsn(&mut changes, lsn);
        }
        self.note(|| format!("  finish import: {}", summary(&changes)));
        self.settle(changes, true, outcome.map(drop));
    }

    /// An import with a name: it goes on where the last one of that name ended, and is finished, discarded or left.
    fn resume_import(&mut self) {
        let Some((table, collection)) = self.any_table() else { return };
        let name = ["a", "b"][self.random.below(2) as usize];
        let import = match collection.resume_import(name, "it") {
            Ok(import) => import,
            Err(error) => return self.tolerate(&error),
        };
        self.note(|| format!("import {name} into {table}: {:?}", import.start()));
        assert!(!matches!(import.start(), ImportStart::Restarted { .. }), "an import lost what it had sealed");
        let of = (table.clone(), name.to_owned());
        let mut pending = self.pending.remove(&of).unwrap_or_default();
        let found = import.rows() as usize;
        assert!((pending.promised..=pending.changes.len()).contains(&found), "{found} rows are in the import {name}");
        pending.changes.truncate(found);
        pending.promised = found;
        if let Some(left) = self.go_on(import, pending, &table) {
            self.pending.insert(of, left);
        }
    }

    /// Puts some records; returns what may be there when the import is resumed, unless it ended.
    fn go_on(&mut self, mut import: Import, mut pending: Pending, table: &str) -> Option<Pending> {
        for _ in 0..1 + self.random.below(6) {
            let (record, row) = self.any_record(table);
            let record = record.created_at(row.created);
            pending.changes.push(Change::Put(table.into(), record.key.clone(), row));
            let mut done = import.put(record);
            if done.is_ok() && self.random.one_in(3) {
                self.note(|| "  checkpoint".into());
                done = import.checkpoint().inspect(|()| pending.promised = pending.changes.len());
            }
            if let Err(error) = done {
                self.tolerate(&error);
                return Some(pending);
            }
        }
        match self.random.below(6) {
            0..3 => Some(pending),
            3 => {
                self.note(|| "  discard".into());
                let error = import.discard().err()?;
                self.tolerate(&error);
                Some(Pending { promised: 0, ..pending })
            }
            _ => {
                let lsn = import.lsn();
                set_lsn(&mut pending.changes, lsn);
                self.note(|| format!("  finish: {}", summary(&pending.changes)));
                let outcome = import.finish().map(drop);
                let ended = outcome.is_ok();
                let changes = pending.changes.clone();
                self.settle(changes, true, outcome);
                (!ended).then_some(Pending { promised: 0, ..pending })
            }
        }
    }

    fn hold_snapshot(&mut self) {
        if self.snapshots.len() < 3 {
            self.note(|| "hold a snapshot".into());
            let snapshot = self.db().snapshot().expect("a snapshot of an open store");
            self.snapshots.push(Held { snapshot, world: self.live.clone(), now: self.now() });
        }
    }

    fn check_snapshot(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let number = self.random.below(self.snapshots.len() as u64) as usize;
        self.note(|| format!("check snapshot {number}"));
        let held = self.snapshots.swap_remove(number);
        let found = read_snapshot(&held.snapshot, &held.world).expect("a snapshot can be read");
        let difference = held.world.difference(&found, held.now);
        assert_eq!(difference, None, "a snapshot has changed");
        if self.random.one_in(2) {
            self.snapshots.push(held);
        }
    }

    /// Reads one collection whole, or all.
    fn check(&mut self) {
        if self.is_off() {
            return;
        }
        self.note(|| "check".into());
        if self.random.one_in(4) {
            return self.check_all();
        }
        let Some((name, collection)) = self.any_table() else { return };
        let expected = &self.live.tables[&name];
        let found = read_table(&collection, &expected.schema).expect("a collection can be read");
        let only = |table| World { tables: BTreeMap::from([(name.clone(), table)]) };
        let difference = only(expected.clone()).difference(&only(found), self.now());
        assert_eq!(difference, None, "what is read is not what was written");
    }

    /// The store shows what was written, and its blobs are there.
    pub(crate) fn check_all(&mut self) {
        let Some(db) = &self.db else { return };
        let found = read(db).expect("an open store can be read");
        let difference = self.live.difference(&found, self.now());
        assert_eq!(difference, None, "what is read is not what was written");
        for id in self.certain_blobs() {
            assert_eq!(blob(db, id).expect("a blob that was stored"), self.contents[&id], "blob {id}");
        }
    }

    fn reopen(&mut self) {
        self.note(|| "close".into());
        if self.random.one_in(4) {
            self.forget();
        } else if let Some(db) = self.db.take() {
            self.snapshots.clear();
            let outcome = db.close();
            self.flushed_if(outcome);
        }
        self.reopen_live();
    }

    /// Opens the store again where the power is on; a fault may still keep it shut.
    fn reopen_live(&mut self) {
        if self.is_off() {
            return;
        }
        self.note(|| "open".into());
        self.forget();
        match self.open() {
            Ok(db) if !self.is_off() => self.adopt(db),
            Ok(_) => {}
            Err(error) => self.tolerate(&error),
        }
    }

    /// Drops the store's handles without closing it in so many words.
    pub(crate) fn forget(&mut self) {
        self.snapshots.clear();
        self.db = None;
    }

    /// Goes on in another directory: this one as a crash left it. The store is not opened.
    pub(crate) fn move_to(&mut self, fs: SimulatedFs, why: &str) {
        self.forget();
        self.note(|| format!("---- {why}"));
        self.fs = fs;
        self.shape.faults = false;
    }

    /// Opens the store that a crash left, and takes what it holds as the beginning of a new history, if the old one
    /// explains it. The store must open, unless the power goes again.
    pub(crate) fn recover(&mut self) {
        match self.open() {
            Ok(db) if !self.is_off() => self.adopt(db),
            Ok(_) => {}
            Err(error) => {
                assert!(self.is_off(), "the store does not open after a crash: {error:?}");
                self.tolerate(&error);
            }
        }
    }

    fn adopt(&mut self, db: Database) {
        self.poisoned = false;
        let found = read(&db).expect("a store that opens can be read");
        let steps = self.history.explain(&found, self.now());
        let steps = steps.unwrap_or_else(|why| panic!("what was found is no beginning of what was done: {why}"));
        let report = db.recovery_report().clone();
        assert!(report.damaged.is_empty() && report.damaged_indexes.is_empty(), "{report:?}");
        self.note(|| format!("  opened with {steps} steps: {report:?}"));
        if !self.shape.faults {
            check_files(&db, &self.fs);
        }
        check_verifies(&db);
        self.history = History::new(found.clone());
        self.live = found;
        let tables: BTreeSet<&String> = self.live.tables.keys().collect();
        self.pending.retain(|(table, _), _| tables.contains(table));
        self.fresh.clear();
        for id in self.certain_blobs() {
            assert_eq!(blob(&db, id).expect("a blob that a record names"), self.contents[&id], "blob {id}");
        }
        self.db = Some(db);
    }

    /// Closes the store, opens it and finds the same; the power stays on.
    pub(crate) fn reopen_identical(&mut self) {
        let before = self.live.clone();
        if let Some(db) = self.db.take() {
            db.close().expect("a store closes");
        }
        self.history = History::new(before);
        self.history.promise_flushed();
        self.recover();
        let report = self.db().recovery_report();
        assert!(report.clean && report.discarded_bytes == 0, "after a close: {report:?}");
    }

    /// Opens and reads a copy of the store of which reading fails at one place: an answer is right or a typed error.
    pub(crate) fn read_with_failures(&self, copy: &SimulatedFs) {
        let refused = |error: Error| assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Corrupt), "{error:?}");
        for _ in 0..2 {
            let opened = self.options().open_on(Arc::new(copy.clone()));
            let found = opened.and_then(|db| read(&db));
            match found {
                Ok(found) => assert_eq!(self.live.difference(&found, self.now()), None, "a failed read shows"),
                Err(error) => refused(error),
            }
        }
    }

    /// Takes back the planned faults; the store is reopened if it has to be, and must work.
    pub(crate) fn heal(&mut self) {
        self.note(|| "heal".into());
        self.fs.heal();
        self.shape.faults = false;
        if self.poisoned || self.db.is_none() {
            self.check_all();
            self.reopen_live();
        }
        self.check_all();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let history = self.fs.history();
            let tail = &history[history.len().saturating_sub(40)..];
            eprintln!("{}\n{}\nlast calls: {tail:#?}", self.case, self.trace.join("\n"));
            eprintln!("replay with {}", self.case);
        }
    }
}

fn set_lsn(changes: &mut [Change], to: Lsn) {
    for change in changes {
        if let Change::Put(_, _, row) = change {
            row.lsn = Some(to);
        }
    }
}

fn summary(changes: &[Change]) -> String {
    let of = |change: &Change| match change {
        Change::Put(table, key, row) => format!("put {table}/{key:?} until {:?}", row.expires.map(|time| time.0)),
        Change::Delete(table, key) => format!("delete {table}/{key:?}"),
        Change::Create(name, _) => format!("create {name}"),
        Change::Reindex(name, index) => format!("reindex {name} {index}"),
        Change::Drop(name) => format!("drop {name}"),
    };
    changes.iter().map(of).collect::<Vec<_>>().join(", ")
}
