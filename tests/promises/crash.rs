//! Whatever call the power goes at, nothing that was promised is lost, batches are whole, and the store opens.
//!
//! A failure prints its case; `DRIFTLINE_SEED` and `DRIFTLINE_CALL` replay it alone:
//! `DRIFTLINE_SEED=7 DRIFTLINE_CALL=31 cargo test --test promises crash::every_call -- --nocapture`.

use std::sync::Arc;
use std::time::Duration;

use driftline::fs::{Fault, Lasting, SimulatedFs};
use driftline::{Database, ErrorKind, Maintenance, Metric, Options, Random, Record, Result, Schema, VerifyLevel};

use super::support::crashes::{Counts, long_history, recover};
use super::support::faults;
use super::support::reading::check_files;
use super::support::threads::{Tally, for_each_case};
use super::support::wanted;
use super::support::workload::{Run, Shape};

/// Runs of which every call is cut, and the disks that are recovered after each cut.
const SHORT_RUNS: u64 = 50;
const DISKS: u64 = 4;
/// Runs with several power cuts each.
const LONG_RUNS: u64 = 1_550;
/// Runs whose recoveries are cut at every call.
const CUT_RUNS: u64 = 30;
/// Runs of which every call fails.
const FAILING_RUNS: u64 = 20;

/// What the tests below come to at least, whatever becomes of the engine and of what the seeds draw.
const CRASHES: [u64; 3] = [18_000, 78_000, 4_000];
const CUT_RECOVERIES: [u64; 2] = [9_000, 1_000];
const _: () = assert!(CRASHES[0] + CRASHES[1] + CRASHES[2] >= 100_000);
const _: () = assert!(CUT_RECOVERIES[0] + CUT_RECOVERIES[1] >= 10_000);

fn shape(seed: u64, keys: u64, faults: bool) -> Shape {
    Shape { seed, keys, faults, acts: seed.is_multiple_of(8), traced: wanted("DRIFTLINE_SEED").is_some() }
}

/// The seeds to run: all, or the one that is to be replayed.
fn for_each_seed(count: u64, run: impl Fn(u64) + Sync) {
    match wanted("DRIFTLINE_SEED") {
        Some(seed) => run(seed),
        None => for_each_case(count, run),
    }
}

/// Fails where fewer cases were run than are promised; one that is replayed alone is enough.
#[track_caller]
fn assert_at_least(count: &Tally, promised: u64) {
    assert!(count.total() >= promised || wanted("DRIFTLINE_SEED").is_some(), "{} of {promised}", count.total());
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
    let counts = Counts::default();
    for_each_seed(SHORT_RUNS, |seed| {
        for call in calls_of(seed) {
            let cut = short_run(seed, Some(call));
            assert!(cut.is_off(), "call {call} of run {seed} was never made");
            for disk in 0..DISKS {
                let luck = seed * 1_000_003 + call * DISKS + disk;
                let after = match (disk, call % 2) {
                    (0, 0) => cut.fs.reboot_losing_all(),
                    (0, _) => cut.fs.reboot_keeping_all(),
                    _ => cut.fs.reboot(luck),
                };
                counts.crashes.add(1);
                let mut run = cut.fork(after, luck);
                recover(&mut run, &counts);
                if (call + disk).is_multiple_of(4) {
                    run.reopen_identical();
                    run.work(3);
                    run.check_all();
                }
            }
        }
    });
    counts.print("every call of short runs");
    assert_at_least(&counts.crashes, CRASHES[0]);
}

#[test]
fn long_histories_survive_many_power_cuts() {
    let counts = Counts::default();
    let traced = wanted("DRIFTLINE_SEED").is_some();
    for_each_seed(LONG_RUNS, |seed| long_history(seed, format!("DRIFTLINE_SEED={seed}"), traced, &counts));
    counts.print("sampled calls of long runs");
    assert_at_least(&counts.crashes, CRASHES[1]);
    assert_at_least(&counts.cut_recoveries, CUT_RECOVERIES[0]);
}

#[test]
fn every_call_of_a_recovery_may_be_cut_too() {
    let counts = Counts::default();
    for_each_seed(CUT_RUNS, |seed| {
        let calls = calls_of(seed);
        let mut random = Random::seeded(seed, 21);
        for _ in 0..6 {
            let call = calls[random.below(calls.len() as u64) as usize];
            let first = short_run(seed, Some(call));
            let luck = random.draw();
            for second in 0.. {
                let mut run = first.fork(first.fs.reboot(luck), luck);
                run.fs.inject(Fault::PowerCut { at_call: second });
                if recover(&mut run, &counts) {
                    break;
                }
                for disk in [run.fs.reboot(luck ^ second), run.fs.reboot(luck ^ !second), run.fs.reboot_losing_all()] {
                    counts.crashes.add(1);
                    let mut run = run.fork(disk, luck);
                    recover(&mut run, &counts);
                    run.reopen_identical();
                }
            }
        }
    });
    counts.print("every call of recoveries");
    assert_at_least(&counts.crashes, CRASHES[2]);
    assert_at_least(&counts.cut_recoveries, CUT_RECOVERIES[1]);
}

/// What is done to one call: what is common, and of the rest one kind by turns.
fn faults_at(seed: u64, call: u64) -> impl Iterator<Item = &'static faults::Misfortune> {
    let other = (seed + call) as usize % faults::OTHERS.len();
    faults::COMMON.iter().chain(&faults::OTHERS[other..=other])
}

#[test]
fn any_call_may_fail_and_nothing_promised_is_lost() {
    let counts = Counts::default();
    for_each_seed(FAILING_RUNS, |seed| {
        for call in calls_of(seed) {
            for fault in faults_at(seed, call) {
                survive(seed, call, fault.at(call));
                counts.add_fault(fault.name);
            }
        }
    });
    counts.print("failing calls");
    let kinds = counts.faults().len();
    assert!(kinds == faults::all().count() || wanted("DRIFTLINE_SEED").is_some(), "{kinds} kinds of failure");
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
            let fails = faults::all().map(|fault| fault.at(call));
            for (number, fault) in [Fault::PowerCut { at_call: call }].into_iter().chain(fails).enumerate() {
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
