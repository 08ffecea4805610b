//! What a verdict on vectors costs, quiet and with drift: `cargo bench --bench detectors`.
//!
//! Rows are drawn from ten classes and scaled to length 1. Where there is drift, each tenth row is of an eleventh class: then
//! all permutations are drawn, where a quiet window ends after some dozens.

#![expect(clippy::expect_used, reason = "a bench that cannot go on stops")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use driftline::Random;
use driftline::mlops::drift::embedding::{EmbeddingOptions, judge};
use driftline::stats::normal::draw;
use driftline::stats::rows::Rows;

const CLASSES: usize = 10;

/// Rows of these classes in turn, of a share of them instead of the class that is new.
fn rows(seed: u64, count: usize, dimension: usize, novel_every: Option<usize>) -> Vec<f32> {
    let mut centres = Random::seeded(7, dimension as u64);
    let centres: Vec<f64> = (0..(CLASSES + 1) * dimension).map(|_| draw(&mut centres)).collect();
    let mut random = Random::seeded(seed, 1);
    let row = |row: usize| {
        let class = if novel_every.is_some_and(|every| row.is_multiple_of(every)) { CLASSES } else { row % CLASSES };
        let centre = &centres[class * dimension..][..dimension];
        let row: Vec<f64> = centre.iter().map(|at| at + 1.5 * draw(&mut random)).collect();
        let length = row.iter().map(|number| number * number).sum::<f64>().sqrt();
        row.into_iter().map(move |number| (number / length) as f32)
    };
    (0..count).flat_map(row).collect()
}

fn verdicts(c: &mut Criterion) {
    let mut group = c.benchmark_group("auto");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    let options = EmbeddingOptions::default();
    for (count, dimension) in [(200, 384), (1_000, 768)] {
        let reference = rows(1, count, dimension, None);
        for (name, novel_every) in [("quiet", None), ("drift", Some(10))] {
            let current = rows(2, count, dimension, novel_every);
            let of = |rows| Rows::new(rows, dimension).expect("whole rows");
            let verdict = judge(of(&reference), of(&current), &options).expect("good samples");
            assert_eq!(verdict.drift, novel_every.is_some(), "{name}");
            group.bench_function(format!("{count}_and_{count}_rows_of_{dimension}/{name}"), |bencher| {
                bencher.iter(|| judge(black_box(of(&reference)), black_box(of(&current)), &options));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, verdicts);
criterion_main!(benches);
