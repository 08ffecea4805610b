//! How hard a query looks: what it may be told, as text and as JSON.

use std::fmt;

use driftline::{Error, ErrorKind, Query, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a query is told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effort {
    /// The share of the nearest to find.
    Recall(f32),
    /// Candidates to look at.
    Ef(usize),
    /// Every row, or the query's default.
    Exact(bool),
}

impl Effort {
    /// What a harness says: `{"recall":0.95}`, `{"ef":200}`, `{"exact":true}`; with nothing, the default of queries.
    pub(crate) fn read(params: &Map<String, Value>) -> Result<Option<Effort>> {
        let mut said = params.iter();
        let Some((name, value)) = said.next() else { return Ok(None) };
        if said.next().is_some() {
            return Err(refuse(format!("a search has {} parameters and takes one", params.len())));
        }
        let wrong = || refuse(format!("{name} cannot be {value}"));
        let effort = match name.as_str() {
            "recall" => Effort::Recall(value.as_f64().ok_or_else(wrong)? as f32),
            "ef" => Effort::Ef(value.as_u64().and_then(|ef| usize::try_from(ef).ok()).ok_or_else(wrong)?),
            "exact" => Effort::Exact(value.as_bool().ok_or_else(wrong)?),
            _ => return Err(refuse(format!("a search has no parameter {name}"))),
        };
        Ok(Some(effort))
    }

    /// Tells the query.
    pub(crate) fn tell(effort: Option<Effort>, query: Query) -> Query {
        match effort {
            Some(Effort::Recall(recall)) => query.recall(recall),
            Some(Effort::Ef(ef)) => query.ef(ef),
            Some(Effort::Exact(true)) => query.exact(),
            Some(Effort::Exact(false)) | None => query,
        }
    }
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message).mend("say {\"recall\":0.95}, {\"ef\":200} or {\"exact\":true}")
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effort::Recall(recall) => f.pad(&format!("recall {recall}")),
            Effort::Ef(ef) => f.pad(&format!("ef {ef}")),
            Effort::Exact(true) => f.pad("exact"),
            Effort::Exact(false) => f.pad("default"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(params: Value) -> Result<Option<Effort>> {
        Effort::read(params.as_object().unwrap())
    }

    #[test]
    fn harnesses_say_one_thing_or_nothing() {
        assert_eq!(read(json!({})).unwrap(), None);
        let efforts = [Effort::Recall(0.95), Effort::Ef(200), Effort::Exact(true)];
        for effort in efforts {
            // What is written into results is what may be asked for.
            assert_eq!(read(json!(effort)).unwrap(), Some(effort));
        }
        for wrong in [json!({"ef": -1}), json!({"ef": "x"}), json!({"recall": 1, "ef": 2}), json!({"gamma": 1})] {
            assert!(read(wrong.clone()).is_err_and(|it| it.remedy().is_some()), "{wrong}");
        }
    }
}
