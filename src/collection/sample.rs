//! Drawing stored records by chance.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::collection::view::CollectionView;
use crate::error::Result;
use crate::ids::RowId;
use crate::random::Random;
use crate::rows::RowSet;
use crate::segment::block::Block;
use crate::segment::file::SealedFile;
use crate::segment::{Moment, RowSource};
use crate::vector::Vector;

/// A stored record, as far as a search needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawn {
    /// In stored form.
    pub(crate) key: Vec<u8>,
    pub(crate) vector: Vector,
}

/// Where rows stand.
enum Place<'a> {
    File(&'a SealedFile),
    Memory(Arc<Block>),
}

/// `count` of the records that are live at `moment`, or all where there are fewer; each is as likely as any other. Costs
/// a look at which rows are live, and reading those that are drawn.
///
/// The same ones for one state of `random` as long as the collection does not change, which a merge does, too.
pub(crate) fn draw(view: &CollectionView, moment: Moment, count: usize, random: &mut Random) -> Result<Vec<Drawn>> {
    let places = live(view, moment)?;
    let total = places.iter().map(|(_, rows)| u64::from(rows.count())).sum();
    let mut ordinals = distinct(total, count as u64, random).into_iter().peekable();
    let mut drawn = Vec::new();
    let mut ordinal = 0;
    for (place, rows) in &places {
        let source: &dyn RowSource = match place {
            Place::File(file) => *file,
            Place::Memory(block) => &**block,
        };
        for row in rows.iter() {
            if ordinals.next_if_eq(&ordinal).is_some()
                && let Some(vector) = view.vector(source.vector_bytes(row)?)
            {
                drawn.push(Drawn { key: source.key(row)?.to_vec(), vector });
            }
            ordinal += 1;
        }
    }
    Ok(drawn)
}

/// The rows that are live at `moment`, place by place.
fn live(view: &CollectionView, moment: Moment) -> Result<Vec<(Place<'_>, RowSet)>> {
    let mut places = Vec::new();
    for segment in &view.sealed {
        places.push((Place::File(segment.file()), segment.live_rows(moment)?));
    }
    for block in view.in_memory().flat_map(|segment| segment.blocks()) {
        let mut rows = RowSet::empty(block.len() as u32);
        for row in (0..block.len() as u32).map(RowId).filter(|row| block.is_live(*row, moment)) {
            rows.insert(row);
        }
        places.push((Place::Memory(block), rows));
    }
    Ok(places)
}

/// `count` different numbers below `total`, or all of them, ascending. Floyd's way: each set of them is as likely.
fn distinct(total: u64, count: u64, random: &mut Random) -> BTreeSet<u64> {
    let mut chosen = BTreeSet::new();
    for last in total.saturating_sub(count)..total {
        let number = random.below(last + 1);
        if !chosen.insert(number) {
            chosen.insert(last);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_drawn_once_each_and_none_is_preferred() {
        let mut times = [0; 10];
        for seed in 0..3_000 {
            let drawn = distinct(10, 3, &mut Random::seeded(seed, 0));
            assert_eq!(drawn.len(), 3);
            drawn.into_iter().for_each(|number| times[number as usize] += 1);
        }
        assert!(times.iter().all(|times| (800..1_000).contains(times)), "{times:?}");
        assert_eq!(distinct(3, 9, &mut Random::seeded(1, 0)).into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(distinct(0, 9, &mut Random::seeded(1, 0)).is_empty());
    }
}
