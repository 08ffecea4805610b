//! Bytes of a sealed file, mapped or in memory: the only place of the crate that maps.
#![expect(unsafe_code, reason = "mapping a file is unsafe, because nothing stops others from changing the file")]

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};

use bytemuck::{Pod, Zeroable};
use memmap2::{Mmap, MmapMut};

/// The first bytes of a sealed file, which never change.
///
/// They start at an address that is a multiple of 64, mapped or not, so that arrays aligned in the file are aligned in
/// memory. Share it between threads in an `Arc`; dropping it gives the memory back.
pub struct Mapping(Source);

enum Source {
    Mapped(Mmap),
    /// No file's: memory of its own.
    Resident(Mmap),
    Heap {
        lines: Vec<Line>,
        length: usize,
    },
}

/// How a mapping will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Here and there: reading ahead is a waste.
    Random,
    /// From the start to the end.
    Sequential,
    /// All of it, soon: read ahead now.
    Soon,
}

/// One cache line: what gives the heap's bytes their alignment.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE_BYTES]);

const LINE_BYTES: usize = 64;

impl Mapping {
    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> io::Result<Mapping> {
        Mapping::filled(bytes.len(), |buffer| {
            buffer.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// `length` bytes of memory, zeros at first, which `fill` fills. Refuses with `OutOfMemory` where there is not so
    /// much memory.
    pub fn filled(length: usize, fill: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<Mapping> {
        let count = length.div_ceil(LINE_BYTES);
        let mut lines = Vec::new();
        lines.try_reserve_exact(count).map_err(|_| io::ErrorKind::OutOfMemory)?;
        lines.resize(count, Line::zeroed());
        fill(&mut bytemuck::cast_slice_mut(&mut lines)[..length])?;
        Ok(Mapping(Source::Heap { lines, length }))
    }

    /// `length` bytes of memory of their own, in large pages where the system has them, which `fill` fills. Reading here
    /// and there costs less than in a mapped file, whose pages are small.
    pub(crate) fn resident(length: usize, fill: impl FnOnce(&mut [u8])) -> io::Result<Mapping> {
        if length == 0 {
            return Mapping::copy_of(&[]);
        }
        let mut memory = MmapMut::map_anon(length)?;
        // Small pages do as well, slower.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        fill(&mut memory);
        Ok(Mapping(Source::Resident(memory.make_read_only()?)))
    }

    /// Maps the first `length` bytes of `file` for reading. Whoever calls has seen that the file is at least that long
    /// and keeps it unchanged while the mapping lives: sealed files are never written again, only unlinked, the
    /// store's lock keeps other writers away, and [`ReadMode::Mmap`](super::ReadMode::Mmap) tells the rest to users.
    pub(super) fn map(file: &File, length: usize) -> io::Result<Mapping> {
        if length == 0 {
            return Mapping::copy_of(&[]);
        }
        // SAFETY: The mapping is read-only, and its bytes do not change as long as nobody writes to or truncates the
        // file, which this crate never does with a sealed file and the documentation of `ReadMode` asks of everybody
        // else.
        let mapped = unsafe { memmap2::MmapOptions::new().len(length).map(file)? };
        Ok(Mapping(Source::Mapped(mapped)))
    }

    /// Whether the bytes are read from a file when they are touched.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.0, Source::Mapped(_))
    }

    /// Tells the operating system how the bytes will be read. A hint: no answer changes, and failing is no harm.
    pub fn advise(&self, access: Access) {
        #[cfg(unix)]
        if let Source::Mapped(mapped) = &self.0 {
            let advice = match access {
                Access::Random => memmap2::Advice::Random,
                Access::Sequential => memmap2::Advice::Sequential,
                Access::Soon => memmap2::Advice::WillNeed,
            };
            _ = mapped.advise(advice);
        }
        #[cfg(not(unix))]
        let _ = access;
    }

    /// Has the operating system bring in all bytes of `range` and make them known to this process now, so that reading here
    /// and there does not stop for one page after the other. A hint, as [`Mapping::advise`] is.
    pub(crate) fn bring_in(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Source::Mapped(mapped) = &self.0 {
            _ = mapped.advise_range(memmap2::Advice::PopulateRead, range.start, range.len());
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Mapped(mapped) | Source::Resident(mapped) => mapped,
            Source::Heap { lines, length } => &bytemuck::cast_slice(lines)[..*length],
        }
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Source::Mapped(_) => "mapped",
            Source::Resident(_) => "resident",
            Source::Heap { .. } => "heap",
        };
        write!(f, "Mapping({kind}, {} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_bytes_are_aligned_and_exact() {
        for length in [0, 1, 4096, 5000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mapping = Mapping::resident(length, |memory| memory.copy_from_slice(&bytes)).unwrap();
            assert_eq!(&*mapping, &bytes[..]);
            assert_eq!(mapping.as_ptr().align_offset(64), 0);
        }
    }

    #[test]
    fn heap_bytes_are_aligned_and_exact() {
        for length in [0, 1, 63, 64, 65, 4096, 5000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mapping = Mapping::copy_of(&bytes).unwrap();
            assert_eq!(&*mapping, &bytes[..]);
            assert_eq!(mapping.as_ptr() as usize % 64, 0);
            mapping.advise(Access::Random);
        }
    }

    #[test]
    fn more_memory_than_there_is_is_refused() {
        let refused = Mapping::filled(isize::MAX as usize - 64, |_| Ok(())).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::OutOfMemory);
    }

    #[test]
    fn a_mapping_may_cross_threads() {
        fn crosses<T: Send + Sync>() {}
        crosses::<Mapping>();
    }
}
