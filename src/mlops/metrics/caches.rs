//! What caches do.

use std::collections::BTreeMap;

use super::store::Names;
use super::text::{Exposition, Family};
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::cache::{CacheOverview, CacheStats};

/// A figure of a cache, and the metric that tells it.
type Figure = (&'static str, &'static str, fn(&CacheStats) -> u64);

const COUNTERS: [Figure; 4] = [
    ("driftline_cache_hits_total", "Look-ups that found something.", |it| it.hits),
    ("driftline_cache_misses_total", "Look-ups that found nothing.", |it| it.misses),
    ("driftline_cache_evictions_total", "Entries that had to make room.", |it| it.evictions),
    ("driftline_cache_expired_total", "Entries that were found to have expired.", |it| it.expired),
];
const GAUGES: [Figure; 2] = [
    ("driftline_cache_entries", "Entries there are.", |it| it.entries),
    ("driftline_cache_bytes", "What the entries take, on the disk and in memory.", |it| it.bytes),
];

/// The caches that are kept in the store, by their names.
pub(super) fn tell(db: &Database, text: &mut Exposition) -> Result<()> {
    let caches = db.caches()?;
    for (metric, help, figure) in COUNTERS {
        each(&caches, figure, &mut text.counter(metric, help));
    }
    for (metric, help, figure) in GAUGES {
        each(&caches, figure, &mut text.gauge(metric, help));
    }
    Ok(())
}

fn each(caches: &[CacheOverview], figure: fn(&CacheStats) -> u64, family: &mut Family<'_>) {
    let names = Names::of(caches.iter().map(|it| it.name.as_str()));
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for cache in caches {
        *sums.entry(names.label(&cache.name)).or_default() += figure(&cache.stats);
    }
    sums.iter().for_each(|(cache, sum)| family.sample(&[("cache", cache)], *sum as f64));
}
