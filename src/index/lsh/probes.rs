//! In which order the buckets of all tables are looked into: the likeliest first, by one heap over all tables.
//!
//! A probe of a table is its hash with a set of changes, no two of one function; what it costs is the sum of their
//! costs. With the changes of a table in order, every set comes from one that costs no more by putting the next change
//! in the place of its last one, or behind it (Lv et al., Multi-Probe LSH, §4.4). So each table has few probes in the
//! heap, and they leave it in the order of their costs.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::hash::Change;

/// Changes of a table that are combined: a set of them is a word.
const MAX_CHANGES: usize = 64;

/// The probes of a query that are left.
#[derive(Debug)]
pub(super) struct Probes {
    tables: Vec<(u32, Vec<Change>)>,
    heap: BinaryHeap<Probe>,
}

/// One bucket to look into.
#[derive(Debug, Clone, Copy)]
struct Probe {
    cost: f32,
    table: u16,
    hash: u32,
    /// Which changes are made.
    set: u64,
}

impl Probes {
    /// For the hashes of a query and their changes, table by table, each in order.
    pub(super) fn new(mut tables: Vec<(u32, Vec<Change>)>) -> Probes {
        tables.iter_mut().for_each(|(_, changes)| changes.truncate(MAX_CHANGES));
        let first =
            |(table, (hash, _)): (usize, &(u32, _))| Probe { cost: 0.0, table: table as u16, hash: *hash, set: 0 };
        let heap = tables.iter().enumerate().map(first).collect();
        Probes { tables, heap }
    }

    /// The table and the bucket to look into next.
    pub(super) fn next(&mut self) -> Option<(usize, u32)> {
        loop {
            let probe = self.heap.pop()?;
            let (_, changes) = &self.tables[usize::from(probe.table)];
            let valid = is_valid(probe.set, changes);
            self.follow(probe, valid);
            if valid {
                return Some((probe.table.into(), probe.hash));
            }
        }
    }

    /// Puts what comes from a probe into the heap. A set with two changes of a function stays one with more behind it.
    fn follow(&mut self, probe: Probe, valid: bool) {
        let (_, changes) = &self.tables[usize::from(probe.table)];
        let next = (u64::BITS - probe.set.leading_zeros()) as usize;
        let Some(change) = changes.get(next) else { return };
        if let Some(last) = next.checked_sub(1) {
            self.heap.push(Probe {
                cost: probe.cost - changes[last].cost + change.cost,
                hash: probe.hash ^ changes[last].flip ^ change.flip,
                set: probe.set ^ 1 << last ^ 1 << next,
                ..probe
            });
        }
        if valid {
            self.heap.push(Probe {
                cost: probe.cost + change.cost,
                hash: probe.hash ^ change.flip,
                set: probe.set | 1 << next,
                ..probe
            });
        }
    }
}

/// Whether the last change of a set is of a function that no other of it is of; the others were looked at before.
fn is_valid(set: u64, changes: &[Change]) -> bool {
    let Some(last) = (u64::BITS - set.leading_zeros()).checked_sub(1) else { return true };
    let mut others = set ^ 1 << last;
    let function = changes[last as usize].function;
    while others != 0 {
        if changes[others.trailing_zeros() as usize].function == function {
            return false;
        }
        others &= others - 1;
    }
    true
}

/// The cheapest is the greatest; of equally cheap ones that of the first table, then that with the first changes.
impl Ord for Probe {
    fn cmp(&self, other: &Probe) -> Ordering {
        let costs = other.cost.total_cmp(&self.cost);
        costs.then(other.table.cmp(&self.table)).then(other.set.cmp(&self.set))
    }
}

impl PartialOrd for Probe {
    fn partial_cmp(&self, other: &Probe) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Probe {
    fn eq(&self, other: &Probe) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Probe {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::Random;

    #[test]
    fn probes_come_in_the_order_of_their_costs_and_none_is_missing() {
        let mut random = Random::seeded(1, 0);
        let tables: Vec<(u32, Vec<Change>)> = (0..3)
            .map(|table| {
                let mut changes: Vec<Change> = (0..9)
                    .map(|place| Change { cost: random.unit() as f32, flip: 1 << place, function: place as u8 / 3 })
                    .collect();
                changes.sort_by(|a, b| a.cost.total_cmp(&b.cost));
                (table << 16, changes)
            })
            .collect();
        let mut probes = Probes::new(tables.clone());
        let found: Vec<(usize, u32)> = std::iter::from_fn(|| probes.next()).collect();
        // Each of three functions of a table keeps its value or takes one of three others.
        assert_eq!(found.len(), 3 * 64);
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 3 * 64);
        let cost = |(table, hash): &(usize, u32)| {
            let made = tables[*table].1.iter().filter(|change| hash & change.flip != 0);
            made.map(|change| change.cost).sum::<f32>()
        };
        assert!(found.iter().map(cost).collect::<Vec<_>>().is_sorted_by(|a, b| *a <= b + 1e-5));
        assert!(found[..3].iter().all(|probe| cost(probe) == 0.0));
    }
}
