//! Seeded histories on a simulated disk that loses power again and again, and what was seen on the way.

use std::collections::BTreeMap;
use std::sync::Mutex;

use driftline::Random;
use driftline::fs::{Fault, SimulatedFs};

use super::faults;
use super::threads::Tally;
use super::workload::{Run, Shape};

/// Operations of a long history.
const LONG_OPERATIONS: u64 = 300;
/// One history in so many is half about what stands on the database.
const ACTS: u64 = 8;
/// The disks that one power cut may leave, each of which is recovered: the history goes on with the last.
const DISKS: u64 = 4;

/// What was done and seen.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) histories: Tally,
    /// Disks that a power cut left, and that were recovered and checked.
    pub(crate) crashes: Tally,
    pub(crate) recoveries: Tally,
    /// Recoveries that another power cut cut off.
    pub(crate) cut_recoveries: Tally,
    /// Acknowledged batches that had to be there, counted for each recovery that had to show them.
    pub(crate) acknowledged: Tally,
    faults: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counts {
    pub(crate) fn add_fault(&self, name: &'static str) {
        *self.faults.lock().expect("counting does not panic").entry(name).or_default() += 1;
    }

    pub(crate) fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.faults.lock().expect("counting does not panic").clone()
    }

    pub(crate) fn print(&self, what: &str) {
        println!(
            "{what}: {} disks after power cuts, {} recoveries checked with {} acknowledged batches, {} cut by another \
             power cut; faults: {:?}",
            self.crashes.total(),
            self.recoveries.total(),
            self.acknowledged.total(),
            self.cut_recoveries.total(),
            self.faults()
        );
    }
}

/// Recovers the store and checks it whole. Tells whether the power stayed on.
pub(crate) fn recover(run: &mut Run, counts: &Counts) -> bool {
    counts.acknowledged.add(run.acknowledged());
    run.recover();
    counts.recoveries.add(1);
    counts.cut_recoveries.add(u64::from(run.is_off()));
    !run.is_off()
}

/// Some 300 operations with a power cut every 40 or so, and another misfortune now and then. Each time, several disks
/// that the power cut may leave are recovered.
pub(crate) fn long_history(seed: u64, case: String, traced: bool, counts: &Counts) {
    counts.histories.add(1);
    let mut random = Random::seeded(seed, 20);
    let mut run = Run::new(
        Shape { seed, keys: 12, faults: false, acts: seed.is_multiple_of(ACTS), traced },
        SimulatedFs::new(seed),
        case,
    );
    let mut left = LONG_OPERATIONS;
    while left > 0 {
        // Before the misfortune, so that a call that is refused may be the last one too.
        run.fs.inject(Fault::PowerCut { at_call: run.fs.calls() + random.below(250) });
        plan_misfortune(&mut run, &mut random, counts);
        while left > 0 && !run.is_off() {
            run.step();
            left -= 1;
        }
        for _ in 1..DISKS {
            let after = disk_after(&run.fs, &mut random);
            counts.crashes.add(1);
            recover_through_cuts(&mut run.fork(after, random.draw()), &mut random, counts);
        }
        let after = disk_after(&run.fs, &mut random);
        counts.crashes.add(1);
        run.move_to(after, "power cut");
        recover_through_cuts(&mut run, &mut random, counts);
    }
    run.check_all();
    run.reopen_identical();
}

/// Now and then a call fails before the power goes.
fn plan_misfortune(run: &mut Run, random: &mut Random, counts: &Counts) {
    if !random.one_in(4) {
        return;
    }
    let call = run.fs.calls() + random.below(200);
    let kinds = faults::COMMON.len() + faults::OTHERS.len();
    match faults::all().nth(random.below(kinds as u64 + 1) as usize) {
        Some(fault) => {
            run.meet(fault.at(call));
            counts.add_fault(fault.name);
        }
        None => {
            let magnitude = 8 + random.below(16);
            run.meet(Fault::DiskFull { after_bytes: random.below(1 << magnitude) });
            counts.add_fault("disk full at a byte");
        }
    }
}

/// One of the disks that a power cut now would leave.
fn disk_after(fs: &SimulatedFs, random: &mut Random) -> SimulatedFs {
    match random.below(6) {
        0 => fs.reboot_losing_all(),
        1 => fs.reboot_keeping_all(),
        _ => fs.reboot(random.draw()),
    }
}

/// Recovers; one recovery in three is cut off by another power cut first.
fn recover_through_cuts(run: &mut Run, random: &mut Random, counts: &Counts) {
    while random.one_in(3) {
        run.fs.inject(Fault::PowerCut { at_call: run.fs.calls() + random.below(30) });
        if recover(run, counts) {
            run.fs.heal();
            return;
        }
        counts.crashes.add(1);
        let after = disk_after(&run.fs, random);
        run.move_to(after, "power cut while recovering");
    }
    recover(run, counts);
}
