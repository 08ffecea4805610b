//! Where values came from, and what came and does not apply.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::payload::Value;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// Nobody said anything.
    #[default]
    Default,
    /// The program set the field.
    Program,
    /// A file, outside its profiles.
    File {
        /// Its path, or `yaml` or `toml` where a text was given.
        file: String,
        /// The line, counted from 1.
        line: u32,
    },
    /// A profile of a file.
    Profile {
        /// Its name.
        profile: String,
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u32,
    },
    /// The environment.
    Environment {
        /// The name of the variable.
        name: String,
    },
}

impl Origin {
    /// The line of the file, where it was one.
    pub fn line(&self) -> Option<u32> {
        match self {
            Origin::File { line, .. } | Origin::Profile { line, .. } => Some(*line),
            Origin::Default | Origin::Program | Origin::Environment { .. } => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Program => f.write_str("program"),
            Origin::File { file, line } => write!(f, "{file}, line {line}"),
            Origin::Profile { profile, file, line } => write!(f, "{file}, line {line} (profile {profile})"),
            Origin::Environment { name } => f.write_str(name),
        }
    }
}

/// Something that was said and does not apply here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NotApplied {
    /// The whole key, such as `serving.port`, or the name of a variable.
    pub key: String,
    /// Where it was said.
    pub origin: Origin,
    /// Why it does not apply.
    pub why: String,
}

/// What a configuration knows of how it came to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// What was set by whom, by key. A field may have been changed since.
    pub(super) values: BTreeMap<&'static str, (Value, Origin)>,
    pub(super) not_applied: Vec<NotApplied>,
    pub(super) profile: Option<String>,
}
