//! Reading files piece by piece, in the background or for a caller, and writing down what is damaged.
//!
//! What seems damaged is read once more from the file opened anew, and counts only if it is so again: what the disk
//! gave wrongly once must not be held against good data. What cannot be read for now, because too many files are open,
//! say, is no damage: it has its turn again at the end of the round, and the round waits for it. What the disk cannot
//! read has its turn again, too, twice; then it is written down, so that a bad sector keeps no round from its end.
//! Nothing is changed but for a damaged index, which is left out of searches and built anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::database::background::{IDLE, Work, failure_of};
use crate::database::cancel::CancelToken;
use crate::database::due::Due;
use crate::database::engine::{DatabaseView, Engine};
use crate::database::options::Maintenance;
use crate::database::scrub::{BYTES_PER_SECOND, Reading, Round, ScrubReport, Target, time_for};
use crate::database::store::Store;
use crate::database::verify::report::Problem;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{CollectionId, FileId, Lsn};
use crate::segment::sealed::Sealed;
use crate::storage::names;
use crate::storage::sections::{Container, FileKind, FileRef};
use crate::storage::wal;

/// How often a round tries a file that the disk cannot read.
const ATTEMPTS: usize = 3;

/// How long a caller sleeps between two looks at whether to stop.
const NAP: Duration = Duration::from_millis(20);

/// One round of scrubbing for a caller, built step by step, then run.
///
/// ```
/// # fn main() -> driftline::Result<()> {
/// use driftline::Database;
/// let db = Database::in_memory()?;
/// let report = db.scrub().bytes_per_second(100 << 20).run()?;
/// assert!(report.problems.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is read until it is run"]
pub struct ScrubRound {
    store: Arc<Store>,
    bytes_per_second: u64,
    cancel: CancelToken,
}

impl ScrubRound {
    pub(crate) fn new(store: &Arc<Store>) -> ScrubRound {
        let options = store.engine().scrub.options;
        let bytes_per_second = options.map_or(BYTES_PER_SECOND, |options| options.bytes_per_second);
        ScrubRound { store: Arc::clone(store), bytes_per_second, cancel: CancelToken::new() }
    }

    /// How many bytes are read a second on average. Default: what [`Options::scrub`](crate::Options::scrub) says, or
    /// 16 MiB. 0 is taken for 1.
    pub fn bytes_per_second(mut self, bytes: u64) -> ScrubRound {
        self.bytes_per_second = bytes;
        self
    }

    /// Lets `token` stop it; it then fails with `Cancelled`.
    pub fn cancel(mut self, token: &CancelToken) -> ScrubRound {
        self.cancel = token.clone();
        self
    }

    /// Reads all files once, on the calling thread, and tells what is damaged; sleeps between pieces to keep to the rate.
    /// Fails with `Io` when a file cannot be read for now, as when too many files are open, which says nothing of what is
    /// in it; one that the disk cannot read is among the problems.
    /// Under [`Maintenance::Manual`](crate::Maintenance::Manual) it does not sleep.
    pub fn run(self) -> Result<ScrubReport> {
        let engine = self.store.engine();
        engine.check_open()?;
        let start = Instant::now();
        let mut round = engine.begin_round();
        loop {
            self.cancel.check()?;
            engine.check_open()?;
            if engine.scrub_piece(&mut round)?.is_none() {
                return Ok(round.report);
            }
            let until = start.checked_add(time_for(round.report.bytes, self.bytes_per_second));
            if engine.options.maintenance == Maintenance::Automatic {
                self.sleep_until(until)?;
            }
        }
    }

    /// A time too far to be counted never comes.
    fn sleep_until(&self, until: Option<Instant>) -> Result<()> {
        loop {
            let left = until.map_or(NAP, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(());
            }
            self.cancel.check()?;
            self.store.engine().check_open()?;
            std::thread::sleep(left.min(NAP));
        }
    }
}

impl Engine {
    /// Reads the next piece if it is time.
    pub(crate) fn scrub_step(&self) -> Result<Option<Work>> {
        let Some(options) = self.scrub.options else { return Ok(None) };
        let mut background = self.scrub.background.lock();
        let now = self.options.clock.now();
        if background.due.is_some_and(|due| !due.wait(now).is_zero()) {
            return Ok(None);
        }
        let mut round = background.round.take().unwrap_or_else(|| self.begin_round());
        let piece = self.scrub_piece(&mut round);
        *self.pressure.scrub_failure.lock() = failure_of(&piece);
        if !matches!(piece, Ok(None)) {
            background.round = Some(round);
        }
        let within = piece?.map_or(options.every, |bytes| time_for(bytes, options.bytes_per_second));
        background.due = Some(Due { at: now.after(within), within });
        Ok(Some(Work::Scrubbed))
    }

    /// How long until there is a piece to be read.
    pub(crate) fn until_scrub_due(&self) -> Duration {
        let due = self.scrub.background.lock().due;
        due.map_or(IDLE, |due| due.wait(self.options.clock.now()).clamp(Duration::from_millis(1), IDLE))
    }

    /// Begins at a file drawn by chance, so that where a process never lives through a round every file has its turn.
    fn begin_round(&self) -> Round {
        let mut left = self.scrub_targets();
        let first = self.random.lock().below(left.len().max(1) as u64);
        left.rotate_left(first as usize);
        Round { left: left.into(), unread: Vec::new(), reading: None, report: ScrubReport::default() }
    }

    fn scrub_targets(&self) -> Vec<Target> {
        let view = self.current().view;
        let mut targets = vec![Target::Manifest];
        targets.extend(self.manifest.lock().logs.iter().map(|log| Target::Log(*log)));
        for (id, collection) in &view.collections {
            for segment in &collection.sealed {
                let file = segment.file().id();
                targets.push(Target::Segment(*id, file));
                targets.extend(segment.deletions_file().map(|_| Target::Deletions(*id, file)));
                targets.extend(segment.index().map(|_| Target::Index(*id, file)));
            }
        }
        targets.extend(view.blobs.keys().map(|digest| Target::Blob(*digest)));
        for import in &self.manifest.lock().imports {
            targets.extend(import.files.iter().map(|file| Target::Import(import.collection, file.file)));
        }
        targets
    }

    /// Reads the next piece of a round; tells how many bytes it had, and none when the round is over. The round can go on
    /// after an error.
    fn scrub_piece(&self, round: &mut Round) -> Result<Option<u64>> {
        let Some(mut reading) = round.reading.take() else { return self.scrub_next(round) };
        let view = self.current().view;
        let present = self.find(&view, reading.target).filter(|file| file.name() == reading.name);
        let Some(file) = present else { return Ok(Some(0)) };
        let checked = reading.container.verify_piece(reading.piece).or_else(|_| {
            let again = self.open_container(&reading.name, &file)?;
            again.verify_piece(reading.piece)
        });
        reading.piece += 1;
        match checked {
            Ok(bytes) if reading.piece < reading.container.pieces() => {
                self.count_scrubbed(round, bytes);
                round.reading = Some(reading);
                Ok(Some(bytes))
            }
            checked => self.end_file(round, &view, reading.target, &reading.name, checked).map(Some),
        }
    }

    /// Opens the next file that is still there. The manifest and a log are read at once.
    fn scrub_next(&self, round: &mut Round) -> Result<Option<u64>> {
        let Some(target) = round.left.pop_front() else {
            self.end_round();
            return Ok(None);
        };
        let view = self.current().view;
        let (name, read) = match target {
            Target::Manifest => {
                let name = names::manifest(self.manifest.lock().number);
                (name, twice(|| self.scrub_manifest()))
            }
            Target::Log(log) => (names::wal(log.file), twice(|| self.scrub_log(&log))),
            _ => {
                let Some(file) = self.find(&view, target) else { return Ok(Some(0)) };
                let name = file.name();
                match twice(|| self.open_container(&name, &file)) {
                    Ok(container) => {
                        round.reading = Some(Reading { target, name, container, piece: 0 });
                        return Ok(Some(0));
                    }
                    Err(error) => (name, Err(error)),
                }
            }
        };
        self.end_file(round, &view, target, &name, read).map(Some)
    }

    /// Writes down what became of reading a file, whose last piece had so many bytes. Of a log that went meanwhile there
    /// is nothing to be said.
    fn end_file(
        &self,
        round: &mut Round,
        view: &DatabaseView,
        target: Target,
        name: &str,
        read: Result<u64>,
    ) -> Result<u64> {
        match read {
            Ok(bytes) => {
                round.report.files += u64::from(bytes > 0);
                self.count_scrubbed(round, bytes);
                self.scrub.found.lock().findings.remove(name);
                Ok(bytes)
            }
            Err(error) if error.is_damage() || round.gives_up(target, &error) => {
                round.report.files += 1;
                self.note_damage(round, view, target, name, &error);
                Ok(0)
            }
            Err(error) => {
                round.left.push_back(target);
                if error.is_unreadable() { Ok(0) } else { Err(error) }
            }
        }
    }

    /// Where a target is now; none when it went, or is no container.
    fn find(&self, view: &DatabaseView, target: Target) -> Option<Place> {
        let place = |kind, reference| Place { kind, reference, generation: 0 };
        match target {
            Target::Manifest | Target::Log(_) => None,
            Target::Segment(id, file) => Some(place(FileKind::Segment, sealed(view, id, file)?.file().reference())),
            Target::Deletions(id, file) => {
                let entry = sealed(view, id, file)?.deletions_file()?.entry;
                Some(Place { generation: entry.generation, ..place(FileKind::Deletions, entry.file) })
            }
            Target::Index(id, file) => Some(place(FileKind::Index, sealed(view, id, file)?.index()?.entry().file)),
            Target::Import(_, file) => {
                let manifest = self.manifest.lock();
                let listed = manifest.imports.iter().flat_map(|import| &import.files).any(|it| it.file == file);
                listed.then(|| place(FileKind::Segment, file))
            }
            Target::Blob(digest) => Some(place(FileKind::Blob, view.blobs.get(&digest)?.entry.file)),
        }
    }

    fn open_container(&self, name: &str, file: &Place) -> Result<Arc<Container>> {
        Container::open(&self.opener.fs, name, file.kind, self.opener.store, &file.reference, self.opener.mode)
    }

    /// A copy that is damaged is told of, although the other can be read.
    fn scrub_manifest(&self) -> Result<u64> {
        match self.verify_manifest()? {
            (bytes, None) => Ok(bytes),
            (_, Some(damaged_copy)) => Err(damaged_copy),
        }
    }

    /// Reads one log as far as it is promised; 0 bytes where it went meanwhile.
    fn scrub_log(&self, log: &wal::WalRef) -> Result<u64> {
        let fs = &self.opener.fs;
        let (logs, last) = self.promised_log();
        let Some(number) = logs.iter().position(|it| it == log) else { return Ok(0) };
        // The next log says where this one ended; the last one is checked as far as it is written.
        let (logs, last) = match logs.get(number + 1) {
            Some(next) => (vec![*log, *next], Lsn(0)),
            None => (vec![*log], last),
        };
        let checked = wal::check(&**fs, self.opener.store, &logs, last);
        let listed = self.manifest.lock().logs.contains(log);
        match checked {
            Err(error) if listed => Err(error),
            Err(_) => Ok(0),
            Ok(_) => Ok(fs.open(&names::wal(log.file)).and_then(|file| file.length()).unwrap_or(0)),
        }
    }

    fn count_scrubbed(&self, round: &mut Round, bytes: u64) {
        round.report.bytes += bytes;
        self.scrub.found.lock().stats.bytes += bytes;
    }

    fn note_damage(&self, round: &mut Round, view: &DatabaseView, target: Target, name: &str, error: &Error) {
        let part = match target {
            Target::Manifest => "manifest".into(),
            Target::Log(_) => "log".into(),
            Target::Blob(_) => "blobs".into(),
            Target::Segment(id, _) | Target::Deletions(id, _) | Target::Index(id, _) | Target::Import(id, _) => {
                view.collections.get(&id).map_or(String::new(), |it| format!("collection {}", it.name))
            }
        };
        tracing::error!(file = name, part, %error, "scrubbing found damage");
        let problem = Problem::new(&part, error);
        round.report.problems.push(problem.clone());
        self.scrub.found.lock().findings.insert(name.to_owned(), problem);
        if let Target::Index(id, file) = target
            && (error.kind() == ErrorKind::Corrupt || error.is_unreadable())
            && let Some(index) = sealed(view, id, file).and_then(|segment| segment.index())
        {
            index.quarantine(error.clone());
            self.waker.wake_indexer();
        }
    }

    /// Forgets damage of files that are not there any more.
    fn end_round(&self) {
        let view = self.current().view;
        let targets = self.scrub_targets();
        let mut present: Vec<String> = targets.iter().filter_map(|it| Some(self.find(&view, *it)?.name())).collect();
        let manifest = self.manifest.lock();
        present.push(names::manifest(manifest.number));
        present.extend(manifest.logs.iter().map(|log| names::wal(log.file)));
        drop(manifest);
        let mut found = self.scrub.found.lock();
        found.findings.retain(|name, _| present.contains(name));
        found.stats.rounds += 1;
        found.stats.last_round = Some(self.options.clock.now());
    }
}

impl Round {
    /// Whether the disk could not read a file and is not asked again in this round.
    fn gives_up(&mut self, target: Target, error: &Error) -> bool {
        if error.is_unreadable() {
            self.unread.push(target);
        }
        self.unread.iter().filter(|unread| **unread == target).count() >= ATTEMPTS
    }
}

/// Reads again where reading fails.
fn twice<T>(read: impl Fn() -> Result<T>) -> Result<T> {
    read().or_else(|_| read())
}

/// A file of the store.
struct Place {
    kind: FileKind,
    reference: FileRef,
    /// Of deletions.
    generation: u64,
}

impl Place {
    fn name(&self) -> String {
        match self.kind {
            FileKind::Segment => names::segment(self.reference.id),
            FileKind::Deletions => names::deletions(self.reference.id, self.generation),
            FileKind::Index => names::index(self.reference.id),
            FileKind::Blob => names::blob(self.reference.id),
        }
    }
}

fn sealed(view: &DatabaseView, collection: CollectionId, file: FileId) -> Option<&Arc<Sealed>> {
    view.collections.get(&collection)?.sealed.iter().find(|segment| segment.file().id() == file)
}
