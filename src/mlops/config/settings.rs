//! What holds, key by key, and where it came from.

use serde::Serialize;

use super::Config;
use super::key::ConfigKey;
use super::keys::KEYS;
use super::kind::OFF;
use super::origin::Origin;
use crate::payload::Value;

/// The value of a key, and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Setting {
    /// The key, such as `monitoring.check_interval`.
    pub key: &'static str,
    /// Its value, as it is written in files; `Null` is off.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

impl Setting {
    /// The value for people.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Null => OFF.into(),
            Value::Text(text) => text.clone(),
            Value::Array(values) => values.iter().filter_map(Value::as_text).collect::<Vec<_>>().join(", "),
            value => value.to_string(),
        }
    }
}

impl Config {
    /// Every key that a configuration may have, section by section; those that do not apply, too.
    pub fn keys() -> impl ExactSizeIterator<Item = &'static ConfigKey> {
        KEYS.iter()
    }

    /// What holds: the value of every key that applies, and where it came from.
    pub fn settings(&self) -> Vec<Setting> {
        let setting =
            |key: &'static ConfigKey| Setting { key: key.name(), value: key.value(self), origin: self.origin(key) };
        KEYS.iter().filter(|key| key.not_applied().is_none()).map(setting).collect()
    }

    /// Where the value of a key came from. A field that was changed afterwards was changed by the program.
    pub(super) fn origin(&self, key: &ConfigKey) -> Origin {
        let value = key.value(self);
        match self.told.values.get(key.name()) {
            Some((told, origin)) if *told == value => origin.clone(),
            _ if key.value(&Config::default()) == value => Origin::Default,
            _ => Origin::Program,
        }
    }
}
