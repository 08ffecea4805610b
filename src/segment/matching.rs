//! Which rows of a sealed segment pass a filter: by field indexes as far as they know, and by payloads beyond.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::filter::{Bound, Comparison, Condition, Literal, Number, Predicate, Row, Share, Subject};
use crate::ids::RowId;
use crate::index::Stop;
use crate::key::Key;
use crate::payload::Scalar;
use crate::pool::Pool;
use crate::rows::RowSet;
use crate::segment::RowSource;
use crate::segment::fields::Answer;
use crate::segment::file::SealedFile;

/// Rows that one thread looks at in one go.
const ROWS_PER_TASK: usize = 4096;
/// Rows between two looks at whether to stop: one may take long, where a pattern meets a long text.
const ROWS_PER_LOOK: usize = 16;

/// The rows that pass, and how they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matches {
    pub(crate) rows: RowSet,
    /// Parts of records, as filters write them, of which an index or the key order could say all that was asked.
    pub(crate) by_index: Vec<String>,
    /// Parts of records that were read row by row.
    pub(crate) by_payload: Vec<String>,
    /// Rows that were read.
    pub(crate) evaluated: u64,
    /// It was stopped: rows that pass may be missing.
    pub(crate) cut: bool,
}

/// What is known of a filter without reading rows: those that pass, and those that may.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) surely: RowSet,
    /// All that surely pass are among them.
    pub(crate) possibly: RowSet,
}

/// What the indexes of `file` say of a filter. Reads no payloads.
pub(crate) fn known(file: &SealedFile, filter: &Bound) -> Result<Known> {
    Asked { file, by_index: BTreeSet::new(), by_payload: BTreeSet::new() }.known(filter)
}

/// Finds the rows of `file` that pass; only among `candidates`, if they are given. Deleted rows may be among them.
pub(crate) fn matching(
    file: &SealedFile,
    filter: &Bound,
    candidates: Option<&RowSet>,
    stop: &Stop<'_>,
    pool: &Pool,
) -> Result<Matches> {
    let mut asked = Asked { file, by_index: BTreeSet::new(), by_payload: BTreeSet::new() };
    let Known { surely: mut rows, possibly: mut open } = asked.known(filter)?;
    open.intersect(&rows.complement());
    if let Some(candidates) = candidates {
        rows.intersect(candidates);
        open.intersect(candidates);
    }
    let evaluated = open.count();
    let (passing, cut) = evaluate(file, filter, &open, stop, pool)?;
    for row in passing {
        rows.insert(row);
    }
    let by_payload = if evaluated > 0 { asked.by_payload } else { BTreeSet::new() };
    let by_index = asked.by_index.difference(&by_payload).cloned().collect();
    Ok(Matches { rows, by_index, by_payload: by_payload.into_iter().collect(), evaluated: u64::from(evaluated), cut })
}

/// Those of `open` that pass, and whether it was stopped before all were asked.
fn evaluate(
    file: &SealedFile,
    filter: &Bound,
    open: &RowSet,
    stop: &Stop<'_>,
    pool: &Pool,
) -> Result<(Vec<RowId>, bool)> {
    let rows: Vec<RowId> = open.iter().collect();
    let asks_key = filter.asks(&Subject::Key);
    let chunks: Vec<_> = rows.chunks(ROWS_PER_TASK).collect();
    let passing = pool.map(chunks.len(), |number| {
        let mut passing = Vec::new();
        for (place, row) in chunks[number].iter().enumerate() {
            if place % ROWS_PER_LOOK == 0 && stop() {
                return Ok((passing, true));
            }
            let key = if asks_key { file.key(*row)? } else { &[] };
            let stored = Row { key, created: file.created(*row)?, payload: file.payload(*row)? };
            if filter.matches(&stored).map_err(|_: Error| file.damaged("a payload cannot be read"))? {
                passing.push(*row);
            }
        }
        Ok((passing, false))
    })?;
    let cut = passing.iter().any(|part| part.1);
    Ok((passing.into_iter().flat_map(|part| part.0).collect(), cut))
}

/// A filter being held against a segment, and what it asked for.
struct Asked<'a> {
    file: &'a SealedFile,
    by_index: BTreeSet<String>,
    by_payload: BTreeSet<String>,
}

impl Asked<'_> {
    fn known(&mut self, filter: &Bound) -> Result<Known> {
        let rows = self.file.rows();
        match filter {
            Bound::Constant(true) => Ok(Known::exactly(RowSet::full(rows))),
            Bound::Constant(false) => Ok(Known::exactly(RowSet::empty(rows))),
            Bound::Not(inner) => {
                let Known { surely, possibly } = self.known(inner)?;
                Ok(Known { surely: possibly.complement(), possibly: surely.complement() })
            }
            Bound::And(parts) => self.joined(parts, RowSet::full(rows), RowSet::intersect),
            Bound::Or(parts) => self.joined(parts, RowSet::empty(rows), RowSet::unite),
            Bound::Test(predicate) => self.predicate(predicate),
            Bound::Share(share) => self.share(*share),
        }
    }

    /// Reads the keys of all rows, but nothing else of them.
    fn share(&self, share: Share) -> Result<Known> {
        let mut rows = RowSet::empty(self.file.rows());
        for row in (0..self.file.rows()).map(RowId) {
            if share.holds(self.file.key(row)?) {
                rows.insert(row);
            }
        }
        Ok(Known::exactly(rows))
    }

    fn joined(&mut self, parts: &[Bound], start: RowSet, join: fn(&mut RowSet, &RowSet)) -> Result<Known> {
        let mut all = Known::exactly(start);
        for part in parts {
            let known = self.known(part)?;
            join(&mut all.surely, &known.surely);
            join(&mut all.possibly, &known.possibly);
        }
        Ok(all)
    }

    fn predicate(&mut self, predicate: &Predicate) -> Result<Known> {
        let known = match &predicate.subject {
            Subject::Field(path) => self.field(path, &predicate.condition),
            Subject::Key => self.keys(&predicate.condition)?,
            Subject::Time => Some(self.times(&predicate.condition)?),
        };
        let name = predicate.subject.to_string();
        Ok(match known {
            Some(known) => {
                if known.surely.count() != known.possibly.count() {
                    self.by_payload.insert(name.clone());
                }
                self.by_index.insert(name);
                known
            }
            None => {
                self.by_payload.insert(name);
                Known { surely: RowSet::empty(self.file.rows()), possibly: RowSet::full(self.file.rows()) }
            }
        })
    }

    /// What the index of a field says; `None` where there is none that can be read.
    fn field(&self, path: &[String], condition: &Condition) -> Option<Known> {
        let answer =
            self.file.field_index(path).and_then(|index| index.map(|index| index.answer(condition)).transpose());
        match answer {
            Ok(answer) => answer.map(Known::from),
            Err(error) => {
                tracing::warn!(segment = self.file.stored().name(), %error, "reading payloads instead of a field index");
                None
            }
        }
    }

    /// Looks up the keys that are asked for one by one; `None` for other conditions.
    fn keys(&self, condition: &Condition) -> Result<Option<Known>> {
        let wanted = match condition {
            Condition::Compare(Comparison::Equal, value) => std::slice::from_ref(value),
            Condition::In(values) => values.as_slice(),
            _ => return Ok(None),
        };
        let mut rows = RowSet::empty(self.file.rows());
        for key in wanted.iter().filter_map(key_of) {
            if let Some(row) = self.file.row_of(&key.encode())? {
                rows.insert(row);
            }
        }
        Ok(Some(Known::exactly(rows)))
    }

    fn times(&self, condition: &Condition) -> Result<Known> {
        let mut rows = RowSet::empty(self.file.rows());
        for (row, time) in self.file.creation_times()?.iter().enumerate() {
            if condition.holds(&Scalar::Int(*time)) {
                rows.insert(RowId(row as u32));
            }
        }
        Ok(Known::exactly(rows))
    }
}

/// The one key that is equal to `value`, if there is one.
fn key_of(value: &Literal) -> Option<Key> {
    match value {
        Literal::Text(text) => Some(Key::from(text.as_str())),
        Literal::Bytes(bytes) => Some(Key::from(bytes.as_slice())),
        Literal::Number(Number::UInt(number)) => Some(Key::from(*number)),
        Literal::Number(Number::Int(number)) => u64::try_from(*number).ok().map(Key::from),
        Literal::Number(number @ Number::Float(float)) => {
            // The conversion saturates, so what it gives is compared once more.
            let whole = *float as u64;
            number.compare(Number::from(whole)).is_eq().then(|| Key::from(whole))
        }
        Literal::Bool(_) | Literal::Time(_) | Literal::Now(_) => None,
    }
}

impl Known {
    fn exactly(rows: RowSet) -> Known {
        Known { surely: rows.clone(), possibly: rows }
    }
}

impl From<Answer> for Known {
    fn from(answer: Answer) -> Known {
        let mut possibly = answer.yes.clone();
        possibly.unite(&answer.unsure);
        Known { surely: answer.yes, possibly }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::filter::Filter;
    use crate::filter::tests::{filters, keys, payloads};
    use crate::ids::{FileId, Lsn, StoreId};
    use crate::payload::{FieldType, Value, encode};
    use crate::schema::{FieldIndexing, Schema};
    use crate::segment::block::NewRow;
    use crate::segment::columns::section;
    use crate::segment::file::Opener;
    use crate::segment::mutable::Mutable;
    use crate::segment::seal::{Part, write_segment};
    use crate::storage::fs::{FileSystem, MemoryFs, ReadMode};
    use crate::storage::names;
    use crate::storage::sections::{Container, FileKind};

    const STORE: StoreId = StoreId([5; 16]);
    const FILE: FileId = FileId(3);
    const NOW: Timestamp = Timestamp(1_769_860_800_000_000);

    type Records = BTreeMap<Vec<u8>, (Value, i64)>;

    fn opener() -> Opener {
        Opener { fs: Arc::new(MemoryFs::new()), store: STORE, mode: ReadMode::Heap, condemned: Arc::default() }
    }

    /// A segment of these records, in the order of their keys; with `damage` a byte of its field indexes is changed.
    fn segment(schema: &Schema, records: &Records, damage: Option<usize>) -> SealedFile {
        let segment = Mutable::new(schema);
        for (key, (payload, created)) in records {
            let payload = encode(payload).unwrap();
            let (created, expires) = (Timestamp(*created), Timestamp::NEVER);
            segment.put(Lsn(1), NewRow { key, created, expires, vector: &[], payload: &payload });
        }
        let frozen = segment.freeze();
        let live = frozen.live_rows(Lsn(u64::MAX));
        let mut opener = opener();
        let written = write_segment(&opener.fs, STORE, FILE, schema, &[Part { source: &frozen, rows: &live }]).unwrap();
        if let Some(place) = damage {
            opener.fs = damaged(&opener, written.file, place);
        }
        SealedFile::open(&opener, schema, written.file, written.rows).unwrap()
    }

    /// A directory with a copy of the segment file that differs in one byte of a field index, if there is one.
    fn damaged(opener: &Opener, file: crate::storage::sections::FileRef, place: usize) -> Arc<dyn FileSystem> {
        let name = names::segment(FILE);
        let mut bytes = opener.fs.map(&name, file.length, opener.mode).unwrap().to_vec();
        let container = Container::open(&opener.fs, &name, FileKind::Segment, STORE, &file, opener.mode).unwrap();
        if let Some(indexes) = container.find(section::FIELD_INDEXES) {
            let content = indexes.all().unwrap();
            let start = bytes.windows(content.len()).position(|window| window == content).unwrap();
            bytes[start + place % content.len()] ^= 0x55;
        }
        let copy = MemoryFs::new();
        copy.create_new(&name).unwrap().write_at(&bytes, 0).unwrap();
        Arc::new(copy)
    }

    /// The rows that pass, each looked at.
    fn naive(records: &Records, filter: &Bound) -> Vec<u32> {
        let passes = |(key, (payload, created)): (&Vec<u8>, &(Value, i64))| {
            let payload = encode(payload).unwrap();
            filter.matches(&Row { key, created: Timestamp(*created), payload: &payload }).unwrap()
        };
        let passing = records.iter().enumerate().filter(|(_, record)| passes(*record));
        passing.map(|(row, _)| row as u32).collect()
    }

    fn rows_of(matches: &Matches) -> Vec<u32> {
        matches.rows.iter().map(|row| row.0).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn matching_finds_what_looking_at_every_row_finds(
            records in prop::collection::btree_map(keys(), (payloads(), NOW.0 - 800_000_000_000..NOW.0), 1..60),
            filters in prop::collection::vec(filters(), 1..12),
            candidates in prop::collection::vec(any::<u32>(), 0..20),
            place in any::<usize>(),
        ) {
            let records: Records = records.into_iter().map(|(key, record)| (key.encode(), record)).collect();
            let auto = Schema::payload_only();
            let none = Schema::payload_only().field_indexing(FieldIndexing::None);
            let segments = [segment(&auto, &records, None), segment(&none, &records, None), segment(&auto, &records, Some(place))];
            for filter in filters {
                let bound = filter.bind(NOW).unwrap();
                let expected = naive(&records, &bound);
                for file in &segments {
                    let pool = Pool::inline();
                    let found = matching(file, &bound, None, &|| false, &pool).unwrap();
                    prop_assert_eq!(rows_of(&found), &expected[..], "{}", filter);
                    prop_assert!(found.evaluated <= u64::from(file.rows()));

                    let mut some = RowSet::empty(file.rows());
                    for row in &candidates {
                        some.insert(RowId(row % file.rows()));
                    }
                    let found = matching(file, &bound, Some(&some), &|| false, &pool).unwrap();
                    let among: Vec<u32> = expected.iter().copied().filter(|row| some.contains(RowId(*row))).collect();
                    prop_assert_eq!(rows_of(&found), among, "{}", filter);
                    prop_assert!(found.evaluated <= u64::from(some.count()));
                }
            }
        }
    }

    /// 1,000 records: `year` and `lang` indexed, `note` (all different) and `tags` not.
    fn library() -> (Records, Schema) {
        let record = |row: u64| {
            let lang = ["en", "de", "fr", "it"][row as usize % 4];
            let payload =
                json!({"lang": lang, "year": 1900 + row / 10, "note": format!("note {row}"), "tags": [row % 3]});
            (Key::from(row).encode(), (payload.into(), row as i64))
        };
        ((0..1000).map(record).collect(), Schema::payload_only())
    }

    #[test]
    fn an_index_narrows_what_is_read_and_the_answer_says_so() {
        let (records, schema) = library();
        let file = segment(&schema, &records, None);
        let none: [&str; 0] = [];
        for (text, count, by_index, by_payload, evaluated) in [
            ("lang = 'en'", 250, &["lang"][..], &none[..], 0),
            ("year between 1950 and 1959 and lang != 'en'", 75, &["lang", "year"], &none, 0),
            ("year = 1950 and note like '%3'", 1, &["year"], &["note"], 10),
            ("year = 1950 or note = 'note 3'", 11, &["year"], &["note"], 990),
            ("not lang in ['en', 'de']", 500, &["lang"], &none, 0),
            ("not (year = 1950 and note like '%3')", 999, &["year"], &["note"], 10),
            ("tags contains 1 and year < 1901", 3, &["year"], &["tags"], 10),
            ("@key in [3, 7, 9999] and year = 1900", 2, &["@key", "year"], &none, 0),
            ("@key > 5 and @key < 8 and year = 1900", 2, &["year"], &["@key"], 10),
            ("@time < 5 and note is not null", 5, &["@time"], &["note"], 5),
            ("note = 'note 3' and FALSE", 0, &none, &none, 0),
        ] {
            let bound = Filter::parse(text).unwrap().bind(NOW).unwrap();
            let found = matching(&file, &bound, None, &|| false, &Pool::new(3).unwrap()).unwrap();
            assert_eq!(rows_of(&found), naive(&records, &bound), "{text}");
            assert_eq!((found.rows.count(), found.evaluated), (count, evaluated), "{text}");
            assert_eq!((found.by_index, found.by_payload), (owned(by_index), owned(by_payload)), "{text}");
        }
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_damaged_index_costs_time_and_no_answer() {
        let (records, schema) = library();
        let schema = schema.field("lang", FieldType::Text);
        let bound = Filter::parse("lang = 'en'").unwrap().bind(NOW).unwrap();
        let found = matching(&segment(&schema, &records, Some(0)), &bound, None, &|| false, &Pool::inline()).unwrap();
        assert_eq!(rows_of(&found), naive(&records, &bound));
        assert_eq!((found.by_payload, found.evaluated), (owned(&["lang"]), 1000));
    }

    #[test]
    fn who_is_told_to_stop_says_that_rows_may_be_missing() {
        let schema = Schema::payload_only().field_indexing(FieldIndexing::None);
        let records: Records = (0..100u64).map(|n| (Key::from(n).encode(), (json!({"n": n}).into(), 0))).collect();
        let file = segment(&schema, &records, None);
        let bound = Filter::parse("n >= 0").unwrap().bind(Timestamp(0)).unwrap();
        let found = matching(&file, &bound, None, &|| true, &Pool::inline()).unwrap();
        assert_eq!((found.rows.count(), found.cut), (0, true));
        let found = matching(&file, &bound, None, &|| false, &Pool::inline()).unwrap();
        assert_eq!((found.rows.count(), found.cut), (100, false));
    }

    #[test]
    fn a_key_is_looked_up_by_whatever_number_is_equal_to_it() {
        let number = |number| key_of(&Literal::Number(number)).and_then(|key| key.as_number());
        assert_eq!(number(Number::Float(7.0)), Some(7));
        assert_eq!(number(Number::Float(18446744073709549568.0)), Some(18446744073709549568));
        for none in [Number::Float(7.5), Number::Float(-1.0), Number::Float(1e30), Number::Int(-1)] {
            assert_eq!(number(none), None, "{none:?}");
        }
    }
}
