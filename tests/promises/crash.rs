//! Whatever call the power goes at, nothing that was promised is lost, batches are whole, and the store opens.
//!
//! A failure prints its case; `DRIFTLINE_SEED` and `DRIFTLINE_CALL` replay it alone:
//! `DRIFTLINE_SEED=7 DRIFTLINE_CALL=31 cargo test --test promises crash::every_call -- --nocapture`.

use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{Fault, Lasting, SimulatedFs};
use driftline::{Database, ErrorKind, Maintenance, Metric, Options, Random, Record, Result, Schema, VerifyLevel};

use super::support::reading::check_files;
use super::support::threads::{Tally, for_each_case};
use super::support::wanted;
use super::support::workload::{Run, Shape};

/// Runs of which every call is cut.
const SHORT_RUNS: u64 = 50;
/// Runs with several power cuts each.
const LONG_RUNS: u64 = 2_000;
const LONG_OPERATIONS: u64 = 300;

#[derive(Debug, Default)]
struct Totals {
    crashes: Tally,
    recoveries: Tally,
    cut_recoveries: Tally,
}

impl Totals {
    fn print(&self, what: &str) {
        let Totals { crashes, recoveries, cut_recoveries } = self;
        println!(
            "{what}: {} power cuts, {} recoveries checked, {} of them cut by another power cut",
            crashes.total(),
            recoveries.total(),
            cut_recoveries.total()
        );
    }
}

fn shape(seed: u64, keys: u64, faults: bool) -> Shape {
    Shape { seed, keys, faults }
}

/// The seeds to run: all, or the one that is to be replayed.
fn for_each_seed(count: u64, run: impl Fn(u64) + Sync) {
    match wanted("DRIFTLINE_SEED") {
        Some(seed) => run(seed),
        None => for_each_case(count, run),
    }
}

/// Up to 40 operations, as the seed has it.
fn operations(seed: u64) -> u64 {
    10 + seed * 7 % 31
}

fn short_run(seed: u64, call: Option<u64>) -> Run {
    let fs = SimulatedFs::new(seed);
    if let Some(at_call) = call {
        fs.inject(Fault::PowerCut { at_call });
    }
    let case = format!("DRIFTLINE_SEED={seed} DRIFTLINE_CALL={}", call.unwrap_or(u64::MAX));
    let mut run = Run::new(shape(seed, 4, false), fs, case);
    run.work(operations(seed));
    run
}

/// The calls of a run that changes are made in, from the first to the last.
fn calls_of(seed: u64) -> Vec<u64> {
    let calls = short_run(seed, None).fs.calls();
    wanted("DRIFTLINE_CALL").map_or_else(|| (0..calls).collect(), |call| vec![call])
}

#[test]
fn every_call_may_be_the_last_before_the_power_goes() {
    let totals = Totals::default();
    for_each_seed(SHORT_RUNS, |seed| {
        for call in calls_of(seed) {
            for luck in 0..2 {
                let mut run = short_run(seed, Some(call));
                assert!(run.is_off(), "call {call} of run {seed} was never made");
                totals.crashes.add(1);
                let after = match (luck, call % 4) {
                    (0, 0) => run.fs.reboot_losing_all(),
                    (0, 1) => run.fs.reboot_keeping_all(),
                    _ => run.fs.reboot(seed * 1_000_003 + call * 2 + luck),
                };
                run.move_to(after, "power cut");
                run.recover();
                run.reopen_identical();
                run.work(3);
                run.check_all();
                totals.recoveries.add(1);
            }
        }
    });
    totals.print("every call of short runs");
}

#[test]
fn long_histories_survive_many_power_cuts() {
    let totals = Totals::default();
    for_each_seed(LONG_RUNS, |seed| long_run(seed, &totals));
    totals.print("sampled calls of long runs");
}

/// Some 300 operations with a power cut every 40 or so; each time, what other crashes would have left is recovered too.
fn long_run(seed: u64, totals: &Totals) {
    let mut random = Random::seeded(seed, 20);
    let case = format!("DRIFTLINE_SEED={seed}");
    let mut run = Run::new(shape(seed, 12, false), SimulatedFs::new(seed), case);
    let mut left = LONG_OPERATIONS;
    while left > 0 {
        run.fs.inject(Fault::PowerCut { at_call: run.fs.calls() + random.below(250) });
        while left > 0 && !run.is_off() {
            run.step();
            left -= 1;
        }
        totals.crashes.add(1);
        let after = match random.below(4) {
            0 => run.fs.reboot_losing_all(),
            1 => run.fs.reboot_keeping_all(),
            _ => run.fs.reboot(random.draw()),
        };
        run.move_to(after, "power cut");
        recover_through_cuts(&mut run, &mut random, totals);
    }
    run.check_all();
    run.reopen_identical();
}

/// Recovers; one recovery in three is cut off by another power cut first.
fn recover_through_cuts(run: &mut Run, random: &mut Random, totals: &Totals) {
    while random.one_in(3) {
        run.fs.inject(Fault::PowerCut { at_call: run.fs.calls() + random.below(30) });
        run.recover();
        totals.recoveries.add(1);
        if !run.is_off() {
            run.fs.heal();
            return;
        }
        totals.cut_recoveries.add(1);
        let after = run.fs.reboot(random.draw());
        run.move_to(after, "power cut while recovering");
    }
    run.recover();
    totals.recoveries.add(1);
}

#[test]
fn every_call_of_a_recovery_may_be_cut_too() {
    let totals = Totals::default();
    for_each_seed(30, |seed| {
        let calls = calls_of(seed);
        let mut random = Random::seeded(seed, 21);
        for _ in 0..4 {
            let call = calls[random.below(calls.len() as u64) as usize];
            let luck = random.draw();
            for second in 0.. {
                let mut run = short_run(seed, Some(call));
                run.move_to(run.fs.reboot(luck), "power cut");
                run.fs.inject(Fault::PowerCut { at_call: second });
                run.recover();
                if !run.is_off() {
                    break;
                }
                totals.crashes.add(1);
                totals.cut_recoveries.add(1);
                let after = if second % 2 == 0 { run.fs.reboot(luck ^ second) } else { run.fs.reboot_losing_all() };
                run.move_to(after, "power cut while recovering");
                run.recover();
                run.reopen_identical();
                totals.recoveries.add(1);
            }
        }
    });
    totals.print("every call of recoveries");
}

/// What is done to one call, by turns.
fn faults_at(call: u64) -> Vec<Fault> {
    use std::io::ErrorKind::{Other, PermissionDenied, StorageFull};
    let fail = |error, lasting| Fault::Fail { at_call: call, error, lasting };
    vec![
        fail(Other, Lasting::Once),
        fail(Other, Lasting::Always),
        fail(PermissionDenied, Lasting::Once),
        fail(PermissionDenied, Lasting::Always),
        fail(StorageFull, Lasting::Once),
        fail(StorageFull, Lasting::Always),
        Fault::ShortWrite { at_call: call },
        Fault::SyncFails { at_call: call },
        Fault::DirSyncFails { at_call: call },
    ]
}

#[test]
fn any_call_may_fail_and_nothing_promised_is_lost() {
    let tally = Tally::default();
    for_each_seed(20, |seed| {
        for call in calls_of(seed) {
            for (number, fault) in faults_at(call).into_iter().enumerate() {
                // A third of the faults a call; over the seeds each call of a kind meets them all.
                if (call + seed + number as u64).is_multiple_of(3) || wanted("DRIFTLINE_CALL").is_some() {
                    survive(seed, call, fault);
                    tally.add(1);
                }
            }
        }
    });
    println!("{} failing calls", tally.total());
}

/// A run with a fault; then the fault is gone and the store works, and after a power cut nothing promised is lost.
fn survive(seed: u64, call: u64, fault: Fault) {
    let fs = SimulatedFs::new(seed);
    fs.inject(fault);
    let case = format!("DRIFTLINE_SEED={seed} DRIFTLINE_CALL={call} ({fault:?})");
    let mut run = Run::new(shape(seed, 4, true), fs, case);
    run.work(operations(seed));
    run.check_all();
    if (seed + call).is_multiple_of(2) {
        run.heal();
        run.work(5);
        run.check_all();
    }
    let after = match call % 3 {
        0 => run.fs.reboot_keeping_all(),
        1 => run.fs.reboot_losing_all(),
        _ => run.fs.reboot(seed + call),
    };
    run.move_to(after, "power cut after the fault");
    run.recover();
    run.reopen_identical();
    run.work(3);
}

#[test]
fn a_full_disk_at_any_byte_loses_nothing() {
    let tally = Tally::default();
    for_each_seed(60, |seed| {
        let mut random = Random::seeded(seed, 22);
        for _ in 0..25 {
            // Sizes of all magnitudes: a log takes a megabyte at once, a manifest some kilobytes.
            let magnitude = 8 + random.below(16);
            let after_bytes = random.below(1 << magnitude);
            survive(seed, after_bytes, Fault::DiskFull { after_bytes });
            tally.add(1);
        }
    });
    println!("{} full disks", tally.total());
}

#[test]
fn reads_that_fail_are_errors_and_harm_nothing() {
    let tally = Tally::default();
    for_each_seed(20, |seed| {
        let mut run = short_run(seed, None);
        run.forget();
        let after = run.fs.reboot_keeping_all();
        run.move_to(after, "restart");
        run.recover();
        for read in 0..40 {
            let fs = run.fs.reboot_keeping_all();
            fs.inject(Fault::ReadFails { at_read: read });
            run.read_with_failures(&fs);
            tally.add(1);
        }
    });
    println!("{} failing reads", tally.total());
}

/// A store under `Maintenance::Manual` on a simulated disk.
fn open(fs: &SimulatedFs) -> Result<Database> {
    Options::new().maintenance(Maintenance::Manual).index_min_rows(1).seed(1).open_on(Arc::new(fs.clone()))
}

#[test]
fn recovery_writes_beside_the_files_that_an_unfinished_flush_left() {
    for more in 0.. {
        let fs = SimulatedFs::new(1);
        let db = open(&fs).unwrap();
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        notes.put(Record::new("a")).unwrap();
        fs.inject(Fault::PowerCut { at_call: fs.calls() + more });
        _ = db.flush();
        if !fs.is_off() {
            return assert!(more > 5, "a flush is more calls than {more}");
        }
        let db = open(&fs.reboot_keeping_all()).unwrap();
        assert!(db.collection("notes").unwrap().get("a").unwrap().is_some());
    }
}

#[test]
fn an_import_is_not_looked_for_in_the_log() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
    notes.put(Record::new("logged")).unwrap();
    let mut import = notes.import().unwrap();
    import.put(Record::new("imported")).unwrap();
    import.finish().unwrap();
    // Another manifest, after the import has its position.
    db.create_collection("others", Schema::payload_only()).unwrap();
    let db = open(&fs.reboot_losing_all()).unwrap();
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 2);
}

#[test]
fn what_an_opening_shows_is_there_for_good() {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    // Creating, writing, syncing and renaming the manifest succeed; making its name durable fails, and goes on failing.
    let at_call = fs.calls() + 4;
    fs.inject(Fault::Fail { at_call, error: std::io::ErrorKind::Other, lasting: Lasting::Always });
    let error = db.create_collection("notes", Schema::payload_only()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    drop(db);
    assert_eq!(open(&fs).unwrap_err().kind(), ErrorKind::Io);
    fs.heal();
    let shown = open(&fs).unwrap().collections().unwrap().len();
    let after = open(&fs.reboot_losing_all()).unwrap().collections().unwrap().len();
    assert_eq!(shown, after);
}

/// A store with sixty rows in a file, whose index is missing.
fn unindexed(index: &str) -> (SimulatedFs, Database) {
    let fs = SimulatedFs::new(1);
    let db = open(&fs).unwrap();
    let docs = db.create_collection("docs", Schema::vector(3, Metric::L2).index(index.parse().unwrap())).unwrap();
    docs.put_all((0..60u64).map(|n| Record::new(n).vector([n as f32, 1.0, 0.0]))).unwrap();
    db.flush().unwrap();
    (fs, db)
}

/// All rows are there and are found, and the index is built in the end.
fn check_indexed(fs: &SimulatedFs, case: &str) {
    let db = open(fs).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(db.recovery_report().damaged_indexes, [], "{case}");
    let docs = db.collection("docs").unwrap();
    for _ in 0..2 {
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean(), "{case}");
        let hits = docs.query().nearest([20.2, 1.0, 0.0]).k(3).run().unwrap();
        assert!(hits.keys().eq([&20u64.into(), &21u64.into(), &19u64.into()]), "{case}: {hits:?}");
        assert!(docs.wait_indexed(Duration::MAX).unwrap(), "{case}");
    }
    check_files(&db, fs);
    let stats = db.stats().unwrap().collections.remove(0);
    assert_eq!((stats.indexed_rows, stats.unindexed_rows, stats.records), (60, 0, 60), "{case}");
}

#[test]
fn building_an_index_may_be_cut_off_or_fail_at_every_call() {
    for index in ["hnsw(m=4)", "lsh(tables=2)"] {
        let calls = {
            let (fs, db) = unindexed(index);
            let before = fs.calls();
            assert!(db.collection("docs").unwrap().wait_indexed(Duration::MAX).unwrap());
            before..fs.calls()
        };
        assert!(calls.end > calls.start + 8, "an index is written and published in {calls:?}");
        for call in calls {
            for (number, fault) in [Fault::PowerCut { at_call: call }].into_iter().chain(faults_at(call)).enumerate() {
                let (fs, db) = unindexed(index);
                fs.inject(fault);
                _ = db.collection("docs").unwrap().wait_indexed(Duration::MAX);
                let case = format!("{index}, call {call}, {fault:?}");
                if number > 0 {
                    fs.heal();
                    let hits = db.collection("docs").unwrap().query().nearest([7.0, 1.0, 0.0]).k(1).run().unwrap();
                    assert!(hits.keys().eq([&7u64.into()]), "{case}");
                    check_indexed(&fs.reboot_keeping_all(), &case);
                }
                check_indexed(&fs.reboot_losing_all(), &case);
                (0..3).for_each(|luck| check_indexed(&fs.reboot(luck), &case));
            }
        }
    }
}
