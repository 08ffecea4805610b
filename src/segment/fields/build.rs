//! Builds the index of one field.

use roaring::RoaringBitmap;

use super::choose::Chosen;
use super::{Form, HEAD_BYTES, Head, MAX_VALUE_BYTES, ROWS_PER_BITMAP};
use crate::bytes::Write;
use crate::error::Result;
use crate::filter::order;
use crate::payload::{Scalar, View};

/// Of texts, no more different ones than this are indexed when nearly each row has its own.
const MAX_SINGULAR_TEXTS: usize = 256;

/// What the rows of a segment hold in one field.
#[derive(Default)]
struct Found<'a> {
    present: RoaringBitmap,
    null: RoaringBitmap,
    other: RoaringBitmap,
    values: Vec<(Scalar<'a>, u32)>,
}

/// A value, and where its rows stand among those of all values.
struct Group<'a> {
    value: Scalar<'a>,
    rows: std::ops::Range<usize>,
}

/// The stored index of a field; `None` where it would not be worth its place.
pub(super) fn index(chosen: &Chosen, payloads: &[&[u8]]) -> Result<Option<Vec<u8>>> {
    let mut found = Found::read(&chosen.path, payloads)?;
    found.values.sort_unstable_by(|(a, row), (b, other)| order(a, b).then(row.cmp(other)));
    let groups = found.groups();
    if !chosen.declared && !found.is_worth_it(&groups) {
        return Ok(None);
    }
    Ok(found.encode(&groups))
}

impl<'a> Found<'a> {
    fn read(path: &[String], payloads: &[&'a [u8]]) -> Result<Found<'a>> {
        let mut found = Found::default();
        for (row, payload) in payloads.iter().enumerate() {
            if let Some(view) = View::new(payload).at(path)? {
                found.note(view.scalar()?, row as u32);
            }
        }
        Ok(found)
    }

    fn note(&mut self, value: Scalar<'a>, row: u32) {
        self.present.insert(row);
        match value {
            Scalar::Null => {
                self.null.insert(row);
            }
            Scalar::Bool(_) | Scalar::Int(_) | Scalar::UInt(_) | Scalar::Float(_) => self.values.push((value, row)),
            Scalar::Text(text) if text.len() <= MAX_VALUE_BYTES => self.values.push((value, row)),
            Scalar::Text(_) | Scalar::Bytes(_) | Scalar::Blob | Scalar::Array | Scalar::Object => {
                self.other.insert(row);
            }
        }
    }

    /// The different values, ascending. Numbers that are equal are one value, whatever they are stored as.
    fn groups(&self) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (place, (value, _)) in self.values.iter().enumerate() {
            match groups.last_mut() {
                Some(last) if order(&last.value, value).is_eq() => last.rows.end = place + 1,
                _ => groups.push(Group { value: *value, rows: place..place + 1 }),
            }
        }
        groups
    }

    /// Whether filters gain by it: not where half of the values are not in it, and not where it would repeat a text
    /// for nearly each row, which is about what the payloads take.
    fn is_worth_it(&self, groups: &[Group<'_>]) -> bool {
        let is_text = |value: &Scalar<'_>| matches!(value, Scalar::Text(_));
        let different = groups.iter().filter(|group| is_text(&group.value)).count();
        let texts = self.values.iter().filter(|(value, _)| is_text(value)).count();
        let held = self.values.len() as u64;
        held > 0 && self.other.len() <= held && (different <= MAX_SINGULAR_TEXTS || different * 2 <= texts)
    }

    /// The stored form; `None` when it is too large for 32-bit offsets.
    fn encode(&self, groups: &[Group<'_>]) -> Option<Vec<u8>> {
        let form = match self.values.len() >= groups.len() * ROWS_PER_BITMAP {
            true => Form::Bitmaps,
            false => Form::Lists,
        };
        let (mut values, mut value_ends) = (Vec::new(), Vec::new());
        let (mut rows, mut row_ends) = (Vec::new(), Vec::new());
        for group in groups {
            group.value.encode_into(&mut values);
            value_ends.put_u32(u32::try_from(values.len()).ok()?);
            let holders = self.values[group.rows.clone()].iter().map(|(_, row)| *row);
            match form {
                Form::Bitmaps => serialize(&RoaringBitmap::from_sorted_iter(holders).ok()?, &mut rows)?,
                Form::Lists => holders.for_each(|row| rows.put_u32(row)),
            }
            row_ends.put_u32(u32::try_from(rows.len()).ok()?);
        }
        let [mut present, mut null, mut other] = [const { Vec::new() }; 3];
        serialize(&self.present, &mut present)?;
        serialize(&self.null, &mut null)?;
        serialize(&self.other, &mut other)?;
        let head = Head {
            form,
            values: groups.len() as u32,
            present_bytes: u32::try_from(present.len()).ok()?,
            null_bytes: u32::try_from(null.len()).ok()?,
            other_bytes: u32::try_from(other.len()).ok()?,
            value_bytes: values.len() as u32,
            row_bytes: rows.len() as u32,
        };
        Some([head.encode(), present, null, other, value_ends, row_ends, values, rows].concat())
    }
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES);
        out.put_u32(self.form as u32);
        out.put_u32(self.values);
        out.put_u32(self.present_bytes);
        out.put_u32(self.null_bytes);
        out.put_u32(self.other_bytes);
        out.put_u32(self.value_bytes);
        out.put_u32(self.row_bytes);
        out
    }
}

/// Appends a bitmap in the portable form of Roaring.
fn serialize(bitmap: &RoaringBitmap, out: &mut Vec<u8>) -> Option<()> {
    bitmap.serialize_into(out).ok()
}
