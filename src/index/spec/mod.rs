//! Which index a collection wants. `text` reads and writes it, such as `hnsw(m=16)`.

mod text;

use std::fmt;
use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// From so many rows on [`IndexSpec::Auto`] is a graph.
const AUTO_ROWS: u32 = 10_000;

const M: RangeInclusive<u16> = 4..=64;
const EF_CONSTRUCTION: RangeInclusive<u16> = 16..=1024;
const TABLES: RangeInclusive<u16> = 0..=512;
const RECALL_PERCENT: RangeInclusive<u8> = 50..=99;

/// How the nearest vectors of a collection are found.
///
/// As text it is a kind and, in parentheses, what the kind is told beside its defaults: `flat`, `hnsw`,
/// `hnsw(m=24, layout=compact)`, `lsh(recall=0.9)`, `auto`. It changes the speed and, for the kinds that are not exact,
/// which neighbours are found, never what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IndexSpec {
    /// Every vector is compared: always exact, no time to build and no memory of its own; a query costs as much as
    /// there are vectors.
    #[default]
    Flat,
    /// A graph of near neighbours: the fastest to search, and the one that takes longest to build.
    Hnsw(HnswSpec),
    /// Tables of hashes that near vectors share: quick to build.
    Lsh(LshSpec),
    /// Decided for each segment: flat below 10,000 rows, from there on `hnsw` with its defaults.
    Auto,
}

/// What a graph is built with.
///
/// ```
/// use driftline::{HnswSpec, IndexSpec};
///
/// let spec = IndexSpec::Hnsw(HnswSpec::default().m(24));
/// assert_eq!(spec.to_string(), "hnsw(m=24)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HnswSpec {
    /// Links of a row, 4 to 64, default 16; twice as many where all rows are linked. More find better and take more
    /// memory and time to build.
    pub m: u16,
    /// How many rows are looked at to link one, 16 to 1024, default 128. More give a better graph in more time.
    pub ef_construction: u16,
    /// How the graph lies in its file. Default [`Layout::Auto`].
    pub layout: Layout,
    /// Where its randomness begins, default 0. One seed and one set of rows give one graph.
    pub seed: u64,
}

/// How a graph lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Layout {
    /// Fused where that is possible, the graph fits the memory that building may take, and vectors have 96 numbers or
    /// more. With 16 to 95 both are tried, on rows held back for it, and the one that is expected to cost less is kept.
    /// Compact otherwise.
    #[default]
    Auto,
    /// Links alone; distances come from the codes beside the vectors. The least memory.
    Compact,
    /// With each row's links codes of its neighbours: the fewest places of memory to read for a step. For
    /// numbers under L2, cosine and dot with `m` = 16; other graphs are compact whatever is asked for.
    Fused,
}

/// What tables of hashes are built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LshSpec {
    /// How many tables, up to 512; default 0, which lets the rows decide.
    pub tables: u16,
    /// The recall they are tuned for in percent, 50 to 99, default 95. In text it is a share: `recall=0.95`.
    pub recall_percent: u8,
    /// Where their randomness begins, default 0. One seed and one set of rows give the same tables.
    pub seed: u64,
}

impl Default for HnswSpec {
    fn default() -> HnswSpec {
        HnswSpec { m: 16, ef_construction: 128, layout: Layout::Auto, seed: 0 }
    }
}

impl HnswSpec {
    /// Links of a row of the layer that has all rows.
    pub(super) fn degree(&self) -> usize {
        2 * usize::from(self.m)
    }

    /// Links of a row: [`HnswSpec::m`].
    #[must_use]
    pub fn m(self, m: u16) -> HnswSpec {
        HnswSpec { m, ..self }
    }

    /// How many rows are looked at to link one: [`HnswSpec::ef_construction`].
    #[must_use]
    pub fn ef_construction(self, ef_construction: u16) -> HnswSpec {
        HnswSpec { ef_construction, ..self }
    }

    /// How the graph lies in its file.
    #[must_use]
    pub fn layout(self, layout: Layout) -> HnswSpec {
        HnswSpec { layout, ..self }
    }

    /// Where its randomness begins.
    #[must_use]
    pub fn seed(self, seed: u64) -> HnswSpec {
        HnswSpec { seed, ..self }
    }
}

impl Default for LshSpec {
    fn default() -> LshSpec {
        LshSpec { tables: 0, recall_percent: 95, seed: 0 }
    }
}

impl LshSpec {
    /// How many tables: [`LshSpec::tables`].
    #[must_use]
    pub fn tables(self, tables: u16) -> LshSpec {
        LshSpec { tables, ..self }
    }

    /// The recall they are tuned for, in percent.
    #[must_use]
    pub fn recall_percent(self, recall_percent: u8) -> LshSpec {
        LshSpec { recall_percent, ..self }
    }

    /// Where their randomness begins.
    #[must_use]
    pub fn seed(self, seed: u64) -> LshSpec {
        LshSpec { seed, ..self }
    }
}

impl Layout {
    const ALL: [Layout; 3] = [Layout::Auto, Layout::Compact, Layout::Fused];

    fn name(self) -> &'static str {
        match self {
            Layout::Auto => "auto",
            Layout::Compact => "compact",
            Layout::Fused => "fused",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl IndexSpec {
    /// Refuses what is outside its range.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            IndexSpec::Flat | IndexSpec::Auto => Ok(()),
            IndexSpec::Hnsw(spec) => {
                within("hnsw", "m", spec.m, M)?;
                within("hnsw", "ef_construction", spec.ef_construction, EF_CONSTRUCTION)
            }
            IndexSpec::Lsh(spec) => {
                within("lsh", "tables", spec.tables, TABLES)?;
                within("lsh", "recall in percent", spec.recall_percent, RECALL_PERCENT)
            }
        }
    }

    /// What this asks for in a segment of `rows` rows: never [`IndexSpec::Auto`].
    pub(crate) fn for_rows(&self, rows: u32) -> IndexSpec {
        match self {
            IndexSpec::Auto if rows < AUTO_ROWS => IndexSpec::Flat,
            IndexSpec::Auto => IndexSpec::Hnsw(HnswSpec::default()),
            spec => spec.clone(),
        }
    }
}

fn within<T: PartialOrd + fmt::Display>(kind: &str, name: &str, value: T, range: RangeInclusive<T>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(Error::invalid(format!("{name} of the index {kind} is {value}; it must be {least} to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_refused() {
        for spec in [
            IndexSpec::Hnsw(HnswSpec::default().m(3)),
            IndexSpec::Hnsw(HnswSpec::default().ef_construction(1025)),
            IndexSpec::Lsh(LshSpec::default().tables(513)),
            IndexSpec::Lsh(LshSpec::default().recall_percent(100)),
        ] {
            assert!(spec.check().is_err(), "{spec}");
        }
    }

    #[test]
    fn a_segment_gets_what_its_rows_are_worth() {
        let graph = IndexSpec::Hnsw(HnswSpec::default().m(8));
        assert_eq!(graph.for_rows(1), graph);
        assert_eq!(IndexSpec::Auto.for_rows(AUTO_ROWS - 1), IndexSpec::Flat);
        assert_eq!(IndexSpec::Auto.for_rows(AUTO_ROWS), IndexSpec::Hnsw(HnswSpec::default()));
        assert_eq!(IndexSpec::Flat.for_rows(u32::MAX), IndexSpec::Flat);
    }
}
