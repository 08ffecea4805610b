//! Real data: 60,000 images are imported from the files they come in and searched, and the answers are those of a
//! search by hand.
//!
//! The files lie outside the project, in a directory that `DRIFTLINE_MNIST` names or in `../shared/data/mnist`. Where
//! there is none, the test says so and checks nothing.

use std::ops::ControlFlow;
use std::path::PathBuf;

use driftline::exchange::{self, ImportOptions, Input, Source};
use driftline::{Database, Key, Metric, Record};

use super::support::threads::for_each_case;

const QUERIES: u64 = 60;

fn directory() -> Option<PathBuf> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/mnist");
    let place = std::env::var_os("DRIFTLINE_MNIST").map_or_else(|| shared.into(), PathBuf::from);
    place.join("train-images-idx3-ubyte.gz").exists().then_some(place)
}

/// Pixels as whole numbers, whose distances no kernel rounds.
fn images(source: Source) -> Vec<Vec<i32>> {
    let pixels = |record: Record| record.vector.unwrap().view().as_f32().unwrap().iter().map(|p| *p as i32).collect();
    Input::open(source, &ImportOptions::new()).unwrap().map(|record| pixels(record.unwrap())).collect()
}

fn nearest(images: &[Vec<i32>], query: &[i32], passes: impl Fn(u64) -> bool) -> Vec<(i32, Key)> {
    let distance = |image: &[i32]| image.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum::<i32>();
    let among = (0u64..).zip(images).filter(|(key, _)| passes(*key));
    let mut found: Vec<(i32, u64)> = among.map(|(key, image)| (distance(image), key)).collect();
    found.sort_unstable();
    found.into_iter().take(10).map(|(distance, key)| (distance, key.into())).collect()
}

#[test]
fn images_from_their_files_are_found_as_by_hand_with_and_without_a_filter() {
    let Some(directory) = directory() else {
        return eprintln!("skipped: no MNIST files; set DRIFTLINE_MNIST to the directory that holds them");
    };
    let file = |name: &str| directory.join(format!("{name}-ubyte.gz"));
    let db = Database::in_memory().unwrap();
    let options = ImportOptions::new().labels(file("train-labels-idx1"));
    let source = Source::file(file("train-images-idx3"));
    let mut go_on = |_| ControlFlow::Continue(());
    let report = exchange::import_new(&db, "mnist", Some(Metric::L2), source, &options, &mut go_on).unwrap();
    assert_eq!(report.rows, 60_000);

    let mnist = db.collection("mnist").unwrap();
    let train = images(Source::file(file("train-images-idx3")));
    let queries = images(Source::file(file("t10k-images-idx3")));
    let sevens = mnist.scan().filter("label = 7").unwrap().map(|record| record.unwrap().key);
    let sevens: Vec<u64> = sevens.map(|key| key.as_number().unwrap()).collect();
    assert_eq!(sevens.len(), 6265, "as many as the data set is known to hold");
    for_each_case(QUERIES, |number| {
        let query = &queries[number as usize];
        let vector: Vec<f32> = query.iter().map(|pixel| *pixel as f32).collect();
        let pairs = |hits: driftline::Hits| -> Vec<(i32, Key)> {
            hits.into_iter().map(|hit| (hit.distance as i32, hit.key)).collect()
        };
        let hits = mnist.query().nearest(vector.clone()).k(10).run().unwrap();
        assert_eq!(pairs(hits), nearest(&train, query, |_| true), "query {number}");
        let hits = mnist.query().nearest(vector).k(10).filter("label = 7").unwrap().run().unwrap();
        assert_eq!(pairs(hits), nearest(&train, query, |key| sevens.binary_search(&key).is_ok()), "query {number}");
    });
}
