//! The layout in which a graph is searched fastest: all that one step reads stands in one row.
//!
//! A row holds its own point in eight bits a number and, of each of its 32 neighbours, one bit a number: the sign of what
//! leads from the point to the neighbour. Two factors beside it turn what a query's tables say of the signs into an
//! estimate of the neighbour's distance (RaBitQ: Gao and Long, SIGMOD 2024; neighbours beside their row: SymphonyQG, Gou
//! et al., SIGMOD 2025). A step of a search reads one row from beginning to end, in place of 32 elsewhere.

pub(super) mod encode;
pub(super) mod hubs;
pub(super) mod layout;
pub(super) mod lookup;
pub(super) mod nodes;
#[cfg(test)]
mod tests;

use self::hubs::Hubs;
use self::layout::Layout;
use super::space::Space;
use crate::index::stored::Bytes;

/// The rows of a graph, and what a query needs to be compared with them.
#[derive(Debug)]
pub(super) struct Fused {
    pub(super) space: Space,
    pub(super) hubs: Hubs,
    pub(super) layout: Layout,
    pub(super) rows: Box<dyn Bytes>,
}
