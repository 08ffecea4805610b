//! A killed process loses nothing that a returned call has written, at any durability, and leaves no batch in half.

use driftline::Random;

use super::support::killing::{kill_many, write_until_killed};
use super::support::wanted;

const KILLS: u64 = 100;

/// The child's part; in an ordinary run of the tests there is nothing to do.
#[test]
fn writes_until_it_is_killed() {
    write_until_killed();
}

#[test]
fn a_hundred_kills_lose_nothing_that_was_written() {
    let seed = wanted("DRIFTLINE_SEED").unwrap_or_else(Random::system_seed);
    println!("DRIFTLINE_SEED={seed}");
    let killed = kill_many("kill::writes_until_it_is_killed", KILLS, seed, || ());
    println!("{killed:?}");
    assert!(killed.kills == KILLS && killed.replayed > 0, "no kill left anything in the log");
}
