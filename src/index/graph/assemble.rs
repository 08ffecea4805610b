//! From vectors to a graph that can be searched.

use super::super::{Building, Built, HnswSpec};
use super::build::{self, GraphParameters};
use super::curve::Curves;
use super::fused::Layout;
use super::fused::encode::Encode;
use super::hubs::Hubs;
use super::memory::AlignedBytes;
use super::points::CodedPoints;
use super::space::Space;
use super::{Graph, Head, tune};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RowId;
use crate::sync::Mutex;
use crate::vector::kernel;
use crate::vector::kernel::scan::NEIGHBOURS;
use crate::vector::matrix::Shape;

/// How many times as far two links of a row must be from each other as from the row (squared) for both to stay.
const ALPHA: f32 = 1.0;

/// Rows that one piece of work encodes.
const PIECE: usize = 512;

/// Builds a graph over all rows; `None` where rows of this kind cannot have one.
pub(in super::super) fn build<'a>(spec: &HnswSpec, building: &Building<'a>) -> Result<Option<Box<dyn Built + 'a>>> {
    let Shape::F32(dimension) = building.vectors.shape() else { return Ok(None) };
    let (vectors, metric, pool) = (building.vectors, building.metric, building.pool);
    let rows = vectors.all(pool)?;
    let space = Space::fit(&rows, metric, dimension, spec.seed);
    let place = |row: usize, point: &mut [f32]| {
        let row = RowId(row as u32);
        let vector = vectors.row(row)?;
        let inverse_norm =
            if metric == crate::vector::metric::Metric::Cosine { vectors.inverse_norm(row)? } else { 1.0 };
        let values = vector.as_f32().ok_or_else(|| Error::internal("a vector of numbers has none"))?;
        space.place(values, inverse_norm, &mut Vec::new(), point);
        Ok(())
    };
    let points = CodedPoints::encode(vectors.len(), space.padded(), place, pool)?;
    let parameters = GraphParameters {
        degree: NEIGHBOURS,
        ef_construction: usize::from(spec.ef_construction),
        alpha: ALPHA,
        seed: spec.seed,
    };
    let stopped = || Error::new(ErrorKind::Cancelled, "building an index was stopped");
    let graph = build::build(&points, &parameters, pool, building.stop)?.ok_or_else(stopped)?;
    let layout = Layout::new(space.padded());
    let mut bytes = AlignedBytes::zeros(layout.stride() * vectors.len());
    pool.fill(bytes.as_mut(), layout.stride() * PIECE, |piece, bytes| {
        let first = (piece * PIECE) as u32;
        kernel::with(Encode { layout, points: &points, links: &graph.links, first, bytes });
    });
    let head = Head {
        rows: vectors.len() as u32,
        padded: space.padded() as u32,
        m: spec.m,
        ef_construction: spec.ef_construction,
        seed: spec.seed,
        mended: graph.unreachable_before_repair,
    };
    let hubs = Hubs::new(&graph.entries, &points);
    drop((graph, points));
    let rows = Box::new(bytes);
    let mut graph =
        Graph { head, metric, space, hubs, curves: Curves::default(), rows, layout, idle: Mutex::new(Vec::new()) };
    graph.curves = tune::measure(&graph, building)?;
    Ok(Some(Box::new(graph)))
}
