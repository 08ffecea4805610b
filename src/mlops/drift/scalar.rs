//! Two samples of numbers, or of categories, held beside each other by one method.

use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use super::method::{Method, Test};
use super::permuted::{self, Areas, Binned};
use super::result::Effect;
use super::side::Side;
use super::verdict::Note;
use crate::error::{Error, Result};
use crate::stats::ab::{Arm, proportions};
use crate::stats::divergence::{Unit, jensen_shannon_distance};
use crate::stats::moments::Moments;
use crate::stats::psi::{self, Bins, Psi};
use crate::stats::two_sample::{Permutations, Statistic, permute};
use crate::stats::{chi_square, ks, sigma, wasserstein};

/// Bins of numbers, of equal share of the reference.
const BINS: usize = 10;
/// Categories that are told apart at most; the rarest are put together.
const MOST_CATEGORIES: usize = 1_000;
/// What the permutations of one test may cost, in rows that are moved: about a second.
pub(super) const MOST_MOVED: usize = 100_000_000;
/// What a permutation costs beside its rows.
const EACH_MOVES: usize = 1_000;
/// Permutations that every test may make.
pub(super) const PERMUTATIONS: u32 = 999;
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
    /// As many permutations as it takes, however many these are.
    pub(super) permutations: Permutations,
    /// What these may cost, in rows that are moved.
    pub(super) most_moved: usize,
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

/// The statistic and its p by permutations, as many as are wanted or may be made. Where these are fewer, and none comes up to
/// what was seen, the p of the `law` decides below the smallest that they can tell. So p errs by no more than the law does
/// there, and never above that smallest p.
fn permuted(asked: Asked, statistic: &impl Statistic, law: impl FnOnce(f64) -> Result<f64>) -> Result<(f64, f64)> {
    let affordable = (asked.most_moved / (statistic.pooled() + EACH_MOVES)) as u32;
    let most = asked.permutations.most.min(affordable.max(PERMUTATIONS));
    let test = permute(statistic, Permutations { most, ..asked.permutations })?;
    let ended = test.reached == 0 && most < asked.permutations.most;
    let p = if ended { test.p.min(law(test.statistic)?) } else { test.p };
    Ok((test.statistic, p))
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
    let moved = asked.effect("wasserstein/std", wasserstein::normalised(x, y)?);
    // One wild value makes the deviation so large that nothing seems to move beside it.
    let apart = asked.effect("ks", Some(test.statistic));
    let effect = if !moved.matters() && apart.matters() { apart } else { moved };
    let kind = if test.exact { Test::KsExact } else { Test::KsAsymptotic };
    let ties = test.ties.then_some(Note::Ties).into_iter().collect();
    Ok(asked.judged(kind, test.statistic, Some(test.p), effect, ties))
}

fn of_sigma(asked: Asked, x: &[f64], y: &[f64]) -> Result<Judged> {
    let score = sigma::rule(x, y, f64::MIN_POSITIVE)?.score;
    Ok(asked.own_effect(Test::Welch, "sigmas", score, Some(welch_p(x, y)?), Vec::new()))
}

/// Welch's p of two means. Two constants have no standard error: where they differ, the order of their values tells.
fn welch_p(x: &[f64], y: &[f64]) -> Result<f64> {
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
        let of_ks = |_| Ok(ks::test(x, y, ks::Alternative::TwoSided, ks::Method::Auto)?.p);
        let (statistic, p) = permuted(asked, &Areas::new(vec![scaled], x.len()), of_ks)?;
        (statistic, Some(p), Vec::new())
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

/// Without drift the divergence in nats, times 8·n·m/(n + m), follows chi-square: near 0 it is an eighth of Pearson's.
fn js_tail<M: Fn(&[u64], &[u64]) -> f64>(distance: f64, binned: &Binned<M>) -> f64 {
    let (n, m) = (binned.x_len() as f64, (binned.pooled() - binned.x_len()) as f64);
    let statistic = 8.0 * n * m / (n + m) * distance.powi(2) * LN_2;
    chi_square::tail(statistic, binned.occupied().saturating_sub(1).max(1))
}

fn of_bins<M: Fn(&[u64], &[u64]) -> f64>(asked: Asked, binned: Binned<M>, degenerate: bool) -> Result<Judged> {
    let mut notes: Vec<Note> = degenerate.then_some(Note::DegenerateBins).into_iter().collect();
    let (statistic, p) = if binned.pooled() > permuted::MOST_ROWS {
        notes.push(Note::NoPermutations);
        (binned.observed(), None)
    } else {
        let (statistic, p) = permuted(asked, &binned, |distance| Ok(js_tail(distance, &binned)))?;
        (statistic, Some(p))
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

/// Judges samples of two types by these types: every row is of another than those of the other side.
pub(super) fn types(asked: Asked, x: &Side<'_>, y: &Side<'_>) -> Result<Judged> {
    let types = |side: &Side<'_>| vec![side.type_name(); side.rows()];
    let mut judged = of_chi_square(asked, &Coded::new(&types(x), &types(y)))?;
    judged.notes.push(Note::TypeChanged);
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
            let (statistic, p) = permuted(asked, &coded.binned(pearson), |_| Ok(table.p))?;
            asked.judged(Test::ChiSquarePermuted, statistic, Some(p), effect, notes)
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
    let (_, p) = permuted(asked, &coded.binned(measure), |_| Ok(index.p))?;
    let mut judged = told_psi(asked, index, p, false);
    judged.notes.push(Note::SmallExpectedCounts);
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By a method that may make 999 permutations and wants so many.
    fn asked(method: Method, wanted: u32) -> Asked {
        let permutations = Permutations { most: wanted, stop_after: Some(20), seed: 1 };
        Asked { method, floor: 0.1, permutations, most_moved: 0 }
    }

    fn of_numbers(asked: Asked, from: u32) -> f64 {
        let rows = |from: u32| (from..from + 120).map(f64::from).collect::<Vec<_>>();
        numbers(asked, &rows(0), &rows(from)).unwrap().p.unwrap()
    }

    /// Of classes of which each comes too seldom for chi-square.
    fn of_classes(asked: Asked, from: usize) -> f64 {
        let names: Vec<String> = (0..240).map(|row| (row / 2).to_string()).collect();
        let rows = |from: usize| names[from..from + 120].iter().map(String::as_str).collect::<Vec<_>>();
        categories(asked, &rows(0), &rows(from)).unwrap().p.unwrap()
    }

    #[test]
    fn the_law_goes_on_where_permutations_end_and_nowhere_else() {
        let numbers: fn(Asked) -> f64 = |it| of_numbers(it, 120);
        let classes: fn(Asked) -> f64 = |it| of_classes(it, 120);
        for (method, p) in [
            (Method::Auto, classes),
            (Method::Psi, classes),
            (Method::JensenShannon, classes),
            (Method::JensenShannon, numbers),
            (Method::Wasserstein, numbers),
        ] {
            assert_eq!(p(asked(method, 999)), 0.001, "{method}: so many were wanted");
            assert!(p(asked(method, 1_000)) < 1e-6, "{method}: {}", p(asked(method, 1_000)));
        }
        for method in [Method::Auto, Method::Psi, Method::JensenShannon] {
            let p = |wanted| of_classes(asked(method, wanted), 4);
            assert!(p(999) > 0.001 && p(999) == p(u32::MAX), "{method}: {}", p(999));
        }
        for method in [Method::JensenShannon, Method::Wasserstein] {
            let p = |wanted| of_numbers(asked(method, wanted), 4);
            assert!(p(999) > 0.001 && p(999) == p(u32::MAX), "{method}: {}", p(999));
        }
    }

    #[test]
    fn what_may_be_spent_is_permuted_before_the_law_is_asked() {
        let wide = Asked { most_moved: 9_999 * 1_240, ..asked(Method::Auto, u32::MAX) };
        assert_eq!(
            of_classes(Asked { permutations: Permutations { most: 9_999, ..wide.permutations }, ..wide }, 120),
            1e-4
        );
        assert!(of_classes(wide, 120) < 1e-6);
    }

    #[test]
    fn one_wild_value_of_the_reference_mutes_no_column() {
        let sample = |from: f64| (0..1_000).map(|row| from + f64::from(row % 100) / 100.0).collect::<Vec<_>>();
        for wild in [-999_999.0, 1e200] {
            let mut before = sample(1.0);
            before[7] = wild;
            let judge = |from| numbers(asked(Method::Auto, 999), &before, &sample(from)).unwrap();
            let moved = judge(1.5);
            assert!(moved.p.unwrap() < 1e-9 && moved.effect.matters(), "{moved:?}");
            assert!(!judge(1.01).effect.matters());
        }
    }
}
