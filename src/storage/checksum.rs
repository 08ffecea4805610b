//! The checksum of everything on disk: CRC-32 with the polynomial of Ethernet and zip (frozen).
//!
//! It finds every run of up to 32 flipped bits, and any other damage but for one case in four thousand million. It is
//! no defence against somebody who means harm: whoever can write the files can also mend the checksums.

/// A checksum that grows piece by piece.
pub(crate) use crc32fast::Hasher as Crc32;

/// The checksum of `parts`, one after the other.
pub(crate) fn crc32(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc32::new();
    for part in parts {
        crc.update(part);
    }
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_never_changes() {
        assert_eq!(crc32(&[b"123456789"]), 0xCBF4_3926);
    }

    #[test]
    fn parts_are_as_good_as_the_whole() {
        assert_eq!(crc32(&[b"1234", b"", b"56789"]), crc32(&[b"123456789"]));
    }
}
