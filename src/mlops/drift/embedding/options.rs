//! How vectors are compared.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mlops::drift::method::Test;
use crate::stats::two_sample::Permutations;

/// The fewest rows a side that a verdict is given for, unless told.
pub const MIN_ROWS: usize = 50;

/// How [`judge`](super::judge) compares two samples of vectors. The defaults are meant to be left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbeddingOptions {
    /// The chance of a false drift that is taken. Default 0.01.
    pub level: f64,
    /// Permutations of each test, at most: the smallest p is one over one more. Default 999; a detector that judges other
    /// features beside makes more. Costs time in proportion where there is drift, and little where there is none.
    pub permutations: u32,
    /// Stops permuting once so many were as extreme as what was seen. Default 20.
    pub stop_after: Option<u32>,
    /// Nearest neighbours that are looked at. Default 5.
    pub neighbors: usize,
    /// Where chance begins. Default 0. Changes p in its last digits.
    pub seed: u64,
    /// Rows a side below which there is no verdict. Default 50.
    pub min_rows: usize,
    /// The energy coefficient from which drift matters. Default 0.005; 0 lets every drift matter.
    pub energy_floor: f64,
    /// The share of novel rows from which drift matters. Default 0.02, where 0.01 is what no drift gives.
    pub novelty_floor: f64,
    /// Dimensions and rows that are shown as evidence. Default 5.
    pub evidence: usize,
    /// Tests made beside those of the verdict. Default none.
    pub extra: Vec<ExtraTest>,
}

/// A test that is made on request, and told beside the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExtraTest {
    /// The squared maximum mean discrepancy, unbiased, with the median distance as bandwidth; permuted.
    Mmd,
    /// A logistic classifier, fitted to one half of the rows and tried on the other.
    Classifier,
    /// Wasserstein-1 along 64 directions, on average; permuted.
    SlicedWasserstein,
    /// Hotelling's T²; left out below five rows for each dimension.
    Hotelling,
    /// What the main directions of one half of the reference do not explain, of the other half and of the current rows.
    Reconstruction,
    /// The Fréchet distance, along at most 64 main directions of the reference. It has no p.
    Frechet,
}

impl ExtraTest {
    /// All of them.
    pub const ALL: [ExtraTest; 6] = [
        ExtraTest::Mmd,
        ExtraTest::Classifier,
        ExtraTest::SlicedWasserstein,
        ExtraTest::Hotelling,
        ExtraTest::Reconstruction,
        ExtraTest::Frechet,
    ];

    pub(super) fn test(self) -> Test {
        match self {
            ExtraTest::Mmd => Test::Mmd,
            ExtraTest::Classifier => Test::Classifier,
            ExtraTest::SlicedWasserstein => Test::SlicedWasserstein,
            ExtraTest::Hotelling => Test::Hotelling,
            ExtraTest::Reconstruction => Test::Reconstruction,
            ExtraTest::Frechet => Test::Frechet,
        }
    }
}

impl Default for EmbeddingOptions {
    fn default() -> EmbeddingOptions {
        EmbeddingOptions {
            level: 0.01,
            permutations: 999,
            stop_after: Some(20),
            neighbors: 5,
            seed: 0,
            min_rows: MIN_ROWS,
            energy_floor: 0.005,
            novelty_floor: 0.02,
            evidence: 5,
            extra: Vec::new(),
        }
    }
}

impl EmbeddingOptions {
    /// Sets the chance of a false drift that is taken.
    #[must_use]
    pub fn level(self, level: f64) -> EmbeddingOptions {
        EmbeddingOptions { level, ..self }
    }

    /// Sets how many permutations are drawn at most.
    #[must_use]
    pub fn permutations(self, permutations: u32) -> EmbeddingOptions {
        EmbeddingOptions { permutations, ..self }
    }

    /// Sets where chance begins.
    #[must_use]
    pub fn seed(self, seed: u64) -> EmbeddingOptions {
        EmbeddingOptions { seed, ..self }
    }

    /// Sets the rows a side below which there is no verdict.
    #[must_use]
    pub fn min_rows(self, min_rows: usize) -> EmbeddingOptions {
        EmbeddingOptions { min_rows, ..self }
    }

    /// Sets the energy coefficient and the share of novel rows from which drift matters; 0 lets every drift matter.
    #[must_use]
    pub fn floors(self, energy_floor: f64, novelty_floor: f64) -> EmbeddingOptions {
        EmbeddingOptions { energy_floor, novelty_floor, ..self }
    }

    /// Has these tests made, too.
    #[must_use]
    pub fn extra(self, tests: impl IntoIterator<Item = ExtraTest>) -> EmbeddingOptions {
        EmbeddingOptions { extra: tests.into_iter().collect(), ..self }
    }

    /// Fails with `Invalid` where a figure is outside its range.
    pub(in crate::mlops::drift) fn check(&self) -> Result<()> {
        let refuse = |what: &str, value: String, rule: &str| {
            Err(Error::invalid(format!("{what} of the embedding test is {value}")).mend(rule.to_owned()))
        };
        if !(self.level > 0.0 && self.level < 1.0) {
            return refuse("the level", self.level.to_string(), "take one above 0 and below 1, such as 0.01");
        }
        if !(19..=1_000_000).contains(&self.permutations) {
            return refuse("the number of permutations", self.permutations.to_string(), "take 19 to 1,000,000");
        }
        if self.neighbors == 0 || self.min_rows <= self.neighbors {
            let rule = "take at least 1 neighbour, and more rows than neighbours";
            return refuse("the number of neighbours", self.neighbors.to_string(), rule);
        }
        if !(self.energy_floor >= 0.0 && self.novelty_floor >= 0.0) {
            return refuse("a floor", self.energy_floor.min(self.novelty_floor).to_string(), "take 0 or more");
        }
        Ok(())
    }

    /// The permutations of the test with this number: each draws others.
    pub(super) fn draws(&self, test: Test) -> Permutations {
        Permutations {
            most: self.permutations,
            stop_after: self.stop_after,
            seed: self.seed.wrapping_add(test as u64 + 1),
        }
    }
}
