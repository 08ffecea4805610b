//! What it is measured on, and what this process takes of it. Linux says so in `/proc`; elsewhere it stays unknown.

use crate::bench::line::{Engine, Machine, Memory};

/// Ticks of a second in `/proc/self/stat`; the same on every Linux.
const TICKS: f64 = 100.0;

pub(super) fn engine() -> Engine {
    let commit = std::env::var("DRIFTLINE_COMMIT").ok();
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    Engine {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: commit.or_else(|| option_env!("DRIFTLINE_COMMIT").map(Into::into)),
        profile: profile.into(),
    }
}

pub(super) fn machine() -> Machine {
    let cpus = text("/proc/cpuinfo");
    let unknown = || "unknown".to_owned();
    Machine {
        cpu: value(&cpus, "model name").map_or_else(unknown, Into::into),
        simd: simd(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        ram: kibibytes(&text("/proc/meminfo"), "MemTotal"),
        kernel: Some(text("/proc/sys/kernel/osrelease").trim().to_owned())
            .filter(|it| !it.is_empty())
            .unwrap_or_else(unknown),
    }
}

fn simd() -> Vec<String> {
    let mut has = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let mut note = |name: &str, is: bool| {
            if is {
                has.push(name.to_owned());
            }
        };
        note("avx2", std::arch::is_x86_feature_detected!("avx2"));
        note("fma", std::arch::is_x86_feature_detected!("fma"));
        note("avx512f", std::arch::is_x86_feature_detected!("avx512f"));
        note("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni"));
    }
    has
}

/// Memory that this process has now.
pub(super) fn memory() -> Memory {
    let status = text("/proc/self/status");
    Memory { anon: kibibytes(&status, "RssAnon"), mapped: kibibytes(&status, "RssFile") }
}

/// The most memory that this process has had since `forget_peak`.
pub(super) fn peak() -> u64 {
    kibibytes(&text("/proc/self/status"), "VmHWM")
}

/// Has `peak` begin anew. Where that is refused it says the most there ever was, which is no less.
pub(super) fn forget_peak() {
    #[expect(clippy::disallowed_methods, reason = "a switch of the kernel's, which is no part of a store")]
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Seconds that all threads have run.
pub(super) fn cpu_s() -> f64 {
    let stat = text("/proc/self/stat");
    // The name of the program stands in parentheses and may hold spaces; times are 12 and 13 fields behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

fn text(path: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a file of the kernel's, which is no part of a store")]
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(it, _)| it.trim() == name).map(|(_, value)| value.trim()).next()
}

fn kibibytes(text: &str, name: &str) -> u64 {
    let number = value(text, name).and_then(|value| value.split_whitespace().next());
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// How many entries a folder of the kernel's has; 0 where there is none.
pub(super) fn entries(path: &str) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a folder of the kernel's, which is no part of a store")]
    std::fs::read_dir(path).map_or(0, |entries| entries.count() as u64)
}
