//! Building: functions and tables are chosen by trying them on a part of the rows, then made of all rows and measured.

use super::curve::Curve;
use super::hash::{Hasher, Room, directions};
use super::plan::{Family, MAX_BITS, MAX_TABLES, Plan, dimension};
use super::tables::{Tables, factor};
use super::trial::{Ends, MOST_PROBES, Sample, Step, run};
use crate::bytes::Write;
use crate::error::{Error, Result};
use crate::ids::RowId;
use crate::index::spec::LshSpec;
use crate::index::stored::Sink;
use crate::index::{Building, Built};
use crate::random::Random;
use crate::vector::VectorRef;
use crate::vector::kernel::{self, Kernels, Task};
use crate::vector::metric::Metric;

/// Sections of the file, beside those of the tables. Frozen.
pub(super) const PLAN: u16 = 1;
pub(super) const CENTER: u16 = 4;

/// Rows that functions are tried on.
const TRIAL_ROWS: usize = 20_000;
/// Queries of a trial, and of the curve that is stored.
const TRIAL_QUERIES: usize = 96;
const CURVE_QUERIES: usize = 256;
/// Rows the center is the mean of, at most.
const CENTER_ROWS: usize = 20_000;
/// Pairs of rows that tell how wide cells are.
const PAIRS: usize = 2_000;

/// Numbers of tables that are tried.
const TABLES: [u16; 3] = [4, 8, 16];
/// A table more must save this share of the time of a query.
const TABLE_WORTH: f32 = 0.01;

/// What a query takes, in nanoseconds; measured on the machine of docs/BENCHMARKS.md. Only what is chosen depends on it.
const PROBE_NS: f32 = 120.0;
const LOOK_NS: f32 = 3.0;
const COMPARE_NS: f32 = 25.0;
const COMPARE_BYTE_NS: f32 = 0.18;

/// Builds what `spec` asks for.
pub(in crate::index) fn build<'a>(spec: &LshSpec, building: &Building<'a>) -> Result<Box<dyn Built + 'a>> {
    let tables = most_tables(spec, building);
    let sample = Sample::new(building, TRIAL_ROWS, TRIAL_QUERIES)?;
    let chosen = choose(spec, tables, &sample, building)?;
    let rows: Vec<u32> = (0..building.vectors.len() as u32).collect();
    let plan = Plan { bits: grown_bits(&chosen.plan, sample.rows.len(), rows.len()), ..chosen.plan };
    let plan = with_functions(plan);
    let hasher = hasher(plan, building)?;
    let tables = Tables::new(&hasher, &rows, building)?;
    let sample = Sample::new(building, usize::MAX, CURVE_QUERIES)?;
    let ends = Ends { hits: plan.hits, queries: CURVE_QUERIES, looks: most_looks(rows.len()), probes: MOST_PROBES };
    let curve = Curve::new(run(&sample, &hasher, &tables, &ends, building)?);
    Ok(Box::new(Made { hasher, tables, curve, recall_percent: spec.recall_percent }))
}

/// An index in memory.
#[derive(Debug)]
struct Made {
    hasher: Hasher,
    tables: Tables,
    curve: Curve,
    recall_percent: u8,
}

impl Built for Made {
    fn write(&self, sink: &mut dyn Sink) -> Result<()> {
        let mut bytes = Vec::new();
        self.hasher.plan().write(&mut bytes);
        bytes.put_u8(self.recall_percent);
        self.curve.write(&mut bytes);
        sink.section(PLAN)?;
        sink.write(&bytes)?;
        self.tables.write(sink)?;
        sink.section(CENTER)?;
        sink.write(&self.hasher.center().iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
    }
}

/// Tables there may be: what was asked for, as far as there is memory for it.
fn most_tables(spec: &LshSpec, building: &Building<'_>) -> u16 {
    // Hashes, and rows in order, four bytes each, and a directory that is no longer.
    let table_bytes = 16 * building.vectors.len() as u64;
    let wanted = if spec.tables == 0 { TABLES[TABLES.len() - 1] } else { spec.tables.min(MAX_TABLES) };
    (building.budget / table_bytes.max(1)).clamp(1, wanted.into()) as u16
}

/// Rows that a query of a trial looks at.
fn most_looks(rows: usize) -> u32 {
    rows as u32 + 1_000
}

/// What was tried, and what a query takes with it.
struct Choice {
    plan: Plan,
    cost_ns: f32,
}

/// Tries all candidates and takes the one whose queries take the least time for the recall that is wanted.
fn choose(spec: &LshSpec, tables: u16, sample: &Sample, building: &Building<'_>) -> Result<Choice> {
    let recall = f32::from(spec.recall_percent) / 100.0;
    let mut best: Option<Choice> = None;
    for candidate in candidates(spec, tables, sample.rows.len(), building)? {
        let hasher = hasher(candidate, building)?;
        let made = Tables::new(&hasher, &sample.rows, building)?;
        let counts = TABLES.into_iter().filter(|count| *count < candidate.tables && spec.tables == 0);
        for count in counts.chain([candidate.tables]) {
            let hasher = hasher.with_tables(count);
            for hits in [1, 2].into_iter().filter(|hits| u16::from(*hits) <= count) {
                let plan = Plan {
                    tables: if count == candidate.tables && spec.tables > 0 { tables } else { count },
                    hits,
                    ..candidate
                };
                // What takes several times as long as the best so far need not be followed to its end.
                let probes = best.as_ref().map_or(MOST_PROBES, |best| (3.0 * best.cost_ns / PROBE_NS) as u32);
                let ends = Ends {
                    hits,
                    queries: TRIAL_QUERIES,
                    looks: most_looks(sample.rows.len()),
                    probes: probes.min(MOST_PROBES),
                };
                let steps = run(sample, &hasher, &made, &ends, building)?;
                let cost_ns = cost(&steps, recall, &plan) * (1.0 + TABLE_WORTH * f32::from(count));
                if best.as_ref().is_none_or(|best| cost_ns < best.cost_ns) {
                    best = Some(Choice { plan, cost_ns });
                }
            }
        }
    }
    best.ok_or_else(|| Error::internal("no hash functions were tried"))
}

/// What a query takes for a recall; where the trial did not get there, more than any that did.
fn cost(steps: &[Step], recall: f32, plan: &Plan) -> f32 {
    let row_bytes = plan.dimension as f32;
    let take = |step: &Step| {
        step.probes as f32 * PROBE_NS
            + step.looks * LOOK_NS
            + step.candidates * (COMPARE_NS + COMPARE_BYTE_NS * row_bytes)
    };
    match steps.iter().position(|step| step.recall[0] >= recall) {
        Some(place) => {
            let (to, from) = (&steps[place], &steps[place.saturating_sub(1)]);
            let share = (recall - from.recall[0]) / (to.recall[0] - from.recall[0]).max(f32::MIN_POSITIVE);
            take(from) + share.clamp(0.0, 1.0) * (take(to) - take(from))
        }
        None => 1e12 * (2.0 - steps.last().map_or(0.0, |step| step.recall[0])),
    }
}

/// The functions that are tried.
fn candidates(spec: &LshSpec, most: u16, rows: usize, building: &Building<'_>) -> Result<Vec<Plan>> {
    let tables = most.min(TABLES[TABLES.len() - 1]);
    let metric = building.metric;
    let dimension = dimension(building.vectors.shape()) as u32;
    let seed = spec.seed;
    let plan = Plan {
        metric,
        family: Family::Polytopes,
        dimension,
        tables,
        functions: 1,
        bits: 1,
        hits: 1,
        width: 1.0,
        reach: 0.0,
        seed,
    };
    let plan = Plan { reach: reach(building)?, ..plan };
    let log = (rows.max(2) as f32).log2().round() as u8;
    let mut plans = Vec::new();
    for family in Family::of(metric) {
        let plan = Plan { family: *family, ..plan };
        match family {
            Family::Polytopes => {
                let bits = [log.saturating_sub(3), log.saturating_sub(1)];
                plans.extend(bits.map(|bits| with_functions(Plan { bits: bits.clamp(2, MAX_BITS), ..plan })));
            }
            Family::Cells => {
                let bits = log.clamp(1, MAX_BITS);
                for (functions, cells) in [(10, 2.0), (18, 3.0)] {
                    let plan = Plan { bits, functions, ..plan };
                    let Some(width) = spread(&plan, building)? else { continue };
                    plans.push(Plan { width: cells * width, ..plan });
                }
            }
            Family::Bits => {
                let bits = log.clamp(1, MAX_BITS).min(dimension.min(255) as u8);
                plans.push(with_functions(Plan { bits, ..plan }));
            }
        }
    }
    // With as many tables as there will be, L1 may take more directions than an index may have.
    plans.retain(|plan| Plan { tables: most, ..*plan }.is_sound());
    Ok(plans)
}

/// As many more bits as there are more rows in all than in a trial, so that buckets stay as full.
fn grown_bits(plan: &Plan, trial: usize, all: usize) -> u8 {
    let more = (all as f32 / trial.max(1) as f32).log2().round() as u8;
    let most = if plan.family == Family::Bits { plan.dimension.min(MAX_BITS.into()) as u8 } else { MAX_BITS };
    (plan.bits + more).min(most)
}

/// As many functions as the bits take.
fn with_functions(plan: Plan) -> Plan {
    match plan.family {
        Family::Polytopes => {
            // Polytopes of up to 128 numbers: larger ones find a little better and take much longer to hash with.
            let most = (plan.inputs().next_multiple_of(64).ilog2() + 1).min(8) as u8;
            Plan { functions: plan.bits.div_ceil(most), ..plan }
        }
        Family::Cells => plan,
        Family::Bits => Plan { functions: plan.bits, ..plan },
    }
}

/// The functions of a plan, with the middle of the rows where angles are hashed.
fn hasher(plan: Plan, building: &Building<'_>) -> Result<Hasher> {
    let center = if plan.family == Family::Polytopes { center(&plan, building)? } else { Vec::new() };
    Ok(Hasher::new(plan, center, directions(&plan)))
}

/// The mean of the rows as they are hashed, or of some of them: seen from there, they lie in all directions.
fn center(plan: &Plan, building: &Building<'_>) -> Result<Vec<f32>> {
    let plain = Hasher::new(Plan { tables: 1, ..*plan }, Vec::new(), Vec::new());
    let rows = building.vectors.all(building.pool)?;
    let step = rows.len().div_ceil(CENTER_ROWS).max(1);
    let (mut sums, mut input, mut count) = (vec![0f64; plan.inputs()], Vec::new(), 0.0);
    for number in (0..rows.len()).step_by(step) {
        plain.input(rows.row(RowId(number as u32)), factor(&rows, number as u32, plan.metric), true, &mut input);
        sums.iter_mut().zip(&input).for_each(|(sum, value)| *sum += f64::from(*value));
        count += 1.0;
    }
    let mean = |sum: &f64| Some((sum / count) as f32).filter(|mean| mean.is_finite()).unwrap_or(0.0);
    Ok(sums.iter().map(mean).collect())
}

/// The largest length of a row under dot, 0 under others.
fn reach(building: &Building<'_>) -> Result<f32> {
    let rows = building.vectors.all(building.pool)?;
    if building.metric != Metric::Dot {
        return Ok(0.0);
    }
    let square = |row: VectorRef<'_>| {
        row.as_f32().unwrap_or(&[]).iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>()
    };
    let most = (0..rows.len()).map(|row| square(rows.row(RowId(row as u32)))).fold(0.0, f64::max);
    Ok((most.sqrt() as f32).min(f32::MAX))
}

/// How far apart the projections of two rows are, half the time; `None` where cells of no width would be.
fn spread(plan: &Plan, building: &Building<'_>) -> Result<Option<f32>> {
    let plan = Plan { tables: 1, ..*plan };
    let hasher = Hasher::new(plan, Vec::new(), directions(&plan));
    let rows = building.vectors.all(building.pool)?;
    let mut random = Random::seeded(plan.seed, 4 << 32);
    let (mut room, mut other) = (Room::default(), Room::default());
    let mut apart = Vec::new();
    for _ in 0..PAIRS {
        for room in [&mut room, &mut other] {
            let row = RowId(random.below(rows.len() as u64) as u32);
            kernel::with(Project { hasher: &hasher, row: rows.row(row), room });
        }
        let function = random.below(plan.functions.into()) as usize;
        apart.push((room.values()[function] - other.values()[function]).abs());
    }
    apart.sort_unstable_by(f32::total_cmp);
    Ok(Some(apart[PAIRS / 2]).filter(|width| width.is_finite() && *width > 0.0))
}

struct Project<'a> {
    hasher: &'a Hasher,
    row: VectorRef<'a>,
    room: &'a mut Room,
}

impl Task for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernels>(self, kernels: K) {
        self.hasher.project(kernels, self.row, 1.0, true, self.room);
    }
}
