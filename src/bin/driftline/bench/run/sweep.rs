//! One index, opened: every setting, measured.

use std::path::Path;
use std::time::Instant;

use driftline::{Clock, Collection, IndexSpec, Result, SystemClock, Vector};

use super::Listener;
use super::filters::Case;
use super::measure::{Asking, Measured, measure};
use super::session::Session;
use crate::bench::args::Run;
use crate::bench::effort::Effort;
use crate::bench::line::{Asked, Build, Cold, Index, Line, Memory, SCHEMA};
use crate::bench::machine;
use crate::bench::matrix::Matrix;
use crate::bench::store;

/// A ladder ends where more effort cannot find more.
const ALL_FOUND: f64 = 0.9995;
/// What filtered searches are asked to find.
const FILTERED_RECALL: f32 = 0.95;

/// Builds one index in an empty directory and measures it.
pub(super) fn index(session: &Session<'_>, spec: &IndexSpec, dir: &Path, listener: &mut dyn Listener) -> Result<()> {
    listener.step(&format!("building {spec}"));
    let (build, index) = session.build(spec, dir)?;
    for (number, threads) in session.threads.iter().enumerate() {
        let (idle, start) = (machine::memory(), Instant::now());
        let (_db, base) = store::open(dir, *threads)?;
        let open = start.elapsed();
        let cold = session.first_query(&base, open)?;
        let sweep = Sweep { session, spec, index: &index, build, cold, idle, threads: *threads, base: &base };
        sweep.all(listener)?;
        if number == 0 {
            sweep.filtered(listener)?;
        }
    }
    Ok(())
}

/// One index, opened.
struct Sweep<'a> {
    session: &'a Session<'a>,
    spec: &'a IndexSpec,
    index: &'a Index,
    build: Build,
    cold: Cold,
    /// Memory before the store was opened: the set takes most of it.
    idle: Memory,
    threads: usize,
    base: &'a Collection,
}

impl Sweep<'_> {
    /// All settings without a filter.
    fn all(&self, listener: &mut dyn Listener) -> Result<()> {
        let session = self.session;
        let queries = vectors(&session.set.queries);
        for ladder in self.ladders() {
            for effort in ladder {
                listener.step(&format!("{}, {effort}, {} threads", self.spec, self.threads));
                let asking = Asking { k: session.asked.k, effort, filter: None, rounds: session.asked.rounds };
                let measured = measure(self.base, &queries, &session.truth, asking, true)?;
                let found = measured.recall.mean;
                listener.line(&self.line(asking, measured, queries.len(), None))?;
                if found >= ALL_FOUND {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What to ask of an index, from little effort to much.
    fn ladders(&self) -> Vec<Vec<Effort>> {
        let Run { recall, ef, .. } = self.session.asked;
        let recall = recall.iter().copied().map(Effort::Recall).collect();
        let ef = ef.iter().copied().map(Effort::Ef).collect();
        match self.index.kind.as_str() {
            "flat" => vec![vec![Effort::Exact(true)]],
            "lsh" => vec![recall],
            _ => vec![recall, ef],
        }
    }

    /// The filters, at the default of queries.
    fn filtered(&self, listener: &mut dyn Listener) -> Result<()> {
        let asked = self.session.asked;
        for case in &self.session.cases {
            listener.step(&format!("{}, where {}", self.spec, case.filter));
            let effort = if self.index.kind == "flat" { Effort::Exact(true) } else { Effort::Recall(FILTERED_RECALL) };
            let asking = Asking { k: asked.k, effort, filter: Some(&case.filter), rounds: asked.rounds };
            let queries = vectors(&case.queries);
            let measured = measure(self.base, &queries, &case.truth, asking, false)?;
            listener.line(&self.line(asking, measured, queries.len(), Some(case)))?;
        }
        Ok(())
    }

    fn memory(&self) -> Memory {
        let (now, idle) = (machine::memory(), self.idle);
        Memory { anon: now.anon.saturating_sub(idle.anon), mapped: now.mapped.saturating_sub(idle.mapped) }
    }

    fn line(&self, asking: Asking<'_>, measured: Measured, queries: usize, case: Option<&Case>) -> Line {
        let Measured { recall, qps, latency, counts: [distances, codes, visited, evaluated, bytes], short } = measured;
        Line {
            schema: SCHEMA,
            when: SystemClock.now().0 / 1_000_000,
            dataset: self.session.about.clone(),
            engine: machine::engine(),
            machine: machine::machine(),
            index: self.index.clone(),
            build: self.build,
            memory: self.memory(),
            query: Asked {
                k: asking.k,
                effort: asking.effort,
                threads: self.threads,
                queries,
                filter: case.map(|case| case.filter.to_string()),
                filter_kind: case.map(|case| case.kind.into()),
                filter_selectivity: case.map_or(1.0, |case| case.selectivity),
                rounds: asking.rounds,
            },
            recall,
            qps,
            lat_us: latency,
            dist_per_query: distances,
            code_dist_per_query: codes,
            visited_per_query: visited,
            evaluated_per_query: evaluated,
            bytes_read: bytes,
            short_answers: short,
            cold: self.cold,
            seed: self.session.asked.seed,
        }
    }
}

fn vectors(queries: &Matrix) -> Vec<Vector> {
    (0..queries.rows()).map(|row| Vector::from(queries.row(row))).collect()
}
