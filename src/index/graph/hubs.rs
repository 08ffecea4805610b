//! Where walks begin: some rows spread over all of them, compared with every query before anything else.

use super::points::CodedPoints;
use crate::bytes::{Reader, Truncated, Write};
use crate::vector::kernel::Kernels;

/// The most hubs there are.
const MAX_HUBS: usize = 4096;

/// Hubs that a walk begins at: the nearest ones.
const STARTS: usize = 4;

/// So many of the nearest hubs say how far the nearest rows are at most.
const NEAR: usize = 16;

/// Rows where walks begin, with codes of their own, so that they are read from one place.
#[derive(Debug, Default)]
pub(super) struct Hubs {
    rows: Vec<u32>,
    codes: Vec<i8>,
    /// What a step of the codes is worth, and the squared length of the point.
    factors: Vec<[f32; 2]>,
}

/// A query as hubs are compared with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodedPoint<'a> {
    pub(super) codes: &'a [i16],
    pub(super) step: f32,
    pub(super) norm: f32,
}

impl Hubs {
    pub(super) fn new(rows: &[u32], points: &CodedPoints) -> Hubs {
        let mut hubs = Hubs { rows: rows[..rows.len().min(MAX_HUBS)].to_vec(), ..Hubs::default() };
        for row in &hubs.rows {
            hubs.codes.extend_from_slice(points.codes(*row));
            hubs.factors.push([points.scale(*row), points.square(*row)]);
        }
        hubs
    }

    /// The nearest hubs and their squared distances. `dots` is memory to work in.
    #[inline(always)]
    pub(super) fn nearest<K: Kernels>(&self, kernels: K, query: CodedPoint<'_>, dots: &mut Vec<i32>) -> Starts {
        dots.resize(self.rows.len(), 0);
        kernels.code_dots(query.codes, &self.codes, dots);
        let mut starts = Starts { places: [(f32::INFINITY, 0); NEAR] };
        for ((row, [scale, norm]), dot) in self.rows.iter().zip(&self.factors).zip(dots) {
            let distance = query.norm + norm - 2.0 * (scale * query.step * *dot as f32);
            starts.offer(distance, *row);
        }
        starts
    }

    /// Codes that were compared by [`Hubs::nearest`].
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The stored form (frozen): how many, then row, scale, squared length and codes of each.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u32(self.rows.len() as u32);
        let stride = self.codes.len().checked_div(self.rows.len()).unwrap_or(1);
        for ((row, [scale, norm]), codes) in self.rows.iter().zip(&self.factors).zip(self.codes.chunks(stride.max(1))) {
            bytes.put_u32(*row);
            bytes.put_u32(scale.to_bits());
            bytes.put_u32(norm.to_bits());
            bytes.extend_from_slice(bytemuck::cast_slice(codes));
        }
        bytes
    }

    /// Reads what `encode` wrote; `None` when these are no hubs of `rows` rows.
    pub(super) fn decode(bytes: &[u8], padded: usize, rows: u32) -> Option<Hubs> {
        let mut reader = Reader::new(bytes);
        let mut read = || -> Result<Hubs, Truncated> {
            let mut hubs = Hubs::default();
            for _ in 0..reader.count(12 + padded)? {
                hubs.rows.push(reader.u32()?);
                hubs.factors.push([f32::from_bits(reader.u32()?), f32::from_bits(reader.u32()?)]);
                hubs.codes.extend_from_slice(bytemuck::cast_slice(reader.take(padded)?));
            }
            Ok(hubs)
        };
        let hubs = read().ok()?;
        let sound = hubs.rows.iter().all(|row| *row < rows) && hubs.rows.len() <= MAX_HUBS && reader.is_empty();
        (sound && (rows == 0) == hubs.rows.is_empty()).then_some(hubs)
    }
}

/// The nearest hubs, the nearest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starts {
    places: [(f32, u32); NEAR],
}

impl Starts {
    #[inline(always)]
    fn offer(&mut self, distance: f32, row: u32) {
        if distance >= self.places[NEAR - 1].0 {
            return;
        }
        let mut place = NEAR - 1;
        while place > 0 && self.places[place - 1].0 > distance {
            self.places[place] = self.places[place - 1];
            place -= 1;
        }
        self.places[place] = (distance, row);
    }

    /// Those that a walk begins at.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f32, u32)> + '_ {
        self.places[..STARTS].iter().copied().filter(|place| place.0 < f32::INFINITY)
    }

    /// How far the one of this rank is, counted from 1; infinitely far where it is not known.
    pub(super) fn distance(&self, rank: usize) -> f32 {
        rank.checked_sub(1).and_then(|place| self.places.get(place)).map_or(f32::INFINITY, |place| place.0)
    }
}
