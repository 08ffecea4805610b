//! Making sure that a search can get to every row, wherever it begins.

use std::collections::{HashSet, VecDeque};

use super::Graph;
use crate::index::graph::points::Points;
use crate::vector::kernel::{self, Kernels, Task};

/// Rows whose links are followed to find the nearest that can be got to.
const STEPS: usize = 64;

/// Adds a link to each row that cannot be got to from the first entry, from the nearest one found that can and has a link
/// to spare, and counts them. Then the other entries get a link to the first, where no way leads there. A link is to spare
/// when no row was first met by it.
pub(super) fn repair<P: Points>(points: &P, graph: &mut Graph) {
    let Some(root) = graph.entries.first().copied() else { return };
    let mut tree = Tree { parents: vec![NONE; points.len()], queue: VecDeque::new() };
    tree.meet(root, ENTRY);
    tree.follow(graph);
    for row in 0..points.len() as u32 {
        if tree.parents[row as usize] == NONE {
            graph.unreachable_before_repair += 1;
            kernel::with(Attach { points, graph, tree: &mut tree, row });
            tree.follow(graph);
        }
    }
    for entry in lead_to(graph, root).1 {
        if let Some(place) = tree.spare(graph, entry) {
            graph.links[entry as usize * graph.degree + place] = root;
        }
    }
}

/// The most rows that cannot be got to from one of the entries.
pub(super) fn unreachable(graph: &Graph, rows: usize) -> u32 {
    let Some(root) = graph.entries.first().copied() else { return 0 };
    let left = |entry: u32| rows - met_from(graph, entry, |_| false).0.len();
    let stranded = lead_to(graph, root).1.into_iter().map(left);
    stranded.chain([left(root)]).max().unwrap_or(0) as u32
}

/// The entries from which a way leads to `root`, and those from which none does.
fn lead_to(graph: &Graph, root: u32) -> (HashSet<u32>, Vec<u32>) {
    let mut lead = HashSet::from([root]);
    let mut stranded = Vec::new();
    for entry in &graph.entries {
        // Most ways soon come by an entry that is known.
        let found = lead.contains(entry) || met_from(graph, *entry, |row| lead.contains(&row)).1;
        if found {
            lead.insert(*entry);
        } else {
            stranded.push(*entry);
        }
    }
    (lead, stranded)
}

/// The rows that can be got to from one, up to the first that will do, and whether there is one.
fn met_from(graph: &Graph, from: u32, will_do: impl Fn(u32) -> bool) -> (HashSet<u32>, bool) {
    let mut met = HashSet::from([from]);
    let mut queue = VecDeque::from([from]);
    while let Some(row) = queue.pop_front() {
        for to in links(graph, row) {
            if will_do(*to) {
                return (met, true);
            }
            if met.insert(*to) {
                queue.push_back(*to);
            }
        }
    }
    (met, false)
}

/// A row that was not met.
const NONE: u32 = u32::MAX;

/// A row that a search begins at.
const ENTRY: u32 = u32::MAX - 1;

/// By which row each was first met.
struct Tree {
    parents: Vec<u32>,
    queue: VecDeque<u32>,
}

impl Tree {
    fn meet(&mut self, row: u32, by: u32) {
        if self.parents[row as usize] == NONE {
            self.parents[row as usize] = by;
            self.queue.push_back(row);
        }
    }

    /// Follows the links of all rows met.
    fn follow(&mut self, graph: &Graph) {
        while let Some(row) = self.queue.pop_front() {
            for to in links(graph, row) {
                self.meet(*to, row);
            }
        }
    }

    /// A place in the list of `row` for another link: one that is free, or the last one that no row was first met by.
    fn spare(&self, graph: &Graph, row: u32) -> Option<usize> {
        let list = links(graph, row);
        let free = list.iter().position(|to| *to == row);
        free.or_else(|| list.iter().rposition(|to| self.parents[*to as usize] != row))
    }
}

fn links(graph: &Graph, row: u32) -> &[u32] {
    &graph.links[row as usize * graph.degree..(row as usize + 1) * graph.degree]
}

/// Adds a link to one row.
struct Attach<'a, P> {
    points: &'a P,
    graph: &'a mut Graph,
    tree: &'a mut Tree,
    row: u32,
}

impl<P: Points> Task for Attach<'_, P> {
    type Output = ();
    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Attach { points, graph, tree, row } = self;
        let mut near = near(points, kernels, graph, row);
        near.retain(|other| tree.parents[*other as usize] != NONE);
        // Links of all rows together are more than the rows that are met by them, so some row has one to spare.
        let all = (0..points.len() as u32).filter(|other| tree.parents[*other as usize] != NONE);
        let from = near.into_iter().chain(all).find_map(|from| Some((from, tree.spare(graph, from)?)));
        if let Some((from, place)) = from {
            graph.links[from as usize * graph.degree + place] = row;
            tree.meet(row, from);
        }
    }
}

/// Rows about `row` that links lead to from an entry, the nearest first.
#[inline(always)]
fn near<P: Points, K: Kernels>(points: &P, kernels: K, graph: &Graph, row: u32) -> Vec<u32> {
    let mut seen = HashSet::new();
    let mut found: Vec<(u32, u32, bool)> = Vec::new();
    let mut compare = |rows: &[u32], found: &mut Vec<(u32, u32, bool)>| {
        let fresh: Vec<u32> = rows.iter().copied().filter(|row| seen.insert(*row)).collect();
        let mut distances = vec![0.0; fresh.len()];
        points.distances(kernels, row, &fresh, &mut distances);
        found.extend(distances.iter().zip(fresh).map(|(distance, row)| (distance.to_bits(), row, true)));
    };
    compare(&graph.entries, &mut found);
    for _ in 0..STEPS {
        let Some(next) = found.iter_mut().filter(|row| row.2).min() else { break };
        next.2 = false;
        let next = next.1;
        compare(links(graph, next), &mut found);
    }
    found.sort_unstable();
    found.into_iter().map(|row| row.1).collect()
}
