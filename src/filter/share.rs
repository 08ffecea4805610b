//! A share of all records, by chance.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Records picked by the hash of their key: what a measurement puts in the place of a filter. No text of a filter says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    seed: u64,
    below: u64,
}

impl Share {
    /// About this share of the records, 0 to 1; each seed picks others.
    pub(crate) fn new(share: f64, seed: u64) -> Share {
        // The conversion saturates: a share of 1 leaves out one key of 2^64.
        Share { seed, below: (share * 2f64.powi(64)) as u64 }
    }

    /// Whether the record of this stored key is one of them.
    pub(crate) fn holds(self, key: &[u8]) -> bool {
        xxh3_64_with_seed(key, self.seed) < self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_share_is_picked_and_each_seed_picks_others() {
        let picked = |share, seed| -> Vec<u64> {
            (0..10_000u64).filter(|key| Share::new(share, seed).holds(&key.to_be_bytes())).collect()
        };
        assert_eq!((picked(0.0, 1).len(), picked(1.0, 1).len()), (0, 10_000));
        assert!((900..1_100).contains(&picked(0.1, 1).len()));
        assert_eq!(picked(0.1, 1), picked(0.1, 1));
        assert_ne!(picked(0.1, 1), picked(0.1, 2));
    }
}
