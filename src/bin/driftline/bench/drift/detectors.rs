//! What is shipped, asked about one draw.

use driftline::mlops::drift::embedding::{EmbeddingOptions, EmbeddingVerdict, ExtraTest, judge};
use driftline::mlops::drift::{Column, DriftDetector, Method, Test};
use driftline::stats::rows::Rows;
use driftline::{Random, Result};

use super::columns::Kind;
use super::rules;
use super::tally::Outcome;
use super::world::{Shift, World};
use crate::bench::args::Drift;

/// Tests beside the three of `auto`, and what the table calls them.
const EXTRA: [(&str, ExtraTest, Test); 5] = [
    ("MMD², permuted", ExtraTest::Mmd, Test::Mmd),
    ("sliced Wasserstein, permuted", ExtraTest::SlicedWasserstein, Test::SlicedWasserstein),
    ("classifier, half held out", ExtraTest::Classifier, Test::Classifier),
    ("Hotelling", ExtraTest::Hotelling, Test::Hotelling),
    ("PCA reconstruction", ExtraTest::Reconstruction, Test::Reconstruction),
];

/// Draws two samples and asks every detector of vectors, then every rule.
pub(super) fn embeddings(world: &World, shift: Shift, asked: &Drift, random: &mut Random) -> Result<Vec<Outcome>> {
    let reference = world.rows(asked.rows, Shift::None, random);
    let current = world.rows(asked.rows, shift, random);
    let dimension = world.dimension();
    let (x, y) = (Rows::new(&reference, dimension)?, Rows::new(&current, dimension)?);
    let options = EmbeddingOptions::default().permutations(asked.permutations).seed(random.draw());
    let verdict = judge(x, y, &options.extra(EXTRA.map(|(_, test, _)| test)))?;
    let mut outcomes = shipped(&verdict);
    let auc = verdict.extra.iter().find(|it| it.test == Test::Classifier).map(|it| it.statistic);
    outcomes.extend(rules::vectors(x, y, auc, random)?);
    Ok(outcomes)
}

fn shipped(verdict: &EmbeddingVerdict) -> Vec<Outcome> {
    let p_of = |test: Test| verdict.tests.iter().chain(&verdict.extra).find(|it| it.test == test).and_then(|it| it.p);
    let own = [
        ("auto", verdict.p),
        ("energy, permuted", p_of(Test::Energy)),
        ("5 nearest neighbours, permuted", p_of(Test::Neighbors)),
        ("dimensions by KS, BH", p_of(Test::Dimensions)),
    ];
    let effects = [
        ("centroids cosine, permuted", verdict.effects.and_then(|effects| effects.centroid_p)),
        ("novel rows, hypergeometric", verdict.effects.map(|effects| effects.novelty_p)),
    ];
    let extra = EXTRA.map(|(name, _, test)| (name, p_of(test)));
    let all = own.into_iter().chain(extra).chain(effects);
    all.map(|(name, p)| Outcome::shipped(name, p)).collect()
}

/// Draws two columns and asks every method that takes such, then every rule.
pub(super) fn column(kind: Kind, shift: usize, asked: &Drift, random: &mut Random) -> Result<Vec<Outcome>> {
    let (reference, current) = (kind.draw(0, asked.rows, random), kind.draw(shift, asked.rows, random));
    let methods: &[(&'static str, Method)] = match kind {
        Kind::Numbers => &[
            ("auto", Method::Auto),
            ("ks", Method::Ks),
            ("psi, by its p", Method::Psi),
            ("sigma, by its p", Method::Sigma),
            ("wasserstein, by its p", Method::Wasserstein),
            ("js, by its p", Method::JensenShannon),
        ],
        Kind::Categories => &[
            ("auto", Method::Auto),
            ("chi_square", Method::ChiSquare),
            ("psi, by its p", Method::Psi),
            ("js, by its p", Method::JensenShannon),
        ],
    };
    let seed = random.draw();
    let mut outcomes = Vec::new();
    for (name, method) in methods {
        let mut detector = DriftDetector::new(*method).seed(seed);
        detector.set_reference([("column", reference.clone())])?;
        let results = detector.detect([("column", current.clone())])?;
        outcomes.push(Outcome::shipped(name, results.first().and_then(|result| result.adjusted_p)));
    }
    if let (Column::Numbers(x), Column::Numbers(y)) = (&reference, &current) {
        let numbers = |column: &[Option<f64>]| column.iter().flatten().copied().collect::<Vec<f64>>();
        outcomes.extend(rules::numbers(&numbers(x), &numbers(y))?);
    }
    Ok(outcomes)
}
