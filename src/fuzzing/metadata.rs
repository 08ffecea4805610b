//! The metadata codec, on stored schemas and on a record with every shape that metadata may have (none holds itself).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Seed;
use crate::schema::Schema;
use crate::storage::codec as stored;
use crate::vector::metric::Metric;

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

/// Reads `data` as a schema, and as a record of metadata.
pub fn codec(data: &[u8]) {
    schema(data);
    record(data);
}

fn schema(data: &[u8]) {
    let Ok(schema) = Schema::decode(data, "a schema") else { return };
    assert!(schema.check().is_ok(), "what is read keeps the rules: {schema:?}");
    let Ok(written) = schema.encode() else { panic!("what was read can be written: {schema:?}") };
    assert_eq!(Schema::decode(&written, "a schema").ok(), Some(schema), "a schema is read as it was written");
}

fn record(data: &[u8]) {
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
    let named = Schema::vector(384, Metric::Cosine).ttl(Duration::from_secs(3600)).model("minilm-l6@1");
    let seeds = [
        ("record-plain", stored::encode(&Record::default())),
        ("record-full", stored::encode(&full)),
        ("schema-payload-only", Schema::payload_only().encode()),
        ("schema-bits", Schema::bits(256).encode()),
        ("schema-vector", named.encode()),
    ];
    seeds.into_iter().filter_map(|(name, bytes)| Some(Seed { name, bytes: bytes.ok()? })).collect()
}
