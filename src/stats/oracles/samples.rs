//! Whether two samples differ.

use super::{all_close, cases, close, counts, num, nums, of_kind, p_close, places, table, within};
use crate::error::ErrorKind;
use crate::stats::chi_square;
use crate::stats::divergence::{self as div, Unit};
use crate::stats::ks::{self, Alternative, Method};
use crate::stats::moments;
use crate::stats::multiple::{Correction, adjust, reject};
use crate::stats::psi;
use crate::stats::rows::Rows;
use crate::stats::two_sample::{self as two, Statistic};
use crate::stats::wasserstein;
use serde_json::Value;

#[test]
fn kolmogorov_smirnov() {
    let (mut cases_seen, mut tests) = (0, 0);
    for case in cases("ks") {
        let (name, x, y) = (&case["name"], nums(&case["x"]), nums(&case["y"]));
        for (key, want) in case["expect"].as_object().unwrap() {
            let (side, method) = key.split_once('/').unwrap();
            let side = match side {
                "two-sided" => Alternative::TwoSided,
                "less" => Alternative::Less,
                _ => Alternative::Greater,
            };
            let method = match method {
                "exact" => Method::Exact,
                "asymp" => Method::Asymptotic,
                _ => Method::Auto,
            };
            tests += 1;
            if want["pvalue"] == "nan" {
                assert_eq!(ks::test(&x, &y, side, method).unwrap_err().kind(), ErrorKind::Invalid);
                continue;
            }
            let got = ks::test(&x, &y, side, method).unwrap();
            close(name, key, got.statistic, &want["statistic"]);
            p_close(name, key, got.p, &want["pvalue"], if got.exact { 1e-8 } else { 1e-6 });
            assert_eq!(
                (got.location, f64::from(got.sign)),
                (num(&want["location"]), num(&want["sign"])),
                "{name} {key}"
            );
        }
        let two = ks::test(&x, &y, Alternative::TwoSided, Method::Exact).unwrap();
        let limit = ks::limit_tail(num(&case["effective_n"]).sqrt() * two.statistic);
        p_close(name, "limit", limit, &case["limit_pvalue_two_sided"], 1e-6);
        cases_seen += 1;
    }
    assert_eq!((cases_seen, tests), (15, 135));
}

#[test]
fn population_stability() {
    let mut seen = [0; 2];
    for case in of_kind("psi", "numeric") {
        let (name, reference, current) = (&case["name"], nums(&case["reference"]), nums(&case["current"]));
        let count = num(&case["bins"]) as usize;
        let bins = match case["binning"].as_str().unwrap() {
            "quantile" => psi::Bins::quantile(&reference, count),
            _ => psi::Bins::width(&reference, count),
        }
        .unwrap();
        all_close(name, "edges", bins.edges(), &case["inner_edges"], (1e-9, 1e-7));
        assert_eq!(bins.counts(&reference).unwrap(), counts(&case["reference_counts"]), "{name}");
        assert_eq!(bins.counts(&current).unwrap(), counts(&case["current_counts"]), "{name}");
        for (floor, key) in [(1e-4, "psi_floor_1e-4"), (1e-6, "psi_floor_1e-6")] {
            let psi = psi::of_values(&reference, &current, &bins, floor).unwrap();
            close(name, key, psi.psi, &case[key]);
            assert_eq!(psi.degenerate, bins.edges().len() + 1 < count || reference.iter().all(|&v| v == reference[0]));
        }
        seen[0] += 1;
    }
    for case in of_kind("psi", "categorical") {
        let (reference, current) = (counts(&case["reference_counts"]), counts(&case["current_counts"]));
        for (floor, key) in [(1e-4, "psi_floor_1e-4"), (1e-6, "psi_floor_1e-6")] {
            close(&case["name"], key, psi::of_counts(&reference, &current, floor).unwrap().psi, &case[key]);
        }
        seen[1] += 1;
    }
    assert_eq!(seen, [15, 4]);
}

#[test]
fn chi_squares() {
    let mut seen = [0; 3];
    for case in of_kind("chi_square", "contingency") {
        let (name, cells) = (&case["name"], table(&case["table"], counts));
        let got = chi_square::contingency(&cells).unwrap();
        for (key, statistic, p) in [
            ("plain", got.statistic, got.p),
            ("yates", got.yates_statistic, got.yates_p),
            ("g_test", got.g_statistic, got.g_p),
        ] {
            close(name, key, statistic, &case[key]["statistic"]);
            p_close(name, key, p, &case[key]["pvalue"], 1e-6);
        }
        assert_eq!(got.dof as f64, num(&case["plain"]["dof"]));
        for (row, want) in got.expected.iter().zip(case["expected"].as_array().unwrap()) {
            all_close(name, "expected", row, want, (1e-9, 1e-7));
        }
        close(name, "least", got.min_expected, &case["min_expected"]);
        close(name, "share", got.share_expected_below_5, &case["share_expected_below_5"]);
        close(name, "v", got.cramers_v, &case["cramers_v"]);
        if let Some(want) = case.get("fisher_two_sided_p") {
            let fisher = chi_square::fisher([[cells[0][0], cells[0][1]], [cells[1][0], cells[1][1]]]).unwrap();
            p_close(name, "fisher", fisher.p, want, 1e-6);
            close(name, "odds", fisher.odds_ratio.unwrap(), &case["odds_ratio"]);
            seen[1] += 1;
        }
        seen[0] += 1;
    }
    for case in of_kind("chi_square", "goodness_of_fit") {
        let got = chi_square::goodness_of_fit(&counts(&case["observed"]), &nums(&case["weights"])).unwrap();
        close(&case["name"], "statistic", got.statistic, &case["statistic"]);
        p_close(&case["name"], "fit", got.p, &case["pvalue"], 1e-6);
        assert_eq!(got.dof as f64, num(&case["dof"]));
        seen[2] += 1;
    }
    assert_eq!(seen, [8, 3, 5]);
}

#[test]
fn wassersteins() {
    let mut seen = [0; 3];
    for case in cases("wasserstein") {
        let name = &case["name"];
        if case.get("directions").is_some() {
            let flat = |key: &str| table(&case[key], nums).concat();
            let (x, y, directions) = (flat("x_rows"), flat("y_rows"), flat("directions"));
            let rows = |values| Rows::new(values, 4).unwrap();
            let got = wasserstein::sliced(rows(&x), rows(&y), rows(&directions)).unwrap();
            all_close(name, "slices", &got.per_direction, &case["per_direction"], (1e-9, 1e-7));
            close(name, "mean", got.mean, &case["mean"]);
            close(name, "max", got.max, &case["max"]);
            seen[2] += 1;
            continue;
        }
        let (x, y) = (nums(&case["x"]), nums(&case["y"]));
        let weights = |key: &str| case[key].is_array().then(|| nums(&case[key]));
        let (x_weights, y_weights) = (weights("x_weights"), weights("y_weights"));
        let a = wasserstein::Weighted { values: &x, weights: x_weights.as_deref() };
        let b = wasserstein::Weighted { values: &y, weights: y_weights.as_deref() };
        close(name, "w1", wasserstein::distance(a, b).unwrap(), &case["wasserstein_1"]);
        close(name, "energy", wasserstein::energy(a, b).unwrap(), &case["energy_distance"]);
        seen[0] += 1;
        if let Some(want) = case.get("reference_std_population") {
            close(name, "deviation", moments::Moments::of(&x).unwrap().population_deviation(), want);
            let got = wasserstein::normalised(&x, &y).unwrap();
            match got {
                Some(got) => close(name, "normalised", got, &case["wasserstein_1_over_reference_std"]),
                // The oracle divides by 1e-12 then.
                None => assert_eq!(num(want), 0.0, "{name}"),
            }
            seen[1] += 1;
        }
    }
    assert_eq!(seen, [8, 6, 1]);
}

#[test]
fn divergences() {
    let mut seen = 0;
    for case in cases("divergence") {
        let name = &case["name"];
        seen += 1;
        if case.get("joint").is_some() {
            let joint = table(&case["joint"], nums);
            close(name, "nats", div::mutual_information(&joint, Unit::Nats).unwrap(), &case["mutual_information_nats"]);
            close(name, "bits", div::mutual_information(&joint, Unit::Bits).unwrap(), &case["mutual_information_bits"]);
            continue;
        }
        let (p, q) = (&nums(&case["p"])[..], &nums(&case["q"])[..]);
        for (key, got) in [
            ("entropy_p_nats", div::entropy(p, Unit::Nats)),
            ("entropy_p_bits", div::entropy(p, Unit::Bits)),
            ("cross_entropy_nats", div::cross_entropy(p, q, Unit::Nats)),
            ("kl_pq_nats", div::kullback_leibler(p, q, Unit::Nats)),
            ("kl_qp_nats", div::kullback_leibler(q, p, Unit::Nats)),
            ("kl_pq_bits", div::kullback_leibler(p, q, Unit::Bits)),
            ("js_divergence_nats", div::jensen_shannon(p, q, Unit::Nats)),
            ("js_divergence_bits", div::jensen_shannon(p, q, Unit::Bits)),
            ("js_distance_nats", div::jensen_shannon_distance(p, q, Unit::Nats)),
            ("js_distance_bits", div::jensen_shannon_distance(p, q, Unit::Bits)),
            ("hellinger", div::hellinger(p, q)),
            ("total_variation", div::total_variation(p, q)),
            ("l_infinity", div::largest_gap(p, q)),
        ] {
            close(name, key, got.unwrap(), &case[key]);
        }
    }
    assert_eq!(seen, 8);
}

#[test]
fn two_samples() {
    let (mut seen, mut permuted) = (0, 0);
    for case in cases("two_sample_multivariate") {
        let name = &case["name"];
        let (x, y) = (table(&case["x_rows"], nums), table(&case["y_rows"], nums));
        let dimension = x[0].len();
        let (x, y) = (x.concat(), y.concat());
        let (x, y) = (Rows::new(&x, dimension).unwrap(), Rows::new(&y, dimension).unwrap());
        let distances = two::Distances::between(x, y).unwrap();
        let permutations = table(&case["permutations"], places);
        let biased = two::Mmd::new(&distances, two::Form::Biased).unwrap();
        let unbiased = two::Mmd::new(&distances, two::Form::Unbiased).unwrap();
        let energy = two::Energy::new(&distances);
        let neighbors = two::Neighbors::new(&distances, num(&case["knn_k"]) as usize).unwrap();
        close(name, "median", biased.bandwidth(), &case["median_distance"]);
        close(name, "biased", biased.observed(), &case["mmd2_biased"]);
        close(name, "unbiased", unbiased.observed(), &case["mmd2_unbiased"]);
        close(name, "energy", energy.observed(), &case["energy"]);
        close(name, "knn", neighbors.observed(), &case["knn_same_share"]);
        for (permutation, want) in permutations.iter().zip(case["permuted_mmd2_unbiased_first5"].as_array().unwrap()) {
            let mut first = permutation[..x.len()].to_vec();
            first.sort_unstable();
            close(name, "permuted", unbiased.value(&first), want);
            permuted += 1;
        }
        close(name, "p biased", two::permute_with(&biased, &permutations).unwrap().p, &case["p_mmd2_biased"]);
        close(name, "p unbiased", two::permute_with(&unbiased, &permutations).unwrap().p, &case["p_mmd2_unbiased"]);
        close(name, "p energy", two::permute_with(&energy, &permutations).unwrap().p, &case["p_energy"]);
        close(name, "p knn", two::permute_with(&neighbors, &permutations).unwrap().p, &case["p_knn"]);
        without_distances(&case, x, y);
        seen += 1;
    }
    assert_eq!((seen, permuted), (6, 30));
}

fn without_distances(case: &Value, x: Rows<'_, f64>, y: Rows<'_, f64>) {
    let name = &case["name"];
    let hotelling = two::hotelling(x, y).unwrap();
    close(name, "t2", hotelling.t2, &case["hotelling_t2"]);
    close(name, "f", hotelling.f, &case["hotelling_f"]);
    assert_eq!(vec![hotelling.dof.0, hotelling.dof.1], counts(&case["hotelling_df"]));
    p_close(name, "hotelling", hotelling.p, &case["hotelling_p"], 1e-6);
    within(name, "frechet", two::frechet(x, y).unwrap(), num(&case["frechet_distance"]), 1e-9, 1e-6);
    let centroids = two::centroids(x, y).unwrap();
    close(name, "cosine", centroids.cosine_distance.unwrap(), &case["centroid_cosine_distance"]);
    close(name, "euclid", centroids.euclidean, &case["centroid_euclidean"]);
    let columns = two::columns(x, y, Method::Auto, Correction::BenjaminiHochberg).unwrap();
    let list = |of: fn(&two::Column) -> f64| columns.iter().map(of).collect::<Vec<_>>();
    all_close(name, "ks", &list(|column| column.ks.statistic), &case["ks_per_dim_statistic"], (1e-9, 1e-7));
    all_close(name, "ks p", &list(|column| column.ks.p), &case["ks_per_dim_p"], (0.0, 1e-6));
    all_close(name, "ks bh", &list(|column| column.adjusted_p), &case["ks_per_dim_p_bh"], (0.0, 1e-6));
    let drifted = columns.iter().filter(|column| column.adjusted_p <= 0.05).count() as f64 / columns.len() as f64;
    close(name, "drifted", drifted, &case["drifted_share_bh_05"]);
}

#[test]
fn corrections() {
    let mut seen = 0;
    for case in cases("multiple_testing") {
        let p = nums(&case["p"]);
        for (key, correction) in [
            ("fdr_bh", Correction::BenjaminiHochberg),
            ("fdr_by", Correction::BenjaminiYekutieli),
            ("bonferroni", Correction::Bonferroni),
            ("holm", Correction::Holm),
        ] {
            let got = adjust(&p, correction).unwrap();
            all_close(&case["name"], key, &got, &case[key]["adjusted"], (0.0, 1e-6));
            let want = table(&case[key]["reject"], |value| value.as_bool().unwrap());
            assert_eq!(reject(&got, num(&case["alpha"])), want, "{} {key}", case["name"]);
        }
        seen += 1;
    }
    assert_eq!(seen, 6);
}
