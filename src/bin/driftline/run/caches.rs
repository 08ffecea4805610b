//! `cache`: what the caches of the store hold, and how often they helped.

use std::time::Duration;

use driftline::mlops::{Cache, CacheOverview};
use driftline::statement::CacheStatement;
use driftline::{Error, ErrorKind, json};

use crate::failure::Outcome;
use crate::render::{self, Plain};
use crate::session::Session;

pub(super) fn cache(session: &mut Session, asked: &CacheStatement) -> Outcome {
    match asked {
        CacheStatement::List => list(session),
        CacheStatement::Show(name) => show(session, name),
        CacheStatement::Get(name) => get(session, name),
        CacheStatement::Clear(name) => {
            let cleared = session.store.writing()?.clear_cache(name)?;
            let told = || format!("forgot {} of {}", entries(cleared), render::plain(name));
            session.output.one(&json!({"cache": name, "cleared": cleared}), told)
        }
    }
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".into() } else { format!("{} entries", render::count(count)) }
}

fn list(session: &mut Session) -> Outcome {
    let row = |it: CacheOverview| {
        let cells = vec![
            render::plain(&it.name),
            render::count(it.stats.entries),
            render::size(it.stats.bytes),
            render::count(it.stats.hits),
            render::count(it.stats.misses),
            ratio(&it),
            render::count(it.stats.evictions),
            it.max_entries.map_or_else(String::new, render::count),
            kept_for(&it),
        ];
        Ok(Plain { thing: it, cells })
    };
    let caches = session.store.reading()?.caches()?;
    let headings = ["cache", "entries", "size", "hits", "misses", "hit ratio", "evicted", "limit", "kept for"];
    session.output.many(&headings, caches.into_iter().map(row))
}

fn ratio(cache: &CacheOverview) -> String {
    cache.hit_ratio.map_or_else(String::new, |ratio| format!("{:.1} %", ratio * 100.0))
}

/// How long entries are kept, where that is known.
fn kept_for(cache: &CacheOverview) -> String {
    match (cache.max_entries, cache.ttl_ms) {
        (None, _) => String::new(),
        (_, None) => "ever".into(),
        (_, Some(ttl)) => humantime::format_duration(Duration::from_millis(ttl)).to_string(),
    }
}

fn show(session: &mut Session, name: &str) -> Outcome {
    let caches = session.store.reading()?.caches()?;
    let Some(cache) = caches.iter().find(|it| it.name == *name) else {
        let known: Vec<&str> = caches.iter().map(|it| &*it.name).collect();
        let error = Error::new(ErrorKind::NotFound, format!("there is no cache `{}`", render::plain(name)));
        return Err(match &known[..] {
            [] => error.mend("there is none yet").into(),
            known => error.mend(format!("name one of: {}", known.join(", "))).into(),
        });
    };
    session.output.one(cache, || {
        render::pairs([
            ("cache", render::plain(&cache.name)),
            ("entries", render::count(cache.stats.entries)),
            ("size", render::size(cache.stats.bytes)),
            ("hits", render::count(cache.stats.hits)),
            ("misses", render::count(cache.stats.misses)),
            ("hit ratio", ratio(cache)),
            ("evicted", render::count(cache.stats.evictions)),
            ("expired", render::count(cache.stats.expired)),
            ("limit", cache.max_entries.map_or_else(String::new, entries)),
            ("kept for", kept_for(cache)),
        ])
    })
}

fn get(session: &mut Session, name: &str) -> Outcome {
    let db = session.store.reading()?;
    // A look must not make the cache.
    let there = db.caches()?.iter().any(|it| it.name == "values");
    let value = if there { db.cache()?.get(name)? } else { None };
    let Some(value) = value else {
        let error = Error::new(ErrorKind::NotFound, format!("nothing is kept under {name:?}"));
        return Err(error.mend("it was never kept, had to make room, or its time was over").into());
    };
    let value = value.to_json();
    session.output.one(&value, || render::plain(&value.to_string()))
}
