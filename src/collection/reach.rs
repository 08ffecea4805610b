//! Whether rows find themselves through the index of their segment.

use crate::collection::view::CollectionView;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RowId;
use crate::index::{self, Effort, Query, Scope, Stop, VectorIndex, Vectors};
use crate::pool::Pool;
use crate::rows::RowSet;
use crate::segment::Moment;
use crate::segment::sealed::Sealed;
use crate::vector::metric::Metric;

/// So many neighbours a row asks for. It is found when it is among them, or when all of them are as near as itself.
const NEIGHBOURS: usize = 10;
/// Rows that one thread asks for in one go.
const ROWS_PER_TASK: usize = 64;

/// How many rows asked, and how many found themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reach {
    pub(crate) asked: u64,
    pub(crate) found: u64,
}

/// Asks `index`, which is that of `segment`, for every row that is live at `moment` by its own vector. Costs a search for
/// each.
pub(crate) fn measure(
    view: &CollectionView,
    segment: &Sealed,
    index: &dyn VectorIndex,
    moment: Moment,
    pool: &Pool,
    stop: &Stop<'_>,
) -> Result<Reach> {
    let Some((vectors, metric)) = segment.file().vectors().zip(view.schema.metric()) else {
        return Ok(Reach::default());
    };
    let live = segment.live_rows(moment)?;
    let rows: Vec<RowId> = live.iter().collect();
    let asking = Asking { vectors: &vectors, metric, index, live: &live, stop };
    let found = pool.map(rows.len().div_ceil(ROWS_PER_TASK), |task| {
        let rows = &rows[task * ROWS_PER_TASK..rows.len().min((task + 1) * ROWS_PER_TASK)];
        rows.iter().map(|row| Ok(u64::from(asking.finds(*row)?))).sum::<Result<u64>>()
    })?;
    Ok(Reach { asked: rows.len() as u64, found: found.into_iter().sum() })
}

struct Asking<'a> {
    vectors: &'a dyn Vectors,
    metric: Metric,
    index: &'a dyn VectorIndex,
    live: &'a RowSet,
    stop: &'a Stop<'a>,
}

impl Asking<'_> {
    fn finds(&self, row: RowId) -> Result<bool> {
        if (self.stop)() {
            return Err(Error::new(ErrorKind::Cancelled, "asking rows for themselves was stopped"));
        }
        let hits = self.search(self.index, row, self.live)?;
        if hits.iter().any(|hit| hit.1 == row) {
            return Ok(true);
        }
        // Others may be as near: equal vectors, or longer ones under the inner product.
        let furthest = hits.last().filter(|_| hits.len() == NEIGHBOURS).map(|hit| hit.0);
        let mut alone = RowSet::empty(self.live.rows());
        alone.insert(row);
        let own = self.search(index::flat(), row, &alone)?.first().map(|hit| hit.0);
        Ok(furthest.zip(own).is_some_and(|(furthest, own)| furthest <= own))
    }

    fn search(&self, index: &dyn VectorIndex, row: RowId, live: &RowSet) -> Result<Vec<(f32, RowId)>> {
        let query = Query {
            vector: self.vectors.row(row)?,
            metric: self.metric,
            k: NEIGHBOURS,
            bound: f32::INFINITY,
            floor: None,
            without: None,
            effort: Effort::default(),
        };
        let order = |a: RowId, b: RowId| a < b;
        let scope = Scope { live, count: Some(live.count()), order: &order, stop: self.stop };
        Ok(index.search(self.vectors, &query, &scope, &Pool::inline())?.hits)
    }
}
