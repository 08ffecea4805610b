//! Hashing vectors: the functions of all tables, and how near a query is to other values of each.
//!
//! All functions of a kind look at one list of numbers, those of the vector turned at random as often as needed: one fast
//! rotation gives as many projections as the vector has numbers. A hash is put together from the values of its functions
//! by exclusive or, so that another value of one function is one exclusive or away.

use super::plan::{Family, Plan};
use crate::quantization::rotation::Rotation;
use crate::random::Random;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::metric::Metric;
use crate::vector::{VectorRef, inverse_norm};

/// Four bits as signs, the lowest bit first.
const SIGNS: [[f32; 4]; 16] = {
    let mut signs = [[-1.0; 4]; 16];
    let mut place = 0;
    while place < 64 {
        if (place / 4) >> (place % 4) & 1 == 1 {
            signs[place / 4][place % 4] = 1.0;
        }
        place += 1;
    }
    signs
};

/// Other values of a function that are tried, at most.
const CHANGES_PER_FUNCTION: usize = 12;

/// Streams of the seed. Frozen.
const OFFSETS: u64 = 1 << 32;
const DIRECTIONS: u64 = 2 << 32;
const PLACES: u64 = 3 << 32;

/// The functions of all tables.
#[derive(Debug)]
pub(super) struct Hasher {
    plan: Plan,
    /// Subtracted from each vector before it is turned; empty where nothing is.
    center: Vec<f32>,
    functions: Functions,
}

#[derive(Debug, Clone)]
enum Functions {
    Polytopes {
        rotations: Vec<Rotation>,
    },
    /// Cells of projections, by rotations or, where there are any, by directions given number by number.
    Cells {
        rotations: Vec<Rotation>,
        directions: Vec<f32>,
        offsets: Vec<f32>,
    },
    Bits {
        places: Vec<u32>,
    },
}

/// Another value of one function of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    /// How far the query is from that value: the lower, the likelier are its neighbours there.
    pub(super) cost: f32,
    /// What the hash changes by, by exclusive or.
    pub(super) flip: u32,
    pub(super) function: u8,
}

/// Room to hash in.
#[derive(Debug, Default)]
pub(super) struct Room {
    input: Vec<f32>,
    /// The numbers that the functions look at.
    values: Vec<f32>,
    corners: Vec<(f32, u32)>,
}

impl Room {
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }
}

impl Hasher {
    /// The functions of `plan`. `directions` are those of L1, as [`directions`] gives them; `center` is as long as an input
    /// or empty.
    pub(super) fn new(plan: Plan, center: Vec<f32>, directions: Vec<f32>) -> Hasher {
        let count = usize::from(plan.tables) * usize::from(plan.functions);
        let functions = match plan.family {
            Family::Polytopes => Functions::Polytopes { rotations: rotations(&plan, polytope_slots(&plan)) },
            Family::Cells => {
                let rotations = if plan.metric == Metric::L1 { Vec::new() } else { rotations(&plan, count) };
                let mut random = Random::seeded(plan.seed, OFFSETS);
                let offsets = (0..count).map(|_| random.unit() as f32).collect();
                Functions::Cells { rotations, directions, offsets }
            }
            Family::Bits => Functions::Bits { places: places(&plan) },
        };
        Hasher { plan, center, functions }
    }

    /// The same with fewer tables: the first ones.
    pub(super) fn with_tables(&self, tables: u16) -> Hasher {
        let plan = Plan { tables: tables.min(self.plan.tables), ..self.plan };
        Hasher { plan, center: self.center.clone(), functions: self.functions.clone() }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn center(&self) -> &[f32] {
        &self.center
    }

    /// The hashes of a row, one for each table, onto the end of `hashes`.
    #[inline(always)]
    pub(super) fn hash_row<K: Kernels>(
        &self,
        kernels: K,
        row: VectorRef<'_>,
        factor: f32,
        room: &mut Room,
        hashes: &mut Vec<u32>,
    ) {
        self.project(kernels, row, factor, true, room);
        hashes.extend((0..usize::from(self.plan.tables)).map(|table| self.hash(table, row, &room.values)));
    }

    /// What a query is multiplied with to be hashed: under dot its length says nothing, and it is made as long as the rows.
    fn query_factor(&self, query: VectorRef<'_>) -> f32 {
        let inverse_norm = || query.as_f32().map_or(1.0, inverse_norm);
        let factor = match self.plan.metric {
            Metric::Cosine => inverse_norm(),
            Metric::Dot => self.plan.reach * inverse_norm(),
            _ => 1.0,
        };
        if factor.is_finite() { factor } else { 1.0 }
    }

    /// The hashes of a query, and the other values of each table's functions, the nearest first.
    pub(super) fn hash_query(&self, query: VectorRef<'_>, room: &mut Room) -> Vec<(u32, Vec<Change>)> {
        let factor = self.query_factor(query);
        kernel::with(Project { hasher: self, query, factor, room });
        let tables = 0..usize::from(self.plan.tables);
        tables.map(|table| (self.hash(table, query, &room.values), self.changes(table, room))).collect()
    }

    /// The numbers of a vector as it is hashed: those of a row under dot are lifted, bits are signs.
    #[inline(always)]
    pub(super) fn input(&self, vector: VectorRef<'_>, factor: f32, is_row: bool, input: &mut Vec<f32>) {
        input.clear();
        match vector {
            VectorRef::F32(values) => {
                input.extend(values.iter().map(|value| value * factor));
                if self.plan.metric == Metric::Dot {
                    input.push(if is_row { lifted(values, self.plan.reach) } else { 0.0 });
                }
            }
            VectorRef::Bits(bytes) => {
                let signs = |byte: &u8| SIGNS[usize::from(byte & 15)].iter().chain(&SIGNS[usize::from(byte >> 4)]);
                input.extend(bytes.iter().flat_map(signs));
            }
        }
        input.iter_mut().zip(&self.center).for_each(|(value, center)| *value -= center);
    }

    /// Puts the numbers that the functions look at into `room`.
    #[inline(always)]
    pub(super) fn project<K: Kernels>(
        &self,
        kernels: K,
        vector: VectorRef<'_>,
        factor: f32,
        is_row: bool,
        room: &mut Room,
    ) {
        if matches!(self.functions, Functions::Bits { .. }) {
            return;
        }
        let Room { input, values, .. } = room;
        self.input(vector, factor, is_row, input);
        match &self.functions {
            Functions::Cells { directions, .. } if !directions.is_empty() => {
                values.clear();
                values
                    .extend(directions.chunks_exact(input.len().max(1)).map(|direction| kernels.dot(direction, input)));
            }
            Functions::Polytopes { rotations } | Functions::Cells { rotations, .. } => {
                let padded = rotations.first().map_or(0, Rotation::padded);
                values.resize(rotations.len() * padded, 0.0);
                for (rotation, values) in rotations.iter().zip(values.chunks_exact_mut(padded.max(1))) {
                    rotation.apply(input, values);
                }
            }
            Functions::Bits { .. } => {}
        }
    }

    /// The hash for one table.
    #[inline(always)]
    fn hash(&self, table: usize, vector: VectorRef<'_>, values: &[f32]) -> u32 {
        let functions = usize::from(self.plan.functions);
        match &self.functions {
            Functions::Polytopes { .. } => {
                let parts = polytopes(&self.plan, table, values);
                parts.fold(0, |hash, (share, values)| hash << share | nearest_corner(values))
            }
            Functions::Cells { offsets, .. } => {
                let range = table * functions..(table + 1) * functions;
                let cells = values[range.clone()].iter().zip(&offsets[range]).enumerate();
                cells.fold(0, |hash, (function, (value, offset))| {
                    hash ^ self.cell_hash(function, self.position(*value, *offset).floor())
                })
            }
            Functions::Bits { places } => {
                let VectorRef::Bits(bytes) = vector else { return 0 };
                let bits = usize::from(self.plan.bits);
                places[table * bits..(table + 1) * bits].iter().fold(0, |hash, place| hash << 1 | bit(bytes, *place))
            }
        }
    }

    /// Other values of the functions of a table, the nearest first.
    fn changes(&self, table: usize, room: &mut Room) -> Vec<Change> {
        let Room { values, corners, .. } = room;
        let mut changes = Vec::new();
        match &self.functions {
            Functions::Polytopes { .. } => {
                let mut above = u32::from(self.plan.bits);
                for (function, (share, values)) in polytopes(&self.plan, table, values).enumerate() {
                    above -= share;
                    other_corners(values, corners);
                    let nearest = nearest_corner(values);
                    changes.extend(corners.iter().map(|(cost, corner)| Change {
                        cost: *cost,
                        flip: (corner ^ nearest) << above,
                        function: function as u8,
                    }));
                }
            }
            Functions::Cells { offsets, .. } => {
                for function in 0..usize::from(self.plan.functions) {
                    let slot = table * usize::from(self.plan.functions) + function;
                    let position = self.position(values[slot], offsets[slot]);
                    self.other_cells(function, position, &mut changes);
                }
            }
            // Bits are all alike; those that come first in the hash go first.
            Functions::Bits { .. } => {
                changes.extend((0..self.plan.bits).map(|bit| Change { cost: 1.0, flip: 1 << bit, function: bit }));
            }
        }
        changes.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        changes
    }

    /// Where a projection falls, in cells.
    #[inline(always)]
    fn position(&self, value: f32, offset: f32) -> f32 {
        value / self.plan.width + offset
    }

    fn other_cells(&self, function: usize, position: f32, changes: &mut Vec<Change>) {
        let cell = position.floor();
        let here = self.cell_hash(function, cell);
        for step in [-1.0, 1.0, -2.0, 2.0] {
            // How far the nearer edge of that cell is.
            let edge = if step < 0.0 { cell + step + 1.0 } else { cell + step };
            changes.push(Change {
                cost: (edge - position) * (edge - position),
                flip: here ^ self.cell_hash(function, cell + step),
                function: function as u8,
            });
        }
    }

    #[inline(always)]
    fn cell_hash(&self, function: usize, cell: f32) -> u32 {
        let mixed = mix((function as u64) << 32 | u64::from(cell as i32 as u32));
        (mixed >> (64 - u32::from(self.plan.bits))) as u32
    }
}

/// Projecting a query.
struct Project<'a> {
    hasher: &'a Hasher,
    query: VectorRef<'a>,
    factor: f32,
    room: &'a mut Room,
}

impl Task for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        self.hasher.project(kernels, self.query, self.factor, false, self.room);
    }
}

/// The last number of a row under dot, with which all rows are equally long, so that the nearest by angle have the largest
/// inner products (Neyshabur and Srebro, On Symmetric and Asymmetric LSHs for Inner Product Search).
fn lifted(values: &[f32], reach: f32) -> f32 {
    let square: f64 = values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    (f64::from(reach) * f64::from(reach) - square).max(0.0).sqrt() as f32
}

/// Cauchy directions for the functions of `plan` under L1, one behind the other.
pub(super) fn directions(plan: &Plan) -> Vec<f32> {
    if (plan.metric, plan.family) != (Metric::L1, Family::Cells) {
        return Vec::new();
    }
    let count = usize::from(plan.tables) * usize::from(plan.functions) * plan.inputs();
    let mut random = Random::seeded(plan.seed, DIRECTIONS);
    // The tails are cut where they would drown all other numbers of a vector.
    let draw = |_| (std::f64::consts::PI * (random.unit() - 0.5)).tan().clamp(-1e4, 1e4) as f32;
    (0..count).map(draw).collect()
}

/// Rotations that give at least `slots` numbers together.
fn rotations(plan: &Plan, slots: usize) -> Vec<Rotation> {
    let padded = plan.inputs().next_multiple_of(64);
    let seed = |number: usize| mix(plan.seed ^ mix(number as u64 + 1));
    (0..slots.div_ceil(padded)).map(|number| Rotation::new(plan.inputs(), seed(number))).collect()
}

/// Numbers that the polytopes of all tables look at.
fn polytope_slots(plan: &Plan) -> usize {
    usize::from(plan.tables) * table_slots(plan)
}

/// Numbers that the polytopes of one table look at: a polytope of so many bits has half as many numbers as corners.
fn table_slots(plan: &Plan) -> usize {
    plan.shares().map(|share| 1 << (share - 1)).sum()
}

/// The bits and the numbers of each polytope of a table.
#[inline(always)]
fn polytopes<'a>(plan: &Plan, table: usize, values: &'a [f32]) -> impl Iterator<Item = (u32, &'a [f32])> + use<'a> {
    let mut rest = &values[table * table_slots(plan)..];
    plan.shares().map(move |share| {
        let (mine, others) = rest.split_at(1 << (share - 1));
        rest = others;
        (share, mine)
    })
}

/// The nearest corner: the number that is furthest from zero, and its sign in the lowest bit.
#[inline(always)]
fn nearest_corner(values: &[f32]) -> u32 {
    let (mut most, mut corner) = (-1.0, 0);
    for (place, value) in values.iter().enumerate() {
        if value.abs() > most {
            (most, corner) = (value.abs(), 2 * place as u32 + u32::from(*value < 0.0));
        }
    }
    corner
}

/// The corners that are nearest behind the nearest, and how far behind.
fn other_corners(values: &[f32], corners: &mut Vec<(f32, u32)>) {
    let most = values.iter().fold(0f32, |most, value| most.max(value.abs()));
    corners.clear();
    for (place, value) in values.iter().enumerate() {
        let behind = |value: f32| (most - value) * (most - value);
        let negative = u32::from(*value < 0.0);
        corners.push((behind(value.abs()), 2 * place as u32 + negative));
        corners.push((behind(-value.abs()), 2 * place as u32 + (1 - negative)));
    }
    let nearest = nearest_corner(values);
    corners.retain(|corner| corner.1 != nearest);
    let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if corners.len() > CHANGES_PER_FUNCTION {
        corners.select_nth_unstable_by(CHANGES_PER_FUNCTION, order);
        corners.truncate(CHANGES_PER_FUNCTION);
    }
    corners.sort_unstable_by(order);
}

/// Bits to look at, as many for each table as its hash has.
fn places(plan: &Plan) -> Vec<u32> {
    let mut random = Random::seeded(plan.seed, PLACES);
    let mut places = Vec::new();
    for _ in 0..plan.tables {
        let first = places.len();
        while places.len() < first + usize::from(plan.bits) {
            let place = random.below(plan.dimension.into()) as u32;
            if !places[first..].contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

#[inline(always)]
fn bit(bytes: &[u8], place: u32) -> u32 {
    let byte = bytes.get(place as usize / 8).copied().unwrap_or(0);
    u32::from(byte >> (place % 8) & 1)
}

/// Spreads a number over all bits (the finaliser of splitmix64). Frozen.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
