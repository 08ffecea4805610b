//! The metadata codec, on a record with every shape that stored metadata has (none holds itself): whatever it accepts has one stored form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Seed;
use crate::storage::codec as stored;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Record {
    name: String,
    dimension: u32,
    ratio: f64,
    enabled: bool,
    shape: Shape,
    time_to_live: Option<u64>,
    parts: Vec<(i16, f32)>,
    inner: (Shape, Shape),
    labels: BTreeMap<String, Vec<u8>>,
    initial: char,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
enum Shape {
    #[default]
    Flat,
    Graph {
        links: u16,
        effort: Option<u32>,
    },
    Tables(Vec<String>),
}

/// Reads `data` as a record of metadata.
pub fn codec(data: &[u8]) {
    let _ = stored::decode::<Vec<String>>(data, "texts");
    let _ = stored::decode::<Vec<u64>>(data, "numbers");
    let Ok(record) = stored::decode::<Record>(data, "a record") else { return };
    let Ok(written) = stored::encode(&record) else { panic!("what was read can be written: {record:?}") };
    // Keys of a map may stand in any order, or twice, in what is read; they are written once, in order.
    assert!(written.len() <= data.len(), "what was read takes no more room when written");
    let read = stored::decode::<Record>(&written, "a record");
    let again = read.and_then(|read| stored::encode(&read)).ok();
    assert_eq!(again, Some(written), "a record has one stored form");
}

pub(super) fn seeds() -> Vec<Seed> {
    let shape = Shape::Graph { links: 16, effort: Some(128) };
    let tables = Shape::Tables(vec!["a".into(), "b".into()]);
    let full = Record {
        name: "items".into(),
        dimension: 384,
        ratio: 0.5,
        enabled: true,
        shape,
        time_to_live: Some(3600),
        parts: vec![(-1, 1.0), (2, -2.5)],
        inner: (tables, Shape::Flat),
        labels: BTreeMap::from([("k".into(), vec![1, 2, 3])]),
        initial: '\u{e9}',
    };
    let seed = |(name, record)| stored::encode(&record).ok().map(|bytes| Seed { name, bytes });
    [("plain", Record::default()), ("full", full)].into_iter().filter_map(seed).collect()
}
