//! Indexes over rows in memory, which come in waves.
//!
//! Rows of a mutable segment are appended and never change, so an index over some of its full blocks stays true. Once
//! enough rows have come since the last wave, they become one, and take in the waves before that are no larger. So a row
//! is indexed a few times at most, a segment has few indexes, and only rows of the last moment are searched one by one
//! (the logarithmic method: Bentley and Saxe, "Decomposable Searching Problems I", J. Algorithms 1980).

use std::ops::Range;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::index::stored::Memory;
use crate::index::{self, Building, HnswSpec, IndexSpec, Layout, Live, Stop, VectorIndex, Vectors};
use crate::pool::Pool;
use crate::quantization::int8::{self, Codes};
use crate::segment::blocks::Blocks;
use crate::segment::{Moment, RowSource};
use crate::vector::VectorRef;
use crate::vector::matrix::{Rows, Shape};
use crate::vector::metric::Metric;

/// Rows of consecutive blocks and their index. Row numbers count from the first of them.
#[derive(Debug)]
pub(crate) struct Wave {
    /// The blocks' place in the segment, counted in blocks.
    first: usize,
    rows: IndexedRows,
    index: Box<dyn VectorIndex>,
    /// What the collection asked for then, and what was built for it.
    asked: IndexSpec,
    spec: IndexSpec,
}

impl Wave {
    /// Indexes the rows of `blocks`, which begin at block `first` of their segment; `None` where `spec` keeps no index of
    /// so few rows. Links alone are kept of a graph: memory is dearer than a file.
    pub(crate) fn build(
        blocks: Blocks,
        first: usize,
        (asked, metric): (&IndexSpec, Metric),
        pool: &Pool,
        stop: &Stop<'_>,
    ) -> Result<Option<Wave>> {
        let spec = match asked.for_rows(blocks.len() as u32) {
            IndexSpec::Hnsw(spec) => IndexSpec::Hnsw(HnswSpec { layout: Layout::Compact, ..spec }),
            spec => spec,
        };
        let whole = Whole::copy(&blocks)?;
        let building = Building { vectors: &whole.rows(), metric, pool, stop, budget: u64::MAX };
        let Some(built) = index::build(&spec, &building)? else { return Ok(None) };
        let mut memory = Memory::default();
        built.write(&mut memory)?;
        let index = index::open(&memory, blocks.len() as u32, whole.shape, metric)?;
        drop(built);
        let rows = IndexedRows::new(blocks, whole, metric);
        Ok(Some(Wave { first, rows, index, asked: asked.clone(), spec }))
    }

    /// Whether it is what a collection that asks for this index wants.
    pub(crate) fn is_for(&self, asked: &IndexSpec) -> bool {
        self.asked == *asked
    }

    /// The block of the segment where it begins, and the one behind its last.
    pub(crate) fn blocks(&self) -> Range<usize> {
        self.first..self.first + self.rows.blocks.count()
    }

    pub(crate) fn rows(&self) -> &IndexedRows {
        &self.rows
    }

    pub(crate) fn index(&self) -> &dyn VectorIndex {
        &*self.index
    }

    /// What it was built with.
    pub(crate) fn spec(&self) -> &IndexSpec {
        &self.spec
    }
}

/// The blocks that the next wave takes of a segment with so many full ones: those that came since the last of `waves`, and
/// those of waves before that are no larger.
pub(crate) fn next(waves: &[Range<usize>], full: usize) -> Range<usize> {
    let mut first = waves.last().map_or(0, |wave| wave.end);
    for wave in waves.iter().rev().take_while(|wave| wave.len() <= full - wave.end) {
        first = wave.start;
    }
    first..full
}

/// The rows of a wave, as an index reads them.
#[derive(Debug)]
pub(crate) struct IndexedRows {
    blocks: Blocks,
    shape: Shape,
    codes: Option<OwnCodes>,
    /// The vectors once more, one behind the other: where they have no codes, or who asks for all wants none.
    whole: OnceLock<Whole>,
}

impl IndexedRows {
    fn new(blocks: Blocks, whole: Whole, metric: Metric) -> IndexedRows {
        let codes = OwnCodes::of(&whole, metric);
        let shape = whole.shape;
        let whole = if codes.is_some() { OnceLock::new() } else { OnceLock::from(whole) };
        IndexedRows { blocks, shape, codes, whole }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Which of them a reader finds at `moment`.
    pub(crate) fn live_at(&self, moment: Moment) -> LiveInWave<'_> {
        LiveInWave { blocks: &self.blocks, moment }
    }

    pub(crate) fn source(&self) -> &dyn RowSource {
        &self.blocks
    }
}

impl Vectors for IndexedRows {
    fn len(&self) -> usize {
        self.blocks.len()
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn all(&self, _: &Pool) -> Result<Rows<'_>> {
        if self.whole.get().is_none() {
            // Another thread may have been first.
            let _ = self.whole.set(Whole::copy(&self.blocks)?);
        }
        self.whole.get().map(Whole::rows).ok_or_else(|| Error::internal("a copy of rows is gone"))
    }

    fn row(&self, row: RowId) -> Result<VectorRef<'_>> {
        self.blocks.vector(row).ok_or_else(without_vectors)
    }

    fn inverse_norm(&self, row: RowId) -> Result<f32> {
        self.blocks.inverse_norm(row)
    }

    fn codes(&self, _: &Pool) -> Result<Option<Codes<'_>>> {
        Ok(self.codes.as_ref().and_then(OwnCodes::view))
    }
}

fn without_vectors() -> Error {
    Error::internal("rows without vectors are indexed")
}

/// Vectors of several blocks, one behind the other.
#[derive(Debug)]
struct Whole {
    shape: Shape,
    values: Vec<f32>,
    bits: Vec<u8>,
    inverse_norms: Option<Vec<f32>>,
}

impl Whole {
    fn copy(blocks: &Blocks) -> Result<Whole> {
        let mut parts = blocks.vectors().peekable();
        let first = parts.peek().ok_or_else(without_vectors)?;
        let norms = matches!(first, Rows::F32 { inverse_norms: Some(_), .. });
        let mut whole =
            Whole { shape: first.shape(), values: Vec::new(), bits: Vec::new(), inverse_norms: norms.then(Vec::new) };
        for part in parts {
            match part {
                Rows::Bits { bytes, .. } => whole.bits.extend_from_slice(bytes),
                Rows::F32 { values, inverse_norms, .. } => {
                    whole.values.extend_from_slice(values);
                    if let Some((to, from)) = whole.inverse_norms.as_mut().zip(inverse_norms) {
                        to.extend_from_slice(from);
                    }
                }
            }
        }
        Ok(whole)
    }

    fn rows(&self) -> Rows<'_> {
        match self.shape {
            Shape::Bits(stride) => Rows::Bits { bytes: &self.bits, stride },
            Shape::F32(dimension) => {
                Rows::F32 { values: &self.values, dimension, inverse_norms: self.inverse_norms.as_deref() }
            }
        }
    }
}

/// Codes of rows in memory, as a segment file has them.
#[derive(Debug)]
struct OwnCodes {
    codes: Vec<i8>,
    stride: usize,
    factors: Vec<f32>,
}

impl OwnCodes {
    fn of(whole: &Whole, metric: Metric) -> Option<OwnCodes> {
        let Shape::F32(dimension) = whole.shape else { return None };
        let stride = int8::stride(metric, dimension)?;
        let count = whole.rows().len();
        let mut own = OwnCodes { codes: vec![0; count * stride], stride, factors: vec![0.0; 3 * count] };
        let rows = whole.values.chunks_exact(dimension).zip(own.codes.chunks_exact_mut(stride));
        for (at, (row, codes)) in rows.enumerate() {
            let inverse_norm = whole.inverse_norms.as_ref().map_or(1.0, |norms| norms[at]);
            let factors = int8::encode(metric, row, inverse_norm, codes);
            own.factors[at] = factors.scale;
            own.factors[count + at] = factors.length;
            own.factors[2 * count + at] = factors.error;
        }
        Some(own)
    }

    fn view(&self) -> Option<Codes<'_>> {
        Codes::new(&self.codes, self.stride, &self.factors)
    }
}

/// Rows of a wave that a search may return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiveInWave<'a> {
    blocks: &'a Blocks,
    moment: Moment,
}

impl Live for LiveInWave<'_> {
    fn word(&self, number: usize) -> u64 {
        let rows = number * 64..self.blocks.len().min(number * 64 + 64);
        rows.fold(0, |word, row| word | u64::from(self.has(row)) << (row % 64))
    }

    fn has(&self, row: usize) -> bool {
        self.blocks.is_live(RowId(row as u32), self.moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the waves after each of some blocks, `step` at a time.
    fn sizes(step: usize, blocks: usize) -> Vec<Vec<usize>> {
        let mut waves: Vec<Range<usize>> = Vec::new();
        let full = (step..=blocks).step_by(step);
        full.map(|full| {
            let next = next(&waves, full);
            waves.retain(|wave| wave.start < next.start);
            waves.push(next);
            waves.iter().map(Range::len).collect()
        })
        .collect()
    }

    #[test]
    fn waves_count_as_a_binary_number_does() {
        let expected: [&[usize]; 8] = [&[1], &[2], &[2, 1], &[4], &[4, 1], &[4, 2], &[4, 2, 1], &[8]];
        assert_eq!(sizes(1, 8), expected);
        // Where several blocks came at once, too.
        assert_eq!(sizes(3, 9), [vec![3], vec![6], vec![6, 3]]);
    }

    #[test]
    fn a_row_is_indexed_a_few_times_in_few_waves() {
        let after = sizes(1, 1000);
        assert!(after.iter().all(|waves| waves.len() <= 10));
        let built: usize = after.iter().map(|waves| waves.last().unwrap()).sum();
        assert!(built <= 1000 * 10, "{built} blocks were indexed for 1000");
    }
}
