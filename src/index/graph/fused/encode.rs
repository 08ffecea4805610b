//! Writing rows of the fused layout.

use super::super::points::CodedPoints;
use super::layout::{HALVES, HEAD, Head, Layout, ROWS};
use crate::vector::kernel::scan::{NEIGHBOURS, to_half};
use crate::vector::kernel::{Kernels, Task};

/// The largest half that a factor becomes, well inside what one can hold.
const LARGEST: f32 = 30_000.0;

/// So many times the factors of the middle one of a row's neighbours those of another may be.
const LARGEST_RATIO: f32 = 1e4;

/// What stands in place of a neighbour that is none: further than any.
const NOWHERE: f32 = 65_000.0;

/// Numbers that are looked at together.
const LANES: usize = 8;

/// Neighbours lie anywhere, so memory is asked for those that come so many later.
const AHEAD: usize = 2;

/// The bit that says whether a float is negative.
const SIGN: u32 = 1 << 31;

/// Encodes some rows, one behind the other, into `bytes`.
pub(in super::super) struct Encode<'a> {
    pub(in super::super) layout: Layout,
    pub(in super::super) points: &'a CodedPoints,
    /// 32 neighbours a row; a row stands for none where it is its own neighbour.
    pub(in super::super) links: &'a [u32],
    /// The neighbours of rows that are encoded already; those that have others now are encoded anew.
    pub(in super::super) before: Option<&'a [u32]>,
    pub(in super::super) first: u32,
    pub(in super::super) bytes: &'a mut [u8],
}

impl Task for Encode<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let Encode { layout, points, links, before, first, bytes } = self;
        let mut own = vec![0.0; layout.padded()];
        let point = |row| Point { codes: points.codes(row), scale: points.scale(row), square: points.square(row) };
        for (row, bytes) in (first..).zip(bytes.chunks_exact_mut(layout.stride())) {
            let place = row as usize * NEIGHBOURS;
            let links = &links[place..place + NEIGHBOURS];
            if before.is_some_and(|before| before[place..place + NEIGHBOURS] == *links) {
                continue;
            }
            encode_row(kernels, layout, point, row, links, &mut own, bytes);
        }
    }
}

/// Encodes points as neighbours of the origin, 32 a row, numbered as they come.
pub(in super::super) struct EncodeAroundOrigin<'a> {
    pub(in super::super) layout: Layout,
    /// The codes of all points, and of each what one step of them is worth.
    pub(in super::super) codes: &'a [i8],
    pub(in super::super) scales: &'a [f32],
    /// As many rows as it takes.
    pub(in super::super) bytes: &'a mut [u8],
}

impl Task for EncodeAroundOrigin<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        let EncodeAroundOrigin { layout, codes, scales, bytes } = self;
        let (mut own, zeros) = (vec![0.0; layout.padded()], vec![0; layout.padded()]);
        let origin = scales.len() as u32;
        let point = |row: u32| match scales.get(row as usize) {
            Some(scale) => Point { codes: &codes[row as usize * layout.padded()..], scale: *scale, square: 0.0 },
            None => Point { codes: &zeros, scale: 0.0, square: 0.0 },
        };
        for (row, bytes) in bytes.chunks_exact_mut(layout.stride()).enumerate() {
            let links =
                std::array::from_fn::<u32, NEIGHBOURS, _>(|place| origin.min((row * NEIGHBOURS + place) as u32));
            encode_row(kernels, layout, point, origin, &links, &mut own, bytes);
        }
    }
}

/// A point as its codes have it.
#[derive(Debug, Clone, Copy)]
struct Point<'a> {
    codes: &'a [i8],
    /// What one step of the codes is worth.
    scale: f32,
    /// The squared length of what they stand for.
    square: f32,
}

#[inline(always)]
fn encode_row<'a, K: Kernels>(
    kernels: K,
    layout: Layout,
    point: impl Fn(u32) -> Point<'a>,
    row: u32,
    links: &[u32],
    own: &mut [f32],
    bytes: &mut [u8],
) {
    bytes.fill(0);
    let Point { codes, scale, square } = point(row);
    for ((own, code), byte) in own.iter_mut().zip(codes).zip(&mut *bytes) {
        (*own, *byte) = (f32::from(*code) * scale, *code as u8);
    }
    let mut factors = [Factors::default(); NEIGHBOURS];
    for (place, link) in links.iter().enumerate().filter(|(_, link)| **link != row) {
        links.get(place + AHEAD).iter().for_each(|link| kernels.prefetch(&point(**link).codes[..layout.padded()]));
        let (signs, neighbour) = (&mut bytes[layout.codes()], point(*link));
        factors[place] = encode_neighbour(own, neighbour.codes, neighbour.scale, place, signs);
    }
    let unit = bound(&mut factors) / LARGEST;
    let rest = &mut bytes[layout.factors_at()..];
    for (place, (factors, link)) in factors.iter().zip(links).enumerate() {
        let add = if *link == row { NOWHERE } else { factors.add / unit };
        rest[2 * place..][..2].copy_from_slice(&to_half(add).to_le_bytes());
        rest[HALVES + 2 * place..][..2].copy_from_slice(&to_half(factors.scale / unit).to_le_bytes());
        rest[2 * HALVES + 4 * place..][..4].copy_from_slice(&link.to_le_bytes());
    }
    let head = Head { scale, norm: square, unit, reserved: 0.0 };
    rest[2 * HALVES + ROWS..2 * HALVES + ROWS + HEAD].copy_from_slice(bytemuck::bytes_of(&head));
}

/// Brings the factors of a row's neighbours into a range that halves can tell apart, and returns the largest. What is beyond
/// it is as far as can be said.
fn bound(factors: &mut [Factors; NEIGHBOURS]) -> f32 {
    let mut sizes = factors.map(|factors| factors.size());
    sizes.sort_unstable_by(f32::total_cmp);
    let there = &sizes[sizes.partition_point(|size| *size == 0.0)..];
    let Some(largest) = there.last() else { return LARGEST };
    let most = largest.min(there[there.len() / 2] * LARGEST_RATIO);
    for factors in factors.iter_mut().filter(|factors| factors.size() > most) {
        *factors = Factors { add: most, scale: 0.0 };
    }
    most
}

/// What turns the signs of a neighbour into a distance.
#[derive(Debug, Clone, Copy, Default)]
struct Factors {
    add: f32,
    scale: f32,
}

impl Factors {
    fn size(self) -> f32 {
        self.add.abs().max(self.scale.abs())
    }
}

/// With u the row, v the neighbour, r = v - u and s the signs of r, the distance of a query q is
/// |q - v|² = |q - u|² + |r|² - 2 (q - u)·r, and g s·(q - u) with g = |r|² / s·r estimates (q - u)·r without bias
/// (RaBitQ, theorem 3.2). So |q - v|² is about |q - u|² + (|r|² + 2 g s·u) - 2 g s·q.
#[inline(always)]
fn encode_neighbour(own: &[f32], codes: &[i8], scale: f32, place: usize, signs: &mut [u8]) -> Factors {
    let (lane, shift) = (place % 16, if place < 16 { 0 } else { 4 });
    let (mut sums, mut squares, mut products) = ([0f32; LANES], [0f32; LANES], [0f32; LANES]);
    let eights = own.as_chunks::<LANES>().0.iter().zip(codes.as_chunks::<LANES>().0);
    for ((own, codes), groups) in eights.zip(signs.as_chunks_mut::<32>().0) {
        let leading: [f32; LANES] = std::array::from_fn(|at| f32::from(codes[at]) * scale - own[at]);
        let negative = leading.map(|leading| leading.to_bits() & SIGN);
        sums = std::array::from_fn(|at| sums[at] + leading[at].abs());
        squares = std::array::from_fn(|at| squares[at] + leading[at] * leading[at]);
        products = std::array::from_fn(|at| products[at] + f32::from_bits(own[at].to_bits() ^ negative[at]));
        let shifted: [u32; LANES] = std::array::from_fn(|at| negative[at] >> (31 - at));
        let bits = !shifted.into_iter().fold(0, |all, bit| all | bit) as u8;
        groups[lane] |= (bits & 15) << shift;
        groups[16 + lane] |= (bits >> 4) << shift;
    }
    let [sum, square, product] = [sums, squares, products].map(|of| of.iter().sum::<f32>());
    let gain = if sum > 0.0 { square / sum } else { 0.0 };
    Factors { add: square + 2.0 * gain * product, scale: -2.0 * gain }
}
