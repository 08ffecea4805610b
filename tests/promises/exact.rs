//! Exact search is exact: what codes, batches of rows and threads save is time, never an answer.

use std::collections::BTreeSet;

use driftline::{Collection, Database, Hits, Maintenance, Metric, Options, Random, Record, Schema};

const DIMENSION: usize = 48;
const ROWS: u64 = 3_000;

/// A few clusters, so that some rows are much nearer than others, and some are equal.
fn vectors() -> Vec<Vec<f32>> {
    let mut random = Random::seeded(1, 0);
    let centres: Vec<Vec<f32>> = (0..20).map(|_| vector(&mut random, 4.0, &[0.0; DIMENSION])).collect();
    let mut vectors: Vec<_> = (0..ROWS as usize).map(|row| vector(&mut random, 1.0, &centres[row % 20])).collect();
    (0..100).for_each(|row| vectors[row * 20 + 7] = vectors[row].clone());
    vectors
}

fn vector(random: &mut Random, spread: f64, around: &[f32]) -> Vec<f32> {
    around.iter().map(|value| value + ((random.unit() - 0.5) * spread) as f32).collect()
}

fn filled(metric: Metric, threads: usize) -> (Database, Collection) {
    let options = Options::new().maintenance(Maintenance::Manual).threads(threads);
    let db = options.in_memory().unwrap();
    let items = db.create_collection("items", Schema::vector(DIMENSION, metric)).unwrap();
    let records = vectors().into_iter().zip(0u64..).map(|(vector, key)| Record::new(key).vector(vector));
    items.put_all(records).unwrap();
    (0..ROWS).step_by(9).for_each(|key| assert!(items.delete(key).unwrap()));
    (db, items)
}

fn found(hits: &Hits) -> Vec<(String, u32)> {
    hits.iter().map(|hit| (hit.key.to_string(), hit.distance.to_bits())).collect()
}

#[test]
fn a_sealed_collection_answers_as_it_did_in_memory_bit_for_bit() {
    for metric in [Metric::L2, Metric::Cosine, Metric::Dot, Metric::L1] {
        let (_in_memory, rows) = filled(metric, 1);
        let (sealed, coded) = filled(metric, 3);
        sealed.flush().unwrap();
        for query in vectors().into_iter().step_by(211) {
            for k in [1, 10, 150, 1_000] {
                let ask = |items: &Collection| items.query().nearest(&query).k(k).run().unwrap();
                let (by_rows, by_codes) = (ask(&rows), ask(&coded));
                assert_eq!(found(&by_codes), found(&by_rows), "{metric} {k}");
                let keys: BTreeSet<_> = by_codes.keys().collect();
                assert_eq!(keys.len(), k);
                assert_eq!(by_rows.stats.code_distances, 0);
                if k <= 150 {
                    assert_eq!(by_codes.stats.code_distances, by_rows.stats.distances);
                    assert!(by_codes.stats.distances < 1_000, "{metric} {k}: {:?}", by_codes.stats);
                    assert!(by_codes.stats.bytes < by_rows.stats.bytes, "{metric} {k}: {:?}", by_codes.stats);
                }
            }
        }
    }
}

/// Pairs of vectors with their distances in 64 bits, by numpy.
#[test]
fn distances_are_those_of_64_bits_but_for_the_rounding_of_32() {
    let whole: serde_json::Value =
        serde_json::from_str(include_str!("../fixtures/oracles/linear_algebra.json")).unwrap();
    let pairs = whole["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == "vectors");
    let mut seen = 0;
    for case in pairs {
        let vector = |name: &str| serde_json::from_value::<Vec<f32>>(case[name].clone()).unwrap();
        let (a, b) = (vector("a_f32"), vector("b_f32"));
        let wanted = |name: &str| case[name].as_f64().unwrap();
        for (metric, wanted, scale) in [
            (Metric::L2, wanted("euclidean").powi(2), wanted("euclidean").powi(2)),
            (Metric::L1, wanted("manhattan"), wanted("manhattan")),
            (Metric::Cosine, 1.0 - wanted("cosine"), 1.0),
            (Metric::Dot, -wanted("dot"), wanted("norm_a") * b.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt()),
        ] {
            let db = Database::in_memory().unwrap();
            let one = db.create_collection("one", Schema::vector(a.len(), metric)).unwrap();
            one.put(Record::new(1u64).vector(b.clone())).unwrap();
            let got = f64::from(one.query().nearest(a.clone()).run().unwrap().iter().next().unwrap().distance);
            assert!((got - wanted).abs() <= 1e-5 * scale, "{} {metric:?}: {got}, not {wanted}", case["name"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
}
