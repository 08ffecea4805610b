//! The floors, walls and fences of the house, and whoever breaks them.

use std::collections::{BTreeMap, BTreeSet};

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

/// Groups of files, and of rooms, each of which reaches all the others.
///
/// A folder's own `mod.rs` may name its parts while they use what it defines: together they are one noun. So its
/// imports of its parts do not count here.
fn circles(imports: &[Import]) -> Vec<String> {
    let outward = || imports.iter().filter(|import| !import.names_own_part);
    let files = outward().map(|import| (import.from_file.as_str(), import.to_file.as_str()));
    let mut groups = connected(files.collect());
    if groups.is_empty() {
        groups = connected(outward().map(|import| (import.from_room.as_str(), import.to_room.as_str())).collect());
    }
    groups.into_iter().map(|group| format!("a circle: {}", group.join(" <-> "))).collect()
}

fn connected<'a>(edges: BTreeSet<(&'a str, &'a str)>) -> BTreeSet<Vec<&'a str>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.into_iter().filter(|(from, to)| from != to) {
        next.entry(from).or_default().push(to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|start| (*start, reachable(start, &next))).collect();
    let meets = |a: &str, b: &str| reach[a].contains(b) && reach.get(b).is_some_and(|back| back.contains(a));
    let in_circles = reach.keys().filter(|node| meets(node, node));
    in_circles.map(|node| reach[node].iter().copied().filter(|other| meets(node, other)).collect()).collect()
}

fn reachable<'a>(start: &str, next: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<&str> = next.get(start).cloned().unwrap_or_default();
    while let Some(node) = waiting.pop() {
        if seen.insert(node) {
            waiting.extend(next.get(node).into_iter().flatten());
        }
    }
    seen
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
