//! Little-endian reading that cannot run past the end, and writing onto a `Vec<u8>`.
//!
//! Every decoder of this crate reads through [`Reader`]: a length that was read is checked against what is left before
//! anything is allocated, so a hostile file costs no more memory than its own size.

/// The input ended before the value did, or a count claims more than the input can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncated {
    /// Where in the input the value began.
    pub(crate) offset: usize,
}

/// A position in a byte slice.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes not read yet.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let end = self.offset.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Truncated { offset: self.offset })?;
        let taken = &self.bytes[self.offset..end];
        self.offset = end;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let taken = self.take(N)?;
        let mut array = [0; N];
        array.copy_from_slice(taken);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Truncated> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Truncated> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Truncated> {
        self.array().map(f64::from_le_bytes)
    }

    /// A `u32` count of items that take at least `item_bytes` each, refused when they cannot fit in what is left.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Result<usize, Truncated> {
        let start = self.offset;
        let count = self.u32()? as usize;
        match count.checked_mul(item_bytes) {
            Some(needed) if needed <= self.remaining() => Ok(count),
            _ => Err(Truncated { offset: start }),
        }
    }

    /// A `u32` length and that many bytes.
    pub(crate) fn block(&mut self) -> Result<&'a [u8], Truncated> {
        let length = self.count(1)?;
        self.take(length)
    }
}

/// Little-endian appending.
pub(crate) trait Write {
    fn put_u8(&mut self, value: u8);
    fn put_u16(&mut self, value: u16);
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    fn put_i64(&mut self, value: i64);
    /// A `u32` length and the bytes. The caller has bounded the length below 4 GiB.
    fn put_block(&mut self, bytes: &[u8]);
}

impl Write for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_i64(&mut self, value: i64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_block(&mut self, bytes: &[u8]) {
        debug_assert!(u32::try_from(bytes.len()).is_ok());
        self.put_u32(bytes.len() as u32);
        self.extend_from_slice(bytes);
    }
}

/// Reads hexadecimal digits of either case, two to a byte; `None` when they are something else.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? * 16 + digit(*low)?) as u8);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut bytes = Vec::new();
        bytes.put_u8(1);
        bytes.put_u16(2);
        bytes.put_u32(3);
        bytes.put_u64(4);
        bytes.put_i64(-5);
        bytes.extend_from_slice(&6.5f64.to_le_bytes());
        bytes.put_block(b"seven");
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.u8(), reader.u16(), reader.u32()), (Ok(1), Ok(2), Ok(3)));
        assert_eq!((reader.u64(), reader.i64(), reader.f64()), (Ok(4), Ok(-5), Ok(6.5)));
        assert_eq!(reader.block(), Ok(&b"seven"[..]));
        assert!(reader.is_empty());
    }

    #[test]
    fn a_count_that_cannot_fit_is_refused_where_it_stands() {
        let mut bytes = vec![0xAA];
        bytes.put_u32(u32::MAX);
        let mut reader = Reader::new(&bytes);
        reader.u8().unwrap();
        assert_eq!(reader.count(8), Err(Truncated { offset: 1 }));
    }

    #[test]
    fn reading_past_the_end_is_an_error_and_moves_nothing() {
        let mut reader = Reader::new(&[1, 2]);
        assert_eq!(reader.u32(), Err(Truncated { offset: 0 }));
        assert_eq!(reader.u16(), Ok(0x0201));
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(from_hex("00Ff"), Some(vec![0, 255]));
        assert_eq!(from_hex(""), Some(Vec::new()));
        assert_eq!([from_hex("abc"), from_hex("xy"), from_hex("\u{e9}0"), from_hex("+f")], [None, None, None, None]);
    }
}
