//! Simulated power cuts and real kills, as many as are asked for:
//! `cargo test --release --test simulate -- --crashes 1000000 --kills 2000`.
//!
//! The histories are those of `tests/promises/crash.rs` and `tests/promises/kill.rs`. Each follows from its seed; one
//! that fails prints the command that repeats it.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops where it is surprised"
)]

#[allow(dead_code, reason = "the promises use the rest")]
#[path = "../promises/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use support::crashes::{Counts, long_history};
use support::killing::{Killed, kill_many, write_until_killed};

/// A run with so many failing seeds has shown enough.
const MAX_FAILURES: usize = 10;

/// Cuts the power of simulated stores, recovers them, and counts what was lost.
#[derive(Debug, Parser)]
#[command(name = "simulate", bin_name = "cargo test --release --test simulate --")]
struct Arguments {
    /// Disks after power cuts that are to be recovered and checked, at least.
    #[arg(long, default_value_t = 10_000)]
    crashes: u64,
    /// The seed of the first history; the next has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; 0 means one for each core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Real processes that write to a real disk and are killed.
    #[arg(long, default_value_t = 0)]
    kills: u64,
}

fn main() -> ExitCode {
    if write_until_killed() {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let start = Instant::now();
    let counts = Counts::default();
    let failures = simulate(&arguments, &counts);
    let simulated = start.elapsed();
    let start = Instant::now();
    let killed = kill(&arguments);
    println!("{}", summary(&counts, failures.len(), simulated));
    if killed.kills > 0 {
        println!("{}", kills_summary(killed, start.elapsed()));
    }
    for seed in &failures {
        println!("seed {seed} failed; to repeat it: cargo test --release --test simulate -- --crashes 1 --seed {seed}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs histories until there were enough crashes; returns the seeds of those that failed.
fn simulate(arguments: &Arguments, counts: &Counts) -> Vec<u64> {
    let bar = progress(arguments.crashes, "crashes");
    let next = AtomicU64::new(arguments.seed);
    let failures = Mutex::new(Vec::new());
    let threads = match arguments.threads {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        threads => threads,
    };
    // One history alone is run again to see what happens in it.
    let traced = arguments.crashes == 1;
    let enough = || {
        let failed = failures.lock().expect("nobody panics with it").len();
        counts.crashes.total() >= arguments.crashes || failed >= MAX_FAILURES
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !enough() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let history = || long_history(seed, format!("--crashes 1 --seed {seed}"), traced, counts);
                    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(history)).is_err() {
                        failures.lock().expect("nobody panics with it").push(seed);
                    }
                    bar.set_position(counts.crashes.total());
                }
            });
        }
    });
    bar.finish_and_clear();
    failures.into_inner().expect("nobody panics with it")
}

fn kill(arguments: &Arguments) -> Killed {
    if arguments.kills == 0 {
        return Killed::default();
    }
    let bar = progress(arguments.kills, "kills");
    let killed = kill_many("the child", arguments.kills, arguments.seed, || bar.inc(1));
    bar.finish_and_clear();
    killed
}

fn progress(total: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} {msg}, {eta} left");
    let bar = ProgressBar::new(total).with_style(style.expect("a template")).with_message(what);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn summary(counts: &Counts, failures: usize, elapsed: Duration) -> Table {
    let mut rows = vec![
        ("histories".to_owned(), counts.histories.total()),
        ("disks after a power cut".to_owned(), counts.crashes.total()),
        ("recoveries checked".to_owned(), counts.recoveries.total()),
        ("recoveries cut by another power cut".to_owned(), counts.cut_recoveries.total()),
        ("acknowledged batches looked for".to_owned(), counts.acknowledged.total()),
    ];
    rows.extend(counts.faults().into_iter().map(|(name, count)| (format!("  {name}"), count)));
    rows.push(("histories that lost something".to_owned(), failures as u64));
    rows.push(("seconds".to_owned(), elapsed.as_secs()));
    table(rows)
}

fn kills_summary(killed: Killed, elapsed: Duration) -> Table {
    table(vec![
        ("processes killed".to_owned(), killed.kills),
        ("batches acknowledged before".to_owned(), killed.batches),
        ("recoveries that replayed a log".to_owned(), killed.replayed),
        ("seconds".to_owned(), elapsed.as_secs()),
    ])
}

fn table(rows: Vec<(String, u64)>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_rows(rows.into_iter().map(|(what, count)| [what, count.to_string()]));
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
