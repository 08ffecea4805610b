//! The content of a simulated file, in pages that copies share: zeros cost nothing, a copy costs a pointer a page.

use std::ops::Range;
use std::sync::Arc;

/// A page of the simulation; also the unit in which holes are kept as holes.
pub(super) const PAGE_BYTES: usize = 4096;

/// What a page holds.
pub(super) type Page = [u8; PAGE_BYTES];

static ZEROS: Page = [0; PAGE_BYTES];

/// Bytes from 0 to a length, every page either all zeros (`None`) or shared until it is written.
///
/// Invariant: there are just as many pages as the length needs, and the rest of the last one is zeros.
#[derive(Clone, Default)]
pub(super) struct Pages {
    pages: Vec<Option<Arc<Page>>>,
    length: usize,
}

impl Pages {
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Fills `buffer` as far as there are bytes from `offset` on, and says how many there were.
    pub(super) fn read(&self, buffer: &mut [u8], offset: usize) -> usize {
        let end = self.length.min(offset.saturating_add(buffer.len()));
        for_each_page(offset..end, |number, within, done| {
            let part = &mut buffer[done..done + within.len()];
            match &self.pages[number] {
                Some(page) => part.copy_from_slice(&page[within]),
                None => part.fill(0),
            }
        });
        end.saturating_sub(offset)
    }

    /// Writes `bytes` at `offset`, growing with zeros where needed.
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let range = offset..offset + bytes.len();
        self.grow(range.end);
        for_each_page(range, |number, within, done| {
            let part = &bytes[done..done + within.len()];
            let slot = &mut self.pages[number];
            match <&Page>::try_from(part) {
                Ok(whole) => *slot = Some(Arc::new(*whole)),
                Err(_) => edit(slot)[within].copy_from_slice(part),
            }
        });
    }

    /// Writes zeros.
    pub(super) fn zero(&mut self, range: Range<usize>) {
        self.grow(range.end);
        for_each_page(range, |number, within, _| match &mut self.pages[number] {
            slot if within.len() == PAGE_BYTES => *slot = None,
            None => {}
            slot => edit(slot)[within].fill(0),
        });
    }

    /// Writes what `page` holds at the same place within every page of `range`.
    pub(super) fn repeat(&mut self, page: &Arc<Page>, range: Range<usize>) {
        self.grow(range.end);
        for_each_page(range, |number, within, _| match within.len() {
            PAGE_BYTES => self.pages[number] = Some(page.clone()),
            _ => edit(&mut self.pages[number])[within.clone()].copy_from_slice(&page[within]),
        });
    }

    /// Takes over the pages of `other` that `range` touches.
    pub(super) fn share(&mut self, other: &Pages, range: Range<usize>) {
        self.grow(range.end.min(other.length));
        for_each_page(range, |number, _, _| {
            if let (Some(slot), Some(page)) = (self.pages.get_mut(number), other.pages.get(number)) {
                slot.clone_from(page);
            }
        });
    }

    /// Makes the length at least `length`.
    pub(super) fn grow(&mut self, length: usize) {
        if length > self.length {
            self.length = length;
            self.pages.resize(length.div_ceil(PAGE_BYTES), None);
        }
    }

    /// Flips the bits of `mask` in one byte, which must exist.
    pub(super) fn flip(&mut self, byte: usize, mask: u8) {
        edit(&mut self.pages[byte / PAGE_BYTES])[byte % PAGE_BYTES] ^= mask;
    }
}

/// True for nothing but zeros. By comparing whole pages, because that is as fast as reading.
pub(super) fn are_zeros(bytes: &[u8]) -> bool {
    bytes.chunks(PAGE_BYTES).all(|part| part == &ZEROS[..part.len()])
}

/// The page as something to write to: a copy where it is shared.
fn edit(slot: &mut Option<Arc<Page>>) -> &mut Page {
    Arc::make_mut(slot.get_or_insert_with(|| Arc::new(ZEROS)))
}

/// Calls `visit` with each page of `range`: its number, the part of it, and how many bytes came before.
fn for_each_page(range: Range<usize>, mut visit: impl FnMut(usize, Range<usize>, usize)) {
    let mut at = range.start;
    while at < range.end {
        let within = at % PAGE_BYTES;
        let count = (PAGE_BYTES - within).min(range.end - at);
        visit(at / PAGE_BYTES, within..within + count, at - range.start);
        at += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// The same calls on a plain vector.
    #[test]
    fn agrees_with_a_vector() {
        let mut random = Random::seeded(1, 0);
        let mut garbage = [0; PAGE_BYTES];
        random.fill(&mut garbage);
        let garbage = Arc::new(garbage);
        let (mut pages, mut plain) = (Pages::default(), Vec::new());
        for step in 0..2000 {
            let offset = random.below(20_000) as usize;
            let range = offset..offset + 1 + random.below(10_000) as usize;
            if plain.len() < range.end {
                plain.resize(range.end, 0);
            }
            match random.below(4) {
                0 => {
                    pages.zero(range.clone());
                    plain[range].fill(0);
                }
                1 => {
                    pages.repeat(&garbage, range.clone());
                    range.for_each(|at| plain[at] = garbage[at % PAGE_BYTES]);
                }
                2 => {
                    pages.grow(range.end);
                    pages.flip(offset, 7);
                    plain[offset] ^= 7;
                }
                _ => {
                    let bytes: Vec<u8> = range.clone().map(|at| (at + step) as u8).collect();
                    let before = pages.clone();
                    pages.write(&bytes, range.start);
                    let mut shared = before;
                    shared.share(&pages, range.clone());
                    assert!(shared.length() <= pages.length());
                    plain[range].copy_from_slice(&bytes);
                    assert!(contents(&shared) == plain);
                }
            }
            assert!(contents(&pages) == plain, "step {step}");
        }
    }

    fn contents(pages: &Pages) -> Vec<u8> {
        let mut bytes = vec![9; pages.length() + 5];
        assert_eq!(pages.read(&mut bytes, 0), pages.length());
        bytes.truncate(pages.length());
        bytes
    }

    #[test]
    fn zeros_are_told_apart() {
        let mut bytes = vec![0; 10_000];
        assert!(are_zeros(&bytes));
        bytes[9_999] = 1;
        assert!(!are_zeros(&bytes));
    }
}
