//! Experiments and how well predictions hold.

use super::{all_close, close, counts, num, nums, of_kind, p_close, table, within};
use crate::stats::ab::{self, Arm};
use crate::stats::chi_square;
use crate::stats::moments;
use crate::stats::performance::{Average, Class, Confusion, regression, scores};
use crate::stats::quantile;
use crate::stats::sequential;
use crate::stats::sigma;
use serde_json::Value;

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
