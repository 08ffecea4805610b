//! What is wrong with bytes that are no payload, and where.

use crate::bytes::Truncated;
use crate::error::Error;

/// Stored bytes that are no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Where, counted from the first byte of the payload.
    pub(crate) offset: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

impl Malformed {
    /// The damage as an error; `place` names the file and the record.
    pub(crate) fn at(self, place: impl std::fmt::Display) -> Error {
        Error::corrupt(format!("a stored payload is damaged: {}", self.what), format!("{place}, byte {}", self.offset))
    }
}

impl From<Truncated> for Malformed {
    fn from(truncated: Truncated) -> Malformed {
        Malformed { offset: truncated.offset, what: "it ends too early, or a length is wrong" }
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Error {
        malformed.at("payload")
    }
}

impl Malformed {
    pub(super) fn shifted(self, by: usize) -> Malformed {
        Malformed { offset: self.offset + by, ..self }
    }
}
