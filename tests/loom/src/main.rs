//! The small types in which the engine's threads meet, under a model checker:
//! `cargo run --manifest-path tests/loom/Cargo.toml`.
//!
//! Their files are taken as they are. What they import from `crate::sync` is loom's here, so that each model runs in
//! every order, with at most three preemptions, in which its threads may take their locks and see each other's atomics.
#![allow(dead_code, reason = "the engine uses the rest")]

#[path = "../../../src/error.rs"]
mod error;
#[path = "../../../src/ids.rs"]
mod ids;
mod models;
#[path = "../../../src/database/poison.rs"]
mod poison;
#[path = "../../../src/database/queue.rs"]
mod queue;
#[path = "../../../src/storage/stored_file.rs"]
mod stored_file;
mod sync;
#[path = "../../../src/database/view_cell.rs"]
mod view_cell;

mod storage {
    pub(crate) mod fs {
        /// What a stored file asks of a file system.
        pub(crate) trait FileSystem: Send + Sync + std::fmt::Debug {
            fn remove(&self, name: &str) -> std::io::Result<()>;
        }
    }
}

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn main() {
    check("commit queue, two threads", || models::queue(2));
    check("commit queue, three threads", || models::queue(3));
    check("a leader that leaves a request out", models::queue_with_a_lost_request);
    check("view cell", models::view_cell);
    check("poison flag", models::poison);
    check("file of two readers", models::file);
}

/// Runs `model` in every order with at most three changes of thread that none of them asked for.
fn check(what: &str, model: impl Fn() + Send + Sync + 'static) {
    let (start, orders) = (Instant::now(), std::sync::Arc::new(AtomicU64::new(0)));
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = Some(3);
    let counted = std::sync::Arc::clone(&orders);
    checker.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{what}: {} orders in {:.1} s", orders.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
}
