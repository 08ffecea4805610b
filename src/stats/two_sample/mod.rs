//! Do two samples of rows come from one law?
//!
//! Distances between all pooled rows are computed once, in [`Distances`]; [`Energy`], [`Mmd`] and [`Neighbors`] are made
//! of them, and [`permute`] gives each its p-value by moving labels, not rows. At equal labels nothing is random but
//! the permutations, which follow from a seed. [`hotelling`], [`frechet`], [`centroids`] and [`columns`] need no distances.

mod centroids;
mod columns;
mod distances;
mod energy;
mod frechet;
mod hotelling;
mod kernel;
mod neighbors;
mod novelty;
mod permutation;

pub use centroids::{Centroids, centroids};
pub use columns::{Column, columns};
pub use distances::{Distances, MOST_ROWS};
pub use energy::Energy;
pub use frechet::frechet;
pub use hotelling::{Hotelling, hotelling};
pub use kernel::{Form, Mmd};
pub use neighbors::Neighbors;
pub use novelty::{Novelty, novelty};
pub use permutation::{PermutationTest, Permutations, Statistic, permute, permute_with};
