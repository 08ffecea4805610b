//! Which fields get an index.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::payload::{Scalar, View};
use crate::schema::Schema;

/// Beside the declared fields at most so many are indexed.
const MAX_FOUND: usize = 32;
/// A field must be seen in one row of so many.
const ONE_OF_ROWS: usize = 100;
/// So many rows are looked at, evenly spread over the segment, and so many fields of each.
const SAMPLE_ROWS: usize = 4096;
const SAMPLE_FIELDS: usize = 256;

/// A field to be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) path: Vec<String>,
    /// Declared by the schema, and therefore indexed whatever it holds.
    pub(super) declared: bool,
}

/// Rows in which a field was seen as a scalar, by the way to it.
type Seen<'a> = BTreeMap<Vec<&'a str>, usize>;

/// The declared fields, then those that are seen most often.
pub(super) fn fields(schema: &Schema, payloads: &[&[u8]]) -> Result<Vec<Chosen>> {
    let declared = schema.fields().paths().map(|path| Chosen { path: path.to_vec(), declared: true });
    let mut chosen: Vec<Chosen> = declared.collect();
    let step = payloads.len().div_ceil(SAMPLE_ROWS).max(1);
    let mut seen = Seen::new();
    let mut rows = 0;
    for payload in payloads.iter().step_by(step) {
        rows += 1;
        let mut left = SAMPLE_FIELDS;
        note(View::new(payload), &mut Vec::new(), &mut seen, &mut left)?;
    }
    let often = |(_, count): &(Vec<&str>, usize)| count * ONE_OF_ROWS >= rows;
    let mut found: Vec<_> = seen.into_iter().filter(often).collect();
    // The sort is stable, so fields seen as often stay in the order of their names.
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let owned = |(path, _): (Vec<&str>, usize)| path.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let undeclared: Vec<_> =
        found.into_iter().map(owned).filter(|path| chosen.iter().all(|other| other.path != *path)).collect();
    chosen.extend(undeclared.into_iter().take(MAX_FOUND).map(|path| Chosen { path, declared: false }));
    Ok(chosen)
}

/// Counts the scalar fields of an object and of those inside it; payloads nest so little that recursion is safe.
fn note<'a>(object: View<'a>, path: &mut Vec<&'a str>, seen: &mut Seen<'a>, left: &mut usize) -> Result<()> {
    for field in object.fields()? {
        let (name, value) = field?;
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        path.push(name);
        match value.scalar()? {
            Scalar::Object => note(value, path, seen, left)?,
            Scalar::Bool(_) | Scalar::Int(_) | Scalar::UInt(_) | Scalar::Float(_) | Scalar::Text(_) => {
                *seen.entry(path.clone()).or_default() += 1;
            }
            Scalar::Null | Scalar::Bytes(_) | Scalar::Blob | Scalar::Array => {}
        }
        path.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{FieldType, Value, encode};
    use serde_json::json;

    fn chosen(schema: &Schema, payloads: Vec<Value>) -> Vec<String> {
        let stored: Vec<_> = payloads.iter().map(|payload| encode(payload).unwrap()).collect();
        let slices: Vec<_> = stored.iter().map(Vec::as_slice).collect();
        fields(schema, &slices).unwrap().into_iter().map(|chosen| chosen.path.join(".")).collect()
    }

    #[test]
    fn declared_fields_come_first_then_scalars_by_how_often_they_are_seen() {
        let schema = Schema::payload_only().field("rare", FieldType::Int);
        let payloads = (0..1000).map(|row| match row {
            0..10 => json!({"once in a hundred": 1, "always": 1, "tags": [1], "in": {"half": 1}}).into(),
            10..500 => json!({"always": 1, "null": null, "in": {"half": true}}).into(),
            999 => json!({"rare": 7, "once in a thousand": 1}).into(),
            _ => json!({"always": "x"}).into(),
        });
        assert_eq!(chosen(&schema, payloads.collect()), ["rare", "always", "in.half", "once in a hundred"]);
    }

    #[test]
    fn many_fields_are_cut_to_so_many() {
        let many = Value::object((0..500).map(|number| (format!("f{number:03}"), Value::from(number))));
        let found = chosen(&Schema::payload_only(), vec![many; 3]);
        assert_eq!(found.len(), MAX_FOUND);
        assert_eq!(found[0], "f000");
        assert_eq!(chosen(&Schema::payload_only(), vec![Value::Null, Value::from(7)]), [""; 0]);
    }
}
