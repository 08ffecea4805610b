//! Which spaces there are: one for each model, under a number, in the system collection `_log`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::EmbeddingLog;
use super::options::{Plan, Retention, SpaceOptions, check_retention};
use super::rows::Slices;
use super::space::Space;
use crate::clock::Timestamp;
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::suggest;
use crate::mlops::model::ModelId;
use crate::mlops::table::Table;
use crate::mlops::times::TimeRange;
use crate::sync::Mutex;
use crate::vector::metric::Metric;

/// The spaces of an open store that were used. Held while one is made, so that each is made once.
#[derive(Debug, Default)]
pub(super) struct Spaces(Mutex<BTreeMap<ModelId, Arc<Space>>>);

/// Writes the checkpoint of each space that was used, for the store is about to be closed. What has not been folded is left to
/// the next opening, and so is a space that somebody is at.
pub(super) fn save_all(db: &Database) {
    let spaces: Vec<Arc<Space>> = db.companion::<Spaces>().0.lock().values().cloned().collect();
    for space in spaces {
        if let Some(Err(error)) = space.fold.try_lock().map(|mut fold| fold.save(db)) {
            tracing::warn!(%error, model = %space.model, "the windows of the embedding log were not saved");
        }
    }
}

#[cfg(test)]
impl Spaces {
    /// As if the store had been opened again.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// A space as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    number: u32,
    since: Timestamp,
    retention: Retention,
    plan: Plan,
}

/// A space, in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SpaceInfo {
    /// The model whose vectors it holds.
    pub model: ModelId,
    /// Numbers in a vector.
    pub dimension: usize,
    /// How vectors are compared.
    pub metric: Metric,
    /// Vectors that can be read and searched.
    pub rows: u64,
    /// Vectors that were ever logged, those of batches that are still open left out.
    pub logged: u64,
    /// When the oldest and the newest of the kept windows have their first and last row.
    #[serde(rename = "first_us")]
    pub first: Option<Timestamp>,
    /// See `first`.
    #[serde(rename = "last_us")]
    pub last: Option<Timestamp>,
    /// Bytes they take, in files and in memory.
    pub bytes: u64,
    /// Slices of time they lie in.
    pub slices: u64,
    /// How long they are kept.
    pub retention: Retention,
    /// When the space was made.
    #[serde(rename = "since_us")]
    pub since: Timestamp,
}

impl EmbeddingLog {
    /// Makes the space of a model. Where there is one already nothing happens, but that options which differ are refused:
    /// with `Dimension`, or with `Exists`. The first [`EmbeddingLog::log`] does the same with the default options.
    pub fn register(&self, model: &ModelId, options: &SpaceOptions) -> Result<()> {
        let wanted = options.plan(model)?;
        let space = self.ensure(model, options)?;
        space.plan.agrees(&wanted, model)?;
        let has = *space.retention.lock();
        if has != options.retention {
            let message = format!("the space of {model} keeps vectors {has}, and {} was asked for", options.retention);
            return Err(Error::new(ErrorKind::Exists, message).mend("change that by EmbeddingLog::set_retention"));
        }
        Ok(())
    }

    /// Changes how long the vectors of a model are kept. What is too old goes at the next [`EmbeddingLog::tick`].
    pub fn set_retention(&self, model: &ModelId, retention: Retention) -> Result<()> {
        self.check_writes()?;
        check_retention(retention)?;
        let space = self.space(model)?;
        let mut kept = space.retention.lock();
        let stored =
            self.catalog().get(model.to_string())?.ok_or_else(|| Error::internal("a space is in no catalog"))?;
        self.catalog().put(model.to_string(), &Stored { retention, ..stored.value })?;
        *kept = retention;
        Ok(())
    }

    /// The spaces, by model. Costs a count of their rows, and reading the oldest and the newest window of each.
    pub fn spaces(&self) -> Result<Vec<SpaceInfo>> {
        self.all()?.into_iter().map(|(space, since)| self.info(&space, since)).collect()
    }

    /// The models that have a space, by name. Reads nothing of what they logged.
    pub(in crate::mlops) fn models(&self) -> Result<Vec<ModelId>> {
        self.catalog().walk(|scan| scan)?.into_iter().map(|row| row.key.to_string().parse()).collect()
    }

    /// Vectors of a model that can be read and searched; 0 where nothing was logged of it.
    pub(in crate::mlops) fn rows(&self, model: &ModelId) -> Result<u64> {
        let space = self.known(&mut self.spaces.0.lock(), model)?;
        space.map_or(Ok(0), |space| Slices::of(&self.db, space.number)?.rows())
    }

    /// Refuses, with `ModelMismatch`, to compare vectors of two models.
    pub fn check_comparable(&self, one: &ModelId, other: &ModelId) -> Result<()> {
        if one == other {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ModelMismatch, format!("vectors of {one} and of {other} cannot be compared"))
            .mend("embed the texts again with one of them, as EmbeddingLog::reembed does"))
    }

    fn info(&self, space: &Space, since: Timestamp) -> Result<SpaceInfo> {
        let (logged, times) = {
            let (_, fold) = self.settled(space, TimeRange::ALL)?;
            (fold.at().rows, fold.times(&self.db)?)
        };
        let slices = Slices::of(&self.db, space.number)?;
        Ok(SpaceInfo {
            model: (*space.model).clone(),
            dimension: space.plan.dimension,
            metric: space.plan.metric()?,
            rows: slices.rows()?,
            logged,
            first: times.map(|times| times.0),
            last: times.map(|times| times.1),
            bytes: self.bytes(space, &slices)?,
            slices: slices.numbers().len() as u64,
            retention: *space.retention.lock(),
            since,
        })
    }

    fn catalog(&self) -> Table<Stored> {
        Table::new(&self.db, "_log")
    }

    /// The space of a model. Fails with `NotFound` when nothing was ever logged of it.
    pub(super) fn space(&self, model: &ModelId) -> Result<Arc<Space>> {
        let mut spaces = self.spaces.0.lock();
        self.known(&mut spaces, model)?.ok_or_else(|| self.unknown(model))
    }

    /// The space of a model, made if there is none.
    pub(super) fn ensure(&self, model: &ModelId, options: &SpaceOptions) -> Result<Arc<Space>> {
        let mut spaces = self.spaces.0.lock();
        if let Some(space) = self.known(&mut spaces, model)? {
            return Ok(space);
        }
        self.check_writes()?;
        let plan = options.plan(model)?;
        let number =
            self.catalog().walk(|scan| scan)?.iter().map(|row| row.value.number).max().map_or(1, |last| last + 1);
        let stored = Stored { number, since: self.db.now(), retention: options.retention, plan };
        self.catalog().put(model.to_string(), &stored)?;
        self.known(&mut spaces, model)?.ok_or_else(|| Error::internal("a space was just made"))
    }

    /// All spaces, by model, and since when they are there.
    pub(super) fn all(&self) -> Result<Vec<(Arc<Space>, Timestamp)>> {
        let mut spaces = self.spaces.0.lock();
        let mut all = Vec::new();
        for row in self.catalog().walk(|scan| scan)? {
            let model: ModelId = row.key.to_string().parse()?;
            all.extend(self.known(&mut spaces, &model)?.map(|space| (space, row.value.since)));
        }
        Ok(all)
    }

    fn known(&self, spaces: &mut BTreeMap<ModelId, Arc<Space>>, model: &ModelId) -> Result<Option<Arc<Space>>> {
        if let Some(space) = spaces.get(model) {
            return Ok(Some(Arc::clone(space)));
        }
        let Some(row) = self.catalog().get(model.to_string())? else { return Ok(None) };
        let Stored { number, retention, plan, .. } = row.value;
        let plan = plan.checked(model).map_err(|error| error.at(format!("collection _log, key {model}")))?;
        let space = Arc::new(Space::load(&self.db, model, number, plan, retention)?);
        spaces.insert(model.clone(), Arc::clone(&space));
        Ok(Some(space))
    }

    fn unknown(&self, model: &ModelId) -> Error {
        let error = Error::new(ErrorKind::NotFound, format!("nothing was logged of {model}"));
        let known = self.catalog().walk(|scan| scan).unwrap_or_default();
        let known: Vec<String> = known.iter().map(|row| row.key.to_string()).collect();
        match suggest(&model.to_string(), known.iter().map(String::as_str)) {
            Some(near) => error.mend(format!("did you mean {near}?")),
            None if known.is_empty() => error.mend("the log is empty: log a vector first"),
            None => {
                error.mend(format!("log a vector of it, or name one of: {}", known[..known.len().min(20)].join(", ")))
            }
        }
    }
}
