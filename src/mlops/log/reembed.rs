//! Embedding again, with another model, what is in the log.

use serde::{Deserialize, Serialize};

use super::EmbeddingLog;
use super::embedder::{Embedder, embed};
use super::entry::{Entry, INPUT_FIELD, Logged};
use crate::clock::Timestamp;
use crate::database::cancel::CancelToken;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::filter;
use crate::ids::Lsn;
use crate::mlops::model::ModelId;
use crate::mlops::table::Table;
use crate::mlops::times::TimeRange;

/// Texts that are embedded at once, unless told otherwise.
const BATCH: usize = 64;
const MAX_BATCH: usize = 4_096;

/// The vectors of one model made anew by another, from the texts in their payloads; built step by step and run.
///
/// It takes the vectors in the order in which they were logged, and logs those of the new model with the same times and
/// payloads. How far it has come is committed together with each batch, so a job that was killed or cancelled goes on where
/// it was, without doubles or gaps; one that is run again later takes what was logged since.
#[must_use = "the job does nothing until it is run"]
pub struct Reembed<'a> {
    log: EmbeddingLog,
    from: ModelId,
    embedder: &'a dyn Embedder,
    field: String,
    batch: usize,
    cancel: CancelToken,
}

/// How far a job has come, over all its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReembedReport {
    /// Rows that were looked at.
    pub read: u64,
    /// Vectors that were logged for the new model.
    pub written: u64,
    /// Rows whose payload has no text in the field; they were left out.
    pub without_text: u64,
    /// Rows that are older than the space of the new model keeps; they were left out.
    pub too_old: u64,
}

/// The same, as it is stored.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Progress {
    /// Rows below this key are done.
    through: u64,
    done: ReembedReport,
}

impl EmbeddingLog {
    /// Begins to embed again, with `embedder`, the texts of what was logged for the model `from`.
    ///
    /// ```
    /// # use driftline::mlops::{Embedder, Entry, ModelId};
    /// # use driftline::{Database, Result, json};
    /// # struct Lengths(ModelId);
    /// # impl Embedder for Lengths {
    /// #     fn model(&self) -> &ModelId { &self.0 }
    /// #     fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
    /// #         Ok(texts.iter().map(|text| vec![1.0, text.len() as f32]).collect())
    /// #     }
    /// # }
    /// # fn main() -> Result<()> {
    /// let db = Database::in_memory()?;
    /// let log = db.embedding_log();
    /// let old: ModelId = "minilm@1".parse()?;
    /// log.log(&old, Entry::new([0.1, 0.9, 0.0]).payload(json!({"text": "A red bicycle"})))?;
    ///
    /// let new = Lengths("lengths@1".parse()?);
    /// let report = log.reembed(&old, &new).field("text").run()?;
    /// assert_eq!((report.read, report.written), (1, 1));
    /// assert_eq!(log.query(new.model()).nearest([1.0, 13.0]).run()?.hits.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reembed<'a>(&self, from: &ModelId, embedder: &'a dyn Embedder) -> Reembed<'a> {
        let (log, from, field) = (self.clone(), from.clone(), "text".to_owned());
        Reembed { log, from, embedder, field, batch: BATCH, cancel: CancelToken::new() }
    }
}

impl Reembed<'_> {
    /// The field of the payload that holds the text, as filters name it. Default `text`.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// How many texts are embedded at once and logged in one batch: 1 to 4,096, default 64.
    pub fn batch(mut self, texts: usize) -> Self {
        self.batch = texts;
        self
    }

    /// Lets `token` stop the job between batches; it then fails with `Cancelled`, and a later run goes on.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Embeds what is not yet, and tells what was done, in earlier runs, too. Fails as the embedder and as
    /// [`EmbeddingLog::log`] do, and with `Conflict` where another run of the same job is going on; what was done is kept.
    pub fn run(self) -> Result<ReembedReport> {
        let to = self.embedder.model();
        if *to == self.from {
            return Err(Error::invalid(format!("{to} cannot be embedded again by itself"))
                .mend("give the new model a version of its own"));
        }
        if !(1..=MAX_BATCH).contains(&self.batch) {
            return Err(Error::invalid(format!("a batch of {} texts is outside 1 to {MAX_BATCH}", self.batch)));
        }
        let path = filter::path(&self.field)?;
        let source = self.log.space(&self.from)?;
        let row = self.table().get(self.key())?;
        let (mut progress, mut written) = row.map_or((Progress::default(), None), |row| (row.value, Some(row.lsn)));
        loop {
            self.cancel.check()?;
            // What is still open may yet come before what is there.
            let keys = progress.through..source.keys.settled();
            let rows = self.log.scan_keys(&self.from, TimeRange::ALL, keys, &self.cancel)?;
            let rows = rows.take(self.batch).collect::<Result<Vec<_>>>()?;
            let Some(last) = rows.last() else { return Ok(progress.done) };
            let through = last.key.saturating_add(1);
            (progress, written) = self.advance(progress, written, through, rows, &path)?;
        }
    }

    /// Does one batch, and returns how far the job is and which batch wrote that.
    fn advance(
        &self,
        progress: Progress,
        written: Option<Lsn>,
        through: u64,
        rows: Vec<Logged>,
        path: &[String],
    ) -> Result<(Progress, Option<Lsn>)> {
        let mut done = progress.done;
        done.read += rows.len() as u64;
        let oldest = self.oldest()?;
        let (rows, old): (Vec<Logged>, Vec<Logged>) = rows.into_iter().partition(|row| row.time >= oldest);
        let texts: Vec<(&str, &Logged)> = rows.iter().filter_map(|row| Some((text(row, path)?, row))).collect();
        done.too_old += old.len() as u64;
        done.without_text += (rows.len() - texts.len()) as u64;
        done.written += texts.len() as u64;
        let next = Progress { through, done };

        let table = self.table();
        let expected = written.map_or(Precondition::Absent, Precondition::AtLsn);
        let batch = self.log.db.batch().require(&table.collection()?, self.key(), expected);
        let mut batch = table.put_in(batch, self.key(), &next)?;
        if !texts.is_empty() {
            let vectors = embed(self.embedder, &texts.iter().map(|(text, _)| *text).collect::<Vec<_>>())?;
            let entries = texts.iter().zip(vectors).map(|((text, row), vector)| again(row, text, vector));
            batch = self.log.log_in(batch, self.embedder.model(), entries);
        }
        Ok((next, Some(batch.commit()?.lsn)))
    }

    /// The space of the new model takes nothing from before.
    fn oldest(&self) -> Result<Timestamp> {
        match self.log.space(self.embedder.model()) {
            Ok(space) => Ok(space.oldest(self.log.db.now())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Timestamp(i64::MIN)),
            Err(error) => Err(error),
        }
    }

    fn table(&self) -> Table<Progress> {
        Table::new(&self.log.db, "_log_reembeds")
    }

    fn key(&self) -> String {
        format!("{} -> {}", self.from, self.embedder.model())
    }
}

fn text<'a>(row: &'a Logged, path: &[String]) -> Option<&'a str> {
    path.iter().try_fold(&row.payload, |value, name| value.get(name))?.as_text()
}

fn again(row: &Logged, text: &str, vector: Vec<f32>) -> Entry {
    let entry = Entry::new(vector).payload(row.payload.clone()).at(row.time);
    if row.payload.get(INPUT_FIELD).is_some() { entry } else { entry.input(text) }
}
