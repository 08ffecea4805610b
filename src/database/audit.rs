//! A small sample of the queries that are asked, kept to be asked again.
//!
//! A query that is not drawn pays for one number, one that is for a copy of itself, and none ever waits: while the sample
//! is locked by somebody else, what would be put in is let go.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::clock::Timestamp;
use crate::filter::Filter;
use crate::ids::CollectionId;
use crate::index::Effort;
use crate::random::Random;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::vector::Vector;

/// Queries that are kept for one audit.
const CAPACITY: usize = 64;
/// How long the first of them waits for others, so that no more than those are asked again in such a time.
const WAIT: Duration = Duration::from_secs(60);
/// The seed of a store is used for this by streams of its own.
const STREAM: u64 = 1;

/// A query as it was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LiveQuery {
    pub(crate) collection: CollectionId,
    pub(crate) vector: Vector,
    pub(crate) filter: Option<Filter>,
    pub(crate) k: usize,
    pub(crate) within: f32,
    pub(crate) effort: Effort,
}

/// The sample. Any thread may offer queries; one takes them out.
#[derive(Debug)]
pub(crate) struct Audit {
    /// A query is drawn when the hash of its number is below this.
    below: u64,
    seed: u64,
    /// How many queries there were.
    asked: AtomicU64,
    kept: Mutex<Kept>,
}

/// What was drawn since the last audit: a reservoir, so that each is as likely to be kept as any other.
#[derive(Debug)]
struct Kept {
    queries: Vec<LiveQuery>,
    /// How many were drawn.
    drawn: u64,
    /// When the first was.
    since: Timestamp,
    random: Random,
}

impl Audit {
    /// Keeps about this share of all queries, 0 to 1; which ones follows from the seed.
    pub(crate) fn new(share: f64, seed: u64) -> Audit {
        let mut random = Random::seeded(seed, STREAM);
        let seed = random.draw();
        let kept = Kept { queries: Vec::new(), drawn: 0, since: Timestamp(0), random };
        // The conversion saturates.
        let below = (share * 2f64.powi(64)) as u64;
        Audit { below, seed, asked: AtomicU64::new(0), kept: Mutex::new(kept) }
    }

    /// Whether queries are kept at all.
    pub(crate) fn is_on(&self) -> bool {
        self.below > 0
    }

    /// Keeps a query, or lets it go; true when whoever waits for queries has to look again.
    pub(crate) fn offer(&self, now: impl FnOnce() -> Timestamp, query: impl FnOnce() -> LiveQuery) -> bool {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        if xxh3_64_with_seed(&number.to_le_bytes(), self.seed) >= self.below {
            return false;
        }
        let (now, query) = (now(), query());
        let Some(mut kept) = self.kept.try_lock() else { return false };
        let (looks, gone) = kept.put(query, now);
        drop(kept);
        // What it took the place of goes here, where nobody is kept from offering.
        drop(gone);
        looks
    }

    /// Takes the queries out when they are to be asked again, which is when the first has waited its time.
    pub(crate) fn take_due(&self, now: Timestamp) -> Vec<LiveQuery> {
        let mut kept = self.kept.lock();
        if !kept.wait(now).is_some_and(|wait| wait.is_zero()) {
            return Vec::new();
        }
        kept.drawn = 0;
        std::mem::take(&mut kept.queries)
    }

    /// How long until they are; none while there are no queries.
    pub(crate) fn wait(&self, now: Timestamp) -> Option<Duration> {
        self.kept.lock().wait(now)
    }
}

impl Kept {
    /// Keeps a query; tells whether to look at the queries now, and what is not kept.
    fn put(&mut self, query: LiveQuery, now: Timestamp) -> (bool, Option<LiveQuery>) {
        self.drawn += 1;
        let begins = self.queries.is_empty();
        if begins {
            self.since = now;
        }
        let looks = begins || self.wait(now).is_some_and(|wait| wait.is_zero());
        if self.queries.len() < CAPACITY {
            self.queries.push(query);
            return (looks, None);
        }
        let place = self.random.below(self.drawn) as usize;
        let gone = match self.queries.get_mut(place) {
            Some(kept) => std::mem::replace(kept, query),
            None => query,
        };
        (looks, Some(gone))
    }

    fn wait(&self, now: Timestamp) -> Option<Duration> {
        match self.queries.is_empty() {
            true => None,
            // A clock that was set back makes nobody wait longer than was promised.
            false if now < self.since => Some(Duration::ZERO),
            false => Some(WAIT.saturating_sub(now.since(self.since))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(number: u64) -> LiveQuery {
        LiveQuery {
            collection: CollectionId(1),
            vector: Vector::F32(vec![number as f32]),
            filter: None,
            k: 10,
            within: f32::INFINITY,
            effort: Effort::default(),
        }
    }

    fn offer(audit: &Audit, number: u64) -> bool {
        audit.offer(|| Timestamp(0), || query(number))
    }

    #[test]
    fn a_query_waits_for_nobody() {
        let audit = Audit::new(1.0, 7);
        let busy = audit.kept.lock();
        assert!(!offer(&audit, 1), "it would hang here if it waited");
        drop(busy);
        assert!(offer(&audit, 2));
        assert_eq!(audit.take_due(Timestamp(60_000_000)), [query(2)]);
    }

    #[test]
    fn a_share_is_drawn_and_so_many_are_kept_of_each_age() {
        let mut kept_of_first_half = 0;
        for seed in 0..40 {
            let audit = Audit::new(0.25, seed);
            let mut copies = 0;
            for number in 0..4_000 {
                audit.offer(
                    || Timestamp(0),
                    || {
                        copies += 1;
                        query(number)
                    },
                );
            }
            assert!((850..1_150).contains(&copies), "{copies} of 4,000 were copied");
            let kept = audit.take_due(Timestamp(60_000_000));
            assert_eq!(kept.len(), CAPACITY);
            kept_of_first_half += kept.iter().filter(|it| it.vector.view().as_f32().unwrap()[0] < 2_000.0).count();
        }
        assert!((1_100..1_460).contains(&kept_of_first_half), "{kept_of_first_half} of {}", 40 * CAPACITY);
        let off = Audit::new(0.0, 1);
        assert!(!off.is_on() && !offer(&off, 1) && off.take_due(Timestamp(i64::MAX)).is_empty());
    }

    #[test]
    fn queries_are_due_when_the_first_has_waited() {
        let audit = Audit::new(1.0, 1);
        let (early, late) = (Timestamp(59_999_999), Timestamp(60_000_000));
        assert_eq!(audit.wait(early), None);
        assert!(offer(&audit, 1) && !offer(&audit, 2));
        assert_eq!(audit.wait(early), Some(Duration::from_micros(1)));
        assert!(audit.take_due(early).is_empty());
        assert_eq!(audit.take_due(late).len(), 2);
        audit.offer(|| late, || query(3));
        assert_eq!(audit.wait(early), Some(Duration::ZERO), "the clock was set back");
        assert_eq!(audit.take_due(early).len(), 1);
        assert_eq!(audit.wait(late), None);
        let woke: Vec<bool> = (0..CAPACITY as u64 + 9).map(|number| offer(&audit, number)).collect();
        assert!(woke[0] && !woke[1..].contains(&true), "the first begins the wait");
        assert!(audit.take_due(early).is_empty(), "however many there are");
        assert!(audit.offer(|| late, || query(4)), "whoever comes when it is time tells so");
        assert_eq!(audit.take_due(late).len(), CAPACITY);
    }
}
