//! The floors, walls and fences of the house, and whoever breaks them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::imports::{self, Import, Source};

/// Rooms from the ground up. A room may import the rooms of lower floors only; files on the ground may import each
/// other, without circles.
const FLOORS: &[&[&str]] = &[
    &["error", "key", "ids", "rows", "bytes", "payload", "clock", "random", "sync", "pool"],
    &["stats"],
    &["vector", "filter"],
    &["quantization"],
    &["index", "storage"],
    &["schema"],
    &["segment"],
    &["collection"],
    &["database"],
    &["exchange", "rescue", "statement"],
    &["mlops", "bench"],
    &["fuzzing"],
    &["lib"],
];

/// A room, and the part of the house it must not see although that part lies below it.
const WALLS: &[(&str, &str)] = &[
    ("storage", "stats"),
    ("storage", "vector"),
    ("storage", "filter"),
    ("storage", "quantization"),
    ("segment", "storage::wal"),
    ("collection", "storage::wal"),
];

/// A word, and the only places where it may stand. A place that ends in `/` is a folder.
const FENCES: &[(&str, &[&str])] = &[
    ("bincode", &["storage/codec.rs"]),
    ("memmap2", &["storage/fs/mmap.rs"]),
    ("simsimd", &["vector/kernel/"]),
    ("statrs", &["stats/special.rs"]),
    ("unsafe", &["storage/fs/mmap.rs", "vector/kernel/"]),
];

/// Every break of the rules, as sentences.
pub(crate) fn violations(sources: &[Source]) -> Vec<String> {
    let reading = imports::read(sources);
    let mut found = reading.refusals;
    found.extend(rooms_without_floor(sources));
    found.extend(reading.imports.iter().filter_map(wrong_way));
    found.extend(circles(&reading.imports));
    found.extend(sources.iter().flat_map(broken_fences));
    found
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn rooms_without_floor(sources: &[Source]) -> Vec<String> {
    let rooms: BTreeSet<_> = sources.iter().filter(|source| !source.is_program()).map(Source::room).collect();
    let unknown = rooms.into_iter().filter(|room| floor(room).is_none());
    unknown.map(|room| format!("src/{room} has no floor: give it one in tests/promises/house/rules.rs")).collect()
}

/// Why an import may not be, if it may not.
fn wrong_way(import: &Import) -> Option<String> {
    let (from, to) = (import.from_room.as_str(), import.to_room.as_str());
    if from == to {
        return None;
    }
    let (lower, upper) = (floor(from)?, floor(to)?);
    let told = format!("src/{} imports {}", import.from_file, import.path);
    if to == "lib" {
        return Some(format!("{told} through lib.rs: import from the module that owns the name"));
    }
    if upper > lower {
        return Some(format!("{told}: upward, {to} stands above {from}"));
    }
    if upper == lower && lower > 0 {
        return Some(format!("{told}: {to} and {from} stand on the same floor and do not see each other"));
    }
    let segments = format!("{}::", import.path);
    let behind_wall = |part: &str| segments.starts_with(&format!("crate::{part}::"));
    let wall = WALLS.iter().find(|(room, part)| *room == from && behind_wall(part))?;
    Some(format!("{told}: through the wall between {} and {}", wall.0, wall.1))
}

/// The shortest circle through each file that is in one; of rooms, where files form none.
///
/// A folder's own `mod.rs` may name its parts while they use what it defines: together they are one noun. So its
/// imports of its parts do not count here.
fn circles(imports: &[Import]) -> Vec<String> {
    let outward = || imports.iter().filter(|import| !import.names_own_part);
    let mut found = shortest_circles(outward().map(|import| (import.from_file.as_str(), import.to_file.as_str())));
    if found.is_empty() {
        found = shortest_circles(outward().map(|import| (import.from_room.as_str(), import.to_room.as_str())));
    }
    found.into_iter().map(|circle| format!("a circle: {} -> {}", circle.join(" -> "), circle[0])).collect()
}

/// Each circle begins with its first name in the order of names, so that it is found once.
fn shortest_circles<'a>(edges: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<Vec<&'a str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges.filter(|(from, to)| from != to) {
        next.entry(from).or_default().insert(to);
    }
    let through = |start: &&'a str| {
        let mut circle = shortest_way_back(start, &next)?;
        let first = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(first, _)| first);
        circle.rotate_left(first);
        Some(circle)
    };
    next.keys().filter_map(through).collect()
}

/// The names on the shortest way from `start` back to it, `start` first.
fn shortest_way_back<'a>(start: &'a str, next: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut ways = VecDeque::from([vec![start]]);
    while let Some(way) = ways.pop_front() {
        for name in next.get(way[way.len() - 1]).into_iter().flatten().copied() {
            if name == start {
                return Some(way);
            }
            if seen.insert(name) {
                ways.push_back([way.as_slice(), &[name]].concat());
            }
        }
    }
    None
}

/// Words that stand outside their fence, in code of any kind, tests too.
fn broken_fences(source: &Source) -> Vec<String> {
    let words = source.words();
    let inside = |place: &&str| source.file == *place || (place.ends_with('/') && source.file.starts_with(*place));
    let broken = FENCES.iter().filter(|(word, places)| words.contains(*word) && !places.iter().any(inside));
    let told = |(word, places): &(&str, &[&str])| {
        format!("src/{} says `{word}`, allowed only in {}", source.file, places.join(", "))
    };
    broken.map(told).collect()
}
