//! Embedders that were attached: what they make of some texts is remembered, and who comes later under a name is held
//! against it.

use driftline::mlops::{CanaryPolicy, Embedder, ModelId};
use driftline::{Database, ErrorKind, Result};

const NAME: &str = "letters";
/// What whoever comes later gives, and is not asked for: it is asked for the texts that are remembered.
const OTHERS: [&str; 1] = ["another text"];

/// The embedder of a number, or one that took its name.
struct Numbered {
    model: ModelId,
    number: u64,
    is_other: bool,
}

impl Embedder for Numbered {
    fn model(&self) -> &ModelId {
        &self.model
    }

    /// Vectors that differ from text to text, and that another embedder makes at right angles.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let vector = |text: &&str| match (self.number as f32, text.len() as f32) {
            (number, length) if self.is_other => vec![-length, number],
            (number, length) => vec![number, length],
        };
        Ok(texts.iter().map(vector).collect())
    }
}

fn embedder(number: u64, is_other: bool) -> Numbered {
    Numbered { model: ModelId::new(NAME, number.to_string()).expect("a name and a version"), number, is_other }
}

fn texts(number: u64) -> [String; 2] {
    [number.to_string(), format!("the text of {number}")]
}

/// Attaches the embedder of a number, for the first time.
pub(super) fn perform(db: &Database, number: u64) -> Result<()> {
    let texts = texts(number);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let attached = db.embedding_log().attach_with(&embedder(number, false), CanaryPolicy::Refuse, &texts)?;
    assert!(attached.replaced.is_none() && attached.canaries.len() == texts.len(), "{:?}", attached.canaries);
    Ok(())
}

/// How many embedders are remembered; each is known again, and one that took its name is refused.
pub(super) fn of(db: &Database) -> Result<u64> {
    let remembered = match db.collection("_log_canaries") {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        remembered => remembered?.count()?,
    };
    for number in 0..remembered {
        // Were it not remembered yet, it would be now, with other texts.
        let attach =
            |is_other| db.embedding_log().attach_with(&embedder(number, is_other), CanaryPolicy::Refuse, &OTHERS);
        let attached = attach(false)?;
        let found: Vec<&str> = attached.canaries.iter().map(|canary| &*canary.text).collect();
        assert_eq!(found, texts(number), "other texts are remembered of {number}");
        assert!(attached.canaries.iter().all(|canary| canary.cosine > 0.999_999), "{:?}", attached.canaries);
        assert_eq!(attach(true).unwrap_err().kind(), ErrorKind::ModelMismatch, "another is taken for {number}");
    }
    Ok(remembered)
}
