//! Learning from neighbours: what a vector is, from what the records nearest to it are (Cover and Hart 1967).
//!
//! Nothing is fitted: the collection is the model and its index finds the neighbours, so a record counts from the moment
//! it is put until it is deleted. `neighbours` finds those that vote, `classifier` and `regressor` count the votes.

mod classifier;
mod neighbours;
mod regressor;

pub use classifier::{KnnClassifier, LabelShare, Prediction};
pub use neighbours::{Neighbour, Weights};
pub use regressor::{Estimate, KnnRegressor};
