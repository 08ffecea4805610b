//! Who is linked to whom while a graph is built.

use crate::sync::{Mutex, MutexGuard};

/// Rows that share a lock while lists change. Pieces of work own whole shards, so nobody ever waits.
pub(super) const SHARD: usize = 1024;

/// A link from one row to another, and how far that is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Link {
    pub(super) row: u32,
    pub(super) distance: f32,
}

impl Link {
    /// Further than any other.
    pub(super) const NONE: Link = Link { row: u32::MAX, distance: f32::INFINITY };

    /// By distance, then by row: two links of one row are never equal.
    #[inline(always)]
    pub(super) fn key(&self) -> u64 {
        // Floats that are not below zero are ordered as their bits are.
        u64::from(self.distance.to_bits()) << 32 | u64::from(self.row)
    }

    /// The link of this key.
    #[inline(always)]
    pub(super) fn of(key: u64) -> Link {
        Link { row: key as u32, distance: f32::from_bits((key >> 32) as u32) }
    }
}

/// How many links of a row there are.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// Links that lead each another way, which stand first.
    diverse: u8,
    /// Those and the ones that fill the list up behind them. Both parts are sorted, the nearest first.
    all: u8,
}

/// The links of all rows.
#[derive(Debug)]
pub(super) struct Lists {
    degree: usize,
    rows: Vec<u32>,
    distances: Vec<f32>,
    counts: Vec<Count>,
}

impl Lists {
    pub(super) fn new(rows: usize, degree: usize) -> Lists {
        Lists {
            degree,
            rows: vec![0; rows * degree],
            distances: vec![0.0; rows * degree],
            counts: vec![Count::default(); rows],
        }
    }

    /// The rows that `row` is linked to, those of the diverse part first.
    #[inline(always)]
    pub(super) fn of(&self, row: u32) -> &[u32] {
        let first = row as usize * self.degree;
        &self.rows[first..first + usize::from(self.counts[row as usize].all)]
    }

    /// The same with distances.
    #[inline(always)]
    pub(super) fn links(&self, row: u32) -> impl Iterator<Item = Link> {
        let first = row as usize * self.degree;
        let distances = &self.distances[first..first + self.degree];
        self.of(row).iter().zip(distances).map(|(row, distance)| Link { row: *row, distance: *distance })
    }

    /// All of it in shards that can be written side by side.
    pub(super) fn shards(&mut self) -> Vec<Mutex<Shard<'_>>> {
        let (degree, width) = (self.degree, SHARD * self.degree.max(1));
        let rows = self.rows.chunks_mut(width);
        let distances = self.distances.chunks_mut(width);
        let parts = rows.zip(distances).zip(self.counts.chunks_mut(SHARD));
        parts.map(|((rows, distances), counts)| Mutex::new(Shard { degree, rows, distances, counts })).collect()
    }

    /// The links alone, lists that are short filled up with the row's own number.
    pub(super) fn to_links(&self) -> Vec<u32> {
        let mut rows = self.rows.clone();
        for (row, (links, count)) in rows.chunks_mut(self.degree).zip(&self.counts).enumerate() {
            links[usize::from(count.all)..].fill(row as u32);
        }
        rows
    }
}

/// The links of the rows of a shard.
#[derive(Debug)]
pub(super) struct Shard<'a> {
    degree: usize,
    rows: &'a mut [u32],
    distances: &'a mut [f32],
    counts: &'a mut [Count],
}

impl Shard<'_> {
    /// Reads the list of the row at this place of the shard.
    pub(super) fn read(&self, place: usize, list: &mut List) {
        let (first, count) = (place * self.degree, self.counts[place]);
        let part = |range: std::ops::Range<usize>, into: &mut Vec<Link>| {
            into.clear();
            let pairs = self.rows[range.clone()].iter().zip(&self.distances[range]);
            into.extend(pairs.map(|(row, distance)| Link { row: *row, distance: *distance }));
        };
        part(first..first + usize::from(count.diverse), &mut list.diverse);
        part(first + usize::from(count.diverse)..first + usize::from(count.all), &mut list.fillers);
    }

    /// Writes what fits of `list`.
    pub(super) fn write(&mut self, place: usize, list: &List) {
        let first = place * self.degree;
        let (rows, distances) =
            (&mut self.rows[first..first + self.degree], &mut self.distances[first..first + self.degree]);
        let mut all = 0;
        for ((link, row), distance) in list.diverse.iter().chain(&list.fillers).zip(rows).zip(distances) {
            (*row, *distance) = (link.row, link.distance);
            all += 1;
        }
        // A degree is at most 128.
        self.counts[place] = Count { diverse: list.diverse.len().min(all) as u8, all: all as u8 };
    }
}

/// The links of one row, being changed.
#[derive(Debug, Default, Clone)]
pub(super) struct List {
    /// Each leads another way than those nearer.
    pub(super) diverse: Vec<Link>,
    /// The nearest of the others.
    pub(super) fillers: Vec<Link>,
}

impl List {
    /// The links that are to be linked back: the diverse ones, or all.
    pub(super) fn answered(&self, all: bool) -> impl Iterator<Item = &Link> {
        self.diverse.iter().chain(self.fillers.iter().take(if all { usize::MAX } else { 0 }))
    }
}

/// Puts a link where it belongs by its distance, once.
pub(super) fn insert(links: &mut Vec<Link>, link: Link) {
    let place = links.partition_point(|other| other.key() < link.key());
    if links.get(place) != Some(&link) {
        links.insert(place, link);
    }
}

/// A guard of a shard.
pub(super) type Held<'a, 'b> = MutexGuard<'a, Shard<'b>>;
