//! Every case of the oracle files in `tests/fixtures/oracles`: inputs with the answers they must give, by scipy,
//! statsmodels, scikit-learn and numpy. Numbers of cases are asserted, so that none is left out in silence.

use super::ab::{self, Arm};
use super::divergence::{self as div, Unit};
use super::ks::{self, Alternative, Method};
use super::multiple::{Correction, adjust, reject};
use super::performance::{Average, Class, Confusion, regression, scores};
use super::rows::Rows;
use super::two_sample::{self as two, Statistic};
use super::*;
use crate::error::ErrorKind;
use serde_json::Value;

const TINY: f64 = 1e-200;

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/oracles/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read_to_string(path).unwrap();
    serde_json::from_str::<Value>(&bytes).unwrap()["cases"].as_array().unwrap().clone()
}

fn of_kind(file: &str, kind: &str) -> Vec<Value> {
    cases(file).into_iter().filter(|case| case["kind"] == kind).collect()
}

fn num(value: &Value) -> f64 {
    match value.as_str() {
        Some(text) => text.parse().unwrap(),
        None => value.as_f64().unwrap_or_else(|| panic!("not a number: {value}")),
    }
}

fn nums(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(num).collect()
}

fn counts(value: &Value) -> Vec<u64> {
    nums(value).into_iter().map(|count| count as u64).collect()
}

fn places(value: &Value) -> Vec<usize> {
    nums(value).into_iter().map(|place| place as usize).collect()
}

fn table<T>(value: &Value, of: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(of).collect()
}

#[track_caller]
fn within(name: &Value, what: &str, got: f64, want: f64, absolute: f64, relative: f64) {
    let equal = got == want || (got - want).abs() <= absolute + relative * want.abs();
    assert!(equal, "{name} {what}: got {got}, want {want}");
}

#[track_caller]
fn close(name: &Value, what: &str, got: f64, want: &Value) {
    within(name, what, got, num(want), 1e-9, 1e-7);
}

#[track_caller]
fn all_close(name: &Value, what: &str, got: &[f64], want: &Value, tolerance: (f64, f64)) {
    let want = nums(want);
    assert_eq!(got.len(), want.len(), "{name} {what}");
    got.iter().zip(want).for_each(|(&got, want)| within(name, what, got, want, tolerance.0, tolerance.1));
}

#[track_caller]
fn p_close(name: &Value, what: &str, got: f64, want: &Value, relative: f64) {
    let want = num(want);
    assert!(got < TINY && want < TINY || (got - want).abs() <= relative * want, "{name} {what}: p {got}, want {want}");
}

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
fn experiments() {
    let mut seen = [0; 4];
    for case in of_kind("ab_tests", "proportions") {
        proportions(&case);
        seen[0] += 1;
    }
    for case in of_kind("ab_tests", "means") {
        let (name, a, b) = (&case["name"], nums(&case["a"]), nums(&case["b"]));
        let got = ab::means(&a, &b).unwrap();
        let ranks = ab::mann_whitney(&a, &b).unwrap();
        for (key, got) in [
            ("mean_a", got.mean_a),
            ("mean_b", got.mean_b),
            ("var_a", got.variance_a),
            ("var_b", got.variance_b),
            ("welch_t", got.welch_t),
            ("welch_df", got.welch_dof),
            ("student_t", got.student_t),
            ("cohens_d", got.cohens_d),
            ("hedges_g", got.hedges_g),
            ("mann_whitney_u", ranks.u),
        ] {
            close(name, key, got, &case[key]);
        }
        all_close(name, "welch ci", &[got.welch_ci95.0, got.welch_ci95.1], &case["welch_ci95_diff"], (1e-9, 1e-7));
        p_close(name, "welch", got.welch_p, &case["welch_p"], 1e-6);
        p_close(name, "student", got.student_p, &case["student_p"], 1e-6);
        p_close(name, "ranks", ranks.p, &case["mann_whitney_p_asymptotic"], 1e-6);
        seen[1] += 1;
    }
    for case in of_kind("ab_tests", "power_proportions") {
        let (rate, lift, ratio) = (num(&case["rate_a"]), num(&case["lift"]), num(&case["ratio_nb_over_na"]));
        close(&case["name"], "h", ab::cohens_h(rate, rate + lift).unwrap(), &case["cohens_h"]);
        let got = ab::sample_size(rate, rate + lift, num(&case["alpha"]), num(&case["power"]), ratio).unwrap();
        within(&case["name"], "n", got, num(&case["n_a"]), 0.0, 1e-4);
        seen[2] += 1;
    }
    for case in of_kind("ab_tests", "power_means") {
        let per_arm = num(&case["n_per_arm"]) as u64;
        let got = ab::power_of_means(num(&case["cohens_d"]), per_arm, num(&case["alpha"])).unwrap();
        within(&case["name"], "power", got, num(&case["power"]), 0.0, 1e-6);
        seen[3] += 1;
    }
    assert_eq!(seen, [6, 4, 6, 3]);
}

fn proportions(case: &Value) {
    let name = &case["name"];
    let count = |key: &str| num(&case[key]) as u64;
    let a = Arm { successes: count("successes_a"), trials: count("n_a") };
    let b = Arm { successes: count("successes_b"), trials: count("n_b") };
    let got = ab::proportions(a, b).unwrap();
    for (key, got) in [
        ("rate_a", got.rate_a),
        ("rate_b", got.rate_b),
        ("diff_b_minus_a", got.difference),
        ("z_pooled", got.z),
        ("z_unpooled", got.z_unpooled.unwrap()),
        ("se_unpooled", got.standard_error),
        ("cohens_h", ab::cohens_h(got.rate_a, got.rate_b).unwrap()),
    ] {
        close(name, key, got, &case[key]);
    }
    p_close(name, "p", got.p, &case["p_two_sided"], 1e-6);
    p_close(name, "p larger", got.p_b_larger, &case["p_b_larger"], 1e-6);
    match got.relative_lift {
        Some(lift) => close(name, "lift", lift, &case["relative_lift"]),
        None => assert_eq!(case["relative_lift"], "nan"),
    }
    for (key, got, relative) in [
        ("wilson_a", ab::wilson(a, 0.95).unwrap(), 1e-7),
        ("wilson_b", ab::wilson(b, 0.95).unwrap(), 1e-7),
        ("clopper_pearson_a", ab::clopper_pearson(a, 0.95).unwrap(), 1e-7),
        ("newcombe_diff", ab::newcombe(a, b, 0.95).unwrap(), 1e-6),
        ("wald_diff", got.wald_ci95, 1e-7),
    ] {
        all_close(name, key, &[got.0, got.1], &case[key], (1e-9, relative));
    }
    let cells = [[a.successes, a.trials - a.successes], [b.successes, b.trials - b.successes]];
    let square = chi_square::contingency(&cells.map(Vec::from)).unwrap();
    close(name, "chi2", square.statistic, &case["chi2"]["statistic"]);
    p_close(name, "chi2", square.p, &case["chi2"]["pvalue"], 1e-6);
    close(name, "yates", square.yates_statistic, &case["chi2_yates"]["statistic"]);
    p_close(name, "yates", square.yates_p, &case["chi2_yates"]["pvalue"], 1e-6);
    p_close(name, "fisher", chi_square::fisher(cells).unwrap().p, &case["fisher_p"], 1e-6);
}

#[test]
fn sequential_tests() {
    let (mut seen, mut looks) = ([0; 2], [0; 2]);
    for case in of_kind("sequential", "msprt") {
        let (name, a, b) = (&case["name"], counts(&case["a"]), counts(&case["b"]));
        let mut test = sequential::Msprt::new(num(&case["tau"]), num(&case["alpha"])).unwrap();
        for want in case["looks"].as_array().unwrap() {
            let n = num(&want["n_per_arm"]) as usize;
            let arm = |users: &[u64]| (users[..n].iter().sum(), n as u64);
            let got = test.look(arm(&a), arm(&b)).unwrap();
            close(name, "difference", got.difference, &want["diff"]);
            close(name, "variance", got.variance, &want["se2"]);
            close(name, "ratio", got.ln_ratio, &want["log_lambda"]);
            p_close(name, "p", got.p, &want["p_always_valid"], 1e-6);
            close(name, "width", got.half_width, &want["half_width_95"]);
            looks[0] += 1;
        }
        seen[0] += 1;
    }
    for case in of_kind("sequential", "sequential_srm") {
        let (name, weights) = (&case["name"], nums(&case["weights"]));
        let mut test = sequential::SampleRatio::new(&weights, num(&case["concentration"])).unwrap();
        let mut totals = vec![0; weights.len()];
        for (day, want) in case["daily_counts"].as_array().unwrap().iter().zip(case["looks"].as_array().unwrap()) {
            let day = counts(day);
            let p = test.add(&day).unwrap();
            totals.iter_mut().zip(&day).for_each(|(sum, count)| *sum += count);
            close(name, "factor", test.ln_factor(), &want["log_bayes_factor"]);
            p_close(name, "p", p, &want["p"], 1e-6);
            looks[1] += 1;
        }
        let fit = chi_square::goodness_of_fit(&totals, &weights).unwrap();
        p_close(name, "totals", fit.p, &case["chi2_p_on_totals"], 1e-6);
        seen[1] += 1;
    }
    assert_eq!(seen, [3, 3]);
    assert!(looks[0] >= 40 && looks[1] >= 14, "{looks:?}");
}

#[test]
fn seasons_and_trends() {
    let mut seen = [0; 3];
    for case in cases("seasonal") {
        let (name, series) = (&case["name"], nums(&case["y"]));
        if case["kind"] == "trend" || case.get("slope").is_some() {
            trends(&case, &series);
            seen[2] += 1;
            continue;
        }
        let period = num(&case["period"]) as usize;
        classical(&case, &series, period);
        seen[0] += 1;
        let Some(want) = case.get("stl") else { continue };
        let seasonal_window = num(&want["seasonal_window"]) as usize;
        let robust = want["robust"].as_bool().unwrap();
        let got = seasonal::stl(&series, seasonal::StlOptions { period, seasonal_window, robust }).unwrap();
        all_close(name, "trend", &got.trend, &want["trend"], (1e-6, 1e-6));
        all_close(name, "seasonal", &got.seasonal, &want["seasonal"], (1e-6, 1e-6));
        all_close(name, "residual", &got.residual, &want["resid"], (1e-6, 1e-6));
        let strength = |part: &[f64]| seasonal::strength(part, &got.residual).unwrap();
        within(name, "strength", strength(&got.trend), num(&want["trend_strength"]), 1e-6, 1e-6);
        within(name, "strength", strength(&got.seasonal), num(&want["seasonal_strength"]), 1e-6, 1e-6);
        let scores = outlier::modified_z(&got.residual).unwrap();
        all_close(name, "scores", &scores, &case["residual_modified_z"], (1e-6, 1e-6));
        let anomalies = outlier::anomalies(&got.residual, outlier::CUT).unwrap();
        assert_eq!(anomalies, places(&case["anomaly_indices_over_3_5"]), "{name}");
        seen[1] += 1;
    }
    assert_eq!(seen, [4, 3, 1]);
}

fn classical(case: &Value, series: &[f64], period: usize) {
    let (name, want) = (&case["name"], &case["classical"]);
    let model = match want["model"].as_str().unwrap() {
        "additive" => seasonal::Model::Additive,
        _ => seasonal::Model::Multiplicative,
    };
    let got = seasonal::classical(series, period, model).unwrap();
    all_close(name, "season", &got.seasonal, &want["seasonal_one_cycle"], (1e-9, 1e-7));
    for (got, want) in [(&got.trend, &want["trend"]), (&got.residual, &want["resid"])] {
        let want = want.as_array().unwrap();
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            match got {
                None => assert_eq!(want, "nan", "{name}"),
                Some(got) => close(name, "classical", *got, want),
            }
        }
    }
}

fn trends(case: &Value, series: &[f64]) {
    let name = &case["name"];
    let (line, got) = (trend::line(series).unwrap(), trend::mann_kendall(series).unwrap());
    close(name, "slope", line.slope, &case["slope"]);
    close(name, "intercept", line.intercept, &case["intercept"]);
    close(name, "error", line.slope_error, &case["slope_stderr"]);
    p_close(name, "slope", line.slope_p, &case["slope_p"], 1e-6);
    close(name, "tau", got.tau, &case["kendall_tau"]);
    p_close(name, "kendall", got.p, &case["kendall_p"], 1e-6);
    close(name, "sen", got.slope, &case["theil_sen_slope"]);
    all_close(name, "sen", &[got.slope_ci95.0, got.slope_ci95.1], &case["theil_sen_ci95"], (1e-9, 1e-7));
}

#[test]
fn performance_measures() {
    let mut seen = [0; 5];
    for case in of_kind("performance", "classification") {
        seen[4] += usize::from(classification(&case));
        seen[0] += 1;
    }
    for case in of_kind("performance", "regression") {
        let got = regression(&nums(&case["y_true"]), &nums(&case["y_pred"])).unwrap();
        for (key, got) in [
            ("mse", got.mse),
            ("rmse", got.rmse),
            ("mae", got.mae),
            ("r2", got.r2.unwrap()),
            ("median_ae", got.median_error),
            ("explained_variance", got.explained_variance.unwrap()),
        ] {
            close(&case["name"], key, got, &case[key]);
        }
        seen[1] += 1;
    }
    for case in of_kind("performance", "percentiles") {
        let (name, values) = (&case["name"], nums(&case["values"]));
        let ranks: Vec<f64> = nums(&case["percent"]).into_iter().map(|percent| percent / 100.0).collect();
        all_close(name, "linear", &quantile::percentiles(&values, &ranks).unwrap(), &case["linear"], (1e-9, 1e-7));
        let moments = moments::Moments::of(&values).unwrap();
        close(name, "mean", moments.mean(), &case["mean"]);
        close(name, "deviation", moments.population_deviation(), &case["std_population"]);
        match moments.sample_variance() {
            Some(variance) => close(name, "deviation", variance.sqrt(), &case["std_sample"]),
            None => assert!(case["std_sample"].as_f64().is_none_or(|value| value == 0.0)),
        }
        seen[2] += 1;
    }
    for case in of_kind("performance", "sigma_rule") {
        let (baseline, current) = (nums(&case["baseline"]), nums(&case["current"]));
        let got = sigma::rule(&baseline, &current, num(&case["threshold"])).unwrap();
        for (key, got) in [
            ("baseline_mean", got.baseline_mean),
            ("current_mean", got.current_mean),
            ("baseline_std", got.baseline_deviation),
            ("current_std", got.current_deviation),
            ("drift_score", got.score),
            ("sample_count", got.sample_count as f64),
        ] {
            close(&case["name"], key, got, &case[key]);
        }
        assert_eq!(got.drift, case["drift_detected"].as_bool().unwrap());
        p_close(&case["name"], "welch", got.welch_p.unwrap(), &case["welch_p"], 1e-6);
        seen[3] += 1;
    }
    assert_eq!(seen, [6, 3, 5, 2, 1]);
}

/// Whether the case has scores.
fn classification(case: &Value) -> bool {
    let (name, truth, predicted) = (&case["name"], counts(&case["y_true"]), counts(&case["y_pred"]));
    let got = Confusion::of(&truth, &predicted).unwrap();
    assert_eq!(got.labels(), counts(&case["labels"]), "{name}");
    assert_eq!(got.matrix(), table(&case["confusion"], counts), "{name}");
    close(name, "accuracy", got.accuracy().unwrap(), &case["accuracy"]);
    close(name, "balanced", got.balanced_accuracy().unwrap(), &case["balanced_accuracy"]);
    close(name, "kappa", got.kappa().unwrap(), &case["cohen_kappa"]);
    close(name, "mcc", got.matthews(), &case["mcc"]);
    let measures = |key: &str, got: Class| {
        close(name, key, got.precision, &case[key]["precision"]);
        close(name, key, got.recall, &case[key]["recall"]);
        close(name, key, got.f1, &case[key]["f1"]);
    };
    measures("macro", got.average(Average::Macro));
    measures("weighted", got.average(Average::Weighted));
    measures("micro", got.average(Average::Micro));
    let classes: Vec<Class> = got.labels().iter().map(|label| got.class(label)).collect();
    let list = |of: fn(&Class) -> f64| classes.iter().map(of).collect::<Vec<_>>();
    let wanted = &case["per_class"];
    all_close(name, "precision", &list(|class| class.precision), &wanted["precision"], (1e-9, 1e-7));
    all_close(name, "recall", &list(|class| class.recall), &wanted["recall"], (1e-9, 1e-7));
    all_close(name, "f1", &list(|class| class.f1), &wanted["f1"], (1e-9, 1e-7));
    all_close(name, "support", &list(|class| class.support as f64), &wanted["support"], (0.0, 0.0));
    if case.get("binary_pos1").is_some() {
        measures("binary_pos1", got.class(&1));
    }
    if case.get("score").is_none() {
        return false;
    }
    let truth: Vec<bool> = truth.iter().map(|&label| label == 1).collect();
    let got = scores(&truth, &nums(&case["score"])).unwrap();
    close(name, "auc", got.roc_auc.unwrap(), &case["roc_auc"]);
    close(name, "precision", got.average_precision.unwrap(), &case["average_precision"]);
    close(name, "loss", got.log_loss, &case["log_loss"]);
    close(name, "brier", got.brier, &case["brier"]);
    true
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

#[test]
fn components_and_singular_values() {
    let mut seen = [0; 3];
    for case in of_kind("linear_algebra", "pca") {
        let (name, rows) = (&case["name"], table(&case["rows"], nums));
        let (values, d) = (rows.concat(), rows[0].len());
        let got = pca::Pca::of(Rows::new(&values, d).unwrap(), num(&case["n_components"]) as usize).unwrap();
        all_close(name, "mean", &got.mean, &case["mean"], (1e-9, 1e-8));
        all_close(name, "variance", &got.explained_variance, &case["explained_variance"], (1e-9, 1e-8));
        all_close(name, "ratio", &got.explained_variance_ratio, &case["explained_variance_ratio"], (1e-9, 1e-8));
        // Of nothing but rounding, the square root is 1e-6.
        all_close(name, "singular", &got.singular_values, &case["singular_values"], (2e-6, 1e-8));
        let components = got.components.chunks_exact(d).zip(case["components_up_to_sign"].as_array().unwrap());
        for ((component, want), variance) in components.zip(&got.explained_variance) {
            if *variance > 1e-9 {
                let cosine: f64 = component.iter().zip(nums(want)).map(|(a, b)| a * b).sum();
                within(name, "component", cosine.abs(), 1.0, 0.0, 1e-8);
            }
        }
        for (row, want) in rows.iter().zip(case["first_rows_transformed_abs"].as_array().unwrap()) {
            let along: Vec<f64> = got.project(row).unwrap().iter().map(|along| along.abs()).collect();
            all_close(name, "projection", &along, want, (1e-8, 1e-8));
        }
        let error: f64 = rows.iter().map(|row| got.reconstruction_error(row).unwrap()).sum::<f64>() / rows.len() as f64;
        within(name, "reconstruction", error, num(&case["mean_squared_reconstruction_error"]), 1e-9, 1e-8);
        seen[0] += 1;
    }
    for case in of_kind("linear_algebra", "svd") {
        singular(&case);
        seen[1] += 1;
    }
    for case in of_kind("linear_algebra", "eigh") {
        let matrix = table(&case["matrix"], nums);
        let got = linear::symmetric_eigen(&matrix.concat(), matrix.len()).unwrap();
        all_close(&case["name"], "eigen", &got.values, &case["eigenvalues_ascending"], (1e-9, 1e-8));
        close(&case["name"], "trace", got.values.iter().sum(), &case["trace"]);
        seen[2] += 1;
    }
    assert_eq!(seen, [3, 3, 1]);
}

fn singular(case: &Value) {
    let (name, matrix) = (&case["name"], table(&case["matrix"], nums));
    let (rows, columns, flat) = (matrix.len(), matrix[0].len(), matrix.concat());
    let got = linear::svd(&flat, rows, columns).unwrap();
    all_close(name, "singular", &got.values, &case["singular_values"], (1e-9, 1e-8));
    let mut low = vec![0.0; rows * columns];
    for part in 0..num(&case["rank_k"]) as usize {
        for (place, value) in low.iter_mut().enumerate() {
            let (row, column) = (place / columns, place % columns);
            *value += got.values[part] * got.left[part * rows + row] * got.right[part * columns + column];
        }
    }
    for (row, want) in low.chunks_exact(columns).zip(case["low_rank"].as_array().unwrap()) {
        all_close(name, "low rank", row, want, (1e-9, 1e-8));
    }
    let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    close(name, "norm", norm(&got.values), &case["frobenius"]);
    let rest: Vec<f64> = flat.iter().zip(&low).map(|(value, low)| value - low).collect();
    close(name, "rest", norm(&rest), &case["frobenius_error"]);
}

#[test]
fn laws() {
    let mut seen = [0; 3];
    for case in of_kind("linear_algebra", "softmax") {
        let (name, x) = (&case["name"], nums(&case["x"]));
        all_close(name, "softmax", &softmax::softmax(&x).unwrap(), &case["softmax"], (0.0, 1e-7));
        all_close(name, "log", &softmax::log_softmax(&x).unwrap(), &case["log_softmax"], (1e-9, 1e-7));
        close(name, "sum", softmax::log_sum_exp(&x).unwrap(), &case["log_sum_exp"]);
        seen[0] += 1;
    }
    for case in of_kind("linear_algebra", "beta_binomial") {
        let (name, hits) = (&case["name"], num(&case["successes"]) as u64);
        let arm = Arm { successes: hits, trials: hits + num(&case["failures"]) as u64 };
        let got = ab::Beta::new(num(&case["alpha_prior"]), num(&case["beta_prior"])).unwrap().after(arm).unwrap();
        close(name, "alpha", got.alpha, &case["alpha"]);
        close(name, "beta", got.beta, &case["beta"]);
        close(name, "mean", got.mean(), &case["mean"]);
        let (low, high) = got.interval(0.95).unwrap();
        all_close(name, "interval", &[low, high], &case["ci95_equal_tails"], (1e-9, 1e-7));
        seen[1] += 1;
    }
    for case in of_kind("linear_algebra", "mvn") {
        let covariance = table(&case["cov"], nums).concat();
        let got = normal::density(&nums(&case["mean"]), &covariance, &nums(&case["x"])).unwrap();
        close(&case["name"], "density", got.ln, &case["logpdf"]);
        close(&case["name"], "mahalanobis", got.mahalanobis, &case["mahalanobis"]);
        seen[2] += 1;
    }
    assert_eq!(seen, [2, 1, 1]);
}
