//! Where walks begin: some rows spread over all of them, compared with every query before anything else.

use super::super::points::CodedPoints;
use super::encode::EncodeAroundOrigin;
use super::layout::Layout;
use super::lookup::Lookup;
use crate::bytes::{Reader, Truncated, Write};
use crate::index::stored::aligned::AlignedBytes;
use crate::vector::kernel::scan::{NEIGHBOURS, Room, SLACK};
use crate::vector::kernel::{self, Kernels};

/// The most hubs there are.
const MAX_HUBS: usize = 4096;

/// Fewer than this are not halved.
const FEW: usize = 128;

/// Hubs that a walk begins at: the nearest ones.
const STARTS: usize = 4;

/// So many of the nearest hubs say how far the nearest rows are at most.
const NEAR: usize = 16;

/// Rows where walks begin, with codes of their own, so that they are read from one place.
#[derive(Debug)]
pub(in super::super) struct Hubs {
    layout: Layout,
    rows: Vec<u32>,
    codes: Vec<i8>,
    /// What a step of the codes is worth.
    scales: Vec<f32>,
    /// The squared length of each point.
    squares: Vec<f32>,
    /// The hubs as neighbours of the origin: 32 are compared in the time that the codes of two or three take.
    around_origin: AlignedBytes,
}

/// What comparing hubs works in.
#[derive(Debug)]
pub(in super::super) struct HubMemory {
    estimates: [f32; SLACK],
    hubs: [u32; SLACK],
}

impl Default for HubMemory {
    fn default() -> HubMemory {
        HubMemory { estimates: [0.0; SLACK], hubs: [0; SLACK] }
    }
}

impl Hubs {
    pub(in super::super) fn new(rows: &[u32], points: &CodedPoints, layout: Layout) -> Hubs {
        let rows = &rows[..rows.len().min(MAX_HUBS)];
        let codes = rows.iter().flat_map(|row| points.codes(*row)).copied().collect();
        let scales = rows.iter().map(|row| points.scale(*row)).collect();
        let squares = rows.iter().map(|row| points.square(*row)).collect();
        Hubs::of(layout, rows.to_vec(), codes, scales, squares)
    }

    fn of(layout: Layout, rows: Vec<u32>, codes: Vec<i8>, scales: Vec<f32>, squares: Vec<f32>) -> Hubs {
        let mut around_origin = AlignedBytes::zeros(rows.len().div_ceil(NEIGHBOURS) * layout.stride());
        let bytes = around_origin.as_mut();
        kernel::with(EncodeAroundOrigin { layout, codes: &codes, scales: &scales, bytes });
        Hubs { layout, rows, codes, scales, squares, around_origin }
    }

    /// The nearest hubs and their squared distances, as far as estimates from one bit a number tell which are nearest.
    #[inline(always)]
    pub(in super::super) fn nearest<K: Kernels>(&self, kernels: K, lookup: &Lookup, memory: &mut HubMemory) -> Starts {
        let tables = lookup.tables();
        let mut likely = Starts::default();
        for bytes in self.around_origin.as_slice().chunks_exact(self.layout.stride()) {
            let Some(row) = self.layout.read(bytes) else { continue };
            let HubMemory { estimates, hubs } = &mut *memory;
            let mut room = Room { below: likely.furthest(), estimates, rows: hubs };
            let count = kernels.scan(&row.block, &tables, lookup.norm, &[], &mut room);
            for (estimate, hub) in estimates[..count].iter().zip(&hubs[..count]) {
                likely.offer(*estimate, *hub);
            }
        }
        let mut starts = Starts::default();
        for hub in likely.iter().map(|place| place.1 as usize).filter(|hub| *hub < self.rows.len()) {
            let mut dot = [0];
            let codes = &self.codes[hub * self.layout.padded()..][..self.layout.padded()];
            kernels.code_dots(&lookup.codes, codes, &mut dot);
            let product = self.scales[hub] * lookup.step * dot[0] as f32;
            starts.offer(lookup.norm + self.squares[hub] - 2.0 * product, self.rows[hub]);
        }
        starts
    }

    /// Every second one of them; `None` where there are few.
    pub(in super::super) fn half(&self) -> Option<Hubs> {
        let padded = self.layout.padded();
        let codes = self.codes.chunks_exact(padded).step_by(2).flatten().copied().collect();
        let every_second = |values: &[f32]| values.iter().step_by(2).copied().collect();
        let rows: Vec<u32> = self.rows.iter().step_by(2).copied().collect();
        let half = || Hubs::of(self.layout, rows, codes, every_second(&self.scales), every_second(&self.squares));
        (self.len() > FEW).then(half)
    }

    /// Which rows they are.
    pub(in super::super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Blocks of neighbours of the origin that they stand in.
    pub(in super::super) fn blocks(&self) -> usize {
        self.len().div_ceil(NEIGHBOURS)
    }

    /// How many there are.
    pub(in super::super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The stored form (frozen): how many, then row, scale, squared length and codes of each.
    pub(in super::super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u32(self.rows.len() as u32);
        for (hub, codes) in self.codes.chunks_exact(self.layout.padded()).enumerate() {
            bytes.put_u32(self.rows[hub]);
            bytes.put_u32(self.scales[hub].to_bits());
            bytes.put_u32(self.squares[hub].to_bits());
            bytes.extend_from_slice(bytemuck::cast_slice(codes));
        }
        bytes
    }

    /// Reads what `encode` wrote; `None` when these are no hubs of `rows` rows.
    pub(in super::super) fn decode(bytes: &[u8], layout: Layout, rows: u32) -> Option<Hubs> {
        let mut reader = Reader::new(bytes);
        let (mut hubs, mut codes, mut scales, mut squares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut read = || -> Result<(), Truncated> {
            for _ in 0..reader.count(12 + layout.padded())? {
                hubs.push(reader.u32()?);
                scales.push(f32::from_bits(reader.u32()?));
                squares.push(f32::from_bits(reader.u32()?));
                codes.extend_from_slice(bytemuck::cast_slice(reader.take(layout.padded())?));
            }
            Ok(())
        };
        read().ok()?;
        let sound = hubs.iter().all(|row| *row < rows) && hubs.len() <= MAX_HUBS && reader.is_empty();
        let sound = sound && (rows == 0) == hubs.is_empty();
        sound.then(|| Hubs::of(layout, hubs, codes, scales, squares))
    }
}

/// The nearest hubs, the nearest first.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Starts {
    places: [(f32, u32); NEAR],
}

impl Default for Starts {
    fn default() -> Starts {
        Starts { places: [(f32::INFINITY, 0); NEAR] }
    }
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

    fn iter(&self) -> impl Iterator<Item = (f32, u32)> + '_ {
        self.places.iter().copied().take_while(|place| place.0 < f32::INFINITY)
    }

    /// Those that a walk begins at.
    pub(in super::super) fn first(&self) -> impl Iterator<Item = (f32, u32)> + '_ {
        self.iter().take(STARTS)
    }

    /// How far the last of them is.
    fn furthest(&self) -> f32 {
        self.places[NEAR - 1].0
    }

    /// How far the one of this rank is among those that count, counted from 1; infinitely far where it is not known.
    pub(in super::super) fn distance(&self, rank: usize, counts: impl Fn(u32) -> bool) -> f32 {
        let mut places = self.places.iter().filter(|place| place.0 < f32::INFINITY && counts(place.1));
        rank.checked_sub(1).and_then(|before| places.nth(before)).map_or(f32::INFINITY, |place| place.0)
    }
}
