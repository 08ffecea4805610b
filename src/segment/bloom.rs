//! A blocked Bloom filter over the keys of a sealed segment: one cache line tells that a key is surely not there.
//!
//! Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", section 3.1. With about 10 bits a key
//! some 1 % of absent keys pass.

use xxhash_rust::xxh3::xxh3_64;

/// 32-bit words in a block of 64 bytes.
const BLOCK_WORDS: usize = 16;
const BITS_PER_KEY: usize = 10;
/// Bits set for a key, all inside its block.
const PROBES: u32 = 7;

/// The filter of `keys` keys while it is being filled.
#[derive(Debug)]
pub(crate) struct BloomBuilder {
    words: Vec<u32>,
}

impl BloomBuilder {
    pub(crate) fn new(keys: usize) -> BloomBuilder {
        let blocks = (keys * BITS_PER_KEY).div_ceil(BLOCK_WORDS * 32).max(1);
        BloomBuilder { words: vec![0; blocks * BLOCK_WORDS] }
    }

    pub(crate) fn insert(&mut self, key: &[u8]) {
        let hash = xxh3_64(key);
        let block = block_of(hash, self.words.len() / BLOCK_WORDS) * BLOCK_WORDS;
        for (word, mask) in probes(hash) {
            self.words[block + word] |= mask;
        }
    }

    /// The stored form (frozen): little-endian words, whole blocks.
    pub(crate) fn words(&self) -> &[u32] {
        &self.words
    }
}

/// False when no key of this stored form is `key`. A stored form of no whole block lets every key pass.
pub(crate) fn may_contain(words: &[u32], key: &[u8]) -> bool {
    let blocks = words.len() / BLOCK_WORDS;
    if blocks == 0 {
        return true;
    }
    let hash = xxh3_64(key);
    let block = &words[block_of(hash, blocks) * BLOCK_WORDS..][..BLOCK_WORDS];
    probes(hash).all(|(word, mask)| block[word] & mask != 0)
}

/// The high half of the hash picks the block.
fn block_of(hash: u64, blocks: usize) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

/// The low half, spread by an odd multiplier, gives nine bits for each probe.
fn probes(hash: u64) -> impl Iterator<Item = (usize, u32)> {
    let spread = u64::from(hash as u32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..PROBES).map(move |probe| {
        let bits = (spread >> (probe * 9)) & 0x1FF;
        ((bits >> 5) as usize, 1 << (bits & 31))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn present_keys_pass_and_most_absent_ones_do_not() {
        let mut bloom = BloomBuilder::new(10_000);
        for key in 0u32..10_000 {
            bloom.insert(&key.to_le_bytes());
        }
        assert!((0u32..10_000).all(|key| may_contain(bloom.words(), &key.to_le_bytes())));
        let passed = (10_000u32..110_000).filter(|key| may_contain(bloom.words(), &key.to_le_bytes())).count();
        assert!(passed < 3_000, "{passed} of 100,000 absent keys passed");
    }

    #[test]
    fn a_filter_without_a_block_lets_all_pass() {
        assert!(may_contain(&[], b"any"));
    }

    #[test]
    fn the_stored_form_is_frozen() {
        let mut bloom = BloomBuilder::new(1);
        bloom.insert(b"driftline");
        let set: Vec<(usize, u32)> = bloom.words().iter().copied().enumerate().filter(|(_, word)| *word != 0).collect();
        assert_eq!(set, GOLDEN);
    }

    const GOLDEN: &[(usize, u32)] =
        &[(0, 1 << 17), (1, 1 << 29), (6, 1 << 13), (7, 1), (8, 1 << 13), (9, 1 << 25), (14, 1 << 24)];
}
