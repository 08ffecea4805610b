//! Series, components, and the laws behind them.

use super::{all_close, cases, close, num, nums, of_kind, p_close, places, table, within};
use crate::stats::ab::{self, Arm};
use crate::stats::linear;
use crate::stats::normal;
use crate::stats::outlier;
use crate::stats::pca;
use crate::stats::rows::Rows;
use crate::stats::seasonal;
use crate::stats::softmax;
use crate::stats::trend;
use serde_json::Value;

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
