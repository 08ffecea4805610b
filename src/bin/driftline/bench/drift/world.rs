//! Embeddings that are drawn: what a small network makes of things of several classes, on the unit sphere.
//!
//! A thing of class k is a point in a space of [`LATENT`] dimensions: the centre of its class, and around it a spread that
//! differs by direction and by class. A layer of random weights with cut-off at 0 (ReLU) makes as many numbers of it as
//! the embedding has, about half of them 0, and the row is scaled to length 1.

use driftline::Random;
use driftline::stats::normal;

/// Dimensions of what the network looks at.
const LATENT: usize = 24;
/// Classes that the reference knows; one more is novel.
const CLASSES: usize = 10;
/// The spread of a class in its widest direction, where centres lie about 7 from each other.
const SPREAD: f64 = 1.6;
/// Rows from which the mean of all is taken.
const MEAN_ROWS: usize = 2_000;
/// Shifts of single numbers have their size at so many dimensions; elsewhere they are scaled to the same share of a row.
const NAMED_AT: f64 = 32.0;

/// How the current rows differ from the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shift {
    None,
    /// So many rows, as a share, are of a class that the reference does not know.
    Novel(f64),
    /// Classes are no longer equally frequent: from 1/4 to 7/4 of what they were.
    Shares,
    /// Normal noise of this deviation on every number.
    Noise(f64),
    /// Distances to the mean of all rows, as a share of what they were.
    Spread(f64),
    /// The first number and the last have changed places.
    Swapped,
    /// This much is added to every number.
    Offset(f64),
}

/// Shifts in the order of the table.
pub(super) const SHIFTS: [(&str, Shift); 10] = [
    ("no drift", Shift::None),
    ("5 % novel", Shift::Novel(0.05)),
    ("10 % novel", Shift::Novel(0.10)),
    ("20 % novel", Shift::Novel(0.20)),
    ("class shares", Shift::Shares),
    ("noise .03", Shift::Noise(0.03)),
    ("noise .06", Shift::Noise(0.06)),
    ("spread -20 %", Shift::Spread(0.8)),
    ("two dims swapped", Shift::Swapped),
    ("+.02 everywhere", Shift::Offset(0.02)),
];

/// A network, the classes it sees, and what follows from them.
#[derive(Debug)]
pub(super) struct World {
    dimension: usize,
    /// Of each class and the novel one: the centre, then LATENT² numbers that turn and stretch its spread.
    centres: Vec<Vec<f64>>,
    spreads: Vec<Vec<f64>>,
    weights: Vec<f64>,
    offsets: Vec<f64>,
    mean: Vec<f64>,
}

impl World {
    pub(super) fn new(dimension: usize, random: &mut Random) -> World {
        let mut normals = |count: usize, deviation: f64| -> Vec<f64> {
            (0..count).map(|_| deviation * normal::draw(random)).collect()
        };
        let narrow = |place: usize| SPREAD / ((place % LATENT + 1) as f64).sqrt();
        let turned = |numbers: Vec<f64>| -> Vec<f64> {
            let scaled = numbers.iter().enumerate().map(|(place, number)| number * narrow(place));
            scaled.map(|number| number / (LATENT as f64).sqrt()).collect()
        };
        let centres = (0..=CLASSES).map(|_| normals(LATENT, 1.0)).collect();
        let spreads = (0..=CLASSES).map(|_| turned(normals(LATENT * LATENT, 1.0))).collect();
        let weights = normals(dimension * LATENT, (LATENT as f64).sqrt().recip());
        let offsets = normals(dimension, 0.5);
        let mut world = World { dimension, centres, spreads, weights, offsets, mean: vec![0.0; dimension] };
        let rows = world.rows(MEAN_ROWS, Shift::None, random);
        for row in rows.chunks_exact(dimension) {
            world.mean.iter_mut().zip(row).for_each(|(sum, number)| *sum += f64::from(*number) / MEAN_ROWS as f64);
        }
        world
    }

    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// So many rows, one after the other.
    pub(super) fn rows(&self, count: usize, shift: Shift, random: &mut Random) -> Vec<f32> {
        (0..count).flat_map(|_| self.row(shift, random)).collect()
    }

    fn row(&self, shift: Shift, random: &mut Random) -> Vec<f32> {
        let mut row = self.embedding(self.class(shift, random), random);
        let scale = (NAMED_AT / self.dimension as f64).sqrt();
        match shift {
            Shift::None | Shift::Novel(_) | Shift::Shares => {}
            Shift::Noise(deviation) => {
                row.iter_mut().for_each(|number| *number += scale * deviation * normal::draw(random));
            }
            Shift::Spread(share) => {
                row.iter_mut().zip(&self.mean).for_each(|(number, mean)| *number = mean + share * (*number - mean));
            }
            Shift::Swapped => row.swap(0, self.dimension - 1),
            Shift::Offset(by) => row.iter_mut().for_each(|number| *number += scale * by),
        }
        normalised(&mut row);
        row.into_iter().map(|number| number as f32).collect()
    }

    fn class(&self, shift: Shift, random: &mut Random) -> usize {
        match shift {
            Shift::Novel(share) if random.unit() < share => CLASSES,
            Shift::Shares => {
                // Classes 0 to 9 have shares that rise in equal steps from 1/4 to 7/4 of a tenth.
                let share = |class: usize| 0.25 + 1.5 * class as f64 / (CLASSES - 1) as f64;
                let mut left = random.unit() * CLASSES as f64;
                let found = (0..CLASSES).find(|&class| {
                    left -= share(class);
                    left < 0.0
                });
                found.unwrap_or(CLASSES - 1)
            }
            _ => random.below(CLASSES as u64) as usize,
        }
    }

    /// What the network makes of a thing of this class.
    fn embedding(&self, class: usize, random: &mut Random) -> Vec<f64> {
        let noise: Vec<f64> = (0..LATENT).map(|_| normal::draw(random)).collect();
        let sums = self.spreads[class].chunks_exact(LATENT).map(|line| dot(line, &noise));
        let thing: Vec<f64> = self.centres[class].iter().zip(sums).map(|(centre, step)| centre + step).collect();
        let layer = self.weights.chunks_exact(LATENT).zip(&self.offsets);
        let mut row: Vec<f64> = layer.map(|(line, offset)| (dot(line, &thing) + offset).max(0.0)).collect();
        normalised(&mut row);
        row
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Scales to length 1; a row of zeros stays.
fn normalised(row: &mut [f64]) {
    let length = dot(row, row).sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|number| *number /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_length_one_and_follow_from_the_seed() {
        let rows = |seed| {
            let mut random = Random::seeded(seed, 0);
            let world = World::new(16, &mut random);
            SHIFTS.iter().flat_map(|(_, shift)| world.rows(20, *shift, &mut random)).collect::<Vec<f32>>()
        };
        assert!(rows(1) == rows(1) && rows(1) != rows(2));
        for row in rows(1).chunks_exact(16) {
            let length: f32 = row.iter().map(|number| number * number).sum();
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
    }

    #[test]
    fn shares_of_classes_rise_and_novel_ones_are_as_many_as_asked_for() {
        let mut random = Random::seeded(3, 0);
        let world = World::new(8, &mut random);
        let mut count = |shift: Shift| {
            let mut counts = [0; CLASSES + 1];
            (0..20_000).for_each(|_| counts[world.class(shift, &mut random)] += 1);
            counts
        };
        let novel = count(Shift::Novel(0.1))[CLASSES];
        assert!((1_800..2_200).contains(&novel), "{novel}");
        let shares = count(Shift::Shares);
        assert!((400..600).contains(&shares[0]) && (3_300..3_700).contains(&shares[CLASSES - 1]), "{shares:?}");
        assert_eq!(shares[CLASSES], 0);
    }
}
