//! `drift` sees what has changed, keeps quiet where nothing has, and says what it was and against which baseline.

use driftline::mlops::drift::embedding::{EmbeddingOptions, EmbeddingVerdict, ExtraTest, judge};
use driftline::mlops::drift::{Column, DriftDetector, DriftKind, DriftResult, Method, Note, Scale, Test, Verdict};
use driftline::stats::multiple::Correction;
use driftline::stats::rows::Rows;
use driftline::{ErrorKind, Random};

fn normal(random: &mut Random) -> f64 {
    driftline::stats::normal::draw(random)
}

fn numbers(seed: u64, count: usize, shift: f64) -> Vec<f64> {
    let mut random = Random::seeded(seed, 11);
    (0..count).map(|_| normal(&mut random) + shift).collect()
}

fn vectors(seed: u64, count: usize, dimension: usize, shift: f64) -> Vec<f32> {
    numbers(seed, count * dimension, shift).into_iter().map(|value| value as f32).collect()
}

fn categories(seed: u64, count: usize, names: &[&str]) -> Column {
    let mut random = Random::seeded(seed, 12);
    Column::categories((0..count).map(|_| names[random.below(names.len() as u64) as usize]))
}

/// The one result of a detector for one column.
fn one(method: Method, reference: Column, current: Column) -> DriftResult {
    let mut detector = DriftDetector::new(method);
    detector.set_reference([("it", reference)]).unwrap();
    let mut results = detector.detect([("it", current)]).unwrap();
    assert_eq!(results.len(), 1);
    results.remove(0)
}

#[test]
fn every_method_sees_a_shift_and_keeps_quiet_without_one() {
    let of = |shift: f64| Column::numbers(numbers(2, 300, shift));
    let rows = |shift: f64| Column::vectors(vectors(14, 120, 6, shift + 0.5), 6).unwrap();
    let named = |names: &[&str]| categories(6, 300, names);
    let cases: Vec<(Method, [Column; 3])> = vec![
        (Method::Auto, [Column::numbers(numbers(1, 300, 0.0)), of(0.0), of(0.6)]),
        (Method::Ks, [Column::numbers(numbers(1, 300, 0.0)), of(0.0), of(0.6)]),
        (Method::Psi, [Column::numbers(numbers(1, 300, 0.0)), of(0.0), of(0.8)]),
        (Method::Sigma, [Column::numbers(numbers(1, 300, 0.0)), of(0.0), of(2.5)]),
        (Method::Wasserstein, [Column::numbers(numbers(1, 300, 0.0)), of(0.0), of(0.6)]),
        (Method::JensenShannon, [Column::numbers(numbers(1, 300, 0.0)), of(0.0), of(0.6)]),
        (Method::Auto, [Column::vectors(vectors(13, 120, 6, 0.5), 6).unwrap(), rows(0.0), rows(0.6)]),
        (Method::Ks, [Column::vectors(vectors(13, 120, 6, 0.5), 6).unwrap(), rows(0.0), rows(0.6)]),
        (Method::Cosine, [Column::vectors(vectors(13, 120, 6, 0.5), 6).unwrap(), rows(0.0), rows(-1.5)]),
        (Method::Wasserstein, [Column::vectors(vectors(13, 120, 6, 0.5), 6).unwrap(), rows(0.0), rows(0.6)]),
        (Method::Auto, [categories(5, 300, &["a", "b", "c"]), named(&["a", "b", "c"]), named(&["a", "b", "b"])]),
        (Method::ChiSquare, [categories(5, 300, &["a", "b"]), named(&["a", "b"]), named(&["a", "b", "b"])]),
        (Method::Psi, [categories(5, 300, &["a", "b", "c"]), named(&["a", "b", "c"]), named(&["a", "b", "d"])]),
        (Method::JensenShannon, [categories(5, 300, &["a", "b"]), named(&["a", "b"]), named(&["a", "b", "b"])]),
    ];
    for (method, [reference, same, moved]) in cases {
        let quiet = one(method, reference.clone(), same);
        assert_eq!((quiet.verdict, quiet.drift, quiet.alarm), (Verdict::Stable, false, false), "{quiet:?}");
        let loud = one(method, reference, moved);
        assert_eq!((loud.verdict, loud.drift, loud.alarm), (Verdict::Alarm, true, true), "{loud:?}");
        assert!(loud.p < quiet.p && loud.effect.value > quiet.effect.value, "{method}");
        assert_eq!((loud.method, loud.scale), (method, method.scale()));
        let read: DriftResult = serde_json::from_value(serde_json::to_value(&loud).unwrap()).unwrap();
        assert_eq!(read, loud);
    }
}

#[test]
fn what_is_too_small_to_matter_is_drift_and_no_alarm() {
    // Of 60,000 values a tenth of a deviation is certain, and nothing to wake anybody for.
    let (x, y) = (numbers(1, 60_000, 0.0), numbers(2, 60_000, 0.05));
    let result = one(Method::Ks, Column::numbers(x), Column::numbers(y));
    assert_eq!((result.drift, result.alarm, result.verdict), (true, false, Verdict::Drift), "{result:?}");
    assert_eq!((result.test, result.effect.floor), (Test::KsAsymptotic, 0.1));
    // Vectors that have moved clearly, and an application to which that is little.
    let (x, y) = (vectors(1, 60, 6, 0.0), vectors(2, 60, 6, 0.9));
    let (x, y) = (Rows::new(&x, 6).unwrap(), Rows::new(&y, 6).unwrap());
    let verdict = judge(x, y, &EmbeddingOptions::default().floors(0.95, 0.95)).unwrap();
    assert_eq!((verdict.drift, verdict.alarm, verdict.verdict), (true, false, Verdict::Drift), "{verdict:?}");
}

#[test]
fn permutations_follow_from_the_seed() {
    let (x, y) = (vectors(1, 60, 4, 0.0), vectors(2, 60, 4, 0.0));
    let (x, y) = (Rows::new(&x, 4).unwrap(), Rows::new(&y, 4).unwrap());
    let energy = |seed| judge(x, y, &EmbeddingOptions::default().seed(seed)).unwrap().tests.remove(0).p;
    assert_eq!(energy(1), energy(1));
    assert!((2..6).any(|seed| energy(seed) != energy(1)));
}

#[test]
fn many_features_are_corrected_for() {
    let columns =
        |seed: u64| (0..40).map(move |n| (format!("f{n:02}"), Column::numbers(numbers(seed * 100 + n, 80, 0.0))));
    let (mut plain, mut corrected) = (0, 0);
    for draw in 0..6 {
        let mut detector = DriftDetector::new(Method::Ks).correction(Correction::BenjaminiHochberg);
        detector.set_reference(columns(2 * draw + 1)).unwrap();
        let results = detector.detect(columns(2 * draw + 2)).unwrap();
        corrected += results.iter().filter(|result| result.drift).count();
        plain += results.iter().filter(|result| result.p.unwrap() <= 0.05).count();
        let mut uncorrected = detector.clone().without_correction();
        uncorrected.set_reference(columns(2 * draw + 1)).unwrap();
        let said = uncorrected.detect(columns(2 * draw + 2)).unwrap();
        assert!(said.iter().all(|result| result.drift == (result.p.unwrap() <= 0.05)));
    }
    assert!(corrected <= 1 && plain >= 4, "{corrected} corrected, {plain} not");
}

#[test]
fn one_of_many_features_is_found_by_permutations_too() {
    let columns = |seed: u64, last: f64| {
        let shift = move |n: u64| if n == 79 { last } else { 0.0 };
        (0..80).map(move |n| (format!("f{n:02}"), Column::numbers(numbers(seed * 100 + n, 60, shift(n)))))
    };
    let mut detector = DriftDetector::new(Method::Wasserstein);
    detector.set_reference(columns(1, 0.0)).unwrap();
    let results = detector.detect(columns(2, 3.0)).unwrap();
    let drifted: Vec<_> = results.iter().filter(|result| result.drift).map(|it| it.feature.as_str()).collect();
    assert_eq!(drifted, ["f79"], "{:?}", results.last());
}

#[test]
fn too_few_rows_have_no_verdict() {
    let cases = [
        (Method::Ks, Column::numbers(numbers(1, 49, 0.0)), Column::numbers(numbers(2, 49, 9.0))),
        (Method::Auto, categories(1, 49, &["a"]), categories(1, 300, &["b"])),
        (Method::Auto, Column::vectors(vec![0.0; 98], 2).unwrap(), Column::vectors(vec![1.0; 600], 2).unwrap()),
        (Method::Cosine, Column::vectors(vec![0.5; 98], 2).unwrap(), Column::vectors(vec![1.0; 600], 2).unwrap()),
    ];
    for (method, reference, current) in cases {
        let result = one(method, reference, current);
        assert_eq!((result.verdict, result.drift, result.alarm), (Verdict::Insufficient, false, false));
        assert!(result.notes.contains(&Note::FewRows) && result.p.is_none(), "{result:?}");
        assert_eq!(result.reference.rows, 49);
    }
}

#[test]
fn constant_missing_and_broken_columns_are_findings() {
    let constant = |value: f64| Column::numbers(vec![value; 100]);
    for method in [Method::Ks, Method::Psi, Method::Sigma, Method::Wasserstein, Method::JensenShannon] {
        let same = one(method, constant(3.0), constant(3.0));
        assert!(same.notes.contains(&Note::Constant) && same.verdict == Verdict::Stable, "{same:?}");
        let left = one(method, constant(3.0), constant(4.0));
        assert!(left.notes.contains(&Note::ConstantReference) && left.alarm, "{left:?}");
    }
    let mut detector = DriftDetector::new(Method::Auto);
    detector.set_reference([("gone", constant(1.0)), ("kept", constant(1.0))]).unwrap();
    let results = detector.detect([("kept", constant(1.0)), ("new", constant(1.0))]).unwrap();
    let verdicts: Vec<_> = results.iter().map(|it| (it.feature.as_str(), it.verdict)).collect();
    assert_eq!(verdicts, [("gone", Verdict::Insufficient), ("kept", Verdict::Stable), ("new", Verdict::Insufficient)]);
    assert!(results[0].notes.contains(&Note::MissingColumn) && results[2].notes.contains(&Note::MissingColumn));

    let mut holes: Vec<Option<f64>> = numbers(1, 200, 0.0).into_iter().map(Some).collect();
    holes[..30].fill(None);
    holes[30..40].fill(Some(f64::NAN));
    let result = one(Method::Ks, Column::numbers(numbers(2, 200, 0.0)), Column::Numbers(holes));
    assert_eq!((result.current.rows, result.current.missing, result.current.not_finite), (160, 30, 10));
    assert!(result.notes.contains(&Note::MissingShareChanged));
    let mut rows = vectors(1, 100, 2, 0.0);
    rows[7] = f32::NAN;
    let result =
        one(Method::Auto, Column::vectors(vectors(2, 100, 2, 0.0), 2).unwrap(), Column::vectors(rows, 2).unwrap());
    assert_eq!((result.current.rows, result.current.not_finite), (99, 1));
}

#[test]
fn small_counts_and_unseen_categories_are_told() {
    let rows = |counts: &[(&'static str, usize)]| {
        Column::categories(counts.iter().flat_map(|(name, count)| vec![*name; *count]).collect::<Vec<_>>())
    };
    let rare = one(Method::ChiSquare, rows(&[("a", 58), ("b", 2)]), rows(&[("a", 57), ("b", 3)]));
    assert_eq!((rare.test, rare.verdict), (Test::Fisher, Verdict::Stable));
    assert!(rare.notes.contains(&Note::SmallExpectedCounts));
    let several =
        one(Method::ChiSquare, rows(&[("a", 56), ("b", 2), ("c", 2)]), rows(&[("a", 50), ("b", 9), ("d", 1)]));
    assert_eq!(several.test, Test::ChiSquarePermuted);
    assert!(several.notes.contains(&Note::UnseenCategories(1)));
    assert_eq!(
        one(Method::Auto, rows(&[("a", 60), ("b", 60)]), rows(&[("a", 70), ("b", 50)])).test,
        Test::TwoProportions
    );
    let many = |from: usize| Column::categories((from..from + 1_500).map(|n| n.to_string()));
    assert!(one(Method::ChiSquare, many(0), many(10)).notes.contains(&Note::RareCategoriesJoined));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    let kind = |result: driftline::Result<Vec<DriftResult>>| result.unwrap_err().kind();
    let fits = || Column::numbers(numbers(1, 60, 0.0));
    let mut detector = DriftDetector::new(Method::Auto);
    assert!(detector.detect([("x", fits())]).unwrap_err().to_string().contains("no reference"));
    let empty = detector.set_reference([("x", Column::numbers([]))]).unwrap_err();
    assert!(empty.to_string().contains("no rows of x"), "{empty}");
    assert!(detector.set_reference::<&str>([]).is_err());

    detector.set_reference([("x", Column::vectors(vectors(1, 60, 3, 0.0), 3).unwrap())]).unwrap();
    let other = || Column::vectors(vectors(1, 60, 4, 0.0), 4).unwrap();
    assert_eq!(kind(detector.detect([("x", other())])), ErrorKind::Dimension);

    for (values, dimension) in [(vec![1.0; 3], 0), (vec![1.0; 3], 2)] {
        let ragged = Column::Vectors { values, dimension };
        assert_eq!(kind(detector.detect([("x", ragged.clone())])), ErrorKind::Invalid);
        assert!(DriftDetector::default().set_reference([("x", ragged)]).is_err());
    }

    let mut misspelt = DriftDetector::new(Method::Ks).features(["prise"]);
    let error = misspelt.set_reference([("price", fits())]).unwrap_err().to_string();
    assert!(error.contains("did you mean `price`"), "{error}");
    let mut wrong = DriftDetector::new(Method::Cosine);
    wrong.set_reference([("price", fits())]).unwrap();
    let error = wrong.detect([("price", fits())]).unwrap_err().to_string();
    assert!(error.contains("price") && error.contains("cosine"), "{error}");
    for refused in [
        DriftDetector::new(Method::Ks).threshold(0.0),
        DriftDetector::new(Method::Ks).threshold(1.5),
        DriftDetector::new(Method::Psi).threshold(f64::NAN),
        DriftDetector::new(Method::Psi).level(2.0),
        DriftDetector::new(Method::Ks).effect_floor(-1.0),
        DriftDetector::new(Method::Ks).min_rows(1),
        DriftDetector::new(Method::Auto).embedding(EmbeddingOptions::default().permutations(3)),
    ] {
        let mut refused = refused;
        assert_eq!(refused.set_reference([("x", fits())]).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn thresholds_are_on_the_scale_of_their_method() {
    let (x, y) = (numbers(1, 400, 0.0), numbers(2, 400, 1.0));
    let moved = one(Method::Sigma, Column::numbers(x.clone()), Column::numbers(y.clone()));
    // One deviation is sure to have happened, and is less than the two that are asked for.
    assert_eq!((moved.scale, moved.threshold, moved.drift, moved.alarm), (Scale::Sigma, 2.0, true, false));
    let mut strict = DriftDetector::new(Method::Sigma).threshold(0.5);
    strict.set_reference([("it", Column::numbers(x))]).unwrap();
    assert!(strict.detect([("it", Column::numbers(y))]).unwrap()[0].alarm);
    assert_eq!((DriftDetector::default().method(), Method::Ks.default_threshold()), (Method::Ks, 0.05));
}

#[test]
fn new_clusters_are_shown_by_their_rows_and_broken_dimensions_by_their_numbers() {
    let (x, mut y) = (vectors(1, 200, 8, 0.0), vectors(2, 200, 8, 0.0));
    for row in [3, 70, 71, 150, 151, 152, 199] {
        y[row * 8..row * 8 + 8].fill(6.0);
    }
    let verdict = judge(Rows::new(&x, 8).unwrap(), Rows::new(&y, 8).unwrap(), &EmbeddingOptions::default()).unwrap();
    let effects = verdict.effects.unwrap();
    assert!(effects.novelty_p < 0.1 && effects.novelty_share >= 0.035, "{effects:?}");
    let p = |verdict: &EmbeddingVerdict, of: Test| verdict.tests.iter().find(|it| it.test == of).unwrap().p;
    assert_eq!(p(&verdict, Test::Novelty), Some(effects.novelty_p), "it is one of the tests that decide");
    let far = [3, 70, 71, 150, 151, 152, 199];
    assert!(verdict.novel.len() == 5 && verdict.novel.iter().all(|it| far.contains(&it.row)), "{:?}", verdict.novel);
    assert!(verdict.novel.iter().all(|it| it.nearest.len() == 3 && it.nearest[0].1 <= it.nearest[2].1));

    let mut broken = vectors(3, 200, 8, 0.0);
    (0..200).for_each(|row| broken[row * 8 + 5] *= 0.2);
    let verdict =
        judge(Rows::new(&x, 8).unwrap(), Rows::new(&broken, 8).unwrap(), &EmbeddingOptions::default()).unwrap();
    assert_eq!((verdict.dimensions[0].dimension, verdict.drift), (5, true));
    assert_eq!(p(&verdict, Test::Dimensions), Some(verdict.dimensions[0].adjusted_p));
    assert_eq!(verdict.effects.unwrap().drifted_dimensions, 0.125);
}

#[test]
fn extra_tests_stand_beside_the_verdict_and_do_not_change_it() {
    let (x, y) = (vectors(1, 90, 5, 0.0), vectors(2, 90, 5, 0.8));
    let (x, y) = (Rows::new(&x, 5).unwrap(), Rows::new(&y, 5).unwrap());
    let plain = judge(x, y, &EmbeddingOptions::default()).unwrap();
    let all = judge(x, y, &EmbeddingOptions::default().extra(ExtraTest::ALL)).unwrap();
    assert_eq!((plain.p, &plain.tests, plain.extra.len()), (all.p, &all.tests, 0));
    let tests: Vec<_> = all.extra.iter().map(|it| it.test).collect();
    let wanted =
        [Test::Mmd, Test::Classifier, Test::SlicedWasserstein, Test::Hotelling, Test::Reconstruction, Test::Frechet];
    assert_eq!(tests, wanted);
    let sure = all.extra.iter().filter(|it| it.p.is_some_and(|p| p <= 0.01)).count();
    assert!(sure >= 4 && all.extra[5].p.is_none() && all.extra[5].statistic > 0.5, "{:?}", all.extra);
    let short = judge(x, y, &EmbeddingOptions::default().extra([ExtraTest::Hotelling])).unwrap();
    assert!(short.notes.is_empty());
    let wide = vectors(1, 60, 20, 0.0);
    let wide = Rows::new(&wide, 20).unwrap();
    let left_out = judge(wide, wide, &EmbeddingOptions::default().extra([ExtraTest::Hotelling])).unwrap();
    assert_eq!(left_out.notes, [Note::TestLeftOut(Test::Hotelling)]);
}

#[test]
fn embeddings_that_do_not_drift_are_left_in_peace_at_the_level() {
    let options = EmbeddingOptions::default().permutations(99).level(0.05);
    let drifts = (0..60)
        .filter(|draw| {
            let (x, y) = (vectors(2 * draw + 500, 60, 4, 0.0), vectors(2 * draw + 501, 60, 4, 0.0));
            judge(Rows::new(&x, 4).unwrap(), Rows::new(&y, 4).unwrap(), &options).unwrap().drift
        })
        .count();
    // Of 60 draws at 0.05, 999 of 1,000 simulations alarm at most nine times.
    assert!(drifts <= 9, "{drifts} of 60");
}

#[test]
fn the_kind_of_drift_is_told() {
    let mut detector = DriftDetector::new(Method::Ks).kind(DriftKind::Prediction);
    detector.set_reference([("score", Column::numbers(numbers(1, 60, 0.0)))]).unwrap();
    let results = detector.detect([("score", Column::numbers(numbers(2, 60, 0.0)))]).unwrap();
    assert_eq!(results[0].kind, DriftKind::Prediction);
    let rows = Column::vectors(vectors(1, 60, 2, 0.0), 2).unwrap();
    assert_eq!(one(Method::Auto, rows.clone(), rows).kind, DriftKind::Embedding);
}

/// Rows of real data sets with known truth, outside the project: in a directory that `DRIFTLINE_ORACLES` names, or beside
/// it. Where they are not there, this says so and passes.
#[cfg(feature = "exchange")]
mod real {
    use std::path::PathBuf;

    use driftline::mlops::drift::{Column, DriftDetector, Method};
    use serde_json::Value;

    fn folder() -> Option<PathBuf> {
        let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/oracles/real");
        let folder = std::env::var_os("DRIFTLINE_ORACLES").map_or_else(|| shared.into(), PathBuf::from);
        if folder.is_dir() {
            return Some(folder);
        }
        eprintln!("left out: {} is not there, so the real cases were not judged", folder.display());
        None
    }

    fn column(folder: &std::path::Path, sample: &Value) -> Column {
        let bytes = std::fs::read(folder.join(sample["file"].as_str().unwrap())).unwrap();
        let array = npyz::NpyFile::new(&bytes[..]).unwrap();
        let dimension = array.shape()[1] as usize;
        let values: Vec<f32> = match array.dtype().descr().contains("u1") {
            true => array.into_vec::<u8>().unwrap().into_iter().map(f32::from).collect(),
            false => array.into_vec::<f32>().unwrap(),
        };
        let rows = sample["rows"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap() as usize);
        let values = rows.flat_map(|row| values[row * dimension..(row + 1) * dimension].to_vec()).collect();
        Column::vectors(values, dimension).unwrap()
    }

    #[test]
    fn real_rows_get_the_verdict_of_their_truth() {
        let Some(folder) = folder() else { return };
        let cases: Value = serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
        let (mut quiet, mut loud) = (0, 0);
        for case in cases["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let mut detector = DriftDetector::new(Method::Auto);
            detector.set_reference([("rows", column(&folder, &case["reference"]))]).unwrap();
            let result = &detector.detect([("rows", column(&folder, &case["current"]))]).unwrap()[0];
            if case["truth"] == "none" {
                assert!(!result.drift && !result.alarm, "{name}: {result:?}");
                quiet += 1;
            } else if case["severity"].is_null() || name.contains("noise of 4 ") || name.contains("rotated") {
                assert!(result.p.is_some_and(|p| p <= 0.05), "{name}: {result:?}");
                loud += usize::from(result.alarm);
            }
        }
        // Of the eleven, slight turns of a picture are drift whose effect is below the floor, or sure at 0.05 only.
        assert!(quiet == 4 && loud >= 9, "{quiet} quiet, {loud} loud");
    }
}
