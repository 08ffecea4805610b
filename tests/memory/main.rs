//! No bytes on disk make a reader take more than 64 MiB of memory, whatever they claim: every input that fuzzing keeps, whole,
//! cut short, and with numbers in it made large. And an artifact is saved and loaded in little memory, however large it is. A
//! program of its own, because it counts every allocation.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test reads its inputs, and stops where it is surprised"
)]

#[allow(dead_code, reason = "the promises use the rest")]
#[path = "../promises/support/corpus.rs"]
mod corpus;

use std::io::{Read, repeat};
use std::path::Path;
use std::sync::Mutex;

use driftline::Database;
use driftline::fuzzing::{TARGETS, Target};
use driftline::mlops::NewVersion;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MAX_BYTES: usize = 64 << 20;
/// What saving or loading an artifact may take.
const MAX_ARTIFACT_BYTES: usize = 4 << 20;
/// Held by a test that counts, so that it counts nobody else's.
static COUNTING: Mutex<()> = Mutex::new(());

#[test]
fn an_artifact_is_saved_and_loaded_in_less_memory_than_it_has_bytes() {
    const SIZE: u64 = 10_000_000;
    let _counting = COUNTING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let dir = tempfile::tempdir().expect("a directory");
    let db = Database::open(dir.path().join("s.drift")).expect("a store");
    let model = db.model("ranker").expect("a model");
    let saved = taken(|| drop(model.register(NewVersion::new("1"), repeat(7).take(SIZE)).expect("it is registered")));
    let loaded = taken(|| {
        let mut artifact = model.load("1").expect("it is whole");
        assert_eq!(std::io::copy(&mut artifact, &mut std::io::sink()).expect("it is read"), SIZE);
    });
    println!("{saved} bytes to save it, {loaded} to load it");
    assert!(saved <= MAX_ARTIFACT_BYTES && loaded <= MAX_ARTIFACT_BYTES, "{saved} and {loaded} bytes of {SIZE}");
}

/// The most memory that was taken meanwhile, beyond what there was.
fn taken(work: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage().saturating_sub(before)
}

#[test]
fn no_input_takes_more_memory_than_64_mib() {
    let _counting = COUNTING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut most = (0, "");
    for target in TARGETS {
        for (path, input) in corpus::inputs(target) {
            for variant in variants(target, input) {
                let taken = taken_by(target, &variant, &path);
                most = most.max((taken, target.name));
            }
        }
    }
    println!("at most {} bytes, by {}", most.0, most.1);
}

fn taken_by(target: &Target, input: &[u8], path: &Path) -> usize {
    let taken = taken(|| (target.check)(input));
    let (name, length) = (target.name, input.len());
    assert!(taken <= MAX_BYTES, "{name} takes {taken} bytes for a variant of {length} bytes of {}", path.display());
    taken
}

/// The input, cut short, and with four or eight bytes that say there is a great deal.
fn variants(target: &Target, input: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    let places = corpus::places(target, &input);
    let changed = places.into_iter().flat_map({
        let input = input.clone();
        move |place| {
            let short = input[..place].to_vec();
            let large = [(4, 0xFF), (4, 0x7F), (8, 0xFF)].map(|(count, byte)| {
                let mut large = input.clone();
                let end = large.len().min(place + count);
                large[place..end].fill(byte);
                large
            });
            large.into_iter().chain([short])
        }
    });
    std::iter::once(input).chain(changed)
}
