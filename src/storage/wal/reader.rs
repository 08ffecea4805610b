//! Reads logs back after a crash, and decides what an unreadable place means.

use std::io;
use std::sync::Arc;

use super::format::{
    ALIGNMENT, BLOCK_BYTES, GROUP_HEADER_BYTES, GROUPS_AT, GroupHeader, Header, batches, decode_header, holds_batches,
    may_begin,
};
use super::{MAX_GROUP_BYTES, STEP_BYTES, Tail, WalRef};
use crate::error::{Error, Result};
use crate::ids::{Lsn, MAX_NUMBER, StoreId};
use crate::storage::checksum::crc32;
use crate::storage::fs::{File, FileSystem};
use crate::storage::header::PAGE_BYTES;
use crate::storage::names;

/// How much of a log is searched at once for what may follow an unreadable place: what stays in a core's own cache.
const WINDOW_BYTES: usize = 64 << 10;

static ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// What the logs held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    /// The last position found, or the one before the first log begins; 0 without logs. Whoever knows that more was
    /// promised must compare.
    pub(crate) last: Lsn,
    /// Where the last log ends, for the next to name.
    pub(crate) tail: Option<Tail>,
    /// Groups that held batches.
    pub(crate) groups: u64,
    pub(crate) batches: u64,
    /// Bytes of a group that was being written when the power went.
    pub(crate) discarded_bytes: u64,
    pub(crate) discarded_why: Option<String>,
    /// Whether the last log was closed in good order.
    pub(crate) sealed: bool,
}

/// Shows `visit` every batch of `logs`, oldest first. The logs are not changed.
///
/// Where a log cannot be read on, either a group was being written when the power went, which loses nothing that was
/// promised, or something promised is damaged. The difference is known from what was written later: each group, and
/// each log's header, says up to where everything was durable. If any of them vouches for the position that cannot be
/// read, the answer is an error. By then `visit` has seen what stands before the damage.
pub(crate) fn replay(
    fs: &dyn FileSystem,
    store: StoreId,
    logs: &[WalRef],
    visit: &mut dyn FnMut(Lsn, &[u8]) -> Result<()>,
) -> Result<Replay> {
    let mut readers = Vec::with_capacity(logs.len());
    for log in logs {
        readers.push(LogReader::open(fs, store, *log)?);
    }
    let mut replay = Replay::default();
    let mut readers = readers.into_iter().peekable();
    while let Some(mut reader) = readers.next() {
        let end = reader.read_groups(&mut replay, visit)?;
        match readers.peek() {
            Some(next) => reader.check_continued(next)?,
            None => reader.settle(end, &mut replay)?,
        }
        replay.sealed = end == End::Sealed;
        replay.last = reader.tail.lsn;
        replay.tail = Some(reader.tail);
    }
    Ok(replay)
}

/// Reads `logs`, oldest first, up to position `last`, as a replay would; tells how many batches there are. What stands
/// behind `last` may be written meanwhile, and is not looked at.
pub(crate) fn check(fs: &dyn FileSystem, store: StoreId, logs: &[WalRef], last: Lsn) -> Result<u64> {
    let mut replay = Replay::default();
    let mut before: Option<LogReader> = None;
    for (number, log) in logs.iter().enumerate() {
        let mut reader = LogReader::open(fs, store, *log)?;
        before.map_or(Ok(()), |before| before.check_continued(&reader))?;
        // Only the last of them may still be written.
        let until = if number + 1 < logs.len() { Lsn(u64::MAX) } else { last };
        reader.read_groups_to(until, &mut replay, &mut |_, _| Ok(()))?;
        before = Some(reader);
    }
    match before {
        Some(end) if end.tail.lsn < last => Err(end.acknowledged("the store", last)),
        _ => Ok(replay.batches),
    }
}

/// A position in one log: before it everything is whole.
struct LogReader {
    file: Arc<dyn File>,
    name: String,
    log: WalRef,
    header: Header,
    length: u64,
    position: u64,
    groups: u32,
    tail: Tail,
}

/// Why there is no further group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Sealed,
    /// No header that continues the log.
    NoHeader,
    /// A header that does, and other batches than it speaks of.
    NoPayload,
}

impl LogReader {
    /// Opens a log the manifest lists. It was durable before it was listed, so whatever is wrong with its header is
    /// damage.
    fn open(fs: &dyn FileSystem, store: StoreId, log: WalRef) -> Result<LogReader> {
        let name = names::wal(log.file);
        let file = fs.open(&name).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::corrupt("a log the manifest lists is missing", &name),
            _ => Error::io("open a log", &name, error),
        })?;
        let length = file.length().map_err(|error| Error::io("measure a log", &name, error))?;
        if length < STEP_BYTES {
            return Err(Error::corrupt(format!("the log has {length} bytes, fewer than it was created with"), name));
        }
        let mut page = vec![0; PAGE_BYTES];
        file.read_exact_at(&mut page, 0).map_err(|error| Error::io("read a log's header", &name, error))?;
        let header = decode_header(&page, log, store, &name)?;
        let tail = log.empty_tail(header.crc);
        Ok(LogReader { file, name, log, header, length, position: GROUPS_AT, groups: 0, tail })
    }

    /// Visits all batches up to the first place that is no group.
    fn read_groups(&mut self, replay: &mut Replay, visit: &mut dyn FnMut(Lsn, &[u8]) -> Result<()>) -> Result<End> {
        self.read_groups_to(Lsn(u64::MAX), replay, visit)
    }

    /// The same, up to the group of position `last` at most.
    fn read_groups_to(
        &mut self,
        last: Lsn,
        replay: &mut Replay,
        visit: &mut dyn FnMut(Lsn, &[u8]) -> Result<()>,
    ) -> Result<End> {
        let mut payload = Vec::new();
        while self.tail.lsn < last
            && let Some((at, header, crc)) = self.find_group()?
        {
            if !self.read_payload(at, &header, &mut payload)? {
                return Ok(End::NoPayload);
            }
            self.check_group(at, &header, &payload)?;
            batches(&payload).try_for_each(|(lsn, batch)| visit(lsn, batch))?;
            replay.groups += u64::from(!header.sealed);
            replay.batches += u64::from(header.batches);
            self.tail = Tail { lsn: header.last, crc };
            self.groups += 1;
            self.position = end_of(at, &header).next_multiple_of(ALIGNMENT);
            if header.sealed {
                return Ok(End::Sealed);
            }
        }
        Ok(End::NoHeader)
    }

    /// The header of the next group and where it is: right here, or, after a sync, where the next block begins.
    fn find_group(&self) -> Result<Option<(u64, GroupHeader, u32)>> {
        for at in [self.position, self.position.next_multiple_of(BLOCK_BYTES)] {
            let mut bytes = [0; GROUP_HEADER_BYTES];
            if at + GROUP_HEADER_BYTES as u64 > self.length {
                return Ok(None);
            }
            self.read(&mut bytes, at)?;
            let found = GroupHeader::decode(&bytes, self.log.salt).map_err(|error| error.at(self.place(at)))?;
            let next = found.filter(|(header, _)| {
                Some(header.number) == self.groups.checked_add(1) && header.previous_crc == self.tail.crc
            });
            if let Some((header, crc)) = next {
                return Ok(Some((at, header, crc)));
            }
        }
        Ok(None)
    }

    /// Whether the payload is whole.
    fn read_payload(&self, at: u64, header: &GroupHeader, payload: &mut Vec<u8>) -> Result<bool> {
        if header.payload_bytes as usize > MAX_GROUP_BYTES {
            return Err(Error::corrupt("a group is larger than any can be", self.place(at)));
        }
        if end_of(at, header) > self.length {
            return Err(self.cut_short());
        }
        payload.resize(header.payload_bytes as usize, 0);
        self.read(payload, at + GROUP_HEADER_BYTES as u64)?;
        Ok(crc32(&[payload]) == header.payload_crc)
    }

    /// Behind good checksums there is no other reason for a contradiction than an error in the program that wrote it.
    fn check_group(&self, at: u64, header: &GroupHeader, payload: &[u8]) -> Result<()> {
        let fits = match header.sealed {
            true => {
                payload.is_empty()
                    && header.batches == 0
                    && header.first == self.tail.lsn
                    && header.last == self.tail.lsn
            }
            false => header.first > self.tail.lsn && holds_batches(payload, header),
        };
        match fits && header.last.0.max(header.durable.0) < MAX_NUMBER {
            true => Ok(()),
            false => Err(Error::corrupt("a group contradicts itself", self.place(at))),
        }
    }

    /// This log was durable to its end before the next was created; the next says where that is.
    fn check_continued(&self, next: &LogReader) -> Result<()> {
        match next.header.previous {
            Some(previous) if previous == self.tail => Ok(()),
            Some(previous) if previous.lsn > self.tail.lsn => Err(self.acknowledged(&next.name, previous.lsn)),
            _ => Err(Error::corrupt(format!("{} does not continue this log", next.name), self.place(self.position))),
        }
    }

    /// Decides what the end of the last log means.
    fn settle(&self, end: End, replay: &mut Replay) -> Result<()> {
        if end == End::Sealed {
            return Ok(());
        }
        if self.length < self.position.next_multiple_of(STEP_BYTES) {
            return Err(self.cut_short());
        }
        replay.discarded_bytes = self.search_rest()?;
        if replay.discarded_bytes > 0 {
            let why = match end {
                End::NoPayload => "the last group was not completely written when the store stopped",
                End::NoHeader | End::Sealed => "the bytes after the last group are none",
            };
            replay.discarded_why = Some(format!("{why} ({})", self.place(self.position)));
        }
        Ok(())
    }

    /// Searches everything from here on for a group that vouches for what should stand here. Without one, says how
    /// many bytes there are before only zeros follow.
    fn search_rest(&self) -> Result<u64> {
        let mut used = 0;
        let mut window = vec![0; WINDOW_BYTES.min((self.length - self.position.min(self.length)) as usize)];
        let mut at = self.position;
        while at < self.length {
            let count = window.len().min((self.length - at) as usize);
            let bytes = &mut window[..count];
            self.read(bytes, at)?;
            if let Some(last) = self.search_window(bytes)? {
                used = at + last as u64 + 1 - self.position;
            }
            // Windows overlap, so that no header is missed between two.
            let step = WINDOW_BYTES - GROUP_HEADER_BYTES;
            at += step as u64;
        }
        Ok(used)
    }

    /// Searches a part of the log; says where the last byte is that is no zero. Zeros, which most of a log's end is, are
    /// passed over a page at a time: no group begins in them.
    fn search_window(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let mut last = None;
        for start in (0..bytes.len()).step_by(PAGE_BYTES) {
            let page = &bytes[start..bytes.len().min(start + PAGE_BYTES)];
            if page == &ZEROS[..page.len()] {
                continue;
            }
            last = page.iter().rposition(|byte| *byte != 0).map(|within| start + within);
            // A header that begins here may end in the next page.
            let end = bytes.len().min(start + page.len() + GROUP_HEADER_BYTES - 1);
            self.search_page(&bytes[start..end])?;
        }
        Ok(last)
    }

    fn search_page(&self, bytes: &[u8]) -> Result<()> {
        for header in bytes.windows(GROUP_HEADER_BYTES).step_by(ALIGNMENT as usize) {
            if !may_begin(header, self.log.salt) {
                continue;
            }
            let mut copy = [0; GROUP_HEADER_BYTES];
            copy.copy_from_slice(header);
            match GroupHeader::decode(&copy, self.log.salt)? {
                Some((header, _)) if header.durable > self.tail.lsn => {
                    return Err(self.acknowledged("a later group", header.durable));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Zeros were made durable, a step at a time, before groups were written into them: the file was longer once.
    fn cut_short(&self) -> Error {
        Error::corrupt("the log was cut short", self.place(self.length))
    }

    fn acknowledged(&self, witness: &str, durable: Lsn) -> Error {
        let missing = self.tail.lsn.next();
        let what = format!(
            "acknowledged data is damaged: batch {missing} cannot be read, and {witness} says that everything up to \
             {durable} was durable"
        );
        Error::corrupt(what, self.place(self.position))
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        self.file.read_exact_at(buffer, at).map_err(|error| Error::io("read a log", self.place(at), error))
    }

    fn place(&self, at: u64) -> String {
        format!("{} at {at}", self.name)
    }
}

/// Where the payload of the group at `at` ends.
fn end_of(at: u64, header: &GroupHeader) -> u64 {
    at + GROUP_HEADER_BYTES as u64 + u64::from(header.payload_bytes)
}
