//! How samples are compared, and on which scale the answer lies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::filter;

/// How two samples of a feature are compared.
///
/// | method | takes | threshold | alarm asks beside p for |
/// |---|---|---|---|
/// | `auto` | all | p 0.05; vectors 0.01 | what `ks`, `chi_square` or the embedding tests ask for |
/// | `ks` | numbers, vectors by dimension | p 0.05 | Wasserstein over std ≥ 0.1; a drifted share of dimensions ≥ 0.01 |
/// | `psi` | numbers, categories | index 0.2 | the index at its threshold |
/// | `sigma` | numbers | 2 standard deviations | the shift at its threshold |
/// | `cosine` | vectors | centroid distance 0.15 | the distance at its threshold |
/// | `wasserstein` | numbers, vectors by slices | distance over std 0.1 | the distance at its threshold |
/// | `js` | numbers, categories | distance 0.1 (base 2) | the distance at its threshold |
/// | `chi_square` | categories | p 0.05 | Cramér's V ≥ 0.1 |
///
/// Every method but those of samples too large to be permuted gives a p-value, and `drift` follows from that: a threshold
/// on a distance alone is silent or always on, depending on how many rows there are. It is what `alarm` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// By what the values are: numbers by [`Method::Ks`], categories by [`Method::ChiSquare`], vectors by
    /// [`embedding::judge`](super::embedding::judge).
    #[default]
    Auto,
    /// Kolmogorov and Smirnov's test.
    Ks,
    /// The population stability index over ten quantile bins of the reference, or over categories.
    Psi,
    /// The shift of the mean in standard deviations of the reference; p by Welch.
    Sigma,
    /// The cosine distance of the mean vectors; p by permutation.
    Cosine,
    /// Wasserstein-1 over the standard deviation of the reference; p by permutation.
    Wasserstein,
    /// The Jensen-Shannon distance over ten quantile bins of the reference, or over categories; p by permutation.
    #[serde(rename = "js")]
    JensenShannon,
    /// Pearson's chi-square; two rates by z, and small counts by Fisher or permutation.
    ChiSquare,
}

/// What a threshold is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scale {
    /// A p-value: small is drift.
    PValue,
    /// A distance or index: large is drift.
    Distance,
    /// Standard deviations of the reference: large is drift.
    Sigma,
}

/// The test that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Test {
    /// None: there was nothing to be tested.
    None,
    /// Kolmogorov and Smirnov, exact.
    KsExact,
    /// Kolmogorov and Smirnov, by the law of one sample.
    KsAsymptotic,
    /// The population stability index against chi-square.
    Psi,
    /// Welch's test of two means.
    Welch,
    /// Wasserstein-1 of numbers, permuted.
    Wasserstein,
    /// Jensen-Shannon, permuted.
    JensenShannon,
    /// Pearson's chi-square.
    ChiSquare,
    /// Pearson's chi-square, permuted.
    ChiSquarePermuted,
    /// Fisher's exact test.
    Fisher,
    /// Two rates by z.
    TwoProportions,
    /// Energy, neighbours, dimensions and novelty, combined by the harmonic mean of their p.
    Auto,
    /// The energy distance, permuted.
    Energy,
    /// The share of nearest neighbours with one's own label, permuted.
    Neighbors,
    /// Every dimension by Kolmogorov and Smirnov, adjusted by Benjamini and Hochberg.
    Dimensions,
    /// The cosine distance of the mean vectors, permuted.
    Centroids,
    /// Rows that lie where the reference has none.
    Novelty,
    /// The maximum mean discrepancy, permuted.
    Mmd,
    /// A classifier tried on rows it has not seen.
    Classifier,
    /// Wasserstein-1 along directions, permuted.
    SlicedWasserstein,
    /// Hotelling's T².
    Hotelling,
    /// What the main directions of the reference do not explain.
    Reconstruction,
    /// The Fréchet distance of normal laws; it has no p.
    Frechet,
}

impl Method {
    /// Every method, and the word for it.
    pub const ALL: [(&'static str, Method); 8] = [
        ("auto", Method::Auto),
        ("ks", Method::Ks),
        ("psi", Method::Psi),
        ("sigma", Method::Sigma),
        ("cosine", Method::Cosine),
        ("wasserstein", Method::Wasserstein),
        ("js", Method::JensenShannon),
        ("chi_square", Method::ChiSquare),
    ];

    /// What its threshold is measured on.
    pub fn scale(self) -> Scale {
        match self {
            Method::Auto | Method::Ks | Method::ChiSquare => Scale::PValue,
            Method::Psi | Method::Cosine | Method::Wasserstein | Method::JensenShannon => Scale::Distance,
            Method::Sigma => Scale::Sigma,
        }
    }

    /// Its threshold unless told, on its scale.
    pub fn default_threshold(self) -> f64 {
        match self {
            Method::Auto | Method::Ks | Method::ChiSquare => 0.05,
            Method::Psi => 0.2,
            Method::Cosine => 0.15,
            Method::Wasserstein | Method::JensenShannon => 0.1,
            Method::Sigma => 2.0,
        }
    }

    fn word(self) -> &'static str {
        Method::ALL.iter().find(|(_, method)| *method == self).map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Method> {
        let word = text.to_ascii_lowercase().replace('-', "_");
        if let Some((_, method)) = Method::ALL.iter().find(|(name, _)| *name == word) {
            return Ok(*method);
        }
        let error = Error::invalid(format!("there is no method {text:?}"));
        let words = || Method::ALL.iter().map(|(name, _)| *name);
        Err(match filter::suggest(&word, words()) {
            Some(near) => error.mend(format!("did you mean `{near}`?")),
            None => error.mend(format!("take one of {}", words().collect::<Vec<_>>().join(", "))),
        })
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Test::None => "none",
            Test::KsExact => "ks, exact",
            Test::KsAsymptotic => "ks",
            Test::Psi => "psi",
            Test::Welch => "welch",
            Test::Wasserstein => "wasserstein",
            Test::JensenShannon => "js",
            Test::ChiSquare => "chi-square",
            Test::ChiSquarePermuted => "chi-square, permuted",
            Test::Fisher => "fisher",
            Test::TwoProportions => "z",
            Test::Auto => "auto",
            Test::Energy => "energy",
            Test::Neighbors => "neighbours",
            Test::Dimensions => "dimensions",
            Test::Centroids => "centroids",
            Test::Novelty => "novelty",
            Test::Mmd => "mmd",
            Test::Classifier => "classifier",
            Test::SlicedWasserstein => "sliced wasserstein",
            Test::Hotelling => "hotelling",
            Test::Reconstruction => "reconstruction",
            Test::Frechet => "frechet",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_as_they_are_written() {
        for (word, method) in Method::ALL {
            assert_eq!((word.parse::<Method>().unwrap(), method.to_string().as_str()), (method, word));
            assert_eq!(serde_json::to_value(method).unwrap(), word);
        }
        assert_eq!("Chi-Square".parse::<Method>().unwrap(), Method::ChiSquare);
        let error = "wassertsein".parse::<Method>().unwrap_err().to_string();
        assert!(error.contains("did you mean `wasserstein`"), "{error}");
    }

    #[test]
    fn thresholds_are_those_of_the_other_tools_on_their_scales() {
        let of = |method: Method| (method.scale(), method.default_threshold());
        assert_eq!(of(Method::Ks), (Scale::PValue, 0.05));
        assert_eq!(of(Method::Psi), (Scale::Distance, 0.2));
        assert_eq!(of(Method::Sigma), (Scale::Sigma, 2.0));
        assert_eq!(of(Method::Cosine), (Scale::Distance, 0.15));
    }
}
