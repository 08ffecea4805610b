//! Reads the index of one field where it lies. Nothing in it is trusted: a length or row number that cannot be is an
//! error, and then payloads are read instead.

use std::ops::Range;

use super::{Form, HEAD_BYTES, Head, bitmap};
use crate::bytes::{Reader, Truncated};
use crate::error::{Error, Result};
use crate::filter::{Comparison, Condition, Literal, order, rank};
use crate::ids::RowId;
use crate::payload::{Scalar, View};
use crate::rows::RowSet;
use crate::storage::sections::Section;

/// The index of one field.
#[derive(Debug)]
pub(crate) struct FieldIndex<'a> {
    section: &'a Section,
    rows: u32,
    head: Head,
    /// Where in the section each part is.
    parts: Parts,
}

#[derive(Debug, Clone)]
struct Parts {
    present: Range<usize>,
    null: Range<usize>,
    other: Range<usize>,
    value_ends: Range<usize>,
    row_ends: Range<usize>,
    values: Range<usize>,
    lists: Range<usize>,
}

/// What an index knows of a predicate.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Rows of which it holds.
    pub(crate) yes: RowSet,
    /// Rows of which only their payloads can say.
    pub(crate) unsure: RowSet,
}

impl Head {
    fn decode(bytes: &[u8]) -> Result<Head, Truncated> {
        let mut reader = Reader::new(bytes);
        let form = match reader.u32()? {
            1 => Form::Bitmaps,
            2 => Form::Lists,
            _ => return Err(Truncated { offset: 0 }),
        };
        Ok(Head {
            form,
            values: reader.u32()?,
            present_bytes: reader.u32()?,
            null_bytes: reader.u32()?,
            other_bytes: reader.u32()?,
            value_bytes: reader.u32()?,
            row_bytes: reader.u32()?,
        })
    }

    /// The parts, one behind the other from `start` on; `None` when they do not end at `end`.
    fn parts(&self, start: usize, end: usize) -> Option<Parts> {
        let mut place = start.checked_add(HEAD_BYTES)?;
        let mut next = |bytes: usize| {
            let from = place;
            place = place.checked_add(bytes)?;
            Some(from..place)
        };
        let ends = (self.values as usize).checked_mul(4)?;
        let parts = Parts {
            present: next(self.present_bytes as usize)?,
            null: next(self.null_bytes as usize)?,
            other: next(self.other_bytes as usize)?,
            value_ends: next(ends)?,
            row_ends: next(ends)?,
            values: next(self.value_bytes as usize)?,
            lists: next(self.row_bytes as usize)?,
        };
        (place == end).then_some(parts)
    }
}

impl<'a> FieldIndex<'a> {
    /// The index at `range` of the section, for a segment of `rows` rows.
    pub(crate) fn open(section: &'a Section, range: Range<u64>, rows: u32) -> Result<FieldIndex<'a>> {
        let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let (start, end) = bounds.filter(|(start, end)| start <= end && *end <= section.len()).ok_or_else(damaged)?;
        let head_end = start.checked_add(HEAD_BYTES).filter(|place| *place <= end).ok_or_else(damaged)?;
        let head = Head::decode(section.bytes(start..head_end)?).map_err(|_| damaged())?;
        let parts = head.parts(start, end).ok_or_else(damaged)?;
        Ok(FieldIndex { section, rows, head, parts })
    }

    /// What it knows of `condition`.
    pub(crate) fn answer(&self, condition: &Condition) -> Result<Answer> {
        let none = || RowSet::empty(self.rows);
        let sure = |yes| Ok(Answer { yes, unsure: none() });
        match condition {
            Condition::IsMissing => sure(self.bitmap(&self.parts.present)?.complement()),
            Condition::IsPresent => sure(self.bitmap(&self.parts.present)?),
            Condition::IsNull => sure(self.bitmap(&self.parts.null)?),
            Condition::IsNotNull => {
                let mut yes = self.bitmap(&self.parts.present)?;
                yes.intersect(&self.bitmap(&self.parts.null)?.complement());
                sure(yes)
            }
            // No scalar contains anything.
            Condition::Contains(..) => Ok(Answer { yes: none(), unsure: self.bitmap(&self.parts.other)? }),
            _ => Ok(Answer { yes: self.holders(condition)?, unsure: self.bitmap(&self.parts.other)? }),
        }
    }

    /// The rows with a value of which `condition` holds.
    fn holders(&self, condition: &Condition) -> Result<RowSet> {
        let mut rows = RowSet::empty(self.rows);
        let all = 0..self.head.values as usize;
        match condition {
            Condition::Compare(comparison, value) => {
                for places in self.places(*comparison, value)? {
                    self.add(places, &mut rows)?;
                }
            }
            Condition::Between(low, high) => {
                let (from, to) = (low.as_scalar(), high.as_scalar());
                if rank(&from) == rank(&to) {
                    self.add(
                        self.first(all.clone(), |found| order(found, &from).is_lt())?
                            ..self.first(all, |found| order(found, &to).is_le())?,
                        &mut rows,
                    )?;
                }
            }
            Condition::In(values) => {
                for value in values.as_slice() {
                    for places in self.places(Comparison::Equal, value)? {
                        self.add(places, &mut rows)?;
                    }
                }
            }
            _ => {
                for place in all {
                    if condition.holds(&self.value(place)?) {
                        self.add(place..place + 1, &mut rows)?;
                    }
                }
            }
        }
        Ok(rows)
    }

    /// Where the values stand that compare so with `value`, in two pieces: values of its kind only.
    fn places(&self, comparison: Comparison, value: &Literal) -> Result<[Range<usize>; 2]> {
        let wanted = value.as_scalar();
        let all = 0..self.head.values as usize;
        let below = self.first(all.clone(), |found| order(found, &wanted).is_lt())?;
        let through = self.first(below..all.end, |found| order(found, &wanted).is_le())?;
        let kind_start = || self.first(0..below, |found| rank(found) < rank(&wanted));
        let kind_end = || self.first(through..all.end, |found| rank(found) <= rank(&wanted));
        Ok(match comparison {
            Comparison::Equal => [below..through, 0..0],
            Comparison::Unequal => [kind_start()?..below, through..kind_end()?],
            Comparison::Less => [kind_start()?..below, 0..0],
            Comparison::LessOrEqual => [kind_start()?..through, 0..0],
            Comparison::Greater => [through..kind_end()?, 0..0],
            Comparison::GreaterOrEqual => [below..kind_end()?, 0..0],
        })
    }

    /// The first place in `within` of which `is_before` is not true; it is true of those before and of none behind.
    fn first(&self, within: Range<usize>, is_before: impl Fn(&Scalar<'_>) -> bool) -> Result<usize> {
        let (mut low, mut high) = (within.start, within.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(&self.value(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn value(&self, place: usize) -> Result<Scalar<'a>> {
        let bytes = self.item(&self.parts.value_ends, &self.parts.values, place..place + 1)?;
        Ok(View::new(bytes).scalar()?)
    }

    /// What belongs to the values at `places`, whose ends within `content` stand in `ends`.
    fn item(&self, ends: &Range<usize>, content: &Range<usize>, places: Range<usize>) -> Result<&'a [u8]> {
        let end = |place: usize| {
            let at = ends.start + 4 * place;
            let bytes = self.section.bytes(at..at + 4)?;
            Ok::<_, Error>(bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize))
        };
        let from = if places.start == 0 { 0 } else { end(places.start - 1)? };
        let to = if places.end == 0 { 0 } else { end(places.end - 1)? };
        if from > to || to > content.len() {
            return Err(damaged());
        }
        self.section.bytes(content.start + from..content.start + to)
    }

    /// Adds the rows that hold the values at `places`.
    fn add(&self, places: Range<usize>, rows: &mut RowSet) -> Result<()> {
        if places.start >= places.end {
            return Ok(());
        }
        match self.head.form {
            Form::Lists => {
                let (numbers, odd) = self.item(&self.parts.row_ends, &self.parts.lists, places)?.as_chunks::<4>();
                if !odd.is_empty() {
                    return Err(damaged());
                }
                numbers.iter().try_for_each(|number| self.insert(u32::from_le_bytes(*number), rows))
            }
            Form::Bitmaps => places.into_iter().try_for_each(|place| {
                let bytes = self.item(&self.parts.row_ends, &self.parts.lists, place..place + 1)?;
                self.add_bitmap(bytes, rows)
            }),
        }
    }

    fn bitmap(&self, part: &Range<usize>) -> Result<RowSet> {
        let mut rows = RowSet::empty(self.rows);
        self.add_bitmap(self.section.bytes(part.clone())?, &mut rows)?;
        Ok(rows)
    }

    fn add_bitmap(&self, bytes: &[u8], rows: &mut RowSet) -> Result<()> {
        bitmap::unite(rows, bytes).ok_or_else(damaged)
    }

    fn insert(&self, row: u32, rows: &mut RowSet) -> Result<()> {
        if row >= self.rows {
            return Err(damaged());
        }
        rows.insert(RowId(row));
        Ok(())
    }
}

fn damaged() -> Error {
    Error::corrupt("a field index is damaged", "a segment's field indexes")
}
