use super::{Graph, GraphParameters, build};
use crate::index::graph::points::{CodedPoints, Points};
use crate::pool::Pool;
use crate::random::Random;
use crate::vector::kernel::{Kernels, Task};

fn coded(rows: &[Vec<f32>]) -> CodedPoints {
    let dimension = rows.first().map_or(1, Vec::len);
    let row = |row: usize, into: &mut [f32]| {
        into.copy_from_slice(&rows[row]);
        Ok(())
    };
    CodedPoints::encode(rows.len(), dimension, row, &Pool::inline()).unwrap()
}

/// Rows around a few centers.
fn clustered(count: usize, dimension: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random::seeded(seed, 0);
    let mut draw = |wide: f64| (0..dimension).map(|_| ((random.unit() - 0.5) * wide) as f32).collect::<Vec<f32>>();
    let centers: Vec<Vec<f32>> = (0..16).map(|_| draw(4.0)).collect();
    let near = |center: &Vec<f32>, by: Vec<f32>| center.iter().zip(by).map(|(center, by)| center + by).collect();
    (0..count).map(|row| near(&centers[row % 16], draw(1.0))).collect()
}

const PARAMETERS: GraphParameters = GraphParameters { degree: 16, ef_construction: 48, alpha: 1.0, seed: 7 };

fn built(rows: &[Vec<f32>], threads: usize) -> Graph {
    build_with(rows, &PARAMETERS, threads)
}

/// With a hundredth of the rows held back until the end.
fn build_with(rows: &[Vec<f32>], parameters: &GraphParameters, threads: usize) -> Graph {
    let held: Vec<u32> = (0..rows.len() as u32).step_by(100).collect();
    let (points, pool) = (coded(rows), Pool::new(threads).unwrap());
    build(&points, parameters, &held, &pool, &|| false).unwrap().unwrap().finish(&|| false).unwrap().unwrap()
}

/// What holds of every graph.
fn check(graph: &Graph, rows: usize) {
    assert_eq!(graph.links.len(), rows * graph.degree);
    let list = |row: usize| &graph.links[row * graph.degree..(row + 1) * graph.degree];
    for row in 0..rows {
        let mut others: Vec<u32> = list(row).iter().copied().filter(|other| *other != row as u32).collect();
        let count = others.len();
        assert!(list(row)[..count].iter().all(|other| *other != row as u32), "{row}: padding is at the end");
        assert!(others.iter().all(|other| (*other as usize) < rows), "{row}: {others:?}");
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), count, "{row}: a link twice");
    }
    for entry in &graph.entries {
        let mut seen = vec![false; rows];
        let mut open = vec![*entry];
        while let Some(row) = open.pop() {
            if !std::mem::replace(&mut seen[row as usize], true) {
                open.extend_from_slice(list(row as usize));
            }
        }
        assert_eq!(seen.iter().position(|seen| !seen), None, "a row that cannot be got to from {entry}");
    }
    assert_eq!(graph.unreachable, 0);
}

#[test]
fn groups_that_lie_apart_can_be_got_to_from_each_other() {
    let mut rows = clustered(3000, 24, 1);
    for (row, values) in rows.iter_mut().enumerate() {
        values.iter_mut().for_each(|value| *value += (row % 5) as f32 * 1000.0);
    }
    let graph = built(&rows, 2);
    assert!(graph.unreachable_before_repair > 0);
    check(&graph, 3000);
}

#[test]
fn every_row_can_be_got_to_and_no_link_is_there_twice() {
    for count in [0, 1, 2, 3, 17, 33, 500, 3000] {
        check(&built(&clustered(count, 24, 1), 2), count);
    }
}

#[test]
fn a_graph_does_not_depend_on_the_number_of_threads() {
    let rows = clustered(4000, 24, 2);
    let one = built(&rows, 1);
    assert!(one == built(&rows, 3));
    let other = GraphParameters { seed: 8, ..PARAMETERS };
    let other = build_with(&rows, &other, 1);
    assert!(one != other, "the seed counts");
}

#[test]
fn rows_that_are_all_the_same_and_rows_on_a_line_make_a_graph() {
    check(&built(&vec![vec![1.0; 8]; 3000], 2), 3000);
    check(&built(&vec![vec![0.0; 8]; 1500], 2), 1500);
    let line: Vec<Vec<f32>> = (0..3000).map(|row| vec![row as f32; 8]).collect();
    check(&built(&line, 2), 3000);
    let mut two = vec![vec![1.0, 0.0]; 2000];
    two.extend(vec![vec![0.0, 1.0]; 2000]);
    check(&built(&two, 2), 4000);
}

/// Rows that come last, when the others have chosen, are not to be much harder to find: not many fewer links lead to them.
#[test]
fn links_lead_to_rows_that_were_held_back_as_to_others() {
    let held = |row: u32| row % 20 == 7;
    let rows = clustered(5000, 24, 6);
    let (points, pool) = (coded(&rows), Pool::new(2).unwrap());
    let back: Vec<u32> = (0..5000).filter(|row| held(*row)).collect();
    let unfinished = build(&points, &PARAMETERS, &back, &pool, &|| false).unwrap().unwrap();
    let graph = unfinished.finish(&|| false).unwrap().unwrap();
    let (to_held, to_others): (Vec<u32>, Vec<u32>) = graph.links.iter().partition(|row| held(**row));
    // One row in twenty was.
    let share = to_held.len() as f64 * 19.0 / to_others.len() as f64;
    assert!(share > 0.7, "{share} of the links that lead to others");
}

#[test]
fn most_nearest_rows_are_found_by_following_few_links() {
    let rows = clustered(5000, 24, 3);
    let (graph, points) = (built(&rows, 2), coded(&rows));
    let all: Vec<u32> = (0..5000).collect();
    let (mut found, mut wanted) = (0, 0);
    for row in (0..5000).step_by(50) {
        let nearest = |rows: &[u32], count: usize| {
            let mut distances = vec![0.0; rows.len()];
            crate::vector::kernel::with(Distances(&points, row, rows, &mut distances));
            let mut nearest: Vec<(u32, u32)> =
                distances.iter().map(|d| d.to_bits()).zip(rows.iter().copied()).collect();
            nearest.sort_unstable();
            nearest.truncate(count);
            nearest
        };
        let mut seen: Vec<u32> = graph.entries.clone();
        let mut followed = Vec::new();
        for _ in 0..40 {
            let next = nearest(&seen, usize::MAX).into_iter().find(|(_, row)| !followed.contains(row));
            let Some((_, next)) = next else { break };
            followed.push(next);
            seen.extend_from_slice(&graph.links[next as usize * 16..(next as usize + 1) * 16]);
            seen.sort_unstable();
            seen.dedup();
        }
        let truth = nearest(&all, 11);
        found += nearest(&seen, 11).iter().filter(|row| truth.contains(row)).count();
        wanted += truth.len();
    }
    assert!(found * 100 >= wanted * 95, "{found} of {wanted}");
}

struct Distances<'a>(&'a CodedPoints, u32, &'a [u32], &'a mut [f32]);

impl Task for Distances<'_> {
    type Output = ();
    fn run<K: Kernels>(self, kernels: K) {
        self.0.distances(kernels, self.1, self.2, self.3);
    }
}

#[test]
fn a_build_that_is_stopped_makes_no_graph() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let rows = clustered(3000, 8, 4);
    for after in [0, 1, 5, 10] {
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= after;
        assert!(build(&coded(&rows), &PARAMETERS, &[], &Pool::inline(), &stop).unwrap().is_none());
    }
}

#[test]
fn a_build_may_be_stopped_while_rows_are_attached_to_the_graph() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let (points, pool) = (coded(&vec![vec![1.0; 8]; 3000]), Pool::inline());
    let finish = |after: u32| {
        let asked = AtomicU32::new(0);
        let unfinished = build(&points, &PARAMETERS, &[0, 100, 200], &pool, &|| false).unwrap().unwrap();
        let graph = unfinished.finish(&|| asked.fetch_add(1, Ordering::Relaxed) >= after).unwrap();
        (graph, asked.into_inner())
    };
    let (whole, asked) = finish(u32::MAX);
    let attached = whole.unwrap().unreachable_before_repair;
    assert!(attached > 1000 && asked > attached, "{attached} {asked}");
    for after in [0, 2, 500, asked - 1] {
        assert!(finish(after).0.is_none(), "stopped after {after}");
    }
}

#[test]
fn any_size_of_numbers_makes_a_graph() {
    for size in [1e-44f32, 1e-30, 1e-15, 1e15, 1e30, 3e38] {
        let rows: Vec<Vec<f32>> = clustered(600, 12, 5);
        let rows: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|value| value / 3.0 * size).collect()).collect();
        check(&built(&rows, 1), 600);
    }
}
