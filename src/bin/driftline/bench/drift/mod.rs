//! `driftline bench drift`: how often every detector of drift errs where nothing changed, and what it finds where
//! something did, beside rules with fixed thresholds as other tools have them.
//!
//! `world` draws embeddings and `columns` single columns; `detectors` asks what is shipped and `rules` makes the fixed
//! rules anew; `tally` counts and judges, `page` writes. Each draw has a stream of the seed of its own, so the table is
//! the same on any number of threads.

mod columns;
mod detectors;
mod page;
mod rules;
mod tally;
mod world;

use driftline::{Error, ErrorKind, Random, Result};
use rayon::prelude::*;

use self::columns::Kind;
use self::tally::{Outcome, Tally};
use self::world::{SHIFTS, World};
use super::args::Drift;

pub(super) use self::page::{markdown, show};
pub(super) use self::tally::Study;

/// Networks that draws take turns with, so that the table does not hang on one.
const WORLDS: u64 = 16;

/// Runs every study that was asked for; tells `done` of each when it is counted, and `step` of every draw.
pub(super) fn run(
    asked: &Drift,
    step: &(dyn Fn() + Sync),
    done: &mut dyn FnMut(&Study) -> Result<()>,
) -> Result<Vec<Study>> {
    check(asked)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(asked.threads).build();
    let threads = threads.map_err(|error| Error::new(ErrorKind::Io, format!("could not start threads: {error}")))?;
    let mut studies = Vec::new();
    for study in plan(asked) {
        let counted = threads.install(|| study.count(asked, step))?;
        done(&counted)?;
        studies.push(counted);
    }
    Ok(studies)
}

/// How many draws [`run`] makes.
pub(super) fn draws(asked: &Drift) -> u64 {
    plan(asked).iter().map(|study| study.columns().len() as u64 * asked.draws).sum()
}

fn check(asked: &Drift) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Invalid, message));
    // With more the rates would not change, and their band is worked out from the smallest power of 0.95.
    if !(1..=10_000).contains(&asked.draws) {
        return refuse(format!("--draws is {}; it must be 1 to 10000", asked.draws));
    }
    if let Some(dimension) = asked.dims.iter().find(|dimension| !(4..=4096).contains(*dimension)) {
        return refuse(format!("--dims has {dimension}; it must be 4 to 4096"));
    }
    if !(50..=5_000).contains(&asked.rows) {
        return refuse(format!("--rows is {}; it must be 50 to 5000", asked.rows));
    }
    if !(99..=100_000).contains(&asked.permutations) {
        return refuse(format!("--permutations is {}; it must be 99 to 100000", asked.permutations));
    }
    Ok(())
}

/// What is drawn and asked.
enum Plan {
    Embeddings(usize),
    Column(Kind),
}

/// Embeddings of each dimension, then single columns.
fn plan(asked: &Drift) -> Vec<Plan> {
    let columns = [Kind::Numbers, Kind::Categories].map(Plan::Column);
    asked.dims.iter().copied().map(Plan::Embeddings).chain(columns).collect()
}

impl Plan {
    fn title(&self) -> String {
        match self {
            Plan::Embeddings(dimension) => format!("embeddings of {dimension} dimensions"),
            Plan::Column(kind) => kind.title().into(),
        }
    }

    fn columns(&self) -> Vec<&'static str> {
        match self {
            Plan::Embeddings(_) => SHIFTS.iter().map(|(name, _)| *name).collect(),
            Plan::Column(kind) => kind.shifts().to_vec(),
        }
    }

    /// Tells its streams from those of others, whatever else is asked for. Dimensions begin at 4.
    fn number(&self) -> u64 {
        match self {
            Plan::Embeddings(dimension) => *dimension as u64,
            Plan::Column(Kind::Numbers) => 1,
            Plan::Column(Kind::Categories) => 2,
        }
    }

    fn count(&self, asked: &Drift, step: &(dyn Fn() + Sync)) -> Result<Study> {
        let (columns, number) = (self.columns(), self.number());
        // Streams: the study, the column from 1, the draw. Column 0 makes worlds.
        let stream = |column: u64, draw: u64| Random::seeded(asked.seed, (number << 48) | (column << 32) | draw);
        let worlds: Vec<World> = match self {
            Plan::Embeddings(dimension) => {
                (0..WORLDS).into_par_iter().map(|draw| World::new(*dimension, &mut stream(0, draw))).collect()
            }
            Plan::Column(_) => Vec::new(),
        };
        let mut tally = Tally::new(columns.len());
        for (column, _) in columns.iter().enumerate() {
            let one = |draw: u64| {
                let mut random = stream(column as u64 + 1, draw);
                let outcomes = match self {
                    Plan::Embeddings(_) => {
                        let world = &worlds[(draw % WORLDS) as usize];
                        detectors::embeddings(world, SHIFTS[column].1, asked, &mut random)
                    }
                    Plan::Column(kind) => detectors::column(*kind, column, asked, &mut random),
                };
                step();
                outcomes
            };
            let drawn: Vec<Vec<Outcome>> = (0..asked.draws).into_par_iter().map(one).collect::<Result<_>>()?;
            drawn.iter().for_each(|outcomes| tally.add(column, outcomes));
        }
        Ok(tally.study(self.title(), columns, asked.draws))
    }
}
