//! What stands in an index, byte by byte, and what reading any other bytes does.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::filter::{Bound, Filter};
use crate::ids::{FileId, StoreId};
use crate::payload::{Value, encode};
use crate::storage::fs::{FileSystem, MemoryFs, ReadMode};
use crate::storage::sections::{Container, FileKind, Section, SectionId};
use serde_json::json;

fn stored(payloads: impl IntoIterator<Item = serde_json::Value>) -> Vec<Vec<u8>> {
    payloads.into_iter().map(|payload| encode(&Value::from(payload)).unwrap()).collect()
}

fn index_of(path: &str, declared: bool, payloads: &[Vec<u8>]) -> Option<Vec<u8>> {
    let slices: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
    build::index(&choose::Chosen { path: vec![path.into()], declared }, &slices).unwrap()
}

/// A section with this content.
fn section_of(content: &[u8]) -> Section {
    let fs: Arc<dyn FileSystem> = Arc::new(MemoryFs::new());
    let store = StoreId([1; 16]);
    let mut writer = Writer::create(&fs, "file", FileKind::Segment, store, FileId(1)).unwrap();
    writer.section(SectionId(1)).unwrap();
    writer.write(content).unwrap();
    let file = writer.finish(&[]).unwrap();
    let container = Container::open(&fs, "file", FileKind::Segment, store, &file, ReadMode::Heap).unwrap();
    container.section(SectionId(1)).unwrap()
}

fn predicate(text: &str) -> crate::filter::Predicate {
    match Filter::parse(text).unwrap().bind(Timestamp(0)).unwrap() {
        Bound::Test(predicate) => predicate,
        other => panic!("{other:?}"),
    }
}

/// The rows of which a predicate over the field `a` holds, and those it is not sure of.
fn answer(index: &[u8], rows: u32, text: &str) -> Result<(Vec<u32>, Vec<u32>)> {
    let section = section_of(index);
    let index = FieldIndex::open(&section, 0..index.len() as u64, rows)?;
    let Answer { yes, unsure } = index.answer(&predicate(text).condition)?;
    let numbers = |rows: &crate::rows::RowSet| rows.iter().map(|row| row.0).collect();
    Ok((numbers(&yes), numbers(&unsure)))
}

#[test]
fn values_of_all_kinds_are_found_and_others_are_left_to_payloads() {
    let payloads = stored([
        json!({"a": 3}),
        json!({"a": 1.5}),
        json!({"a": "x"}),
        json!({"a": null}),
        json!({"a": [3]}),
        json!({}),
        json!({"a": true}),
        json!({"a": 3.0}),
        json!({"a": "y".repeat(MAX_VALUE_BYTES + 1)}),
        json!(7),
    ]);
    let index = index_of("a", true, &payloads).unwrap();
    for (text, yes, unsure) in [
        ("a = 3", &[0u32, 7][..], &[4u32, 8][..]),
        ("a != 3", &[1], &[4, 8]),
        ("a < 2", &[1], &[4, 8]),
        ("a >= 1.5", &[0, 1, 7], &[4, 8]),
        ("a between 2 and 'z'", &[], &[4, 8]),
        ("a in ['x', 1.5, 9]", &[1, 2], &[4, 8]),
        ("a not in [3]", &[1], &[4, 8]),
        ("a like '_'", &[2], &[4, 8]),
        ("a <= true", &[6], &[4, 8]),
        ("a contains 3", &[], &[4, 8]),
        ("a is null", &[3], &[]),
        ("a is not null", &[0, 1, 2, 4, 6, 7, 8], &[]),
        ("a is missing", &[5, 9], &[]),
        ("a is not missing", &[0, 1, 2, 3, 4, 6, 7, 8], &[]),
    ] {
        assert_eq!(answer(&index, 10, text).unwrap(), (yes.to_vec(), unsure.to_vec()), "{text}");
    }
}

#[test]
fn few_values_take_bitmaps_and_many_take_lists() {
    let few = stored((0..1000).map(|row| json!({"a": row % 10})));
    let many = stored((0..1000).map(|row| json!({"a": row / 2})));
    let (few, many) = (index_of("a", false, &few).unwrap(), index_of("a", false, &many).unwrap());
    assert_eq!((few[0], many[0]), (Form::Bitmaps as u8, Form::Lists as u8));
    for index in [few, many] {
        let (yes, unsure) = answer(&index, 1000, "a = 7").unwrap();
        assert!(!yes.is_empty() && unsure.is_empty());
    }
}

#[test]
fn an_index_that_would_repeat_the_payloads_is_left_out_unless_it_is_declared() {
    let texts = stored((0..1000).map(|row| json!({"a": format!("text {row}"), "b": row, "c": "x".repeat(300)})));
    assert!(index_of("a", false, &texts).is_none());
    assert!(index_of("a", true, &texts).is_some());
    assert!(index_of("b", false, &texts).is_some());
    assert!(index_of("c", false, &texts).is_none());
    assert!(index_of("missing", false, &texts).is_none());
}

#[test]
fn the_stored_form_is_frozen() {
    let payloads = stored([json!({"a": "x"}), json!({"a": 7}), json!({"a": null}), json!({"a": []})]);
    let bitmap = |rows: &[u8]| {
        let mut bytes = vec![0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, rows.len() as u8 - 1, 0, 16, 0, 0, 0];
        rows.iter().for_each(|row| bytes.extend([*row, 0]));
        bytes
    };
    #[rustfmt::skip]
    let golden = [
        &[2, 0, 0, 0,  2, 0, 0, 0,  24, 0, 0, 0,  18, 0, 0, 0,  18, 0, 0, 0,  15, 0, 0, 0,  8, 0, 0, 0][..],
        &bitmap(&[0, 1, 2, 3]), &bitmap(&[2]), &bitmap(&[3]),
        &[9, 0, 0, 0,  15, 0, 0, 0],
        &[4, 0, 0, 0,  8, 0, 0, 0],
        &[3, 7, 0, 0, 0, 0, 0, 0, 0,  6, 1, 0, 0, 0, b'x'],
        &[1, 0, 0, 0,  0, 0, 0, 0],
    ].concat();
    assert_eq!(index_of("a", true, &payloads).unwrap(), golden);
}

proptest! {
    #[test]
    fn a_damaged_index_answers_or_is_an_error(
        rows in 1u32..5,
        few in any::<bool>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let payloads = stored((0..40).map(|row| if few { json!({"a": row % 2}) } else { json!({"a": row}) }));
        let mut index = index_of("a", true, &payloads).unwrap();
        for (place, value) in places {
            let place = place.index(index.len());
            index[place] = value;
        }
        if let Some(cut) = cut {
            index.truncate(cut.index(index.len()));
        }
        for rows in [rows, 40] {
            for text in ["a = 1", "a != 1", "a in [0, 1]", "a not in [1]", "a between 0 and 9", "a is missing"] {
                let _ = answer(&index, rows, text);
            }
        }
    }
}

#[test]
fn a_bitmap_that_claims_more_containers_than_there_are_rows_is_refused() {
    let mut index = index_of("a", true, &stored([json!({"a": 1})])).unwrap();
    let present = HEAD_BYTES;
    index[present + 4..present + 8].copy_from_slice(&60_000u32.to_le_bytes());
    assert!(answer(&index, 1, "a is missing").is_err());
}
