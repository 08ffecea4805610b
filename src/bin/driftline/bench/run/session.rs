//! What all indexes of a run are measured on, and one of them built.

use std::path::Path;
use std::time::{Duration, Instant};

use driftline::{Collection, Error, ErrorKind, IndexSpec, IndexStats, Metric, Record, Result, Schema, Vector};

use super::Listener;
use super::filters::{Case, Fields};
use super::measure::{self, Asking};
use crate::bench::args::Run;
use crate::bench::data::{self, Dataset, Wanted};
use crate::bench::effort::Effort;
use crate::bench::line::{Build, Cold, Index, Set};
use crate::bench::machine;
use crate::bench::store;
use crate::bench::truth::{Truth, exact};

/// Neighbours that are worked out, at the least: more than are asked for, so that ties at the end are known.
const DEPTH: usize = 100;
/// Neighbours that came with a set are tried on so many queries.
const TRIED: usize = 16;
/// What all indexes are measured on.
pub(super) struct Session<'a> {
    pub(super) asked: &'a Run,
    pub(super) set: Dataset,
    metric: Metric,
    pub(super) truth: Truth,
    pub(super) about: Set,
    fields: Option<Fields>,
    pub(super) cases: Vec<Case>,
    pub(super) threads: Vec<usize>,
}

impl<'a> Session<'a> {
    /// Reads the set and works out what is needed of it.
    pub(super) fn open(asked: &'a Run, listener: &mut dyn Listener) -> Result<Session<'a>> {
        listener.step("reading the set");
        let wanted = Wanted {
            rows: asked.limit,
            queries: asked.queries,
            queries_from: asked.queries_from.as_deref(),
            seed: asked.seed,
        };
        let set = data::open(&asked.data, &wanted)?;
        let place = || asked.data.display().to_string();
        let metric = asked.metric.or(set.metric).ok_or_else(|| {
            let error = Error::new(ErrorKind::Invalid, "the set does not say which metric it is for").at(place());
            error.mend("add --metric l2, cosine, dot or l1")
        })?;
        if metric == Metric::Hamming {
            let error = Error::new(ErrorKind::Invalid, "sets of bits cannot be measured yet").at(place());
            return Err(error.mend("use l2, cosine, dot or l1"));
        }
        let (truth, source) = truth(asked, &set, metric, listener)?;
        let about = Set {
            name: set.name.clone(),
            n: set.base.rows(),
            d: set.base.dimension(),
            metric: metric.name().into(),
            sha256: set.sha256(),
            truth: source.into(),
            truth_sha256: truth.sha256(),
        };
        let mut session = Session {
            fields: None,
            cases: Vec::new(),
            threads: threads(&asked.threads),
            asked,
            set,
            metric,
            truth,
            about,
        };
        session.prepare_filters(listener)?;
        Ok(session)
    }

    fn prepare_filters(&mut self, listener: &mut dyn Listener) -> Result<()> {
        let shares = &self.asked.filters.0;
        if shares.is_empty() {
            return Ok(());
        }
        listener.step("working out the neighbours that pass filters");
        let Dataset { base, queries, .. } = &self.set;
        let fields = Fields::of(base, queries, self.metric, self.asked.seed);
        self.cases = fields.cases(base, queries, self.metric, shares, self.asked.k.max(DEPTH))?;
        self.fields = Some(fields);
        Ok(())
    }

    /// Makes the store of one index.
    pub(super) fn build(&self, spec: &IndexSpec, dir: &Path) -> Result<(Build, Index)> {
        let base = &self.set.base;
        let schema = Schema::vector(base.dimension(), self.metric).index(spec.clone());
        let schema = if self.fields.is_some() { Fields::declare(schema) } else { schema };
        let record = |row: usize| {
            let record = Record::new(row as u64).vector(base.row(row));
            Ok(match &self.fields {
                Some(fields) => record.payload(fields.payload(row)),
                None => record,
            })
        };
        let threads = self.threads.iter().copied().max().unwrap_or(1);
        machine::forget_peak();
        let (before, cpu) = (machine::peak(), machine::cpu_s());
        let built = store::build(dir, threads, schema, (0..base.rows()).map(record))?;
        let seconds = (built.rows + built.index).as_secs_f64();
        let build = Build {
            s: seconds,
            rows_s: built.rows.as_secs_f64(),
            index_s: built.index.as_secs_f64(),
            threads,
            cpu_s: machine::cpu_s() - cpu,
            peak_rss: machine::peak().saturating_sub(before),
            disk: built.bytes,
            bytes_per_vector: built.bytes as f64 / base.rows() as f64,
            rows_per_s: base.rows() as f64 / seconds,
        };
        Ok((build, index(spec, built.made)))
    }

    /// What the first answer takes, and what is taken to be there for it.
    pub(super) fn first_query(&self, base: &Collection, open: Duration) -> Result<Cold> {
        let query = Vector::from(self.set.queries.row(0));
        let asking = Asking { k: self.asked.k, effort: Effort::Exact(false), filter: None, rounds: 1 };
        let start = Instant::now();
        measure::one(base, &query, asking)?;
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        Ok(Cold { open_ms: millis(open), first_query_ms: millis(start.elapsed()) })
    }
}

/// What is known of an index. One that was asked for and not built, over few rows, has none.
fn index(spec: &IndexSpec, made: Option<IndexStats>) -> Index {
    let text = spec.to_string();
    Index {
        kind: text.split('(').next().unwrap_or(&text).to_owned(),
        spec: text,
        layout: made.as_ref().and_then(|it| it.layout).map(Into::into),
        rows: made.as_ref().map_or(0, |it| it.rows),
        bytes: made.as_ref().map_or(0, |it| it.bytes),
        unreachable: made.as_ref().map_or(0, |it| it.unreachable),
    }
}

fn threads(asked: &[usize]) -> Vec<usize> {
    if !asked.is_empty() {
        return asked.to_vec();
    }
    let mut threads = vec![1, std::thread::available_parallelism().map_or(1, usize::from)];
    threads.dedup();
    threads
}

/// The neighbours: those of the set, if a few of them prove right, or our own.
fn truth(asked: &Run, set: &Dataset, metric: Metric, listener: &mut dyn Listener) -> Result<(Truth, &'static str)> {
    let depth = asked.k.max(DEPTH);
    if let Some(given) =
        set.truth.as_ref().filter(|truth| !asked.recompute_truth && truth.depth >= asked.k.min(set.base.rows()))
    {
        listener.step("trying the neighbours of the set");
        let mut some = set.queries.clone();
        some.truncate(TRIED);
        let ours = exact(metric, &set.base, None, &some, depth);
        let agree = (0..some.rows()).map(|query| ours.recall(query, asked.k, given.ids(query).iter().copied()));
        let worst = agree.fold(1.0f64, f64::min);
        if worst < 0.9 {
            let message = format!(
                "the neighbours of the set are not the nearest by {metric}: of one query only {:.0} % are",
                worst * 100.0
            );
            return Err(Error::new(ErrorKind::Invalid, message)
                .at(asked.data.display().to_string())
                .mend("name the metric of the set with --metric, or add --recompute-truth"));
        }
        return Ok((given.clone(), "given"));
    }
    listener.step("working out the neighbours");
    Ok((exact(metric, &set.base, None, &set.queries, depth), "computed"))
}
