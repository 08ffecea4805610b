//! Is treatment B better than control A? Differences are B - A throughout.

mod intervals;
mod means;
mod posterior;
mod power;
mod proportions;

pub use intervals::{clopper_pearson, newcombe, wilson};
pub use means::{MannWhitney, Means, mann_whitney, means};
pub use posterior::{Beta, chance_of_larger};
pub(in crate::stats) use power::fewest_users;
pub use power::{cohens_h, power_of_means, sample_size, sample_size_of};
pub use proportions::{Proportions, proportions};

/// Successes among trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Arm {
    /// Successes, at most as many as trials.
    pub successes: u64,
    /// Trials, at least one.
    pub trials: u64,
}

impl Arm {
    fn check(self) -> crate::error::Result<()> {
        super::check::at_least("an arm", self.trials.min(1) as usize, 1)?;
        super::check::within("the successes of an arm", self.successes as f64, 0.0, self.trials as f64)
    }

    fn rate(self) -> f64 {
        self.successes as f64 / self.trials as f64
    }
}
