//! Making sure that a search can get to every row, wherever it begins.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};

use super::Graph;
use crate::index::Stop;
use crate::index::graph::points::Points;
use crate::vector::kernel::{self, Kernels, Task};

/// Rows whose links are followed to find the nearest that can be got to.
const STEPS: usize = 64;

/// Adds a link to each row that cannot be got to from the first entry, from the nearest one found that can and has a link
/// to spare, and counts them. Then the other entries get a link to the first, where no way leads there. A link is to spare
/// when no row was first met by it. False when it was stopped.
pub(super) fn repair<P: Points>(points: &P, graph: &mut Graph, stop: &Stop<'_>) -> bool {
    let Some(root) = graph.entries.first().copied() else { return true };
    let mut tree = Tree::new(points.len());
    tree.meet(root, ENTRY);
    tree.follow(graph);
    for row in 0..points.len() as u32 {
        if tree.parents[row as usize] == NONE {
            if stop() {
                return false;
            }
            graph.unreachable_before_repair += 1;
            kernel::with(Attach { points, graph, tree: &mut tree, row });
            tree.follow(graph);
        }
    }
    let Some(stranded) = stranded(graph, root, stop) else { return false };
    for entry in stranded {
        if let Some(place) = tree.spare(graph, entry) {
            graph.links[entry as usize * graph.degree + place] = root;
        }
    }
    true
}

/// The most rows that cannot be got to from one of the entries; `None` when it was stopped.
pub(super) fn unreachable(graph: &Graph, rows: usize, stop: &Stop<'_>) -> Option<u32> {
    let Some(root) = graph.entries.first().copied() else { return Some(0) };
    let mut most = 0;
    for entry in stranded(graph, root, stop)?.into_iter().chain([root]) {
        if stop() {
            return None;
        }
        most = most.max(rows - met_from(graph, entry, |_| false).0.len());
    }
    Some(most as u32)
}

/// The entries from which no way leads to `root`; `None` when it was stopped.
fn stranded(graph: &Graph, root: u32, stop: &Stop<'_>) -> Option<Vec<u32>> {
    let mut lead = HashSet::from([root]);
    let mut stranded = Vec::new();
    for entry in &graph.entries {
        if stop() {
            return None;
        }
        // Most ways soon come by an entry that is known.
        let found = lead.contains(entry) || met_from(graph, *entry, |row| lead.contains(&row)).1;
        if found {
            lead.insert(*entry);
        } else {
            stranded.push(*entry);
        }
    }
    Some(stranded)
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
    /// The rows met, but for those that were found to have no link to spare: none of these ever gets one again.
    open: BinaryHeap<Reverse<u32>>,
}

impl Tree {
    fn new(rows: usize) -> Tree {
        Tree { parents: vec![NONE; rows], queue: VecDeque::new(), open: BinaryHeap::new() }
    }

    fn meet(&mut self, row: u32, by: u32) {
        if self.parents[row as usize] == NONE {
            self.parents[row as usize] = by;
            self.queue.push_back(row);
            self.open.push(Reverse(row));
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

    /// The first row met that has a link to spare, and its place. Where many rows are full each is looked at once, however
    /// often this is asked. Links of all rows together are more than the rows that are met by them, so some row has one.
    fn any_spare(&mut self, graph: &Graph) -> Option<(u32, usize)> {
        while let Some(Reverse(row)) = self.open.peek().copied() {
            if let Some(place) = self.spare(graph, row) {
                return Some((row, place));
            }
            self.open.pop();
        }
        None
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
        let from = near.into_iter().find_map(|from| Some((from, tree.spare(graph, from)?)));
        if let Some((from, place)) = from.or_else(|| tree.any_spare(graph)) {
            graph.links[from as usize * graph.degree + place] = row;
            tree.meet(row, from);
        }
    }
}

/// Rows about `row` that links lead to from an entry, the nearest first.
#[inline(always)]
fn near<P: Points, K: Kernels>(points: &P, kernels: K, graph: &Graph, row: u32) -> Vec<u32> {
    let mut seen = HashSet::new();
    let mut found: Vec<(u32, u32)> = Vec::new();
    let mut open = BinaryHeap::new();
    let mut compare = |rows: &[u32], open: &mut BinaryHeap<Reverse<(u32, u32)>>| {
        let fresh: Vec<u32> = rows.iter().copied().filter(|row| seen.insert(*row)).collect();
        let mut distances = vec![0.0; fresh.len()];
        points.distances(kernels, row, &fresh, &mut distances);
        open.extend(distances.iter().zip(fresh).map(|(distance, row)| Reverse((distance.to_bits(), row))));
    };
    compare(&graph.entries, &mut open);
    for _ in 0..STEPS {
        let Some(Reverse(next)) = open.pop() else { break };
        found.push(next);
        compare(links(graph, next.1), &mut open);
    }
    found.extend(open.into_iter().map(|Reverse(row)| row));
    found.sort_unstable();
    found.into_iter().map(|row| row.1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_full_is_looked_at_once() {
        // The first ten rows lead to two others each, and all but the first are met by them; the last of them leads to
        // one row twice.
        let links = (0..20).flat_map(|row| if row < 10 { [2 * row + 1, (2 * row + 2).min(19)] } else { [0, 0] });
        let graph =
            Graph { degree: 2, links: links.collect(), entries: vec![0], unreachable_before_repair: 0, unreachable: 0 };
        let mut tree = Tree::new(20);
        tree.meet(0, ENTRY);
        tree.follow(&graph);
        assert_eq!(tree.open.len(), 20);
        assert_eq!(tree.any_spare(&graph), Some((10, 1)));
        assert_eq!(tree.open.len(), 10, "those before it are not asked again");
        assert_eq!(tree.any_spare(&graph), Some((10, 1)));
    }
}
