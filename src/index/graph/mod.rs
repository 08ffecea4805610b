//! Search over a graph: each row is linked to rows near it, and a search walks the links towards the query.
//!
//! The base layer of HNSW (Malkov and Yashunin, TPAMI 2020), without layers above it: some hubs that every query is
//! compared with take their place, which is as good where vectors have many numbers (Munyampirwa et al., "Down with the
//! Hierarchy", 2024). Rows are points of a `space` in which every metric is the Euclidean distance; `build` links them,
//! `fused` lays them out for searching, `tune` measures how far a `walk` has to reach for a recall.

mod assemble;
mod beam;
pub(crate) mod build;
mod curve;
mod fused;
mod hubs;
mod memory;
pub(crate) mod points;
mod rows;
mod search;
mod space;
#[cfg(test)]
mod tests;
mod tune;
mod walk;

use std::fmt;

use self::curve::Curves;
use self::fused::Layout;
use self::hubs::Hubs;
use self::search::Memory;
use self::space::Space;
use super::stored::{Bytes, Sink, Source};
use super::{Built, IndexFacts, kind};
use crate::bytes::{Reader, Truncated, Write};
use crate::error::{Error, Result};
use crate::sync::Mutex;
use crate::vector::kernel::scan::NEIGHBOURS;
use crate::vector::matrix::Shape;
use crate::vector::metric::Metric;

pub(super) use assemble::build;

/// Sections of a stored graph (frozen).
mod section {
    pub(super) const HEAD: u16 = 1;
    pub(super) const SPACE: u16 = 2;
    pub(super) const HUBS: u16 = 3;
    pub(super) const ROWS: u16 = 4;
    pub(super) const CURVES: u16 = 5;
}

/// The version of the stored form that this code writes and reads.
const VERSION: u8 = 1;

/// The layout byte of the head.
const FUSED: u8 = 1;

/// A graph that can be searched.
pub(super) struct Graph {
    head: Head,
    metric: Metric,
    space: Space,
    hubs: Hubs,
    curves: Curves,
    /// Rows of the fused layout.
    rows: Box<dyn Bytes>,
    layout: Layout,
    /// Memory of searches, for the next ones.
    idle: Mutex<Vec<Memory>>,
}

/// What a graph says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    rows: u32,
    padded: u32,
    m: u16,
    ef_construction: u16,
    seed: u64,
    /// Rows that nobody could get to before links to them were added.
    mended: u32,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![kind::GRAPH, VERSION, FUSED, NEIGHBOURS as u8];
        bytes.put_u32(self.rows);
        bytes.put_u32(self.padded);
        bytes.put_u16(self.m);
        bytes.put_u16(self.ef_construction);
        bytes.put_u64(self.seed);
        bytes.put_u32(self.mended);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Head> {
        let mut reader = Reader::new(bytes);
        let mut read = || -> Result<([u8; 4], Head), Truncated> {
            let form = reader.array()?;
            let (rows, padded) = (reader.u32()?, reader.u32()?);
            let (m, ef_construction, seed) = (reader.u16()?, reader.u16()?, reader.u64()?);
            Ok((form, Head { rows, padded, m, ef_construction, seed, mended: reader.u32()? }))
        };
        let (form, head) = read().ok()?;
        (form == [kind::GRAPH, VERSION, FUSED, NEIGHBOURS as u8] && reader.is_empty()).then_some(head)
    }
}

/// Opens a stored graph. The rows are not read.
pub(super) fn open(source: &dyn Source, rows: u32, shape: Shape, metric: Metric) -> Result<Graph> {
    let damaged = |what: &str| Error::corrupt(what, "a stored graph");
    let Shape::F32(dimension) = shape else { return Err(damaged("a graph over bits has another form")) };
    let whole = |number| source.section(number).map(|section| section.get(0..section.len()).map(<[u8]>::to_vec));
    let head = Head::decode(&whole(section::HEAD)??).filter(|head| head.rows == rows);
    let head = head.ok_or_else(|| damaged("the head is not that of a graph over these rows"))?;
    let space = Space::decode(&whole(section::SPACE)??, metric, dimension);
    let space = space.filter(|space| space.padded() == head.padded as usize);
    let space = space.ok_or_else(|| damaged("the space does not fit the vectors"))?;
    let hubs =
        Hubs::decode(&whole(section::HUBS)??, space.padded(), rows).ok_or_else(|| damaged("the hubs are none"))?;
    let curves = Curves::decode(&whole(section::CURVES)??).ok_or_else(|| damaged("the curves are none"))?;
    let stored = source.section(section::ROWS)?;
    let layout = Layout::new(space.padded());
    if layout.stride().checked_mul(rows as usize) != Some(stored.len()) {
        return Err(damaged("the rows are too many or too few"));
    }
    Ok(Graph { head, metric, space, hubs, curves, rows: stored, layout, idle: Mutex::new(Vec::new()) })
}

impl Built for Graph {
    fn write(&self, sink: &mut dyn Sink) -> Result<()> {
        let small = [
            (section::HEAD, self.head.encode()),
            (section::SPACE, self.space.encode()),
            (section::HUBS, self.hubs.encode()),
            (section::CURVES, self.curves.encode()),
        ];
        for (number, bytes) in small {
            sink.section(number)?;
            sink.write(&bytes)?;
        }
        sink.section(section::ROWS)?;
        sink.write(self.rows.get(0..self.rows.len())?)
    }
}

impl Graph {
    fn describe(&self) -> IndexFacts {
        let Head { rows, m, ef_construction, .. } = self.head;
        let curve = self.curves.0.iter().find(|curve| curve.k >= 10);
        let cost = |hops: f32| hops * NEIGHBOURS as f32;
        IndexFacts {
            kind: format!("hnsw(m={m}, ef_construction={ef_construction})"),
            layout: Some("fused"),
            rows,
            bytes: self.rows.len() as u64,
            unreachable: 0,
            curve: curve.map_or(Vec::new(), |curve| curve.points.iter().map(|p| (p.recall, cost(p.hops))).collect()),
        }
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("head", &self.head).field("metric", &self.metric).finish_non_exhaustive()
    }
}
