//! Normal numbers that are the same on every machine: sums of uniform ones, which need no logarithm and no cosine of
//! the system's mathematics.

use driftline::Random;

/// Two of 16 bits have this standard deviation when four of them are added up: 65,536 / √3.
const SPREAD_OF_FOUR: f32 = 37_837.23;

/// Nearly normal, with mean 0 and variance 1, from four uniform numbers: never beyond 3.5. For noise, of which there is
/// much.
pub(super) fn rough(random: &mut Random) -> f32 {
    (sum_of_four(random.draw()) - 131_070) as f32 / SPREAD_OF_FOUR
}

/// Nearly normal, from twelve uniform numbers: never beyond 6. For what gives the rows their shape.
pub(super) fn normal(random: &mut Random) -> f32 {
    let sum: i32 = (0..3).map(|_| sum_of_four(random.draw()) - 131_070).sum();
    // Three times the variance of four.
    sum as f32 / (SPREAD_OF_FOUR * 1.732_050_8)
}

/// A number from `low` to `high`.
pub(super) fn between(random: &mut Random, low: f32, high: f32) -> f32 {
    low + (high - low) * random.unit() as f32
}

/// Fills with nearly normal numbers.
pub(super) fn normals(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| normal(random)).collect()
}

fn sum_of_four(bits: u64) -> i32 {
    (0..4).map(|part| (bits >> (16 * part)) as u16).map(i32::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_normal_enough() {
        let mut random = Random::seeded(1, 0);
        for draw in [rough, normal] {
            let numbers: Vec<f64> = (0..100_000).map(|_| f64::from(draw(&mut random))).collect();
            let moment = |power: i32| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / numbers.len() as f64;
            assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.02, "{} {}", moment(1), moment(2));
            // 3 for a normal distribution; for sums of four and twelve uniform numbers 2.7 and 2.9.
            assert!(moment(3).abs() < 0.05 && (2.6..3.1).contains(&moment(4)), "{} {}", moment(3), moment(4));
        }
    }
}
