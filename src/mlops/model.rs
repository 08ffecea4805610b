//! Which model something came from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schema::MAX_MODEL_BYTES;

/// A model: its name and its version, written `name@version`.
///
/// Two versions of a model are two models as far as their vectors are concerned: what one embedded is not compared with
/// what the other did.
///
/// ```
/// use driftline::mlops::ModelId;
///
/// let model: ModelId = "minilm-l6@1.2.0".parse()?;
/// assert_eq!((model.name(), model.version()), ("minilm-l6", "1.2.0"));
/// assert_eq!(model, ModelId::new("minilm-l6", "1.2.0")?);
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId {
    name: String,
    version: String,
}

impl ModelId {
    /// The model of this name and version. Fails with `Invalid` when one is empty, has white space around it, control
    /// characters or, the name, an `@`, or when `name@version` has more than 250 bytes.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Result<ModelId> {
        let model = ModelId { name: name.into(), version: version.into() };
        check_part("name", &model.name)?;
        check_part("version", &model.version)?;
        if model.name.contains('@') {
            return Err(Error::invalid(format!("the name of a model has an `@`: {:?}", model.name))
                .mend("write name@version, with the only `@` between them"));
        }
        let bytes = model.name.len() + 1 + model.version.len();
        if bytes > MAX_MODEL_BYTES {
            return Err(Error::invalid(format!("a model's name and version, with the `@`, have {bytes} bytes"))
                .at(format!("model {}...", model.name.chars().take(20).collect::<String>()))
                .mend(format!("use at most {MAX_MODEL_BYTES}; letters beyond ASCII have 2 to 4 each")));
        }
        Ok(model)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn check_part(what: &str, text: &str) -> Result<()> {
    if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{text:?} cannot be the {what} of a model"))
            .mend("use at least one character, no control characters, and no white space around it"));
    }
    Ok(())
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for ModelId {
    type Err = Error;

    fn from_str(text: &str) -> Result<ModelId> {
        let (name, version) = text.split_once('@').ok_or_else(|| {
            Error::invalid(format!("{text:?} does not name a version of a model")).mend("write name@version")
        })?;
        ModelId::new(name, version)
    }
}

impl TryFrom<String> for ModelId {
    type Error = Error;

    fn try_from(text: String) -> Result<ModelId> {
        text.parse()
    }
}

impl From<ModelId> for String {
    fn from(model: ModelId) -> String {
        model.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_read_as_it_is_written() {
        let model = ModelId::new("text embed", "2.0@beta").unwrap();
        assert_eq!(model.to_string().parse::<ModelId>().unwrap(), model);
        assert_eq!(serde_json::to_string(&model).unwrap(), r#""text embed@2.0@beta""#);
    }

    #[test]
    fn names_that_could_be_mistaken_are_refused() {
        for text in ["minilm", "@1", "minilm@", " minilm@1", "minilm@1\n", "mini\u{7}lm@1"] {
            text.parse::<ModelId>().unwrap_err();
        }
        ModelId::new("a@b", "1").unwrap_err();
        let error = ModelId::new("\u{6a21}".repeat(83), "1").unwrap_err().to_string();
        assert!(error.contains("have 251 bytes") && error.contains("use at most 250"), "{error}");
        ModelId::new(format!("{}x", "\u{6a21}".repeat(82)), "11").unwrap();
    }
}
