//! The one error of the crate, cut by what the caller can do about it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The result of every fallible call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and how to mend it.
///
/// `Display` prints prose for people: what was attempted, what went wrong, where, and how to mend it. Programs match
/// on [`Error::kind`], or send [`ErrorKind::code`], which never changes, over a wire. Cloning is cheap, because every
/// batch of a failed commit group is told the same thing.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    place: Option<String>,
    mend: Option<String>,
    span: Option<Range<usize>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What the operating system answers where a device cannot read: `EIO`, and on Linux `EBADMSG` and `EUCLEAN`, which file
/// systems answer where they find their own structures damaged.
const UNREADABLE: &[i32] = if cfg!(target_os = "linux") { &[5, 74, 117] } else { &[5] };

/// What `run` returns, or what it said when it panicked: code of the application's must not take a thread of ours with it.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("it panicked: {}", text.unwrap_or("without a text"))
    })
}

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The collection, key, blob or file does not exist: create it or name another.
    NotFound,
    /// The thing to be created exists already.
    Exists,
    /// An argument is outside its rule: mend the call.
    Invalid,
    /// A vector has another dimension than its collection.
    Dimension,
    /// Vectors of one model meet a collection of another.
    ModelMismatch,
    /// A filter cannot be read or does not fit the schema: mend it, at [`Error::span`].
    Filter,
    /// A precondition of a batch did not hold: read again and retry.
    Conflict,
    /// Another process or handle holds the store.
    Locked,
    /// The store is open for reading only.
    ReadOnly,
    /// Writes arrive faster than they can be stored: retry later.
    Busy,
    /// No room on the disk: free some and retry.
    DiskFull,
    /// An earlier failure left the disk's content unknown: reopen the store.
    Poisoned,
    /// The write may or may not survive: reopen the store and look.
    OutcomeUnknown,
    /// Bytes on disk are not what was written: verify, restore from a backup.
    Corrupt,
    /// The store was written by another version: use a program of that version.
    Version,
    /// The operating system refused.
    Io,
    /// The caller cancelled, or its deadline passed.
    Cancelled,
    /// The handle was closed before this call.
    Closed,
    /// A broken promise inside the engine: report it.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [ErrorKind; 19] = [
        ErrorKind::NotFound,
        ErrorKind::Exists,
        ErrorKind::Invalid,
        ErrorKind::Dimension,
        ErrorKind::ModelMismatch,
        ErrorKind::Filter,
        ErrorKind::Conflict,
        ErrorKind::Locked,
        ErrorKind::ReadOnly,
        ErrorKind::Busy,
        ErrorKind::DiskFull,
        ErrorKind::Poisoned,
        ErrorKind::OutcomeUnknown,
        ErrorKind::Corrupt,
        ErrorKind::Version,
        ErrorKind::Io,
        ErrorKind::Cancelled,
        ErrorKind::Closed,
        ErrorKind::Internal,
    ];

    /// A short name that never changes, for logs, scripts and other languages.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "not_found",
            ErrorKind::Exists => "exists",
            ErrorKind::Invalid => "invalid",
            ErrorKind::Dimension => "dimension",
            ErrorKind::ModelMismatch => "model_mismatch",
            ErrorKind::Filter => "filter",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Locked => "locked",
            ErrorKind::ReadOnly => "read_only",
            ErrorKind::Busy => "busy",
            ErrorKind::DiskFull => "disk_full",
            ErrorKind::Poisoned => "poisoned",
            ErrorKind::OutcomeUnknown => "outcome_unknown",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Version => "version",
            ErrorKind::Io => "io",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Closed => "closed",
            ErrorKind::Internal => "internal",
        }
    }
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Arc::new(Inner { kind, message: message.into(), place: None, mend: None, span: None, source: None }))
    }

    /// An argument is outside its rule.
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    /// Bytes on disk are not what was written; `place` names the file and, where known, the offset.
    pub(crate) fn corrupt(message: impl Into<String>, place: impl Into<String>) -> Error {
        Error::new(ErrorKind::Corrupt, message)
            .at(place)
            .mend("run `driftline PATH verify` and restore what is damaged from a backup")
    }

    /// A promise inside the engine was broken.
    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal, message).mend("please report it with the steps that led here")
    }

    /// The operating system refused `action` (a verb and its object, such as "write the log") at `place`.
    ///
    /// A full disk, a read-only file system and a missing permission get their own kind or their own remedy.
    pub(crate) fn io(action: &str, place: impl Into<String>, source: io::Error) -> Error {
        use io::ErrorKind as Os;
        let (kind, mend) = match source.kind() {
            Os::StorageFull | Os::QuotaExceeded => (ErrorKind::DiskFull, "free some space and retry; nothing was lost"),
            Os::PermissionDenied => (ErrorKind::Io, "check that this user may read and write the directory"),
            Os::ReadOnlyFilesystem => (ErrorKind::Io, "open the store read-only, or make the file system writable"),
            Os::NotFound => (ErrorKind::NotFound, "check the path"),
            _ => (ErrorKind::Io, "check the disk and the system's log, then retry"),
        };
        let message = format!("could not {action}: {source}");
        Error(Arc::new(Inner {
            kind,
            message,
            place: Some(place.into()),
            mend: Some(mend.into()),
            span: None,
            source: Some(Arc::new(source)),
        }))
    }

    /// The same error, naming where it happened: a path, an offset, a collection.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Error {
        self.edit(|inner| inner.place = Some(place.into()))
    }

    /// The same error, naming how to mend it.
    #[must_use]
    pub fn mend(self, mend: impl Into<String>) -> Error {
        self.edit(|inner| inner.mend = Some(mend.into()))
    }

    /// Whether a file is damaged, or gone: it will not get better by being read again. Too many open files, say, is no
    /// damage.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self.kind(), ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Version)
    }

    /// Whether the device could not read what a file holds, as at a bad sector: it may be gone for good, or not. What
    /// passes, as too many open files or too little memory, and what is granted again, as a permission, is not meant.
    pub(crate) fn is_unreadable(&self) -> bool {
        let source = self.0.source.as_ref().and_then(|source| source.downcast_ref::<io::Error>());
        source.and_then(io::Error::raw_os_error).is_some_and(|code| UNREADABLE.contains(&code))
    }

    /// Whether the store as a whole could not do it, so that nothing else can be done either before it can again.
    pub(crate) fn is_of_the_store(&self) -> bool {
        use ErrorKind::{Busy, Closed, DiskFull, Io, OutcomeUnknown, Poisoned};
        matches!(self.kind(), Busy | Closed | DiskFull | Io | OutcomeUnknown | Poisoned)
    }

    /// The same error, naming the bytes of the text that was read where it lies.
    #[must_use]
    pub(crate) fn with_span(self, span: Range<usize>) -> Error {
        self.edit(|inner| inner.span = Some(span))
    }

    /// The same error under another kind, for example when a failure turns out to poison the store.
    #[must_use]
    pub(crate) fn into_kind(self, kind: ErrorKind) -> Error {
        self.edit(|inner| inner.kind = kind)
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// [`ErrorKind::code`] of its kind.
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// Where it happened, where that is known.
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// How to mend it, where that is known.
    pub fn remedy(&self) -> Option<&str> {
        self.0.mend.as_deref()
    }

    /// Of an error in a text that was read, such as a filter: the bytes of that text where it lies, empty at its end.
    pub fn span(&self) -> Option<Range<usize>> {
        self.0.span.clone()
    }

    /// Applies `change`, copying first when the error is shared.
    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Error {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(place) = &self.0.place {
            write!(f, " ({place})")?;
        }
        if let Some(mend) = &self.0.mend {
            write!(f, "; {mend}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error[{}]: {self}", self.code())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        let codes: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn message_names_what_where_and_remedy() {
        let error = Error::invalid("the key is empty").at("collection docs").mend("give it a name");
        assert_eq!(error.to_string(), "the key is empty (collection docs); give it a name");
    }

    #[test]
    fn a_shared_error_can_still_be_placed() {
        let first = Error::invalid("bad");
        let second = first.clone().at("here");
        assert_eq!((first.place(), second.place()), (None, Some("here")));
    }

    #[test]
    fn a_device_that_cannot_read_is_told_from_errors_that_pass() {
        let unreadable = |code| Error::io("read a file", "seg-1", io::Error::from_raw_os_error(code)).is_unreadable();
        assert!(unreadable(5), "EIO");
        // EPERM, ENXIO, EAGAIN, ENOMEM, EACCES, ENFILE, EMFILE
        assert!([1, 6, 11, 12, 13, 23, 24].into_iter().all(|code| !unreadable(code)));
        let shared = Error::io("read a file", "seg-1", io::Error::from_raw_os_error(5));
        assert!(shared.clone().at("elsewhere").is_unreadable() && shared.is_unreadable());
    }

    #[test]
    fn a_full_disk_has_its_own_kind() {
        let error = Error::io("write the log", "wal-1", io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.kind(), ErrorKind::DiskFull);
    }
}
