//! What a simulated directory holds after a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pages::{PAGE_BYTES, Pages};
use super::unsynced::{Change, Contents, Directory, Entries, Node, Write};
use crate::random::Random;
use crate::sync::Mutex;

/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;

/// Decides what of the unsynced a power cut spares: each write and each change of a name on its own, so later ones may
/// survive earlier ones.
pub(super) struct Luck {
    random: Random,
    /// How many in 16 survive. It differs from crash to crash, so that long histories are now and then kept or lost
    /// nearly whole.
    kept_in_16: u64,
}

impl Luck {
    pub(super) fn seeded(seed: u64) -> Luck {
        let mut random = Random::seeded(seed, 1);
        let kept_in_16 = [1, 4, 8, 12, 15][random.below(5) as usize];
        Luck { random, kept_in_16 }
    }

    fn change(&mut self, change: &Change, entries: &mut Entries) {
        let Luck { random, kept_in_16 } = self;
        match change {
            // Half done: the new name is there and the old one not yet gone.
            Change::Rename { to, node, .. } if random.one_in(8) => _ = entries.insert(to.clone(), node.clone()),
            _ if random.below(16) < *kept_in_16 => change.apply(entries),
            _ => {}
        }
    }

    fn write(&mut self, write: &Write, pages: &mut Pages) {
        let Luck { random, kept_in_16 } = self;
        let length = write.range().len();
        if random.below(16) < *kept_in_16 {
            return write.apply(0..length, pages);
        }
        grow(write, pages, random);
        match random.below(8) {
            0 => write.apply(0..random.below(length as u64) as usize, pages),
            1 => tear(write, pages, random),
            _ => {}
        }
    }
}

/// A file's length may be durable before its bytes are; then there are zeros, or what the disk held before.
fn grow(write: &Write, pages: &mut Pages, random: &mut Random) {
    let grown = pages.length()..write.range().end;
    if grown.is_empty() {
        return;
    }
    match random.below(4) {
        0 => pages.grow(grown.end),
        1 => {
            let mut garbage = [0; PAGE_BYTES];
            random.fill(&mut garbage);
            pages.repeat(&Arc::new(garbage), grown);
        }
        _ => {}
    }
}

/// Keeps some of the sectors.
fn tear(write: &Write, pages: &mut Pages, random: &mut Random) {
    let range = write.range();
    let mut at = range.start;
    while at < range.end {
        let end = range.end.min((at / SECTOR_BYTES + 1) * SECTOR_BYTES);
        if random.one_in(2) {
            write.apply(at - range.start..end - range.start, pages);
        }
        at = end;
    }
}

impl Directory {
    /// What is there when the power is back; without luck, only what was synced. Shares no file with this directory.
    pub(super) fn after_power_cut(&self, mut luck: Option<Luck>) -> Directory {
        let mut entries = self.durable.clone();
        if let Some(luck) = &mut luck {
            self.unsynced.iter().for_each(|change| luck.change(change, &mut entries));
        }
        let mut copies = Copies::new(|contents| {
            let mut pages = contents.durable.clone();
            if let Some(luck) = &mut luck {
                contents.unsynced.iter().for_each(|write| luck.write(write, &mut pages));
            }
            Contents::durably(pages)
        });
        let current = copies.all(&entries);
        for node in current.values() {
            node.lock().links = 0;
        }
        for node in current.values() {
            node.lock().links += 1;
        }
        Directory { durable: current.clone(), current, unsynced: Vec::new() }
    }

    /// What is there when the program is gone and the operating system is not: everything, durable or not.
    pub(super) fn after_kill(&self) -> Directory {
        let mut copies = Copies::new(Contents::clone);
        let unsynced = self.unsynced.iter().map(|change| match change {
            Change::Create(name, node) => Change::Create(name.clone(), copies.one(node)),
            Change::Remove(name) => Change::Remove(name.clone()),
            Change::Rename { from, to, node } => {
                Change::Rename { from: from.clone(), to: to.clone(), node: copies.one(node) }
            }
        });
        let unsynced = unsynced.collect();
        Directory { unsynced, durable: copies.all(&self.durable), current: copies.all(&self.current) }
    }
}

/// Copies of files, one of each however many names it has.
struct Copies<F> {
    made: BTreeMap<usize, Node>,
    copy: F,
}

impl<F: FnMut(&Contents) -> Contents> Copies<F> {
    fn new(copy: F) -> Copies<F> {
        Copies { made: BTreeMap::new(), copy }
    }

    fn one(&mut self, node: &Node) -> Node {
        let copy = || Arc::new(Mutex::new((self.copy)(&node.lock())));
        self.made.entry(Arc::as_ptr(node) as usize).or_insert_with(copy).clone()
    }

    fn all(&mut self, entries: &Entries) -> Entries {
        entries.iter().map(|(name, node)| (name.clone(), self.one(node))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, File, FileSystem, Lasting, LockMode, ReadMode, SimulatedFs};
    use super::*;

    const SEEDS: u64 = 300;

    fn contents(fs: &SimulatedFs, name: &str) -> Option<Vec<u8>> {
        let length = fs.open(name).ok()?.length().unwrap();
        Some(fs.map(name, length, ReadMode::Heap).unwrap().to_vec())
    }

    fn durable(fs: &SimulatedFs, name: &str, bytes: &[u8]) -> Arc<dyn File> {
        let file = fs.create_new(name).unwrap();
        file.write_at(bytes, 0).unwrap();
        file.sync_data().unwrap();
        fs.sync_dir().unwrap();
        file
    }

    /// How many reboots `holds` is true of.
    fn count(fs: &SimulatedFs, holds: impl Fn(&SimulatedFs) -> bool) -> u64 {
        (0..SEEDS).filter(|&seed| holds(&fs.reboot(seed))).count() as u64
    }

    fn sometimes(fs: &SimulatedFs, what: &str, holds: impl Fn(&SimulatedFs) -> bool) {
        let count = count(fs, holds);
        assert!(count > 0 && count < SEEDS, "{what}: {count} of {SEEDS}");
    }

    fn always(fs: &SimulatedFs, holds: impl Fn(&SimulatedFs) -> bool) {
        assert_eq!(count(fs, &holds), SEEDS);
        assert!(holds(&fs.reboot_losing_all()));
        assert!(holds(&fs.reboot_keeping_all()));
    }

    #[test]
    fn what_is_synced_survives() {
        let fs = SimulatedFs::new(1);
        let bytes: Vec<u8> = (0..20_000).map(|at| (at % 253) as u8).collect();
        let file = durable(&fs, "a", &bytes);
        // What comes later in the same pages does not touch it, kept or not.
        file.write_at(&[0; 9], 20_000).unwrap();
        always(&fs, |fs| contents(fs, "a").unwrap()[..20_000] == bytes);
    }

    #[test]
    fn an_unsynced_write_survives_whole_in_part_or_not() {
        let fs = SimulatedFs::new(1);
        let file = durable(&fs, "a", &[1; 8192]);
        file.write_at(&[2; 8192], 0).unwrap();
        let is = |byte: u8| move |fs: &SimulatedFs| contents(fs, "a").unwrap() == [byte; 8192];
        sometimes(&fs, "lost", is(1));
        sometimes(&fs, "kept", is(2));
        let new_bytes = |fs: &SimulatedFs| contents(fs, "a").unwrap().iter().filter(|&&byte| byte == 2).count();
        let is_prefix = |fs: &SimulatedFs| contents(fs, "a").unwrap().is_sorted_by(|a, b| a >= b);
        sometimes(&fs, "cut short", |fs| is_prefix(fs) && !new_bytes(fs).is_multiple_of(SECTOR_BYTES));
        sometimes(&fs, "torn", |fs| !is_prefix(fs) && new_bytes(fs).is_multiple_of(SECTOR_BYTES));
        always(&fs, |fs| contents(fs, "a").unwrap().iter().all(|byte| [1, 2].contains(byte)));
        assert!(is(1)(&fs.reboot_losing_all()));
        assert!(is(2)(&fs.reboot_keeping_all()));
    }

    #[test]
    fn unsynced_writes_survive_independently() {
        let fs = SimulatedFs::new(1);
        let file = durable(&fs, "a", &[1; 100]);
        file.write_at(&[2; 50], 0).unwrap();
        file.write_at(&[3; 50], 50).unwrap();
        file.write_at(&[4; 50], 50).unwrap();
        let is = |left: u8, right: u8| {
            move |fs: &SimulatedFs| contents(fs, "a").unwrap() == [[left; 50], [right; 50]].concat()
        };
        sometimes(&fs, "the first alone", is(2, 1));
        sometimes(&fs, "the last alone", is(1, 4));
        sometimes(&fs, "an older version", is(2, 3));
        sometimes(&fs, "all", is(2, 4));
    }

    #[test]
    fn growth_survives_as_bytes_as_zeros_as_garbage_or_not() {
        let fs = SimulatedFs::new(1);
        let file = durable(&fs, "a", &[1; 100]);
        file.write_at(&[2; 10_000], 100).unwrap();
        let rest = |fs: &SimulatedFs| contents(fs, "a").unwrap()[100..].to_vec();
        sometimes(&fs, "none", |fs| rest(fs).is_empty());
        sometimes(&fs, "bytes", |fs| rest(fs) == [2; 10_000]);
        sometimes(&fs, "zeros", |fs| rest(fs) == [0; 10_000]);
        sometimes(&fs, "garbage", |fs| rest(fs).iter().any(|byte| ![0, 2].contains(byte)));
        always(&fs, |fs| contents(fs, "a").unwrap()[..100] == [1; 100]);
    }

    #[test]
    fn a_name_survives_only_with_its_directory() {
        let fs = SimulatedFs::new(1);
        durable(&fs, "old", b"old");
        let file = fs.create_new("new").unwrap();
        file.write_at(b"new", 0).unwrap();
        file.sync_all().unwrap();
        fs.remove("old").unwrap();
        sometimes(&fs, "created", |fs| contents(fs, "new").is_some());
        sometimes(&fs, "removed", |fs| contents(fs, "old").is_none());
        always(&fs, |fs| contents(fs, "new").is_none_or(|bytes| bytes == b"new"));
        assert_eq!(fs.reboot_losing_all().list().unwrap(), ["old"]);
        assert_eq!(fs.reboot_keeping_all().list().unwrap(), ["new"]);
        fs.sync_dir().unwrap();
        always(&fs, |fs| fs.list().unwrap() == ["new"]);
    }

    #[test]
    fn a_rename_survives_whole_half_or_not_and_never_loses_the_file() {
        let fs = SimulatedFs::new(1);
        durable(&fs, "m.tmp", b"manifest");
        let error = std::io::ErrorKind::Other;
        let lasting = Lasting::Once;
        fs.inject(Fault::Fail { at_call: fs.calls() + 1, error, lasting });
        fs.publish_new("m.tmp", "m").unwrap_err();
        let names = |fs: &SimulatedFs| fs.list().unwrap();
        sometimes(&fs, "old name", |fs| names(fs) == ["m.tmp"]);
        sometimes(&fs, "new name", |fs| names(fs) == ["m"]);
        sometimes(&fs, "both", |fs| names(fs) == ["m", "m.tmp"]);
        always(&fs, |fs| !names(fs).is_empty());
        always(&fs, |fs| names(fs).iter().all(|name| contents(fs, name).unwrap() == b"manifest"));
        fs.sync_dir().unwrap();
        always(&fs, |fs| names(fs) == ["m"]);
    }

    #[test]
    fn a_published_file_is_there_for_good() {
        let fs = SimulatedFs::new(1);
        let file = fs.create_new("m.tmp").unwrap();
        file.write_at(b"manifest", 0).unwrap();
        file.sync_all().unwrap();
        fs.publish_new("m.tmp", "m").unwrap();
        always(&fs, |fs| fs.list().unwrap() == ["m"] && contents(fs, "m").unwrap() == b"manifest");
    }

    #[test]
    fn a_killed_program_leaves_all_and_a_later_power_cut_still_takes_the_unsynced() {
        let fs = SimulatedFs::new(1);
        let file = durable(&fs, "a", &[1; 100]);
        file.write_at(&[2; 100], 0).unwrap();
        fs.create_new("b").unwrap();
        let _held = fs.lock("LOCK", LockMode::Exclusive).unwrap();
        let after = fs.reboot_keeping_all();
        after.lock("LOCK", LockMode::Exclusive).unwrap();
        assert_eq!(contents(&after, "a").unwrap(), [2; 100]);
        assert_eq!(after.list().unwrap(), ["LOCK", "a", "b"]);
        // The killed program's handle reaches the new directory no more.
        file.write_at(&[3; 100], 0).unwrap();
        assert_eq!(contents(&after, "a").unwrap(), [2; 100]);
        let lost = after.reboot_losing_all();
        assert_eq!(lost.list().unwrap(), ["a"]);
        assert_eq!(contents(&lost, "a").unwrap(), [1; 100]);
    }

    #[test]
    fn a_seed_decides_everything() {
        let image = |seed, reboot| {
            let fs = SimulatedFs::new(seed);
            fs.inject(Fault::PowerCut { at_call: 30 });
            for number in 0..10 {
                let Ok(file) = fs.create_new(&format!("f{number}")) else { break };
                _ = file.write_at(&[number; 3000], u64::from(number) * 700);
                _ = file.write_at(&[100 + number; 3000], 1000);
                _ = file.sync_data();
            }
            let after = fs.reboot(reboot);
            let names = after.list().unwrap();
            names.into_iter().map(|name| (contents(&after, &name), name)).collect::<Vec<_>>()
        };
        assert_eq!(image(1, 1), image(1, 1));
        assert_ne!(image(1, 1), image(1, 2));
        assert!((0..50).any(|seed| image(seed, 1) != image(1, 1)));
    }
}
