//! One loop each: the kernels under every distance, plain (`scalar`), of the SIMD crate (`simsimd`) and ours (`avx2`).
//!
//! Rows stand in the second-level cache, so that the loop is measured and not the memory. `tile` compares 96 pairs.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use driftline::bench::{KERNELS, code_dots, code_l1, distances, hamming, tiles};
use driftline::{Metric, Random};

const DIMENSIONS: [usize; 4] = [96, 128, 384, 784];
const ROWS: usize = 64;

fn floats(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.unit() as f32 - 0.5).collect()
}

fn group<'a>(c: &'a mut Criterion, name: &str, pairs: usize) -> BenchmarkGroup<'a, criterion::measurement::WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(pairs as u64));
    group
}

fn of_floats(c: &mut Criterion) {
    for dimension in DIMENSIONS {
        let mut random = Random::seeded(1, dimension as u64);
        let (query, rows) = (floats(&mut random, dimension), floats(&mut random, ROWS * dimension));
        for metric in [Metric::L2, Metric::Dot, Metric::L1] {
            let mut group = group(c, &format!("{metric}_{dimension}"), ROWS);
            for name in KERNELS {
                if distances(name, metric, &query, &rows).is_some() {
                    group.bench_function(name, |b| b.iter(|| distances(name, metric, black_box(&query), &rows)));
                }
            }
        }
    }
}

fn of_codes(c: &mut Criterion) {
    for dimension in DIMENSIONS {
        let query: Vec<i16> = (0..dimension).map(|at| (at * 31 % 4000) as i16).collect();
        let codes: Vec<i8> = (0..ROWS * dimension).map(|at| (at * 7919 % 255) as i8).collect();
        let mut dots = vec![0; ROWS];
        let mut codes_group = group(c, &format!("codes_{dimension}"), ROWS);
        for name in KERNELS {
            if code_dots(name, &query, &codes, &mut dots).is_some() {
                codes_group.bench_function(name, |b| {
                    b.iter(|| code_dots(name, black_box(&query), &codes, &mut dots));
                });
            }
        }
        codes_group.finish();
        let query: Vec<f32> = query.into_iter().map(f32::from).collect();
        let mut l1_group = group(c, &format!("codes_l1_{dimension}"), ROWS);
        for name in KERNELS {
            if code_l1(name, &query, &codes, 0.25).is_some() {
                l1_group.bench_function(name, |b| b.iter(|| code_l1(name, black_box(&query), &codes, 0.25)));
            }
        }
        l1_group.finish();
        let mut tile_group = group(c, &format!("tile_{dimension}"), 96 * 100);
        for name in KERNELS {
            if tiles(name, dimension, 1).is_some() {
                tile_group.bench_function(name, |b| b.iter(|| tiles(name, black_box(dimension), 100)));
            }
        }
    }
}

fn of_bits(c: &mut Criterion) {
    for bytes in [32, 128] {
        let rows: Vec<u8> = (0..ROWS * bytes).map(|at| (at * 7919 % 251) as u8).collect();
        let mut group = group(c, &format!("hamming_{}", bytes * 8), ROWS);
        for name in KERNELS {
            if hamming(name, &rows[..bytes], &rows).is_some() {
                group.bench_function(name, |b| b.iter(|| hamming(name, black_box(&rows[..bytes]), &rows)));
            }
        }
    }
}

criterion_group! {
    name = kernels;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = of_floats, of_codes, of_bits
}
criterion_main!(kernels);
