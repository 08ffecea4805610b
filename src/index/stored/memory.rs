//! An index whose sections are in memory: one over rows that are, or one of a test.

use std::collections::BTreeMap;

use super::aligned::AlignedBytes;
use super::{Bytes, Sink, Source};
use crate::error::{Error, Result};

/// Sections by their numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    sections: BTreeMap<u16, Vec<u8>>,
    current: u16,
}

impl Sink for Memory {
    fn section(&mut self, number: u16) -> Result<()> {
        self.current = number;
        match self.sections.insert(number, Vec::new()) {
            None => Ok(()),
            Some(_) => Err(Error::internal(format!("section {number} of an index was written twice"))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sections.entry(self.current).or_default().extend_from_slice(bytes);
        Ok(())
    }
}

impl Source for Memory {
    fn section(&self, number: u16) -> Result<Box<dyn Bytes>> {
        let missing = || Error::corrupt(format!("there is no section {number}"), "an index in memory");
        let bytes = self.sections.get(&number).ok_or_else(missing)?;
        Ok(Box::new(AlignedBytes::copy(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(Sink::section(&mut memory, 3).is_err());
    }
}
