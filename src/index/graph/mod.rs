//! Search over a graph: each row is linked to rows near it, and a search walks the links towards the query.
//!
//! The base layer of HNSW (Malkov and Yashunin, TPAMI 2020), without layers above it: some hubs that every query is
//! compared with take their place, which is as good where vectors have many numbers (Munyampirwa et al., "Down with the
//! Hierarchy", 2024). Rows are points of a `space` in which every metric is the Euclidean distance; `build` links them,
//! `fused` lays them out for searching, `tune` measures how far a `walk` has to reach for a recall.

mod assemble;
mod beam;
pub(crate) mod build;
mod compact;
mod curve;
#[cfg(test)]
mod filtered;
mod fused;
mod plan;
pub(crate) mod points;
mod raw;
mod reach;
mod rows;
mod search;
mod space;
#[cfg(test)]
mod tests;
mod tune;
mod usual;
mod walk;

use std::fmt;

use self::compact::{Compact, MAX_DEGREE};
use self::curve::Curves;
use self::fused::Fused;
use self::fused::hubs::Hubs;
use self::fused::layout::Layout;
use self::search::Memory;
use self::space::Space;
use super::stored::{Bytes, Sink, Source};
use super::{Built, HnswSpec, IndexFacts, IndexSpec, kind};
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
const COMPACT: u8 = 0;
const FUSED: u8 = 1;

/// A graph that can be searched.
pub(super) struct Graph {
    head: Head,
    metric: Metric,
    curves: Curves,
    form: Form,
    /// Memory of searches, for the next ones.
    idle: Mutex<Vec<Memory>>,
}

/// How the graph lies.
#[derive(Debug)]
enum Form {
    Compact(Compact),
    Fused(Box<Fused>),
}

/// What a graph says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    layout: u8,
    /// Links of a row.
    degree: u8,
    rows: u32,
    m: u16,
    ef_construction: u16,
    seed: u64,
    /// Rows that nobody could get to before links to them were added.
    mended: u32,
    /// Rows that a search cannot get to from every entry.
    unreachable: u32,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![kind::GRAPH, VERSION, self.layout, self.degree];
        bytes.put_u32(self.rows);
        bytes.put_u16(self.m);
        bytes.put_u16(self.ef_construction);
        bytes.put_u64(self.seed);
        bytes.put_u32(self.mended);
        bytes.put_u32(self.unreachable);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Head> {
        let mut reader = Reader::new(bytes);
        let mut read = || -> Result<([u8; 2], Head), Truncated> {
            let (form, layout, degree, rows) = (reader.array()?, reader.u8()?, reader.u8()?, reader.u32()?);
            let (m, ef_construction, seed) = (reader.u16()?, reader.u16()?, reader.u64()?);
            let (mended, unreachable) = (reader.u32()?, reader.u32()?);
            Ok((form, Head { layout, degree, rows, m, ef_construction, seed, mended, unreachable }))
        };
        let (form, head) = read().ok()?;
        let degree = usize::from(head.degree);
        let sound = match head.layout {
            COMPACT => (1..=MAX_DEGREE).contains(&degree),
            FUSED => degree == NEIGHBOURS,
            _ => false,
        };
        (form == [kind::GRAPH, VERSION] && sound && reader.is_empty()).then_some(head)
    }
}

/// Opens a stored graph. The rows are not read.
pub(super) fn open(source: &dyn Source, rows: u32, shape: Shape, metric: Metric) -> Result<Graph> {
    let head = Head::decode(&whole(source, section::HEAD)?).filter(|head| head.rows == rows);
    let head = head.ok_or_else(|| damaged("the head is not that of a graph over these rows"))?;
    let curves = Curves::decode(&whole(source, section::CURVES)?).ok_or_else(|| damaged("the curves are none"))?;
    let stored = source.section(section::ROWS)?;
    let form = match (head.layout, shape) {
        (FUSED, Shape::F32(dimension)) if metric != Metric::L1 => open_fused(source, &head, dimension, metric, stored)?,
        (COMPACT, _) => open_compact(source, &head, stored)?,
        _ => return Err(damaged("the layout is none for these vectors")),
    };
    Ok(Graph { head, metric, curves, form, idle: Mutex::new(Vec::new()) })
}

fn open_fused(
    source: &dyn Source,
    head: &Head,
    dimension: usize,
    metric: Metric,
    rows: Box<dyn Bytes>,
) -> Result<Form> {
    let space = Space::decode(&whole(source, section::SPACE)?, metric, dimension);
    let space = space.ok_or_else(|| damaged("the space does not fit the vectors"))?;
    let layout = Layout::new(space.padded());
    let hubs = Hubs::decode(&whole(source, section::HUBS)?, layout, head.rows);
    let hubs = hubs.ok_or_else(|| damaged("the hubs are none"))?;
    check_length(&*rows, layout.stride(), head.rows)?;
    Ok(Form::Fused(Box::new(Fused { space, hubs, layout, rows })))
}

fn open_compact(source: &dyn Source, head: &Head, links: Box<dyn Bytes>) -> Result<Form> {
    let entries = Compact::decode_entries(&whole(source, section::HUBS)?, head.rows);
    let entries = entries.ok_or_else(|| damaged("the entries are none"))?;
    let radius = whole(source, section::SPACE)?.as_slice().try_into().map(f32::from_le_bytes);
    let radius = radius.ok().filter(|radius| radius.is_finite() && *radius >= 0.0);
    let radius = radius.ok_or_else(|| damaged("the radius is none"))?;
    let degree = usize::from(head.degree);
    check_length(&*links, degree * size_of::<u32>(), head.rows)?;
    Ok(Form::Compact(Compact { links, degree, entries, radius }))
}

/// A copy of a small section.
fn whole(source: &dyn Source, number: u16) -> Result<Vec<u8>> {
    let section = source.section(number)?;
    section.get(0..section.len()).map(<[u8]>::to_vec)
}

fn check_length(rows: &dyn Bytes, stride: usize, count: u32) -> Result<()> {
    match stride.checked_mul(count as usize) == Some(rows.len()) {
        true => Ok(()),
        false => Err(damaged("the rows are too many or too few")),
    }
}

fn damaged(what: &str) -> Error {
    Error::corrupt(what, "a stored graph")
}

impl Built for Graph {
    fn write(&self, sink: &mut dyn Sink) -> Result<()> {
        let (space, hubs, rows) = match &self.form {
            Form::Fused(fused) => (fused.space.encode(), fused.hubs.encode(), &fused.rows),
            Form::Compact(compact) => (compact.radius.to_le_bytes().to_vec(), compact.encode_entries(), &compact.links),
        };
        let small = [
            (section::HEAD, self.head.encode()),
            (section::SPACE, space),
            (section::HUBS, hubs),
            (section::CURVES, self.curves.encode()),
        ];
        for (number, bytes) in small {
            sink.section(number)?;
            sink.write(&bytes)?;
        }
        sink.section(section::ROWS)?;
        sink.write(rows.get(0..rows.len())?)
    }
}

impl Graph {
    fn describe(&self) -> IndexFacts {
        let Head { rows, m, ef_construction, .. } = self.head;
        let curve = self.curves.0.iter().find(|curve| curve.k >= 10);
        let cost = |hops: f32| hops * f32::from(self.head.degree);
        let (layout, bytes) = match &self.form {
            Form::Fused(fused) => ("fused", fused.rows.len()),
            Form::Compact(compact) => ("compact", compact.links.len()),
        };
        IndexFacts {
            kind: IndexSpec::Hnsw(HnswSpec { m, ef_construction, seed: self.head.seed, ..HnswSpec::default() })
                .to_string(),
            layout: Some(layout),
            rows,
            bytes: bytes as u64,
            unreachable: self.head.unreachable,
            curve: curve.map_or(Vec::new(), |curve| curve.points.iter().map(|p| (p.recall, cost(p.hops))).collect()),
        }
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("head", &self.head).field("metric", &self.metric).finish_non_exhaustive()
    }
}
