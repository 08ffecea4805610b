//! Wasserstein-1 along directions, permuted: the order of the rows along each direction is found once.

use crate::error::Result;
use crate::random::Random;
use crate::stats::rows::Rows;
use crate::stats::two_sample::{PermutationTest, Permutations, permute};
use crate::stats::wasserstein;

use crate::mlops::drift::permuted::Areas;

/// Directions that are looked along.
const DIRECTIONS: usize = 64;

/// The mean distance along [`DIRECTIONS`] random directions, in units of the rows.
pub(in crate::mlops::drift) fn test(
    x: Rows<'_, f32>,
    y: Rows<'_, f32>,
    permutations: Permutations,
) -> Result<PermutationTest> {
    let directions = wasserstein::directions(DIRECTIONS, x.dimension(), &mut Random::seeded(permutations.seed, 1));
    let along = |direction: &[f64]| -> Vec<f64> {
        let project = |row: &[f32]| row.iter().zip(direction).map(|(value, part)| f64::from(*value) * part).sum();
        x.iter().chain(y.iter()).map(project).collect()
    };
    let lines = directions.chunks_exact(x.dimension()).map(along).collect();
    permute(&Areas::new(lines, x.len()), permutations)
}
