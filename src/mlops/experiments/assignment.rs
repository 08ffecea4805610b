//! Who gets which variant: the same user the same one, on every machine and after every restart.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Stands between the parts that are hashed (frozen).
const SEPARATOR: [u8; 1] = [0x1f];

/// One of two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Variant {
    /// The control.
    A,
    /// What is tried.
    B,
}

/// Where a user stands in an experiment, from 0 to below 1: the user gets B where it is below the share of B.
///
/// It is the first 8 bytes, as a little-endian number divided by 2^64, of the SHA-256 over the experiment's name, the byte
/// 0x1f, the salt, the byte 0x1f, and the user's id. So a share that grows moves nobody from B back to A. Frozen.
///
/// ```
/// use driftline::mlops::user_position;
///
/// assert_eq!(user_position("ranker-2", "", "user-1"), 0.27493148172092163);
/// ```
pub fn user_position(experiment: &str, salt: &str, user: &str) -> f64 {
    let mut hash = Sha256::new();
    for part in [experiment.as_bytes(), &SEPARATOR, salt.as_bytes(), &SEPARATOR, user.as_bytes()] {
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let (first, _) = digest.split_at(8);
    let number = first.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    // The upper 53 bits, so that the result is exact and below 1.
    (number >> 11) as f64 / (1u64 << 53) as f64
}

/// The variant of a user at this share of B.
pub(super) fn variant(position: f64, share_of_b: f64) -> Variant {
    if position < share_of_b { Variant::B } else { Variant::A }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_even_and_those_of_two_experiments_have_nothing_to_do_with_each_other() {
        let users: Vec<String> = (0..20_000).map(|number| format!("user-{number}")).collect();
        let share = |experiment: &str, salt: &str| -> Vec<bool> {
            users.iter().map(|user| user_position(experiment, salt, user) < 0.3).collect()
        };
        let (one, other, salted) = (share("one", ""), share("other", ""), share("one", "x"));
        let count = |of: &[bool]| of.iter().filter(|it| **it).count();
        // Four standard deviations of a binomial are 260 users.
        assert!(count(&one).abs_diff(6_000) < 260);
        for independent in [other, salted] {
            let both = one.iter().zip(&independent).filter(|(a, b)| **a && **b).count();
            assert!(both.abs_diff(1_800) < 165, "{both}");
        }
    }

    #[test]
    fn positions_are_those_of_the_test_vectors() {
        // Worked out with Python's hashlib.
        assert_eq!(user_position("ranker-2", "", "user-2"), 0.6038866792452573);
        assert_eq!(user_position("ranker-2", "x", "user-1"), 0.6667116807278544);
        assert_eq!(user_position("exp", "", "ü"), 0.8464164631733001);
    }

    #[test]
    fn a_growing_share_moves_nobody_back() {
        for number in 0..1_000 {
            let position = user_position("one", "", &number.to_string());
            let shares = [0.1, 0.3, 0.9].map(|share| variant(position, share));
            assert!(shares.is_sorted(), "{shares:?}");
        }
    }
}
