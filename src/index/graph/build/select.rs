//! Choosing which rows a row is linked to: not the nearest alone, but near ones that lie in different directions.
//!
//! A candidate is passed over where one that is nearer has been taken and is closer to the candidate than the row itself
//! is (times alpha): a search gets there through that one. This is the rule of HNSW (Malkov and Yashunin, algorithm 4)
//! and of DiskANN. What was passed over fills the list up in the end.

use super::lists::{Link, List, insert};
use crate::index::graph::points::Points;
use crate::vector::kernel::Kernels;

/// How links are chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// Links of a row.
    pub(super) degree: usize,
    /// How many times closer, squared, a taken row must be to a candidate than the row that chooses.
    pub(super) alpha: f32,
}

/// Memory for choosing, used again and again.
#[derive(Debug, Default)]
pub(super) struct Space {
    rows: Vec<u32>,
    distances: Vec<f32>,
    left: Vec<Link>,
}

impl Rule {
    /// Chooses among `candidates`, which are sorted and of which none is twice there.
    #[inline(always)]
    pub(super) fn choose<P: Points, K: Kernels>(
        &self,
        points: &P,
        kernels: K,
        candidates: &[Link],
        space: &mut Space,
        list: &mut List,
    ) {
        let Space { rows, distances, left } = space;
        list.diverse.clear();
        list.fillers.clear();
        left.clear();
        left.extend_from_slice(candidates);
        let mut first = 0;
        while first < left.len() && list.diverse.len() < self.degree {
            let taken = left[first];
            first += 1;
            list.diverse.push(taken);
            rows.clear();
            rows.extend(left[first..].iter().map(|link| link.row));
            distances.resize(rows.len(), 0.0);
            points.distances(kernels, taken.row, rows, distances);
            let mut kept = first;
            for place in first..left.len() {
                let link = left[place];
                if self.alpha * distances[place - first] <= link.distance {
                    list.fillers.push(link);
                } else {
                    left[kept] = link;
                    kept += 1;
                }
            }
            left.truncate(kept);
        }
        list.fillers.extend_from_slice(&left[first..]);
        self.fill(list);
    }

    /// Keeps as many fillers as there is room for, the nearest.
    #[inline(always)]
    fn fill(&self, list: &mut List) {
        let room = self.degree - list.diverse.len();
        if list.fillers.len() > room && room > 0 {
            list.fillers.select_nth_unstable_by_key(room - 1, Link::key);
        }
        list.fillers.truncate(room);
        list.fillers.sort_unstable_by_key(Link::key);
    }

    /// Adds a link back to a row that chose this one. Compares it with the diverse links alone, so that a full list costs
    /// as many distances as it has links, and not the square of that. True when the list has changed.
    #[inline(always)]
    pub(super) fn offer<P: Points, K: Kernels>(
        &self,
        points: &P,
        kernels: K,
        link: Link,
        space: &mut Space,
        list: &mut List,
    ) -> bool {
        if list.diverse.iter().chain(&list.fillers).any(|other| other.row == link.row) {
            return false;
        }
        let full = list.diverse.len() + list.fillers.len() == self.degree;
        let (place, stays) = self.place(points, kernels, link, space, list);
        if !stays {
            let last = list.fillers.last().map_or(0, Link::key);
            if full && last < link.key() {
                return false;
            }
            insert(&mut list.fillers, link);
        } else {
            // Those behind that now lie the same way become fillers.
            let mut at = place;
            for distance in &space.distances {
                if self.alpha * distance <= list.diverse[at].distance {
                    let demoted = list.diverse.remove(at);
                    insert(&mut list.fillers, demoted);
                } else {
                    at += 1;
                }
            }
            list.diverse.insert(place, link);
        }
        if list.diverse.len() > self.degree {
            list.diverse.pop();
        }
        list.fillers.truncate(self.degree - list.diverse.len());
        true
    }

    /// Where among the diverse links this one belongs, and whether it is one. If it is, leaves its distances from those
    /// behind in `space`.
    #[inline(always)]
    fn place<P: Points, K: Kernels>(
        &self,
        points: &P,
        kernels: K,
        link: Link,
        space: &mut Space,
        list: &List,
    ) -> (usize, bool) {
        let Space { rows, distances, .. } = space;
        let place = list.diverse.partition_point(|other| other.key() < link.key());
        rows.clear();
        rows.extend(list.diverse.iter().map(|other| other.row));
        let (nearer, further) = rows.split_at(place);
        // The nearest lie in the way most often.
        for some in nearer.chunks(4) {
            distances.resize(some.len(), 0.0);
            points.distances(kernels, link.row, some, distances);
            if distances.iter().any(|distance| self.alpha * distance <= link.distance) {
                return (place, false);
            }
        }
        distances.resize(further.len(), 0.0);
        points.distances(kernels, link.row, further, distances);
        (place, true)
    }
}
