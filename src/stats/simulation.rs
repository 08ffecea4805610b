//! Calibration by simulation: at level 0.05, 400 seeded draws without drift alarm as often as chance allows.

use super::ks::{self, Alternative, Method};
use super::multiple::Correction;
use super::rows::Rows;
use super::two_sample::{self as two, Permutations};
use super::{ab, classifier, normal, psi, sequential};
use crate::random::Random;

const DRAWS: u64 = 400;
const LEVEL: f64 = 0.05;
/// Of 400 draws at 0.05, 99.9 of 100 simulations alarm in so many.
const BAND: std::ops::RangeInclusive<usize> = 7..=36;
const DIMENSION: usize = 3;

/// Two samples of one law, whose dimensions correlate.
fn quiet(draw: u64, n: usize, m: usize) -> (Vec<f64>, Vec<f64>) {
    let mut random = Random::seeded(17, draw);
    let mut rows = |count: usize| {
        let mut values = Vec::with_capacity(count * DIMENSION);
        for _ in 0..count {
            let shared = normal::draw(&mut random);
            values.extend((0..DIMENSION).map(|_| 0.5 * shared + normal::draw(&mut random)));
        }
        values
    };
    (rows(n), rows(m))
}

fn p_values(test: impl Fn(Rows<'_, f64>, Rows<'_, f64>, u64) -> f64) -> Vec<f64> {
    let of = |draw| {
        let (x, y) = quiet(draw, 26, 22);
        test(Rows::new(&x, DIMENSION).unwrap(), Rows::new(&y, DIMENSION).unwrap(), draw)
    };
    (0..DRAWS).map(of).collect()
}

fn alarms(p: &[f64]) -> usize {
    p.iter().filter(|&&p| p <= LEVEL).count()
}

fn permutations(seed: u64) -> Permutations {
    Permutations { most: 199, stop_after: None, seed }
}

#[track_caller]
fn calibrated(p: &[f64]) {
    assert!(BAND.contains(&alarms(p)), "{} alarms", alarms(p));
    // The largest gap between their distribution and the even one; 1/200 is the grain of p.
    let mut sorted = p.to_vec();
    sorted.sort_by(f64::total_cmp);
    let gap = (0..sorted.len()).map(|k| ((k + 1) as f64 / sorted.len() as f64 - sorted[k]).abs()).fold(0.0, f64::max);
    assert!(ks::one_sample_tail(DRAWS, (gap - 0.0075).max(0.0)) > 0.001, "gap {gap}");
}

#[test]
fn energy_keeps_its_level() {
    calibrated(&p_values(|x, y, seed| {
        let energy = two::Energy::new(&two::Distances::between(x, y).unwrap());
        two::permute(&energy, permutations(seed)).unwrap().p
    }));
}

#[test]
fn mmd_keeps_its_level() {
    calibrated(&p_values(|x, y, seed| {
        let mmd = two::Mmd::new(&two::Distances::between(x, y).unwrap(), two::Form::Unbiased).unwrap();
        two::permute(&mmd, permutations(seed)).unwrap().p
    }));
}

#[test]
fn hotelling_keeps_its_level() {
    calibrated(&p_values(|x, y, _| two::hotelling(x, y).unwrap().p));
}

#[test]
fn the_domain_classifier_keeps_its_level() {
    let p = p_values(|x, y, seed| classifier::domain(x, y, 1.0, seed).unwrap().p);
    assert!(BAND.contains(&alarms(&p)), "{} alarms", alarms(&p));
}

#[test]
fn tests_with_steps_never_exceed_their_level() {
    let neighbors = p_values(|x, y, seed| {
        let neighbors = two::Neighbors::new(&two::Distances::between(x, y).unwrap(), 5).unwrap();
        two::permute(&neighbors, permutations(seed)).unwrap().p
    });
    let columns = p_values(|x, y, _| {
        let columns = two::columns(x, y, Method::Auto, Correction::BenjaminiHochberg).unwrap();
        columns.iter().map(|column| column.adjusted_p).fold(1.0, f64::min)
    });
    let one = p_values(|x, y, _| ks::test(&x.column(0), &y.column(0), Alternative::TwoSided, Method::Auto).unwrap().p);
    for p in [neighbors, columns, one] {
        assert!((1..=*BAND.end()).contains(&alarms(&p)), "{} alarms", alarms(&p));
    }
}

#[test]
fn early_stopping_keeps_the_level() {
    let p = p_values(|x, y, seed| {
        let energy = two::Energy::new(&two::Distances::between(x, y).unwrap());
        let test = two::permute(&energy, Permutations { stop_after: Some(20), ..permutations(seed) }).unwrap();
        assert!(test.permutations < 199 || test.reached <= 20);
        test.p
    });
    assert!(BAND.contains(&alarms(&p)), "{} alarms", alarms(&p));
}

#[test]
fn psi_has_a_p_value_of_its_level() {
    let p: Vec<f64> = (0..DRAWS)
        .map(|draw| {
            let (x, y) = quiet(draw, 100, 80);
            let bins = psi::Bins::quantile(&x, 10).unwrap();
            psi::of_values(&x, &y, &bins, psi::FLOOR).unwrap().p
        })
        .collect();
    assert!(BAND.contains(&alarms(&p)), "{} alarms", alarms(&p));
}

#[test]
fn looking_often_does_not_harm_the_sequential_test() {
    let (mut always, mut naive) = (0, 0);
    for draw in 0..DRAWS {
        let (mut random, mut test) = (Random::seeded(5, draw), sequential::Msprt::new(0.05, LEVEL).unwrap());
        let (mut hits, mut peeked) = ([0u64; 2], false);
        for users in 1..=1_000u64 {
            hits.iter_mut().for_each(|hits| *hits += u64::from(random.unit() < 0.85));
            if users % 25 == 0 {
                test.look((hits[0], users), (hits[1], users)).unwrap();
                let [a, b] = hits.map(|successes| ab::Arm { successes, trials: users });
                peeked |= ab::proportions(a, b).unwrap().p <= LEVEL;
            }
        }
        always += usize::from(test.p() <= LEVEL);
        naive += usize::from(peeked);
    }
    assert!(always <= *BAND.end() && naive > 60, "{always} and {naive} of {DRAWS}");
}

#[test]
fn every_test_sees_what_it_is_for() {
    let shifted =
        |values: &[f64], by: f64, times: f64| values.iter().map(|value| by + times * value).collect::<Vec<_>>();
    let (x, y) = quiet(0, 80, 80);
    let (moved, spread) = (shifted(&y, 1.5, 1.0), shifted(&y, 0.0, 4.0));
    let rows = |values| Rows::new(values, DIMENSION).unwrap();
    for y in [&moved, &spread] {
        let distances = two::Distances::between(rows(&x), rows(y)).unwrap();
        let all = Permutations::default();
        assert_eq!(two::permute(&two::Energy::new(&distances), all).unwrap().p, 0.001);
        assert_eq!(two::permute(&two::Neighbors::new(&distances, 5).unwrap(), all).unwrap().p, 0.001);
        assert_eq!(two::permute(&two::Mmd::new(&distances, two::Form::Unbiased).unwrap(), all).unwrap().p, 0.001);
        assert!(two::Energy::new(&distances).coefficient() > 0.05);
        assert!(two::Neighbors::new(&distances, 5).unwrap().excess() > 0.05);
    }
    assert!(two::hotelling(rows(&x), rows(&moved)).unwrap().p < 1e-6);
    assert!(classifier::domain(rows(&x), rows(&moved), 1.0, 0).unwrap().auc > 0.8);
}
