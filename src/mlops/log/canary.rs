//! Canaries: texts whose vectors are remembered, so that an embedder that was replaced under the same name is noticed.

use serde::{Deserialize, Serialize};

use super::EmbeddingLog;
use super::embedder::{Embedder, cosine, embed};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::model::ModelId;
use crate::mlops::table::Table;

/// The texts that are embedded unless the caller has others (frozen): a sentence, a question, code, another script, numbers.
const TEXTS: [&str; 5] = [
    "The quick brown fox jumps over the lazy dog.",
    "How do I reset the password of my account?",
    "fn main() { println!(\"{}\", 6 * 7); }",
    "東京は日本の首都です。",
    "Invoice 2041: 3 x 19.99 EUR, due on 2026-01-31",
];
/// At a smaller cosine it is another embedder: other hardware and other batches change the last digits only.
const SAME: f64 = 0.99;
/// The most texts a caller may give.
const MAX_TEXTS: usize = 100;

/// What is done when an embedder is not the one that it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CanaryPolicy {
    /// [`EmbeddingLog::attach`] fails with `ModelMismatch`.
    #[default]
    Refuse,
    /// The log can be read through the handle that is returned, and not written.
    ReadOnly,
    /// It is told, and an event of level `warn` is emitted; the log can be written.
    Warn,
}

/// A text, and how near its vector is to the one that was remembered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Canary {
    /// The text.
    pub text: String,
    /// The cosine of the angle between the two: 1 for the same direction; 0 where they are of different dimension.
    pub cosine: f64,
}

/// A log whose embedder was looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attached {
    /// The log; under [`CanaryPolicy::ReadOnly`] it may be one that only reads.
    pub log: EmbeddingLog,
    /// The canaries. All are 1 the first time, when they are remembered.
    pub canaries: Vec<Canary>,
    /// What is wrong, where the embedder was replaced.
    pub replaced: Option<Error>,
}

/// The canaries of a model, as they are stored.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
    since: Timestamp,
}

impl EmbeddingLog {
    /// Looks whether an embedder still is the one that it was: five fixed texts are embedded, and compared with what they were
    /// embedded as when the model was attached first. A cosine below 0.99 means that somebody replaced the model and left
    /// its name, and new vectors would not be comparable with those that are stored. Call it when the embedder was made, and
    /// log through the handle that it returns.
    ///
    /// ```
    /// # fn main() -> driftline::Result<()> {
    /// use driftline::mlops::{CanaryPolicy, Embedder, ModelId};
    /// use driftline::{Database, ErrorKind, Result};
    ///
    /// /// Counts letters, from one that it is told.
    /// struct Letters(ModelId, u8);
    ///
    /// impl Embedder for Letters {
    ///     fn model(&self) -> &ModelId {
    ///         &self.0
    ///     }
    ///
    ///     fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
    ///         let count = |text: &&str, letter: u8| text.bytes().filter(|byte| *byte == letter).count() as f32;
    ///         Ok(texts.iter().map(|text| (0..9).map(|n| 1.0 + count(text, self.1 + n)).collect()).collect())
    ///     }
    /// }
    ///
    /// let db = Database::in_memory()?;
    /// let model = ModelId::new("letters", "1")?;
    /// let log = db.embedding_log().attach(&Letters(model.clone(), b'a'), CanaryPolicy::Refuse)?.log;
    /// let replaced = log.attach(&Letters(model, b'm'), CanaryPolicy::Refuse).unwrap_err();
    /// assert_eq!(replaced.kind(), ErrorKind::ModelMismatch);
    /// # Ok(())
    /// # }
    /// ```
    pub fn attach(&self, embedder: &dyn Embedder, policy: CanaryPolicy) -> Result<Attached> {
        self.attach_with(embedder, policy, &TEXTS)
    }

    /// The same with texts of the caller's, 1 to 100, for a model that is used for others. They are remembered the first time;
    /// later those that were remembered are embedded.
    pub fn attach_with(&self, embedder: &dyn Embedder, policy: CanaryPolicy, texts: &[&str]) -> Result<Attached> {
        let model = embedder.model();
        let table: Table<Remembered> = Table::new(&self.db, "_log_canaries");
        let Some(stored) = table.get(model.to_string())? else { return self.remember(embedder, &table, texts) };
        let Remembered { texts, vectors, .. } = stored.value;
        if texts.is_empty() || texts.len() != vectors.len() {
            return Err(Error::corrupt(format!("the canaries of {model} are damaged"), table.place()));
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let now = embed(embedder, &texts)?;
        let pairs = texts.iter().zip(vectors.iter().zip(&now));
        let canaries = pairs.map(|(text, (was, is))| Canary { text: (*text).to_owned(), cosine: cosine(was, is) });
        let canaries: Vec<Canary> = canaries.collect();
        let replaced = canaries.iter().find(|canary| canary.cosine < SAME).map(|canary| replaced(model, canary));
        let mut log = self.clone();
        if let Some(error) = &replaced {
            match policy {
                CanaryPolicy::Refuse => return Err(error.clone()),
                CanaryPolicy::ReadOnly => log.writes = Some(error.clone().into_kind(ErrorKind::ReadOnly)),
                CanaryPolicy::Warn => tracing::warn!(%error, "an embedder was replaced"),
            }
        }
        Ok(Attached { log, canaries, replaced })
    }

    fn remember(&self, embedder: &dyn Embedder, table: &Table<Remembered>, texts: &[&str]) -> Result<Attached> {
        let model = embedder.model();
        if !(1..=MAX_TEXTS).contains(&texts.len()) {
            return Err(Error::invalid(format!("{} texts cannot be canaries", texts.len())).mend("give 1 to 100"));
        }
        let vectors = embed(embedder, texts)?;
        match self.space(model) {
            Ok(space) if vectors.iter().any(|vector| vector.len() != space.plan.dimension) => {
                return Err(space.plan.wrong_dimension(model, vectors[0].len()));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let owned: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let canaries = owned.iter().map(|text| Canary { text: text.clone(), cosine: 1.0 }).collect();
        self.check_writes()?;
        table.put(model.to_string(), &Remembered { texts: owned, vectors, since: self.db.now() })?;
        Ok(Attached { log: self.clone(), canaries, replaced: None })
    }
}

fn replaced(model: &ModelId, canary: &Canary) -> Error {
    let Canary { text, cosine } = canary;
    let text: String = text.chars().take(60).collect();
    let message = format!(
        "the embedder of {model} was replaced: it embeds {text:?} at a cosine of {cosine:.4} to what it was, and {SAME} is the least"
    );
    Error::new(ErrorKind::ModelMismatch, message)
        .mend("give the new model a version of its own, and embed old texts again with EmbeddingLog::reembed")
}
