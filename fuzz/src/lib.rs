//! What every target is run under: whatever the input says, memory stays bounded.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// No input, whatever it claims to hold, may make a reader take more.
const MAX_BYTES: usize = 64 << 20;

/// Runs `check`, which must not take more memory than that.
pub fn bounded(check: fn(&[u8]), data: &[u8]) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    check(data);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= MAX_BYTES, "{} bytes of input take {taken} bytes of memory", data.len());
}
