//! The layout that takes the least: the links alone. Distances come from the vectors' own codes, or from the vectors.
//!
//! It is for metrics that have no signs to store, for vectors of few numbers, whose signs say too little, and for when
//! memory is short.

use super::super::comparison::Comparison;
use super::super::stored::Bytes;
use super::super::{Live, Query, Vectors};
use super::beam::Beam;
use super::rows::StoredRows;
use super::walk::Nodes;
use crate::error::Result;
use crate::ids::RowId;
use crate::pool::Pool;
use crate::quantization::int8::Codes;
use crate::vector::kernel::Kernels;
use crate::vector::metric::Metric;

/// The most rows that walks begin at: each is compared with every query.
const MAX_ENTRIES: usize = 24;

/// The most links of a row.
pub(super) const MAX_DEGREE: usize = 128;

/// Links, and where walks begin.
#[derive(Debug)]
pub(super) struct Compact {
    pub(super) links: Box<dyn Bytes>,
    pub(super) degree: usize,
    pub(super) entries: Vec<u32>,
    /// Under the inner product: at least the length of every row.
    pub(super) radius: f32,
}

impl Compact {
    pub(super) fn new(links: Box<dyn Bytes>, degree: usize, entries: &[u32], radius: f32) -> Compact {
        Compact { links, degree, entries: entries[..entries.len().min(MAX_ENTRIES)].to_vec(), radius }
    }

    /// The rows' links.
    pub(super) fn rows(&self) -> StoredRows<'_> {
        StoredRows::new(&*self.links, self.degree * size_of::<u32>())
    }

    /// The entries as stored (frozen).
    pub(super) fn encode_entries(&self) -> Vec<u8> {
        self.entries.iter().flat_map(|row| row.to_le_bytes()).collect()
    }

    /// Reads entries; `None` when they are none of `rows` rows.
    pub(super) fn decode_entries(bytes: &[u8], rows: u32) -> Option<Vec<u32>> {
        let (entries, rest) = bytes.as_chunks::<4>();
        let entries: Vec<u32> = entries.iter().map(|row| u32::from_le_bytes(*row)).collect();
        let sound = rest.is_empty() && entries.len() <= MAX_ENTRIES && entries.iter().all(|row| *row < rows);
        (sound && (rows == 0) == entries.is_empty()).then_some(entries)
    }
}

/// Distances of rows from a query, never below zero: squared Euclidean ones, as far as the metric comes to that.
pub(super) struct Measure<'a> {
    vectors: &'a dyn Vectors,
    comparison: &'a Comparison<'a>,
    metric: Metric,
    /// What a distance of the metric is multiplied with, and what is added then.
    factor: f32,
    shift: f32,
    coded: Option<Coded<'a>>,
}

/// A query in whole numbers, and the codes of the rows.
struct Coded<'a> {
    codes: Codes<'a>,
    query: Vec<i16>,
    values: Vec<f32>,
    step: f32,
    square: f32,
}

impl<'a> Measure<'a> {
    pub(super) fn new(
        vectors: &'a dyn Vectors,
        comparison: &'a Comparison<'a>,
        query: &Query<'_>,
        radius: f32,
        pool: &Pool,
    ) -> Result<Measure<'a>> {
        let (factor, shift) = match query.metric {
            Metric::Cosine => (2.0, 0.0),
            Metric::Dot => {
                let length = query.vector.as_f32().map_or(1.0, crate::vector::magnitude);
                let factor = if length > 0.0 { radius / length } else { 1.0 };
                (2.0 * factor, 2.0 * radius * radius)
            }
            Metric::L2 | Metric::L1 | Metric::Hamming => (1.0, 0.0),
        };
        let coded = match (comparison, vectors.codes(pool)?) {
            (Comparison::F32 { query, .. }, Some(codes)) => Some(Coded::new(query, codes)),
            _ => None,
        };
        Ok(Measure { vectors, comparison, metric: query.metric, factor, shift, coded })
    }

    /// What a distance of the metric is here.
    pub(super) fn shifted(&self, distance: f32) -> f32 {
        (distance * self.factor + self.shift).max(0.0)
    }

    /// Asks memory for a row.
    #[inline(always)]
    fn ask<K: Kernels>(&self, kernels: K, row: u32) {
        match &self.coded {
            Some(coded) => kernels.prefetch(coded.codes.of(row as usize, 1)),
            None => {
                if let Ok(vector) = self.vectors.row(RowId(row)) {
                    kernels.prefetch(bytemuck::cast_slice(vector.as_bytes()));
                }
            }
        }
    }

    /// The distance of a row that is there.
    #[inline(always)]
    pub(super) fn of<K: Kernels>(&self, kernels: K, row: u32) -> Result<f32> {
        let distance = match &self.coded {
            Some(coded) => coded.distance(kernels, row as usize, self.metric),
            None => {
                let row = RowId(row);
                let inverse_norm = if self.comparison.is_cosine() { self.vectors.inverse_norm(row)? } else { 1.0 };
                self.comparison.distance(kernels, self.vectors.row(row)?, inverse_norm)
            }
        };
        Ok(self.shifted(distance))
    }
}

impl<'a> Coded<'a> {
    fn new(query: &[f32], codes: Codes<'a>) -> Coded<'a> {
        let largest = query.iter().fold(0f32, |largest, value| largest.max(value.abs())).max(f32::MIN_POSITIVE);
        // No sum of products with codes may leave `i32`.
        let steps = (i32::MAX as f32 / (128.0 * codes.stride() as f32)).min(f32::from(i16::MAX)).floor();
        let step = largest / steps;
        let mut values = query.to_vec();
        values.resize(codes.stride(), 0.0);
        let whole = values.iter().map(|value| (value / step) as i16).collect();
        let square = query.iter().map(|value| value * value).sum();
        Coded { codes, query: whole, values, step, square }
    }

    #[inline(always)]
    fn distance<K: Kernels>(&self, kernels: K, row: usize, metric: Metric) -> f32 {
        let (codes, factors) = (self.codes.of(row, 1), self.codes.columns().row(row));
        if metric == Metric::L1 {
            return kernels.code_l1(&self.values, codes, factors.scale);
        }
        let mut dot = [0];
        kernels.code_dots(&self.query, codes, &mut dot);
        let product = factors.scale * self.step * dot[0] as f32;
        match metric {
            Metric::L2 => self.square + factors.length * factors.length - 2.0 * product,
            Metric::Cosine => 1.0 - product,
            _ => -product,
        }
    }
}

/// The links and a query.
pub(super) struct CompactNodes<'a> {
    pub(super) rows: StoredRows<'a>,
    pub(super) measure: &'a Measure<'a>,
    /// Memory to work in.
    pub(super) fresh: Vec<u32>,
}

impl Nodes for CompactNodes<'_> {
    const MARKS_STEPS: bool = false;

    fn ahead(&self) -> usize {
        1
    }

    #[inline(always)]
    fn ask<K: Kernels>(&self, kernels: K, row: u32) {
        if let Some(bytes) = self.rows.if_known(row) {
            kernels.prefetch(bytemuck::cast_slice(bytes));
        }
    }

    #[inline(always)]
    fn look<K: Kernels>(
        &mut self,
        kernels: K,
        row: u32,
        _: Option<u32>,
        live: &dyn Live,
        beam: &mut Beam,
    ) -> Result<()> {
        self.fresh.clear();
        for link in self.rows.get(row)?.as_chunks::<4>().0 {
            let link = u32::from_le_bytes(*link);
            if beam.see(link) {
                self.measure.ask(kernels, link);
                self.fresh.push(link);
            }
        }
        for link in &self.fresh {
            let distance = self.measure.of(kernels, *link)?;
            beam.offer(distance, *link, live);
            beam.consider(distance, *link, live);
        }
        Ok(())
    }
}
