//! The rows of a baseline as they are stored: columns in pieces, each in a record of its own.
//!
//! What comes back is not trusted: the SHA-256 of all pieces must be that of the baseline, and columns are made again by
//! the checks that those of a caller go through.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::column::{Column, Columns};
use crate::collection::record::Record;
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::payload::{BlobId, Value};
use crate::schema::Schema;
use crate::storage::codec;

/// The collection of the pieces, whose payloads are bytes.
const ROWS: &str = "_baseline_rows";
/// Of what makes up a piece, so many bytes at most: with its name it stays below what the codec takes.
const PIECE_BYTES: usize = 512 << 10;

/// Part of a column (frozen: the order of fields and variants is their form on disk).
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Piece {
    column: String,
    values: Values,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Values {
    Numbers(Vec<Option<f64>>),
    Categories(Vec<Option<String>>),
    Vectors { dimension: u64, values: Vec<f32> },
}

/// Columns, ready to be put.
pub(in crate::mlops) struct Stored {
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) sha256: String,
}

/// What must be known to read columns back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::mlops) struct Kept {
    pub(in crate::mlops) pieces: u64,
    pub(in crate::mlops) sha256: String,
}

impl Stored {
    pub(in crate::mlops) fn kept(&self) -> Kept {
        Kept { pieces: self.pieces.len() as u64, sha256: self.sha256.clone() }
    }
}

/// The stored form of columns.
pub(in crate::mlops) fn encode(columns: &Columns) -> Result<Stored> {
    let mut pieces = Vec::new();
    for (name, column) in columns {
        for values in parts(column) {
            pieces.push(codec::encode(&Piece { column: name.clone(), values })?);
        }
    }
    Ok(Stored { sha256: digest(&pieces), pieces })
}

/// Adds the pieces to a batch, under the key of their baseline.
pub(in crate::mlops) fn put_in(db: &Database, batch: Batch, key: &str, stored: &Stored) -> Result<Batch> {
    let rows = db.system_collection(ROWS, Schema::payload_only)?;
    let records = stored.pieces.iter().enumerate();
    Ok(records.fold(batch, |batch, (place, bytes)| {
        batch.put(&rows, Record::new(numbered(key, place as u64)).payload(Value::Bytes(bytes.clone())))
    }))
}

/// Reads the columns of a baseline.
pub(in crate::mlops) fn read(db: &Database, key: &str, count: u64, sha256: &str) -> Result<Columns> {
    let damaged = |what: &str| {
        Error::new(ErrorKind::Corrupt, format!("the rows of the baseline {key} {what}"))
            .at(format!("collection {ROWS}"))
    };
    let rows = db.collection(ROWS)?;
    let mut pieces = Vec::new();
    for place in 0..count {
        let record = rows.get(numbered(key, place))?.ok_or_else(|| damaged("are not all there"))?;
        let bytes = record.payload.as_bytes().ok_or_else(|| damaged("are no bytes"))?;
        pieces.push(bytes.to_vec());
    }
    if digest(&pieces) != sha256 {
        return Err(damaged("are not those that were stored"));
    }
    let mut columns = Columns::new();
    for bytes in &pieces {
        let piece: Piece = codec::decode(bytes, "a piece of a baseline")?;
        append(&mut columns, piece).map_err(|_| damaged("do not fit each other"))?;
    }
    Ok(columns)
}

fn numbered(key: &str, place: u64) -> String {
    format!("{key}/{place:06}")
}

fn digest(pieces: &[Vec<u8>]) -> String {
    let mut hasher = Sha256::new();
    pieces.iter().for_each(|piece| hasher.update(piece));
    BlobId(hasher.finalize().into()).to_string()
}

/// A column in parts that fit into a piece.
fn parts(column: &Column) -> Vec<Values> {
    match column {
        Column::Numbers(values) => values.chunks(PIECE_BYTES / 9).map(|part| Values::Numbers(part.to_vec())).collect(),
        Column::Categories(values) => {
            let mut parts = vec![Vec::new()];
            let mut bytes = 0;
            for value in values {
                let more = 9 + value.as_ref().map_or(0, String::len);
                if bytes + more > PIECE_BYTES {
                    parts.push(Vec::new());
                    bytes = 0;
                }
                bytes += more;
                if let Some(part) = parts.last_mut() {
                    part.push(value.clone());
                }
            }
            parts.into_iter().map(Values::Categories).collect()
        }
        Column::Vectors { values, dimension } => {
            let rows = (PIECE_BYTES / 4 / dimension).max(1);
            let part = |part: &[f32]| Values::Vectors { dimension: *dimension as u64, values: part.to_vec() };
            values.chunks(rows * dimension).map(part).collect()
        }
    }
}

fn append(columns: &mut Columns, piece: Piece) -> Result<()> {
    let more = match piece.values {
        Values::Numbers(values) => Column::Numbers(values),
        Values::Categories(values) => Column::Categories(values),
        Values::Vectors { dimension, values } => {
            Column::vectors(values, usize::try_from(dimension).unwrap_or(usize::MAX))?
        }
    };
    match (columns.get_mut(&piece.column), more) {
        (None, more) => drop(columns.insert(piece.column, more)),
        (Some(Column::Numbers(values)), Column::Numbers(more)) => values.extend(more),
        (Some(Column::Categories(values)), Column::Categories(more)) => values.extend(more),
        (Some(Column::Vectors { values, dimension }), Column::Vectors { values: more, dimension: d })
            if *dimension == d =>
        {
            values.extend(more);
        }
        _ => return Err(Error::invalid("pieces of one column hold values of two types")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        let long = "x".repeat(100_000);
        Columns::from([
            ("lang".into(), Column::Categories((0..20).map(|n| (n % 3 != 0).then(|| long.clone())).collect())),
            ("price".into(), Column::Numbers(vec![Some(1.5), None, Some(-0.0)])),
            ("vector".into(), Column::vectors((0..300_000).map(|n| n as f32).collect(), 300).unwrap()),
        ])
    }

    fn stored(db: &Database) -> Stored {
        let stored = encode(&columns()).unwrap();
        put_in(db, db.batch(), "it/1", &stored).unwrap().commit().unwrap();
        stored
    }

    #[test]
    fn rows_come_back_as_they_were_put() {
        let db = Database::in_memory().unwrap();
        let stored = stored(&db);
        assert!(stored.pieces.len() > 5 && stored.pieces.iter().all(|piece| piece.len() < 1 << 20));
        assert_eq!(read(&db, "it/1", stored.pieces.len() as u64, &stored.sha256).unwrap(), columns());
    }

    #[test]
    fn rows_that_are_not_those_that_were_stored_are_damage() {
        let db = Database::in_memory().unwrap();
        let Stored { pieces, sha256 } = stored(&db);
        let count = pieces.len() as u64;
        let kind = |count: u64, sha256: &str| read(&db, "it/1", count, sha256).unwrap_err().kind();
        assert_eq!(kind(count + 1, &sha256), ErrorKind::Corrupt);
        assert_eq!(kind(count - 1, &sha256), ErrorKind::Corrupt);
        assert_eq!(kind(count, "00"), ErrorKind::Corrupt);
        let rows = db.system_collection(ROWS, Schema::payload_only).unwrap();
        rows.put(Record::new("it/1/000000").payload(Value::from("text"))).unwrap();
        assert_eq!(kind(count, &sha256), ErrorKind::Corrupt);
        let odd = Piece { column: "vector".into(), values: Values::Vectors { dimension: 0, values: vec![1.0] } };
        assert!(append(&mut Columns::new(), odd).is_err());
    }
}
