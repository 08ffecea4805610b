//! The bundled digits: 8 x 8 grey values from 0 to 16, and what each picture shows.
//!
//! Where they come from is told in tests/fixtures/digits/README.md.

use npyz::NpyFile;

use crate::failure::{Failure, Outcome};

/// Grey values of a digit.
pub(crate) const DIMENSION: usize = 64;
const SIDE: usize = 8;
/// A pixel at least so dark is drawn.
const DARK: u8 = 7;

const PIXELS: &[u8] = include_bytes!("../../../../tests/fixtures/digits/digits.npy");
const LABELS: &[u8] = include_bytes!("../../../../tests/fixtures/digits/labels.npy");

pub(crate) struct Digits {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Digits {
    pub(crate) fn bundled() -> Outcome<Digits> {
        let read = |bytes| NpyFile::new(bytes).and_then(|file: NpyFile<&[u8]>| file.into_vec::<u8>());
        let broken = |error| Failure::failed(format!("the bundled digits cannot be read: {error}"));
        let (pixels, labels) = (read(PIXELS).map_err(broken)?, read(LABELS).map_err(broken)?);
        if pixels.len() != labels.len() * DIMENSION {
            return Err(Failure::failed("the bundled digits and labels do not match"));
        }
        Ok(Digits { pixels, labels })
    }

    pub(crate) fn len(&self) -> u64 {
        self.labels.len() as u64
    }

    pub(crate) fn vector(&self, row: u64) -> Vec<f32> {
        self.pixels_of(row).iter().map(|pixel| f32::from(*pixel)).collect()
    }

    /// The digit that the picture shows.
    pub(crate) fn label(&self, row: u64) -> u8 {
        self.labels[row as usize]
    }

    fn pixels_of(&self, row: u64) -> &[u8] {
        &self.pixels[row as usize * DIMENSION..][..DIMENSION]
    }

    /// Pictures in a row, the first set apart, with what they show underneath.
    pub(crate) fn side_by_side(&self, first: u64, others: &[u64]) -> Vec<String> {
        let lines = (0..SIDE / 2).map(|line| {
            let others: Vec<String> = others.iter().map(|row| self.picture_line(*row, line)).collect();
            format!("{}  │  {}", self.picture_line(first, line), others.join("  "))
        });
        let labels: Vec<String> = others.iter().map(|row| format!("{:^SIDE$}", self.label(*row))).collect();
        let under = format!("{:^SIDE$}  │  {}", self.label(first), labels.join("  "));
        lines.chain([under]).map(|line| line.trim_end().to_owned()).collect()
    }

    /// Two lines of pixels drawn as one of characters, which are twice as high as wide.
    fn picture_line(&self, row: u64, line: usize) -> String {
        let pixels = self.pixels_of(row);
        let dark = |y: usize, x: usize| pixels[y * SIDE + x] >= DARK;
        let half_blocks = (0..SIDE).map(|x| match (dark(line * 2, x), dark(line * 2 + 1, x)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        half_blocks.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_digits_are_whole() {
        let digits = Digits::bundled().unwrap();
        assert_eq!(digits.len(), 899);
        assert!(digits.labels.iter().all(|label| *label < 10) && digits.pixels.iter().all(|pixel| *pixel <= 16));
        assert!(digits.side_by_side(0, &[1, 2, 3, 4, 5]).iter().all(|line| line.chars().count() <= 70));
    }
}
