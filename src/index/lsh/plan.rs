//! What the hash functions of an index follow from: stored in its first section, and enough to draw them again.

use crate::bytes::{Reader, Truncated, Write};
use crate::error::{Error, Result};
use crate::index::kind;
use crate::vector::MAX_DIMENSION;
use crate::vector::matrix::Shape;
use crate::vector::metric::Metric;

/// The version of the form of the sections. Frozen.
const VERSION: u8 = 1;

/// Bits of a hash, at most: directories have two to the power of it entries.
pub(super) const MAX_BITS: u8 = 24;
/// Tables, at most.
pub(super) const MAX_TABLES: u16 = 512;
/// Numbers of all directions under L1, at most.
pub(super) const MAX_DIRECTIONS: usize = 1 << 23;
/// Hash functions of a table, at most.
pub(super) const MAX_FUNCTIONS: u8 = 32;

/// The hash functions, up to their randomness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plan {
    pub(super) metric: Metric,
    pub(super) family: Family,
    /// Numbers or bits of a vector.
    pub(super) dimension: u32,
    pub(super) tables: u16,
    /// Hash functions that make up the hash of a table.
    pub(super) functions: u8,
    /// Bits of a hash.
    pub(super) bits: u8,
    /// How often a row must turn up to be compared: 1 or 2.
    pub(super) hits: u8,
    /// How wide the cells of a projection are; not used by functions that do not cut a line into cells.
    pub(super) width: f32,
    /// The largest length of a row, to which all are lifted under dot.
    pub(super) reach: f32,
    pub(super) seed: u64,
}

/// How vectors are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// The nearest of the corners of a cross-polytope, turned at random: for angles (Andoni et al., Practical and Optimal
    /// LSH for Angular Distance).
    Polytopes,
    /// The cell of a projection onto a random direction (Datar et al., Locality-Sensitive Hashing Scheme Based on p-Stable
    /// Distributions): normal directions for L2, Cauchy ones for L1.
    Cells,
    /// Some of the bits.
    Bits,
}

impl Family {
    /// Those that vectors under a metric can be hashed by. Any can be turned by angles, those of bits as signs.
    pub(super) fn of(metric: Metric) -> &'static [Family] {
        match metric {
            Metric::Cosine | Metric::Dot => &[Family::Polytopes],
            Metric::L2 | Metric::L1 => &[Family::Polytopes, Family::Cells],
            Metric::Hamming => &[Family::Polytopes, Family::Bits],
        }
    }

    /// Its number on disk (frozen).
    fn code(self) -> u8 {
        match self {
            Family::Polytopes => 1,
            Family::Cells => 2,
            Family::Bits => 3,
        }
    }

    fn from_code(code: u8) -> Option<Family> {
        [Family::Polytopes, Family::Cells, Family::Bits].into_iter().find(|family| family.code() == code)
    }
}

impl Plan {
    /// Numbers of a vector as it is hashed: under dot there is one more, which makes all rows equally long.
    pub(super) fn inputs(&self) -> usize {
        self.dimension as usize + usize::from(self.metric == Metric::Dot)
    }

    /// Entries of the directory of a table.
    pub(super) fn directory_len(&self) -> usize {
        (1 << self.bits) + 1
    }

    /// Bits of the hash that each function of a table of polytopes gives.
    pub(super) fn shares(&self) -> impl Iterator<Item = u32> + use<> {
        let (bits, functions) = (u32::from(self.bits), u32::from(self.functions).max(1));
        (0..functions).map(move |function| bits / functions + u32::from(function < bits % functions))
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.put_u8(kind::LSH);
        to.put_u8(VERSION);
        to.put_u8(self.metric.code());
        to.put_u8(self.family.code());
        to.put_u32(self.dimension);
        to.put_u16(self.tables);
        to.put_u8(self.functions);
        to.put_u8(self.bits);
        to.put_u8(self.hits);
        to.put_u32(self.width.to_bits());
        to.put_u32(self.reach.to_bits());
        to.put_u64(self.seed);
    }

    /// Reads a plan and refuses one that rows of this shape cannot have, or that would take more memory than it says.
    pub(super) fn read(from: &mut Reader<'_>, shape: Shape, metric: Metric) -> Result<Plan> {
        let plan = Plan::parse(from).map_err(|_| corrupt("the plan ends early"))?;
        let plan = plan.ok_or_else(|| corrupt("the plan is of no form that is known"))?;
        if plan.metric != metric || plan.dimension as usize != dimension(shape) {
            return Err(corrupt("the plan is for other rows"));
        }
        if !plan.is_sound() {
            return Err(corrupt("the plan is outside its bounds"));
        }
        Ok(plan)
    }

    fn parse(from: &mut Reader<'_>) -> Result<Option<Plan>, Truncated> {
        let known = (from.u8()?, from.u8()?) == (kind::LSH, VERSION);
        let (metric, family) = (Metric::from_code(from.u8()?), Family::from_code(from.u8()?));
        let (Some(metric), Some(family), true) = (metric, family, known) else { return Ok(None) };
        Ok(Some(Plan {
            metric,
            family,
            dimension: from.u32()?,
            tables: from.u16()?,
            functions: from.u8()?,
            bits: from.u8()?,
            hits: from.u8()?,
            width: f32::from_bits(from.u32()?),
            reach: f32::from_bits(from.u32()?),
            seed: from.u64()?,
        }))
    }

    /// Whether an index may have this plan.
    pub(super) fn is_sound(&self) -> bool {
        // Directions are drawn number by number, and take as much memory.
        let directions = match (self.metric, self.family) {
            (Metric::L1, Family::Cells) => self.tables as usize * self.functions as usize * self.inputs(),
            _ => 0,
        };
        let most_bits = match self.family {
            // A polytope has two corners a number, and no more numbers than there are.
            Family::Polytopes => u32::from(self.functions) * (self.inputs().next_multiple_of(64).ilog2() + 1),
            Family::Cells => MAX_BITS.into(),
            Family::Bits => self.dimension,
        };
        Family::of(self.metric).contains(&self.family)
            && (1..=MAX_TABLES).contains(&self.tables)
            && (1..=MAX_FUNCTIONS).contains(&self.functions)
            && (1..=MAX_BITS).contains(&self.bits)
            && (1..=2).contains(&self.hits)
            && u32::from(self.bits) <= most_bits
            && (self.family != Family::Polytopes || self.bits >= self.functions)
            && (1..=8 * MAX_DIMENSION as u32).contains(&self.dimension)
            && directions <= MAX_DIRECTIONS
            && self.width.is_finite()
            && self.width > 0.0
            && self.reach.is_finite()
            && self.reach >= 0.0
    }
}

/// Numbers or bits of a row.
pub(super) fn dimension(shape: Shape) -> usize {
    match shape {
        Shape::F32(dimension) => dimension,
        Shape::Bits(stride) => 8 * stride,
    }
}

pub(super) fn corrupt(what: &str) -> Error {
    Error::corrupt(what, "an index of hash tables")
}
