//! A random rotation: signs, a fast Hadamard transform, and an order, twice. Lengths and angles stay; no direction of the
//! numbers before is one of the numbers after.

use driftline::Random;

/// A rotation of vectors of one dimension.
#[derive(Debug)]
pub(super) struct Rotation {
    /// For each of the two rounds: the signs, and where each number goes.
    rounds: [(Vec<f32>, Vec<u32>); 2],
    /// The transform works on a power of two: on the first so many numbers, then on the last.
    block: usize,
}

impl Rotation {
    pub(super) fn random(dimension: usize, random: &mut Random) -> Rotation {
        let mut round = || {
            let signs = (0..dimension).map(|_| if random.one_in(2) { 1.0 } else { -1.0 }).collect();
            let mut order: Vec<u32> = (0..dimension as u32).collect();
            for last in (1..dimension).rev() {
                order.swap(last, random.below(last as u64 + 1) as usize);
            }
            (signs, order)
        };
        Rotation { rounds: [round(), round()], block: 1 << dimension.max(1).ilog2() }
    }

    /// Rotates `vector`; `spare` is memory to work in.
    pub(super) fn apply(&self, vector: &mut [f32], spare: &mut Vec<f32>) {
        for (signs, order) in &self.rounds {
            vector.iter_mut().zip(signs).for_each(|(number, sign)| *number *= sign);
            let rest = vector.len() - self.block;
            hadamard(&mut vector[..self.block]);
            if rest > 0 {
                // Twice over the same numbers it would undo itself.
                hadamard(&mut vector[rest..]);
            }
            spare.clear();
            spare.extend(order.iter().map(|from| vector[*from as usize]));
            vector.copy_from_slice(spare);
        }
    }
}

/// The Hadamard transform of a power of two numbers, scaled so that lengths stay.
fn hadamard(numbers: &mut [f32]) {
    let mut half = 1;
    while half < numbers.len() {
        for pair in numbers.chunks_exact_mut(2 * half) {
            let (left, right) = pair.split_at_mut(half);
            for (a, b) in left.iter_mut().zip(right) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / (numbers.len() as f32).sqrt();
    numbers.iter_mut().for_each(|number| *number *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_stay_and_directions_spread() {
        for dimension in [1, 2, 3, 100, 128, 769] {
            let rotation = Rotation::random(dimension, &mut Random::seeded(5, dimension as u64));
            let mut spare = Vec::new();
            for place in 0..dimension.min(20) {
                let mut vector = vec![0.0; dimension];
                vector[place] = 1.0;
                rotation.apply(&mut vector, &mut spare);
                let length: f32 = vector.iter().map(|x| x * x).sum();
                assert!((length - 1.0).abs() < 1e-4, "{dimension}: {length}");
                let largest = vector.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                assert!(dimension < 100 || largest < 0.5, "{dimension}: {largest}");
            }
        }
    }
}
