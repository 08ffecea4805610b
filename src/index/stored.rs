//! How an index is written and read back: numbered sections of bytes, whoever keeps them.
//!
//! An index knows no files. What stores one gives it a [`Sink`] to write to and a [`Source`] to read from; bytes are
//! checked when they are first touched, so that opening costs nothing for each row.

use std::fmt;
use std::ops::Range;

use crate::error::Result;
use crate::pool::Pool;

/// Takes the sections of an index, one after the other.
pub(crate) trait Sink {
    /// Ends the section before and begins section `number`, which was not written yet.
    fn section(&mut self, number: u16) -> Result<()>;

    /// Appends to the section.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Gives the sections of an index back.
pub(crate) trait Source {
    /// The section `number`; fails with `Corrupt` where there is none.
    fn section(&self, number: u16) -> Result<Box<dyn Bytes>>;
}

/// The bytes of a section, which begins at a multiple of 64 in memory.
///
/// What is in them was checked against damage, not against malice: offsets and row numbers are looked at where they are
/// used.
pub(crate) trait Bytes: Send + Sync + fmt::Debug {
    /// How many there are.
    fn len(&self) -> usize;

    /// Those of `range`. Fails with `Corrupt` when one of the chunks of 64 KiB it lies in is damaged, and when it ends
    /// behind the section.
    fn get(&self, range: Range<usize>) -> Result<&[u8]>;

    /// All of them, where every one is known to be good already.
    fn known(&self) -> Option<&[u8]> {
        None
    }

    /// Checks all of them and keeps them in memory, so that reading here and there costs less. Takes as much memory as there
    /// are bytes.
    fn keep_resident(&self, _: &Pool) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) use memory::Memory;

/// Sections in memory, for tests.
#[cfg(test)]
mod memory {
    use std::collections::BTreeMap;
    use std::ops::Range;
    use std::sync::Arc;

    use super::{Bytes, Sink, Source};
    use crate::error::{Error, Result};

    const ALIGNMENT: usize = 64;

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Memory {
        sections: BTreeMap<u16, Vec<u8>>,
        current: u16,
    }

    impl Memory {
        /// What a section holds, to be changed by a test.
        pub(crate) fn bytes(&mut self, number: u16) -> &mut Vec<u8> {
            self.sections.entry(number).or_default()
        }

        /// The numbers of its sections.
        pub(crate) fn numbers(&self) -> Vec<u16> {
            self.sections.keys().copied().collect()
        }
    }

    impl Sink for Memory {
        fn section(&mut self, number: u16) -> Result<()> {
            assert!(self.sections.insert(number, Vec::new()).is_none(), "section {number} was written");
            self.current = number;
            Ok(())
        }

        fn write(&mut self, bytes: &[u8]) -> Result<()> {
            let current = self.current;
            self.bytes(current).extend_from_slice(bytes);
            Ok(())
        }
    }

    impl Source for Memory {
        fn section(&self, number: u16) -> Result<Box<dyn Bytes>> {
            let missing = || Error::corrupt(format!("there is no section {number}"), "an index in memory");
            let bytes = self.sections.get(&number).ok_or_else(missing)?;
            Ok(Box::new(Aligned::new(bytes)))
        }
    }

    /// A copy that begins where sections of files begin.
    #[derive(Debug, Clone)]
    struct Aligned {
        room: Arc<Vec<u8>>,
        within: Range<usize>,
    }

    impl Aligned {
        fn new(bytes: &[u8]) -> Aligned {
            let mut room = vec![0; bytes.len() + ALIGNMENT];
            let start = room.as_ptr().align_offset(ALIGNMENT);
            let within = start..start + bytes.len();
            room[within.clone()].copy_from_slice(bytes);
            Aligned { room: Arc::new(room), within }
        }
    }

    impl Bytes for Aligned {
        fn len(&self) -> usize {
            self.within.len()
        }

        fn get(&self, range: Range<usize>) -> Result<&[u8]> {
            let behind = || Error::corrupt(format!("{range:?} is behind the end"), "an index in memory");
            self.room[self.within.clone()].get(range.clone()).ok_or_else(behind)
        }
    }

    #[test]
    fn sections_come_back_aligned_and_end_where_they_end() {
        let mut memory = Memory::default();
        Sink::section(&mut memory, 3).unwrap();
        memory.write(&[1, 2]).unwrap();
        memory.write(&[3]).unwrap();
        Sink::section(&mut memory, 1).unwrap();
        assert_eq!(memory.numbers(), [1, 3]);
        let section = Source::section(&memory, 3).unwrap();
        assert_eq!((section.len(), section.get(0..3).unwrap()), (3, &[1u8, 2, 3][..]));
        assert_eq!(section.get(0..1).unwrap().as_ptr().align_offset(64), 0);
        assert!(section.get(2..4).is_err());
        assert_eq!(Source::section(&memory, 1).unwrap().get(0..0).unwrap(), [0u8; 0]);
        assert!(Source::section(&memory, 2).is_err());
    }
}
