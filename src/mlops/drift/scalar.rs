//! Two samples of numbers, or of categories, held beside each other by one method.

use std::collections::BTreeMap;

use super::method::{Method, Test};
use super::permuted::{self, Areas, Binned};
use super::result::Effect;
use super::verdict::Note;
use crate::error::{Error, Result};
use crate::stats::ab::{Arm, proportions};
use crate::stats::divergence::{Unit, jensen_shannon_distance};
use crate::stats::moments::Moments;
use crate::stats::psi::{self, Bins, Psi};
use crate::stats::two_sample::{Permutations, permute};
use crate::stats::{chi_square, ks, sigma, wasserstein};

/// Bins of numbers, of equal share of the reference.
const BINS: usize = 10;
/// Categories that are told apart at most; the rarest are put together.
const MOST_CATEGORIES: usize = 1_000;
/// Where more of the expected counts are below 5, chi-square is not trusted (Cochran 1954).
const SMALL_SHARE: f64 = 0.2;

/// What a method says before anything is corrected or held against a level.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) test: Test,
    pub(super) statistic: Option<f64>,
    pub(super) p: Option<f64>,
    pub(super) effect: Effect,
    pub(super) notes: Vec<Note>,
}

/// How it is to be judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// How large an effect must be for an alarm.
    pub(super) floor: f64,
    pub(super) permutations: Permutations,
}

impl Asked {
    fn effect(self, name: &str, value: Option<f64>) -> Effect {
        Effect { name: name.to_owned(), value: value.filter(|value| value.is_finite()), floor: self.floor }
    }

    fn judged(self, test: Test, statistic: f64, p: Option<f64>, effect: Effect, notes: Vec<Note>) -> Judged {
        Judged { test, statistic: Some(statistic).filter(|it| it.is_finite()), p, effect, notes }
    }

    /// The statistic itself is the effect.
    fn own_effect(self, test: Test, name: &str, statistic: f64, p: Option<f64>, notes: Vec<Note>) -> Judged {
        self.judged(test, statistic, p, self.effect(name, Some(statistic)), notes)
    }
}

/// Judges numbers; both samples have at least two, all finite.
pub(super) fn numbers(asked: Asked, x: &[f64], y: &[f64]) -> Result<Judged> {
    let mut judged = match asked.method {
        Method::Auto | Method::Ks => of_ks(asked, x, y),
        Method::Psi => of_psi(asked, &bins(x)?, x, y),
        Method::Sigma => of_sigma(asked, x, y),
        Method::Wasserstein => of_wasserstein(asked, x, y),
        Method::JensenShannon => {
            let bins = bins(x)?;
            let bin = |value: &f64| bins.edges().partition_point(|edge| edge <= value) as u32;
            let places = x.iter().chain(y).map(bin).collect();
            of_bins(asked, Binned::new(places, bins.edges().len() + 1, x.len(), js), bins.degenerate())
        }
        Method::Cosine | Method::ChiSquare => return Err(wrong(asked.method, "numbers")),
    }?;
    judged.notes.extend(constancy(x, y));
    Ok(judged)
}

/// The refusal of a method that does not take such values.
pub(super) fn wrong(method: Method, values: &str) -> Error {
    Error::invalid(format!("the method {method} does not compare {values}"))
        .mend("use the method auto, or name the features that it fits")
}

fn constancy(x: &[f64], y: &[f64]) -> Option<Note> {
    let constant = |values: &[f64]| values.iter().all(|value| *value == x[0]);
    match (constant(x), constant(y)) {
        (true, true) => Some(Note::Constant),
        (true, false) => Some(Note::ConstantReference),
        (false, _) => None,
    }
}

fn of_ks(asked: Asked, x: &[f64], y: &[f64]) -> Result<Judged> {
    let test = ks::test(x, y, ks::Alternative::TwoSided, ks::Method::Auto)?;
    let moved = wasserstein::normalised(x, y)?;
    let kind = if test.exact { Test::KsExact } else { Test::KsAsymptotic };
    let ties = test.ties.then_some(Note::Ties).into_iter().collect();
    Ok(asked.judged(kind, test.statistic, Some(test.p), asked.effect("wasserstein/std", moved), ties))
}

fn of_sigma(asked: Asked, x: &[f64], y: &[f64]) -> Result<Judged> {
    let score = sigma::rule(x, y, f64::MIN_POSITIVE)?.score;
    Ok(asked.own_effect(Test::Welch, "sigmas", score, Some(welch_p(x, y)?), Vec::new()))
}

/// Welch's p of two means. Two constants have no standard error: where they differ, the order of their values tells.
pub(super) fn welch_p(x: &[f64], y: &[f64]) -> Result<f64> {
    match sigma::rule(x, y, f64::MIN_POSITIVE)?.welch_p {
        Some(p) => Ok(p),
        None => Ok(ks::test(x, y, ks::Alternative::TwoSided, ks::Method::Auto)?.p),
    }
}

fn of_wasserstein(asked: Asked, x: &[f64], y: &[f64]) -> Result<Judged> {
    let deviation = Moments::of(x)?.population_deviation();
    let unit = if deviation > 0.0 { deviation } else { 1.0 };
    let scaled: Vec<f64> = x.iter().chain(y).map(|value| value / unit).collect();
    let (statistic, p, notes) = if scaled.len() > permuted::MOST_ROWS {
        (wasserstein::distance(&scaled[..x.len()], &scaled[x.len()..])?, None, vec![Note::NoPermutations])
    } else {
        let test = permute(&Areas::new(vec![scaled], x.len()), asked.permutations)?;
        (test.statistic, Some(test.p), Vec::new())
    };
    let effect = asked.effect("wasserstein/std", (deviation > 0.0).then_some(statistic));
    Ok(asked.judged(Test::Wasserstein, statistic, p, effect, notes))
}

/// Ten bins of equal share; for a constant reference those below, at and above its value.
fn bins(x: &[f64]) -> Result<Bins> {
    match x.iter().all(|value| *value == x[0]) {
        true if x[0].next_up().is_finite() => Bins::at(vec![x[0], x[0].next_up()]),
        _ => Bins::quantile(x, BINS),
    }
}

fn of_psi(asked: Asked, bins: &Bins, x: &[f64], y: &[f64]) -> Result<Judged> {
    let index = psi::of_counts(&bins.counts(x)?, &bins.counts(y)?, psi::FLOOR)?;
    Ok(told_psi(asked, index, index.p, bins.degenerate()))
}

fn told_psi(asked: Asked, index: Psi, p: f64, degenerate: bool) -> Judged {
    let notes = [(degenerate, Note::DegenerateBins), (index.floored, Note::Floored)];
    let notes = notes.into_iter().filter_map(|(is, note)| is.then_some(note)).collect();
    asked.own_effect(Test::Psi, "psi", index.psi, Some(p), notes)
}

/// The Jensen-Shannon distance of two lists of counts, in bits.
fn js(x: &[u64], y: &[u64]) -> f64 {
    let weights = |counts: &[u64]| counts.iter().map(|&count| count as f64).collect::<Vec<_>>();
    jensen_shannon_distance(&weights(x), &weights(y), Unit::Bits).unwrap_or(0.0)
}

fn of_bins<M: Fn(&[u64], &[u64]) -> f64>(asked: Asked, binned: Binned<M>, degenerate: bool) -> Result<Judged> {
    use crate::stats::two_sample::Statistic;
    let mut notes: Vec<Note> = degenerate.then_some(Note::DegenerateBins).into_iter().collect();
    let (statistic, p) = if binned.pooled() > permuted::MOST_ROWS {
        notes.push(Note::NoPermutations);
        (binned.observed(), None)
    } else {
        let test = permute(&binned, asked.permutations)?;
        (test.statistic, Some(test.p))
    };
    Ok(asked.own_effect(Test::JensenShannon, "js", statistic, p, notes))
}

/// Judges categories; both samples have at least one row.
pub(super) fn categories(asked: Asked, x: &[&str], y: &[&str]) -> Result<Judged> {
    let coded = Coded::new(x, y);
    let mut judged = match asked.method {
        Method::Auto | Method::ChiSquare => of_chi_square(asked, &coded),
        Method::Psi => of_psi_categories(asked, &coded),
        Method::JensenShannon => of_bins(asked, coded.binned(js), false),
        Method::Ks | Method::Sigma | Method::Cosine | Method::Wasserstein => {
            return Err(wrong(asked.method, "categories"));
        }
    }?;
    judged.notes.extend(coded.notes());
    Ok(judged)
}

/// Rows by the number of their category, and how many there are of each.
struct Coded {
    places: Vec<u32>,
    x_len: usize,
    counts: [Vec<u64>; 2],
    joined: bool,
}

impl Coded {
    fn new(x: &[&str], y: &[&str]) -> Coded {
        let mut often: BTreeMap<&str, u64> = BTreeMap::new();
        x.iter().chain(y).for_each(|name| *often.entry(name).or_default() += 1);
        let mut names: Vec<(&str, u64)> = often.into_iter().collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let joined = names.len() > MOST_CATEGORIES;
        let last = names.len().min(MOST_CATEGORIES) - 1;
        let code: BTreeMap<&str, u32> =
            names.iter().enumerate().map(|(place, (name, _))| (*name, place.min(last) as u32)).collect();
        let places: Vec<u32> = x.iter().chain(y).map(|name| code[name]).collect();
        let mut counts = [vec![0; last + 1], vec![0; last + 1]];
        for (row, &place) in places.iter().enumerate() {
            counts[usize::from(row >= x.len())][place as usize] += 1;
        }
        Coded { places, x_len: x.len(), counts, joined }
    }

    fn binned<M: Fn(&[u64], &[u64]) -> f64>(&self, measure: M) -> Binned<M> {
        Binned::new(self.places.clone(), self.counts[0].len(), self.x_len, measure)
    }

    fn notes(&self) -> Vec<Note> {
        let unseen = self.counts[0].iter().zip(&self.counts[1]).filter(|(x, _)| **x == 0).map(|(_, y)| y).sum();
        let constant = self.counts[0].len() == 1;
        let constant_reference = !constant && self.counts[0].iter().filter(|count| **count > 0).count() == 1;
        let notes = [
            (constant, Note::Constant),
            (constant_reference, Note::ConstantReference),
            (unseen > 0, Note::UnseenCategories(unseen)),
            (self.joined, Note::RareCategoriesJoined),
        ];
        notes.into_iter().filter_map(|(is, note)| is.then_some(note)).collect()
    }
}

fn of_chi_square(asked: Asked, coded: &Coded) -> Result<Judged> {
    let [x, y] = &coded.counts;
    if x.len() == 1 {
        return Ok(asked.judged(Test::ChiSquare, 0.0, Some(1.0), asked.effect("cramers_v", Some(0.0)), Vec::new()));
    }
    let table = chi_square::contingency(&coded.counts)?;
    let effect = asked.effect("cramers_v", Some(table.cramers_v));
    let small = table.share_expected_below_5 > SMALL_SHARE;
    let notes = small.then_some(Note::SmallExpectedCounts).into_iter().collect();
    Ok(match (small, x.len()) {
        (true, 2) => {
            let exact = chi_square::fisher([[x[0], x[1]], [y[0], y[1]]])?;
            asked.judged(Test::Fisher, table.statistic, Some(exact.p), effect, notes)
        }
        (false, 2) => {
            let arm = |counts: &[u64]| Arm { successes: counts[1], trials: counts[0] + counts[1] };
            let rates = proportions(arm(x), arm(y))?;
            asked.judged(Test::TwoProportions, rates.z, Some(rates.p), effect, notes)
        }
        (true, _) if coded.places.len() <= permuted::MOST_ROWS => {
            let test = permute(&coded.binned(pearson), asked.permutations)?;
            // Where none of all that are ever drawn is as far out, the law of large counts says how much further it is: else a
            // level below what they can tell would never be reached.
            let beyond = test.reached == 0 && test.permutations == permuted::MOST_PERMUTATIONS;
            let p = if beyond { test.p.min(table.p) } else { test.p };
            asked.judged(Test::ChiSquarePermuted, test.statistic, Some(p), effect, notes)
        }
        _ => asked.judged(Test::ChiSquare, table.statistic, Some(table.p), effect, notes),
    })
}

/// Pearson's statistic of two lists of counts; every category is in one of them.
fn pearson(x: &[u64], y: &[u64]) -> f64 {
    let (n, m) = (x.iter().sum::<u64>() as f64, y.iter().sum::<u64>() as f64);
    let cell = |seen: u64, wanted: f64| (seen as f64 - wanted).powi(2) / wanted;
    let of = |(&a, &b): (&u64, &u64)| {
        let share = (a + b) as f64 / (n + m);
        cell(a, share * n) + cell(b, share * m)
    };
    x.iter().zip(y).map(of).sum()
}

fn of_psi_categories(asked: Asked, coded: &Coded) -> Result<Judged> {
    let [x, y] = &coded.counts;
    let index = psi::of_counts(x, y, psi::FLOOR)?;
    if index.share_below_5 <= SMALL_SHARE || coded.places.len() > permuted::MOST_ROWS {
        return Ok(told_psi(asked, index, index.p, false));
    }
    let measure = |x: &[u64], y: &[u64]| psi::of_counts(x, y, psi::FLOOR).map_or(0.0, |index| index.psi);
    let test = permute(&coded.binned(measure), asked.permutations)?;
    let mut judged = told_psi(asked, index, test.p, false);
    judged.notes.push(Note::SmallExpectedCounts);
    Ok(judged)
}
