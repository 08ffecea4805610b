//! Walking through rows of the fused layout.

use super::super::super::Live;
use super::super::beam::Beam;
use super::super::rows::StoredRows;
use super::super::walk::Nodes;
use super::layout::{LINE, Layout};
use super::lookup::Lookup;
use crate::error::Result;
use crate::vector::kernel::Kernels;

/// Lines of a row's beginning that are asked for when the walk decides to go there; the rest follows while the row
/// before is looked at, so that the requests do not crowd each other out.
const FIRST_LINES: usize = 12;

/// Rows shorter than this arrive so fast that two are asked for ahead.
const SHORT_ROW: usize = 2560;

/// The rows and a query.
pub(in super::super) struct FusedNodes<'a> {
    pub(in super::super) layout: Layout,
    pub(in super::super) rows: StoredRows<'a>,
    pub(in super::super) lookup: &'a Lookup,
}

impl Nodes for FusedNodes<'_> {
    const MARKS_STEPS: bool = true;

    fn ahead(&self) -> usize {
        if self.layout.stride() < SHORT_ROW { 2 } else { 1 }
    }

    #[inline(always)]
    fn ask<K: Kernels>(&self, kernels: K, row: u32) {
        if let Some(bytes) = self.rows.if_known(row) {
            let first = (FIRST_LINES * LINE).min(self.layout.factors_at());
            kernels.prefetch(bytemuck::cast_slice(&bytes[..first]));
            kernels.prefetch(bytemuck::cast_slice(&bytes[self.layout.factors_at()..]));
        }
    }

    #[inline(always)]
    fn look<K: Kernels>(
        &mut self,
        kernels: K,
        row: u32,
        next: Option<u32>,
        live: &dyn Live,
        beam: &mut Beam,
    ) -> Result<()> {
        let bytes = self.rows.get(row)?;
        let Some(view) = self.layout.read(bytes) else { return Err(self.rows.damaged("a row is out of place")) };
        let mut dot = [0];
        kernels.code_dots(&self.lookup.codes, view.own, &mut dot);
        let product = view.head.scale * self.lookup.step * dot[0] as f32;
        let own = self.lookup.norm + view.head.norm - 2.0 * product;
        beam.offer(own, row, live);
        let ahead = next.and_then(|next| self.rows.if_known(next)).unwrap_or_default();
        let ahead = ahead.get(FIRST_LINES * LINE..self.layout.factors_at()).unwrap_or_default();
        let tables = self.lookup.tables();
        beam.extend(live, |room| kernels.scan(&view.block, &tables, own, ahead, room));
        Ok(())
    }
}
