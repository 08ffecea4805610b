//! Reading sets of rows in Roaring's portable form where they lie, 64 rows at a time.
//!
//! The form is a cookie, for each container of 65,536 rows its number and how many it holds, where containers are, and the
//! containers: a list of rows, a bit for each row, or runs (<https://github.com/RoaringBitmap/RoaringFormatSpec>).

use crate::bytes::Reader;
use crate::rows::RowSet;

/// Begins a bitmap without runs; the count of containers follows.
const WITHOUT_RUNS: u32 = 12346;
/// Lower half of the number that begins a bitmap with runs; the upper half is the count less one.
const WITH_RUNS: u32 = 12347;
/// With runs and fewer containers than this nothing says where they are.
const WITH_OFFSETS: usize = 4;
/// A list holds so many rows at most.
const LIST: usize = 4096;
/// Rows of a container.
const CONTAINER: u32 = 1 << 16;
/// Words of a container of bits.
const WORDS: usize = 1024;

/// Adds the rows of a stored bitmap; `None` when it is none, or one of more rows than there are. Then some may have been
/// added.
pub(super) fn unite(rows: &mut RowSet, bytes: &[u8]) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let cookie = reader.u32().ok()?;
    let (count, runs) = match cookie {
        WITHOUT_RUNS => (reader.u32().ok()?, &[][..]),
        _ if cookie & 0xFFFF == WITH_RUNS => {
            let count = (cookie >> 16) + 1;
            (count, reader.take((count as usize).div_ceil(8)).ok()?)
        }
        _ => return None,
    };
    if count > rows.rows().div_ceil(CONTAINER) {
        return None;
    }
    let count = count as usize;
    let heads = reader.take(4 * count).ok()?.as_chunks::<4>().0;
    if runs.is_empty() || count >= WITH_OFFSETS {
        reader.take(4 * count).ok()?;
    }
    for (number, [low, high, less, more]) in heads.iter().enumerate() {
        let first = u32::from(u16::from_le_bytes([*low, *high])) * CONTAINER;
        let holds = usize::from(u16::from_le_bytes([*less, *more])) + 1;
        let has_runs = runs.get(number / 8).is_some_and(|flags| flags >> (number % 8) & 1 == 1);
        match (has_runs, holds > LIST) {
            (true, _) => unite_runs(rows, first, &mut reader)?,
            (false, true) => unite_bits(rows, first, &mut reader)?,
            (false, false) => unite_list(rows, first, holds, &mut reader)?,
        }
    }
    reader.is_empty().then_some(())
}

fn unite_list(rows: &mut RowSet, first: u32, holds: usize, reader: &mut Reader<'_>) -> Option<()> {
    let list = reader.take(2 * holds).ok()?.as_chunks::<2>().0;
    list.iter()
        .map(|low| first + u32::from(u16::from_le_bytes(*low)))
        .try_for_each(|row| rows.unite_word(row as usize / 64, 1 << (row % 64)).then_some(()))
}

fn unite_bits(rows: &mut RowSet, first: u32, reader: &mut Reader<'_>) -> Option<()> {
    let words = reader.take(8 * WORDS).ok()?.as_chunks::<8>().0;
    let from = first as usize / 64;
    let mut words = words.iter().enumerate();
    words.try_for_each(|(number, word)| rows.unite_word(from + number, u64::from_le_bytes(*word)).then_some(()))
}

fn unite_runs(rows: &mut RowSet, first: u32, reader: &mut Reader<'_>) -> Option<()> {
    for _ in 0..reader.u16().ok()? {
        let (start, more) = (u32::from(reader.u16().ok()?), u32::from(reader.u16().ok()?));
        if start + more >= CONTAINER {
            return None;
        }
        let (from, last) = (first + start, first + start + more);
        for number in from / 64..=last / 64 {
            let low = u64::MAX << from.saturating_sub(number * 64);
            let high = u64::MAX >> (63 - (last - number * 64).min(63));
            rows.unite_word(number as usize, low & high).then_some(())?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use roaring::RoaringBitmap;

    const ROWS: u32 = 200_000;

    #[test]
    fn a_run_beyond_its_container_is_refused_whatever_its_number() {
        let mut bytes = WITH_RUNS.to_le_bytes().to_vec();
        // One container, the last there may be, of one run: two rows from its last on.
        bytes.extend([1, 0xFF, 0xFF, 1, 0, 1, 0, 0xFF, 0xFF, 1, 0]);
        assert_eq!(unite(&mut RowSet::empty(10), &bytes), None);
    }

    fn stored(bitmap: &RoaringBitmap) -> Vec<u8> {
        let mut bytes = Vec::new();
        bitmap.serialize_into(&mut bytes).unwrap();
        bytes
    }

    /// Rows one by one, in runs, and so many that bits are kept.
    fn any_bitmap() -> impl Strategy<Value = RoaringBitmap> {
        let ranges = prop::collection::vec((0..ROWS, 0..30_000u32), 0..6);
        (prop::collection::vec(0..ROWS, 0..300), ranges, 1..5u32, any::<bool>()).prop_map(
            |(some, ranges, step, runs)| {
                let mut bitmap: RoaringBitmap = some.into_iter().collect();
                ranges
                    .iter()
                    .for_each(|(from, more)| bitmap.extend((*from..(from + more).min(ROWS)).step_by(step as usize)));
                if runs {
                    bitmap.optimize();
                }
                bitmap
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_stored(bitmap in any_bitmap()) {
            let mut rows = RowSet::empty(ROWS);
            prop_assert_eq!(unite(&mut rows, &stored(&bitmap)), Some(()));
            prop_assert!(rows.iter().map(|row| row.0).eq(bitmap.iter()));
            prop_assert_eq!(u64::from(rows.count()), bitmap.len());
            // To rows that are there, they are added.
            let mut all = RowSet::full(ROWS);
            prop_assert_eq!(unite(&mut all, &stored(&bitmap)), Some(()));
            prop_assert_eq!(all, RowSet::full(ROWS));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bitmap in any_bitmap(), at in any::<usize>(), with in 1u8.., cut in any::<usize>()) {
            let mut bytes = stored(&bitmap);
            let place = at % bytes.len();
            bytes[place] ^= with;
            let mut rows = RowSet::empty(ROWS);
            let _ = unite(&mut rows, &bytes);
            prop_assert_eq!(rows.count() as usize, rows.iter().count());
            bytes[place] ^= with;
            prop_assert_eq!(unite(&mut rows, &bytes[..cut % bytes.len()]), None);
        }
    }

    #[test]
    fn rows_past_the_end_are_refused() {
        for last in [99, 100, 70_000] {
            for bitmap in [RoaringBitmap::from_iter([last]), RoaringBitmap::from_iter(0..=last)] {
                let mut bitmap = bitmap;
                for runs in [false, true] {
                    if runs {
                        bitmap.optimize();
                    }
                    let found = unite(&mut RowSet::empty(100), &stored(&bitmap));
                    assert_eq!(found.is_some(), last < 100, "{last} {runs}");
                }
            }
        }
    }
}
