//! Flushing, merging, indexing, deleting and snapshots do not disturb each other, in whichever order they come.
//!
//! `DRIFTLINE_SEED=7 cargo test --test promises orders -- --nocapture` replays one order.

use driftline::fs::SimulatedFs;

use super::support::threads::for_each_case;
use super::support::wanted;
use super::support::workload::{Run, Shape};

const ORDERS: u64 = 10_000;

#[test]
fn ten_thousand_orders_of_maintenance_change_no_answer() {
    let order = |seed| {
        let shape = Shape { seed, keys: 4, faults: false, acts: false, traced: wanted("DRIFTLINE_SEED").is_some() };
        Run::new(shape, SimulatedFs::new(seed), format!("DRIFTLINE_SEED={seed}")).interleave();
    };
    match wanted("DRIFTLINE_SEED") {
        Some(seed) => order(seed),
        None => for_each_case(ORDERS, order),
    }
}
