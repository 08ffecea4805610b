//! Numbers in four bits each, for weights that are spread like a normal law: NF4.

use super::check;
use crate::error::{Error, ErrorKind, Result};

/// The sixteen levels, of the largest magnitude of a block (Dettmers et al., "QLoRA: efficient finetuning of quantized LLMs",
/// 2023, appendix E).
#[rustfmt::skip]
pub const LEVELS: [f64; 16] = [
    -1.0, -0.69619289060372, -0.5250730386952291, -0.3949174906993099, -0.2844413576181077, -0.18477343519288886,
    -0.09104999214427931, 0.0, 0.07958032909416937, 0.16093017270493618, 0.2461122939299359, 0.33791519352165506,
    0.44070980241319013, 0.562616970075237, 0.7229567278928821, 1.0,
];

/// A block of numbers, each as the nearest of [`LEVELS`].
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The largest magnitude of the block.
    pub scale: f64,
    /// Places in [`LEVELS`], 0 to 15.
    pub codes: Vec<u8>,
}

impl Block {
    /// Takes the nearest level for each number; of two that are equally near the lower. Fails with `Invalid` where there are
    /// none, or one is not finite.
    pub fn of(values: &[f64]) -> Result<Block> {
        check::sample("the block", values)?;
        let scale = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        let codes = values.iter().map(|value| nearest(if scale > 0.0 { value / scale } else { 0.0 })).collect();
        Ok(Block { scale, codes })
    }

    /// The numbers that the codes stand for. Fails with `Corrupt` where a code is above 15.
    pub fn values(&self) -> Result<Vec<f64>> {
        let value = |&code: &u8| LEVELS.get(usize::from(code)).map(|level| level * self.scale);
        let values: Option<Vec<f64>> = self.codes.iter().map(value).collect();
        values.ok_or_else(|| Error::new(ErrorKind::Corrupt, "a code of four bits is above 15"))
    }
}

fn nearest(value: f64) -> u8 {
    let distance = |code: &u8| (LEVELS[usize::from(*code)] - value).abs();
    (0..16).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stand_for_themselves_and_zeros_stay() {
        let block = Block::of(&LEVELS).unwrap();
        assert_eq!((block.codes.clone(), block.values().unwrap()), ((0..16).collect(), LEVELS.to_vec()));
        assert_eq!(Block::of(&[0.0, 0.0]).unwrap(), Block { scale: 0.0, codes: vec![7, 7] });
        assert!(Block::of(&[]).is_err() && Block::of(&[f64::INFINITY]).is_err());
        assert_eq!(Block { scale: 1.0, codes: vec![16] }.values().unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
