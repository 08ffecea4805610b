//! Seeded work on a store, with a model beside it: every answer is checked, and after a crash the store must hold what
//! some beginning of its history leaves, with all that was promised.

mod imports;
mod opening;
mod records;
mod rescue;
mod tables;
mod typed;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftline::fs::{Fault, ReadMode, SimulatedFs};
use driftline::{
    BlobId, Clock, Collection, Database, Error, ErrorKind, Maintenance, ManualClock, Options, Random, Result, Snapshot,
    Timestamp, Work,
};

use super::world::{Change, History, World};

/// The shape of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    /// Keys of each kind in a collection.
    pub(crate) keys: u64,
    /// Whether faults other than a power cut are planned, so that calls may fail.
    pub(crate) faults: bool,
    /// Whether half of what is done is done to what stands on the database.
    pub(crate) acts: bool,
    /// Whether what is done is written down, for the one who looks for the reason of a failure.
    pub(crate) traced: bool,
}

/// A store at work. Prints how to replay it when it is dropped by a panic.
pub(crate) struct Run {
    shape: Shape,
    pub(crate) fs: SimulatedFs,
    db: Option<Database>,
    clock: Arc<ManualClock>,
    /// The store was told this time before the clock was set back, and does not fall behind it while it is open.
    noted: Timestamp,
    /// When the store was opened: what had expired by then is not in the model any more.
    opened: Timestamp,
    random: Random,
    history: History,
    live: World,
    /// Blobs stored since the store was opened: they are kept, named or not.
    fresh: BTreeSet<BlobId>,
    /// Every content that was ever stored.
    contents: BTreeMap<BlobId, Arc<[u8]>>,
    snapshots: Vec<Held>,
    typed: typed::Known,
    backup: Option<rescue::Kept>,
    /// Unfinished imports, by table and name.
    pending: BTreeMap<(String, String), Pending>,
    /// An earlier failure made the store refuse writes.
    poisoned: bool,
    /// What was done, where it is written down.
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
#[derive(Clone, Default)]
struct Pending {
    changes: Vec<Change>,
    /// So many of them must be there when it is resumed.
    promised: usize,
}

const TABLES: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];
const EXPECTED_OPEN: &str = "the store is open";

impl Run {
    /// A new store on an empty directory. The opening itself may meet a planned fault: then there is no store yet.
    pub(crate) fn new(shape: Shape, fs: SimulatedFs, case: String) -> Run {
        let mut run = Run {
            shape,
            fs,
            db: None,
            clock: Arc::new(ManualClock::new(Timestamp(1_000_000))),
            noted: Timestamp(0),
            opened: Timestamp(1_000_000),
            random: Random::seeded(shape.seed, 10),
            history: History::default(),
            live: World::default(),
            fresh: BTreeSet::new(),
            contents: BTreeMap::new(),
            snapshots: Vec::new(),
            typed: typed::Known::default(),
            backup: None,
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

    /// The same history on another disk. What is drawn from now on follows from `seed`.
    pub(crate) fn fork(&self, fs: SimulatedFs, seed: u64) -> Run {
        Run {
            shape: Shape { faults: false, ..self.shape },
            fs,
            db: None,
            clock: Arc::new(ManualClock::new(self.clock.now())),
            noted: self.noted,
            opened: self.opened,
            random: Random::seeded(seed, 10),
            history: self.history.clone(),
            live: self.live.clone(),
            fresh: self.fresh.clone(),
            contents: self.contents.clone(),
            snapshots: Vec::new(),
            typed: self.typed.clone(),
            backup: self.backup.clone(),
            pending: self.pending.clone(),
            poisoned: self.poisoned,
            trace: Vec::new(),
            case: self.case.clone(),
        }
    }

    /// Plans a fault, so that calls may fail from now on.
    pub(crate) fn meet(&mut self, fault: Fault) {
        self.fs.inject(fault);
        self.shape.faults = true;
    }

    /// How many batches the next recovery must show.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.history.promised() as u64
    }

    fn options(&self) -> Options {
        let mut random = Random::seeded(self.shape.seed, 11);
        let log_file = [4 << 10, 16 << 10, 64 << 10, 1 << 20][random.below(4) as usize];
        let modes = [ReadMode::Heap, ReadMode::Mmap];
        let (budget, index_min_rows) = (log_file * (1 + random.below(6)), 1 + random.below(6) as u32);
        let mode = modes[random.below(2) as usize];
        Options::new()
            .maintenance(Maintenance::Manual)
            .memory_budget_bytes(1 << 20)
            .log_file_bytes(log_file)
            .log_budget_bytes(budget)
            .free_disk_reserve_bytes([0, 2 << 20][random.below(2) as usize])
            .index_min_rows(index_min_rows)
            .read_mode(mode)
            .clock(self.clock.clone())
            .seed(self.shape.seed)
    }

    /// Opens the store as it lies on the disk, without checking it.
    pub(crate) fn open(&mut self) -> Result<Database> {
        self.options().open_on(Arc::new(self.fs.clone()))
    }

    /// The time by which the store judges.
    fn now(&self) -> Timestamp {
        self.clock.now().max(self.noted)
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if !self.shape.traced {
            return;
        }
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
        if self.shape.acts && self.random.one_in(2) {
            return self.act();
        }
        match self.random.below(103) {
            0..26 => self.put(),
            26..31 => self.put_many(),
            31..37 => self.patch(),
            37..47 => self.delete(),
            47..57 => self.batch(),
            57..59 => self.change_where(),
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
            97..100 => self.act(),
            100 => self.use_cache(),
            101 => self.look_after(),
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
