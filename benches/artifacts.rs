//! Artifacts of models saved and loaded piece by piece, how long that takes, and how much memory: `cargo bench --bench artifacts`.
//!
//! Arguments are sizes in bytes; without any it is 10 MB and 2 GB. `DRIFTLINE_BENCH_DIR` says where to write; the default is
//! the system's directory for temporary files. Loading checks the SHA-256 of the whole artifact before it gives out the first byte, so
//! it reads it twice. At the end one byte is flipped on the disk, and loading must refuse the version by name.
//!
//! What the process asked the allocator for is counted exactly; pages of mapped files, which the operating system takes back
//! when it needs them, are not among it and are told apart.

#![allow(clippy::disallowed_methods, reason = "it looks at the files of a store, and damages one")]

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use driftline::mlops::NewVersion;
use driftline::{Database, ErrorKind};
use peak_alloc::PeakAlloc;
use sha2::{Digest, Sha256};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const SIZES: [u64; 2] = [10_000_000, 2_000_000_000];
/// The most memory that either may take, however large the artifact is.
const MAX_BYTES: usize = 16 << 20;

fn main() -> Outcome {
    let named: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if named.is_empty() { SIZES.to_vec() } else { named };
    let place = std::env::var_os("DRIFTLINE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    for size in sizes {
        let dir = tempfile::tempdir_in(&place)?;
        println!("an artifact of {:.0} MB", size as f64 / 1e6);
        save_and_load(&dir.path().join("s.drift"), size)?;
        refuse_a_flipped_byte(&dir.path().join("s.drift"), size)?;
    }
    Ok(())
}

/// Bytes without a pattern, the same every time.
struct Noise {
    state: u64,
    left: u64,
}

impl Noise {
    fn of(size: u64) -> Noise {
        Noise { state: 0x9E37_79B9_7F4A_7C15, left: size }
    }
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        for piece in buffer[..count].chunks_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            piece.copy_from_slice(&self.state.to_le_bytes()[..piece.len()]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn digest(mut content: impl Read) -> io::Result<[u8; 32]> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match content.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(&piece[..count]),
        }
    }
}

fn save_and_load(path: &Path, size: u64) -> Outcome {
    let wanted = digest(Noise::of(size))?;
    let db = Database::open(path)?;
    let model = db.model("ranker")?;
    measured("save", size, || {
        model.register(NewVersion::new("1.0.0"), Noise::of(size))?;
        Ok(())
    })?;
    measured("load, checked first", size, || {
        let found = digest(model.load("1.0.0")?)?;
        if found == wanted { Ok(()) } else { Err("what was loaded is not what was saved".into()) }
    })?;
    Ok(db.close()?)
}

/// Does it, and prints how fast it was and the memory it took.
fn measured(what: &str, size: u64, work: impl FnOnce() -> Outcome) -> Outcome {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    work()?;
    let seconds = start.elapsed().as_secs_f64();
    let taken = MEMORY.peak_usage().saturating_sub(before);
    println!(
        "  {what:<20} {:>7.0} MB/s   memory {:>6.2} MB   resident at most {:>7.1} MB, pages of files included",
        size as f64 / 1e6 / seconds,
        taken as f64 / 1e6,
        most_resident() as f64 / 1e6
    );
    if taken > MAX_BYTES { Err(format!("{what} took {taken} bytes of memory").into()) } else { Ok(()) }
}

/// The most memory this process has had, as Linux tells it; 0 elsewhere.
fn most_resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn refuse_a_flipped_byte(path: &Path, size: u64) -> Outcome {
    let files = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    let blob = files.iter().find(|file| file.file_name().to_string_lossy().starts_with("blob-"));
    let blob = OpenOptions::new().read(true).write(true).open(blob.ok_or("there is no blob")?.path())?;
    let (mut byte, place) = ([0], size / 2);
    blob.read_exact_at(&mut byte, place)?;
    blob.write_all_at(&[byte[0] ^ 1], place)?;
    let error = Database::open(path)?.model("ranker")?.load("1.0.0").err().ok_or("the flipped byte was not seen")?;
    println!("  one flipped byte     {error}");
    let named = error.kind() == ErrorKind::Corrupt && error.to_string().contains("ranker@1.0.0");
    if named { Ok(()) } else { Err(error.into()) }
}
