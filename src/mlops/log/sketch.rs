//! What is remembered of the rows of a window, and of windows together.

use serde::{Deserialize, Serialize};

use super::bottom::{InputSample, RowSample};
use super::entry::Row;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::payload::Value;
use crate::stats::moments::RowMoments;
use crate::stats::quantile::Kll;
use crate::storage::codec;

/// The accuracy of the quantiles of norms: a rank is right to 0.017 in 99 of 100 queries.
const NORMS_K: u32 = 200;

/// The state of rows: what [`Profile`](super::Profile) tells. Merging is exact but for the norms, which stay within their
/// error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sketch {
    pub(super) moments: RowMoments,
    pub(super) norms: Kll,
    pub(super) rows: RowSample,
    pub(super) inputs: InputSample,
    pub(super) zeros: u64,
    /// The times of the oldest and the newest row.
    pub(super) times: Option<(Timestamp, Timestamp)>,
    /// The lowest and the highest key.
    pub(super) keys: Option<(u64, u64)>,
}

/// The stored form (frozen).
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u16,
    moments: RowMoments,
    norms: Kll,
    rows: Vec<u64>,
    inputs: u64,
    input_counts: Vec<(u64, u64)>,
    zeros: u64,
    times: Option<(Timestamp, Timestamp)>,
    keys: Option<(u64, u64)>,
}

const VERSION: u16 = 1;

impl Sketch {
    /// Of no rows. `seed` is that of the space; the norms of each window draw by its own.
    pub(super) fn new(dimension: usize, sample: usize, seed: u64, window: Timestamp) -> Result<Sketch> {
        Ok(Sketch {
            moments: RowMoments::new(dimension),
            norms: Kll::new(NORMS_K, seed ^ window.0.unsigned_abs())?,
            rows: RowSample::new(sample, seed),
            inputs: InputSample::default(),
            zeros: 0,
            times: None,
            keys: None,
        })
    }

    /// Adds a row. Costs about a nanosecond for each number.
    pub(super) fn add(&mut self, row: &Row) -> Result<()> {
        self.moments.add(&row.vector)?;
        let norm = row.vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        self.norms.add(norm)?;
        self.rows.add(row.key);
        row.input.into_iter().for_each(|input| self.inputs.add(input));
        self.zeros += u64::from(norm == 0.0);
        self.times = reach(self.times, row.time, row.time);
        self.keys = reach(self.keys, row.key, row.key);
        Ok(())
    }

    /// Adds the rows of another part of the same space.
    pub(super) fn merge(&mut self, other: &Sketch) -> Result<()> {
        self.moments.merge(&other.moments)?;
        self.norms.merge(&other.norms)?;
        self.rows.merge(&other.rows);
        self.inputs.merge(&other.inputs);
        self.zeros += other.zeros;
        self.times = other.times.map_or(self.times, |(first, last)| reach(self.times, first, last));
        self.keys = other.keys.map_or(self.keys, |(first, last)| reach(self.keys, first, last));
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        self.moments.count()
    }

    pub(super) fn encode(&self) -> Result<Value> {
        let stored = Stored {
            version: VERSION,
            moments: self.moments.clone(),
            norms: self.norms.clone(),
            rows: self.rows.keys().collect(),
            inputs: self.inputs.total(),
            input_counts: self.inputs.kept(),
            zeros: self.zeros,
            times: self.times,
            keys: self.keys,
        };
        codec::encode(&stored).map(Value::Bytes)
    }

    /// Reads a stored form into `empty`, a sketch of the same space. What no calls make is damage: `what` names it.
    pub(super) fn decode(bytes: &[u8], empty: Sketch, what: &str) -> Result<Sketch> {
        let stored: Stored = codec::decode(bytes, what)?;
        let damaged = || Error::corrupt(format!("{what} is damaged"), what);
        let count = stored.moments.count();
        let full = stored.rows.len() == empty.rows.limit() || stored.rows.len() as u64 == count;
        let mut rows = empty.rows;
        stored.rows.iter().for_each(|key| rows.add(*key));
        let distinct = rows.len() == stored.rows.len();
        let there = [
            stored.times.is_some_and(|(first, last)| first <= last),
            stored.keys.is_some_and(|(first, last)| first <= last),
        ];
        let sound = stored.version == VERSION
            && count > 0
            && there == [true; 2]
            && full
            && distinct
            && stored.zeros <= count
            && stored.inputs <= count
            && stored.moments.is_sound(empty.moments.mean().len())
            && stored.norms.is_sound()
            && stored.norms.count() == count;
        let inputs = InputSample::stored(stored.inputs, stored.input_counts).filter(|_| sound).ok_or_else(damaged)?;
        let Stored { moments, norms, zeros, times, keys, .. } = stored;
        // One of another k would not merge.
        let mut mergeable = empty.norms;
        mergeable.merge(&norms).map_err(|_| damaged())?;
        Ok(Sketch { moments, norms, rows, inputs, zeros, times, keys })
    }
}

fn reach<T: Ord + Copy>(range: Option<(T, T)>, first: T, last: T) -> Option<(T, T)> {
    Some(range.map_or((first, last), |range| (range.0.min(first), range.1.max(last))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn empty() -> Sketch {
        Sketch::new(2, 3, 9, Timestamp(0)).unwrap()
    }

    fn row(key: u64) -> Row {
        let vector = if key == 4 { vec![0.0, 0.0] } else { vec![key as f32, 1.0] };
        Row { key, time: Timestamp(key as i64 * 10), vector, input: Some(key % 3) }
    }

    fn of(keys: std::ops::Range<u64>) -> Sketch {
        let mut sketch = empty();
        keys.for_each(|key| sketch.add(&row(key)).unwrap());
        sketch
    }

    #[test]
    fn a_sketch_tells_of_its_rows_and_merges() {
        let mut left = of(0..4);
        left.merge(&of(4..10)).unwrap();
        left.merge(&empty()).unwrap();
        assert_eq!((left.count(), left.zeros, left.inputs.total()), (10, 1, 10));
        assert_eq!(left.times, Some((Timestamp(0), Timestamp(90))));
        assert_eq!(left.keys, Some((0, 9)));
        assert_eq!(left.rows, of(0..10).rows);
        assert_eq!(left.norms.count(), 10);
    }

    #[test]
    fn the_stored_form_is_read_back_and_nothing_else_is_taken() {
        let sketch = of(0..10);
        let Value::Bytes(bytes) = sketch.encode().unwrap() else { panic!("bytes") };
        assert_eq!(Sketch::decode(&bytes, empty(), "it").unwrap(), sketch);
        for length in 0..bytes.len() {
            assert!(Sketch::decode(&bytes[..length], empty(), "it").is_err());
        }
        let other = Sketch::new(3, 3, 9, Timestamp(0)).unwrap();
        assert_eq!(Sketch::decode(&bytes, other, "it").unwrap_err().kind(), ErrorKind::Corrupt);
        for place in 0..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[place] ^= 0x80;
            if let Ok(mut sketch) = Sketch::decode(&spoiled, empty(), "it") {
                // What is taken can be worked with.
                sketch.merge(&of(3..20)).unwrap();
                sketch.add(&row(50)).unwrap();
                _ = (sketch.norms.quantile(0.5).unwrap(), sketch.inputs.repeated_share(), sketch.encode().unwrap());
            }
        }
    }
}
