//! No bytes on disk make the engine panic or misread: every input that fuzzing keeps is replayed here, whole, cut short
//! and with bytes changed.

use std::fs;
use std::path::Path;

use driftline::fuzzing::{TARGETS, Target};

use super::support::corpus::{folder, inputs, places, root};

/// An input in the repository is a small one.
const MAX_INPUT_BYTES: usize = 20 * 1024;

#[test]
fn every_kept_input_is_read_or_refused() {
    for target in TARGETS {
        for (path, input) in inputs(target) {
            assert!(input.len() <= MAX_INPUT_BYTES, "{} is too large to keep", path.display());
            survive(target, &path, &input);
        }
    }
}

#[test]
fn every_kept_input_cut_short_is_read_or_refused() {
    for target in TARGETS {
        for (path, input) in inputs(target) {
            for length in places(target, &input) {
                survive(target, &path, &input[..length]);
            }
        }
    }
}

#[test]
fn every_kept_input_with_a_byte_changed_is_read_or_refused() {
    for target in TARGETS {
        for (path, mut input) in inputs(target) {
            for place in places(target, &input) {
                let before = input[place];
                for changed in [before ^ 1, before ^ 0x80, 0, 0xFF] {
                    input[place] = changed;
                    survive(target, &path, &input);
                }
                input[place] = before;
            }
        }
    }
}

/// A seed that no longer is what the code writes means that a format has changed: then a store of before cannot be read
/// either. Where that is meant, `DRIFTLINE_WRITE_SEEDS=1` writes the seeds anew.
#[test]
fn the_seeds_are_what_the_code_writes_today() {
    let write = std::env::var_os("DRIFTLINE_WRITE_SEEDS").is_some();
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "no seeds for {}", target.name);
        for seed in seeds {
            let path = folder(target).join(format!("seed-{}", seed.name));
            if write {
                fs::create_dir_all(folder(target)).expect("a folder of seeds");
                fs::write(&path, &seed.bytes).expect("a seed file");
            }
            let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(kept == seed.bytes, "{} is not what the code writes today", path.display());
        }
    }
}

#[test]
fn every_fuzz_target_is_replayed_here() {
    let programs = fs::read_dir(root().join("fuzz/fuzz_targets")).expect("the folder of fuzz targets");
    let mut programs: Vec<_> = programs.map(|entry| entry.unwrap().path()).collect();
    programs.sort();
    let stems: Vec<_> = programs.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    let mut known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    known.sort_unstable();
    assert_eq!(stems, known);
}

/// Runs the check; should it panic, keeps the input and says where.
#[track_caller]
fn survive(target: &Target, path: &Path, input: &[u8]) {
    if std::panic::catch_unwind(|| (target.check)(input)).is_err() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broke-{}", target.name));
        fs::write(&kept, input).expect("a place for the input that broke it");
        panic!("a variant of {} broke {}; it is kept as {}", path.display(), target.name, kept.display());
    }
}
