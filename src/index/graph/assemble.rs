//! From vectors to a graph that can be searched.

use std::sync::Arc;

use super::super::stored::aligned::AlignedBytes;
use super::super::{Building, Built, HnswSpec, Layout};
use super::build::{self, GraphParameters};
use super::compact::Compact;
use super::curve::Curves;
use super::fused::Fused;
use super::fused::encode::Encode;
use super::fused::hubs::Hubs;
use super::fused::layout::Layout as RowLayout;
use super::points::{CodedPoints, Points};
use super::raw::RawPoints;
use super::space::Space;
use super::tune::{self, Trials};
use super::{COMPACT, FUSED, Form, Graph, Head};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RowId;
use crate::sync::Mutex;
use crate::vector::kernel;
use crate::vector::kernel::scan::NEIGHBOURS;
use crate::vector::matrix::Shape;
use crate::vector::metric::Metric;

/// How many times as far two links of a row must be from each other as from the row (squared) for both to stay.
const ALPHA: f32 = 1.05;

/// Rows that one piece of work encodes.
const PIECE: usize = 512;

/// The most numbers of a point that the fused layout takes: beyond, sums of its tables would not fit their lanes.
const MAX_FUSED: usize = 4096;

/// With fewer numbers a bit of each says too little of a neighbour for the fused layout to be worth a trial.
const MIN_FUSED: usize = 16;

/// From so many numbers on it has been the faster one whatever the rows; below, both layouts are tried.
const SURE_FUSED: usize = 96;

/// Builds a graph over all rows.
pub(in super::super) fn build<'a>(spec: &HnswSpec, building: &Building<'a>) -> Result<Box<dyn Built + 'a>> {
    let graph = match fused_dimension(spec, building) {
        Some(dimension) => build_fused(spec, building, dimension)?,
        None => build_compact(spec, building)?,
    };
    Ok(Box::new(graph))
}

/// How many numbers rows have that get the fused layout; those that cannot have it get the compact one.
fn fused_dimension(spec: &HnswSpec, building: &Building<'_>) -> Option<usize> {
    let Shape::F32(dimension) = building.vectors.shape() else { return None };
    let possible = dimension < MAX_FUSED && building.metric != Metric::L1 && spec.degree() == NEIGHBOURS;
    let bytes = (RowLayout::new(dimension.next_multiple_of(64)).stride() * building.vectors.len()) as u64;
    let fused = match spec.layout {
        Layout::Compact => false,
        Layout::Fused => possible,
        Layout::Auto => possible && dimension >= MIN_FUSED && bytes <= building.budget,
    };
    fused.then_some(dimension)
}

fn build_fused(spec: &HnswSpec, building: &Building<'_>, dimension: usize) -> Result<Graph> {
    let pool = building.pool;
    let space = Space::fit(&building.vectors.all(pool)?, building.metric, dimension, spec.seed);
    let points = coded(&space, building)?;
    let unfinished = link(&points, spec, building)?;
    let layout = RowLayout::new(space.padded());
    let mut rows = Arc::new(AlignedBytes::zeros(layout.stride() * building.vectors.len()));
    let encode = |rows: &mut Arc<AlignedBytes>, links: &[u32], before: Option<&[u32]>| -> Result<()> {
        let bytes = Arc::get_mut(rows).ok_or_else(|| Error::internal("rows that are written are being read"))?;
        pool.fill(bytes.as_mut(), layout.stride() * PIECE, |piece, bytes| {
            let first = (piece * PIECE) as u32;
            kernel::with(Encode { layout, points: &points, links, before, first, bytes });
        });
        Ok(())
    };
    let so_far = unfinished.so_far();
    encode(&mut rows, &so_far.links, None)?;
    let hubs = Hubs::new(&so_far.entries, &points, layout);
    let form = Form::Fused(Box::new(Fused { space, hubs, layout, rows: Box::new(Arc::clone(&rows)) }));
    let mut graph = assemble(spec, building, FUSED, &so_far, form);
    let trials = Trials::new(building, unfinished.held())?;
    keep_hubs(&mut graph, &trials, building.vectors.shape())?;
    graph.curves = trials.curves(&graph)?;
    if spec.layout == Layout::Auto && dimension < SURE_FUSED {
        let radius = if let Form::Fused(fused) = &graph.form { fused.space.radius() } else { 0.0 };
        let compact = measured_compact(&so_far, &trials, spec, building, radius)?;
        if compact.usual_cost(building.vectors.shape()) < graph.usual_cost(building.vectors.shape()) {
            return finish_compact(compact, unfinished, spec, building, radius);
        }
    }
    let finished = unfinished.finish(building.stop)?.ok_or_else(stopped)?;
    let Form::Fused(fused) = &mut graph.form else { return Err(Error::internal("a fused graph is not")) };
    fused.rows = Box::new(AlignedBytes::zeros(0));
    encode(&mut rows, &finished.links, Some(&so_far.links))?;
    fused.rows = Box::new(rows);
    graph.head = head(spec, building, FUSED, &finished);
    Ok(graph)
}

/// Halves the hubs as long as a usual query costs less with fewer: where rows lie in groups far apart, many hubs save a
/// walk the way from one to the other, and elsewhere they are so many more to compare.
fn keep_hubs(graph: &mut Graph, trials: &Trials<'_>, shape: Shape) -> Result<()> {
    let mut cost = f32::INFINITY;
    while let Some(half) = hubs(graph).and_then(|hubs| hubs.half()) {
        if cost.is_infinite() {
            cost = usual_cost(graph, trials, shape)?;
        }
        let Some(more) = hubs(graph).map(|hubs| std::mem::replace(hubs, half)) else { break };
        let less = usual_cost(graph, trials, shape)?;
        if less > cost {
            if let Some(hubs) = hubs(graph) {
                *hubs = more;
            }
            break;
        }
        cost = less;
    }
    Ok(())
}

fn hubs(graph: &mut Graph) -> Option<&mut Hubs> {
    match &mut graph.form {
        Form::Fused(fused) => Some(&mut fused.hubs),
        Form::Compact(_) => None,
    }
}

/// What a usual query costs on this graph, tried.
fn usual_cost(graph: &mut Graph, trials: &Trials<'_>, shape: Shape) -> Result<f32> {
    graph.curves = trials.usual(graph)?;
    Ok(graph.usual_cost(shape))
}

fn build_compact(spec: &HnswSpec, building: &Building<'_>) -> Result<Graph> {
    let rows = building.vectors.all(building.pool)?;
    match (building.vectors.shape(), building.metric) {
        (Shape::F32(dimension), Metric::L2 | Metric::Cosine | Metric::Dot) => {
            let space = Space::fit(&rows, building.metric, dimension, spec.seed);
            compact_over(&coded(&space, building)?, spec, building, space.radius())
        }
        _ => compact_over(&RawPoints(rows), spec, building, 0.0),
    }
}

fn compact_over<P: Points>(points: &P, spec: &HnswSpec, building: &Building<'_>, radius: f32) -> Result<Graph> {
    let unfinished = link(points, spec, building)?;
    let trials = Trials::new(building, unfinished.held())?;
    let measured = measured_compact(&unfinished.so_far(), &trials, spec, building, radius)?;
    finish_compact(measured, unfinished, spec, building, radius)
}

/// The compact graph without the rows that are held back, which measure it.
fn measured_compact(
    so_far: &build::Graph,
    trials: &Trials<'_>,
    spec: &HnswSpec,
    building: &Building<'_>,
    radius: f32,
) -> Result<Graph> {
    let mut graph = assemble(spec, building, COMPACT, so_far, compact_form(so_far, radius));
    graph.curves = trials.curves(&graph)?;
    Ok(graph)
}

/// The same over all rows.
fn finish_compact<P: Points>(
    measured: Graph,
    unfinished: build::Unfinished<'_, P>,
    spec: &HnswSpec,
    building: &Building<'_>,
    radius: f32,
) -> Result<Graph> {
    let finished = unfinished.finish(building.stop)?.ok_or_else(stopped)?;
    let graph = assemble(spec, building, COMPACT, &finished, compact_form(&finished, radius));
    Ok(Graph { curves: measured.curves, ..graph })
}

fn compact_form(graph: &build::Graph, radius: f32) -> Form {
    let links = AlignedBytes::copy(bytemuck::cast_slice(&graph.links));
    Form::Compact(Compact::new(Box::new(links), graph.degree, &graph.entries, radius))
}

/// The rows as points of the space.
fn coded(space: &Space, building: &Building<'_>) -> Result<CodedPoints> {
    let Building { vectors, metric, pool, .. } = *building;
    let place = |row: usize, point: &mut [f32]| {
        let row = RowId(row as u32);
        let inverse_norm = if metric == Metric::Cosine { vectors.inverse_norm(row)? } else { 1.0 };
        let vector = vectors.row(row)?;
        let values = vector.as_f32().ok_or_else(|| Error::internal("a vector of numbers has none"))?;
        space.place(values, inverse_norm, &mut Vec::new(), point);
        Ok(())
    };
    CodedPoints::encode(vectors.len(), space.padded(), place, pool)
}

/// Links the rows but those that the curves are measured with.
fn link<'a, P: Points>(points: &'a P, spec: &HnswSpec, building: &Building<'a>) -> Result<build::Unfinished<'a, P>> {
    let parameters = GraphParameters {
        degree: spec.degree(),
        ef_construction: usize::from(spec.ef_construction),
        alpha: ALPHA,
        seed: spec.seed,
    };
    let held = tune::sample(points.len(), spec.seed);
    build::build(points, &parameters, &held, building.pool, building.stop)?.ok_or_else(stopped)
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "building an index was stopped")
}

fn assemble(spec: &HnswSpec, building: &Building<'_>, layout: u8, graph: &build::Graph, form: Form) -> Graph {
    let head = head(spec, building, layout, graph);
    Graph { head, metric: building.metric, curves: Curves::default(), form, idle: Mutex::new(Vec::new()) }
}

fn head(spec: &HnswSpec, building: &Building<'_>, layout: u8, graph: &build::Graph) -> Head {
    Head {
        layout,
        degree: spec.degree() as u8,
        rows: building.vectors.len() as u32,
        m: spec.m,
        ef_construction: spec.ef_construction,
        seed: spec.seed,
        mended: graph.unreachable_before_repair,
        unreachable: graph.unreachable,
    }
}
