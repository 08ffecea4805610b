//! Rows of real data sets with known truth: numbers to 1e-6, and the verdicts of energy, neighbours and columns together.
//!
//! The files lie outside the project, in a directory that `DRIFTLINE_ORACLES` names or in `../shared/oracles/real`. Where
//! they are not there, these tests say so and pass.

use super::ks::Method;
use super::multiple::{Correction, adjust};
use super::rows::Rows;
use super::two_sample::{self as two, Permutations, Statistic};
use super::wasserstein;
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/oracles/real");
    let folder = std::env::var_os("DRIFTLINE_ORACLES").map_or_else(|| shared.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("left out: {} is not there, so the real cases were not checked", folder.display());
    None
}

/// The rows of a file that are listed, and their dimension.
fn rows(list: &Value, file: &Value) -> (Vec<f64>, usize) {
    let path = folder().unwrap().join(file.as_str().unwrap());
    #[expect(clippy::disallowed_methods, reason = "a test reads its fixtures")]
    let bytes = std::fs::read(path).unwrap();
    let array = npyz::NpyFile::new(&bytes[..]).unwrap();
    let d = array.shape()[1] as usize;
    let values: Vec<f64> = match array.dtype().descr().contains("u1") {
        true => array.into_vec::<u8>().unwrap().into_iter().map(f64::from).collect(),
        false => array.into_vec::<f32>().unwrap().into_iter().map(f64::from).collect(),
    };
    let places = list.as_array().unwrap().iter().map(|place| place.as_u64().unwrap() as usize);
    (places.flat_map(|place| values[place * d..(place + 1) * d].to_vec()).collect(), d)
}

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().unwrap().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[track_caller]
fn close(name: &Value, what: &str, got: f64, want: &Value) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() <= 1e-9 + 1e-6 * want.abs(), "{name} {what}: got {got}, want {want}");
}

/// The p of energy, neighbours and columns, each; and the smallest of them by Holm.
fn verdict(x: Rows<'_, f64>, y: Rows<'_, f64>) -> ([f64; 3], f64) {
    let distances = two::Distances::between(x, y).unwrap();
    let all = Permutations::default();
    let columns = two::columns(x, y, Method::Auto, Correction::BenjaminiHochberg).unwrap();
    let p = [
        two::permute(&two::Energy::new(&distances), all).unwrap().p,
        two::permute(&two::Neighbors::new(&distances, 5).unwrap(), all).unwrap().p,
        columns.iter().map(|column| column.adjusted_p).fold(1.0, f64::min),
    ];
    (p, adjust(&p, Correction::Holm).unwrap().into_iter().fold(1.0, f64::min))
}

#[test]
fn measures_of_real_rows() {
    let Some(_) = folder() else { return };
    let all = read("cases.json");
    let cases = all["cases"].as_array().unwrap();
    for case in cases {
        let (name, want) = (&case["name"], &case["expect"]);
        let (x, d) = rows(&case["reference"]["rows"], &case["reference"]["file"]);
        let (y, _) = rows(&case["current"]["rows"], &case["current"]["file"]);
        let (x, y) = (Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap());
        let distances = two::Distances::between(x, y).unwrap();
        let mmd = two::Mmd::new(&distances, two::Form::Unbiased).unwrap();
        close(name, "median", mmd.bandwidth(), &want["median_distance"]);
        close(name, "mmd", mmd.observed(), &want["mmd2_unbiased_median_rbf"]);
        close(name, "energy", two::Energy::new(&distances).observed(), &want["energy"]);
        close(name, "knn", two::Neighbors::new(&distances, 5).unwrap().observed(), &want["knn5_same_share"]);
        let centroids = two::centroids(x, y).unwrap();
        close(name, "cosine", centroids.cosine_distance.unwrap(), &want["centroid_cosine_distance"]);
        close(name, "euclid", centroids.euclidean, &want["centroid_euclidean"]);
        let columns = two::columns(x, y, Method::Asymptotic, Correction::BenjaminiHochberg).unwrap();
        for (place, column) in columns.iter().enumerate() {
            close(name, "ks", column.ks.statistic, &want["ks_per_dim_statistic"][place]);
            close(name, "ks p", column.ks.p, &want["ks_per_dim_p_asymp"][place]);
            let wanted = &want["wasserstein_over_ref_std_per_dim"][place];
            match wasserstein::normalised(&x.column(place), &y.column(place)).unwrap() {
                Some(moved) => close(name, "w1", moved, wanted),
                // numpy's deviation of equal values may be rounding instead of 0: what it gives then is no answer.
                None => {
                    assert!(
                        wanted == "constant reference" || wanted == 0.0 || wanted.as_f64() > Some(1e6),
                        "{name} {wanted}"
                    );
                }
            }
        }
        let drifted = columns.iter().filter(|column| column.adjusted_p <= 0.05).count() as f64 / d as f64;
        close(name, "share", drifted, &want["drifted_share_ks_bh_05"]);
    }
    assert_eq!(cases.len(), 24);
}

#[test]
fn verdicts_on_real_rows() {
    let Some(_) = folder() else { return };
    let all = read("cases.json");
    let (mut none, mut drift) = (0, 0);
    for case in all["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (x, d) = rows(&case["reference"]["rows"], &case["reference"]["file"]);
        let (y, _) = rows(&case["current"]["rows"], &case["current"]["file"]);
        let (each, p) = verdict(Rows::new(&x, d).unwrap(), Rows::new(&y, d).unwrap());
        if case["truth"] == "none" {
            assert!(p > 0.01, "{name}: {each:?}");
            none += 1;
        } else if case["severity"].is_null() || name.contains("noise of 4 ") || name.contains("rotated") {
            assert!(p <= 0.05, "{name}: {each:?}");
            drift += 1;
        }
    }
    assert_eq!((none, drift), (4, 11));
}

#[test]
fn splits_of_one_population() {
    let Some(_) = folder() else { return };
    let all = read("splits.json");
    let splits = all["splits"].as_array().unwrap();
    let mut alarms = [0u64; 4];
    for (split, want) in splits.iter().zip(all["ks_p_values"].as_array().unwrap()) {
        let (values, d) = rows(split, &all["file"]);
        let half = 120 * d;
        let (x, y) = (&values[..half], &values[values.len() - half..]);
        let (x, y) = (Rows::new(x, d).unwrap(), Rows::new(y, d).unwrap());
        for (column, want) in all["ks_columns"].as_array().unwrap().iter().zip(want.as_array().unwrap()) {
            let place = column.as_u64().unwrap() as usize;
            let test = super::ks::test(&x.column(place), &y.column(place), Default::default(), Method::Auto).unwrap();
            close(column, "ks p", test.p, want);
        }
        let (each, p) = verdict(x, y);
        alarms.iter_mut().zip(each.into_iter().chain([p])).for_each(|(count, p)| *count += u64::from(p <= 0.05));
    }
    let most = all["binomial_99_band_for_60_tests_at_05"][1].as_u64().unwrap();
    assert_eq!(splits.len(), 60);
    assert!(alarms.iter().all(|&count| count <= most), "{alarms:?} of {most}");
}
