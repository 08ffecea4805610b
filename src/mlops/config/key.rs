//! A key of a configuration, and what is said to it.

use super::Config;
use super::field::Field;
use super::kind::{Kind, OFF};
use super::origin::{NotApplied, Origin};
use crate::error::{Error, Result};
use crate::payload::Value;

/// What the names of variables of the environment begin with.
pub(super) const PREFIX: &str = "DRIFTLINE_";
/// The most characters of a value that an error shows.
const SHOWN_CHARS: usize = 60;

/// A key of a configuration: its name, what it takes, and what it means. [`Config::keys`] has all of them.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    optional: bool,
    place: Place,
    meaning: &'static str,
}

/// Where a value goes.
#[derive(Debug, Clone, Copy)]
enum Place {
    Field(fn(&mut Config) -> &mut dyn Field),
    /// Nowhere, and why.
    Nowhere(&'static str),
}

impl ConfigKey {
    /// A key that stands for a field.
    pub(super) const fn of(
        name: &'static str,
        kind: Kind,
        field: fn(&mut Config) -> &mut dyn Field,
        meaning: &'static str,
    ) -> ConfigKey {
        ConfigKey { name, kind, optional: false, place: Place::Field(field), meaning }
    }

    /// A key that is known and does not apply.
    pub(super) const fn unapplied(name: &'static str, kind: Kind, why: &'static str) -> ConfigKey {
        ConfigKey { name, kind, optional: false, place: Place::Nowhere(why), meaning: why }
    }

    /// The same key, which can be switched off.
    pub(super) const fn or_off(self) -> ConfigKey {
        ConfigKey { optional: true, ..self }
    }

    /// The same key, which does not apply where a feature of the build is missing.
    pub(super) const fn where_built(self, feature: bool, why: &'static str) -> ConfigKey {
        match feature {
            true => self,
            false => ConfigKey { place: Place::Nowhere(why), ..self },
        }
    }

    /// Its name, such as `monitoring.check_interval`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name of its variable in the environment, such as `DRIFTLINE_MONITORING_CHECK_INTERVAL`.
    pub fn environment(&self) -> String {
        format!("{PREFIX}{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// What it takes, in words.
    pub fn takes(&self) -> String {
        if self.optional { format!("{}, or `{OFF}`", self.kind) } else { self.kind.to_string() }
    }

    /// What it means.
    pub fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// Why it does not apply, where it does not.
    pub fn not_applied(&self) -> Option<&'static str> {
        match self.place {
            Place::Field(_) => None,
            Place::Nowhere(why) => Some(why),
        }
    }

    /// What it is in this configuration, as it is written in files; times in the unit of the key. `Null` where it is off
    /// and where it does not apply.
    pub fn value(&self, config: &Config) -> Value {
        match self.place {
            Place::Field(field) => self.kind.written(field(&mut config.clone()).get()),
            Place::Nowhere(_) => Value::Null,
        }
    }

    /// Sets the field to a value that was said at `origin`, under the name `said`.
    pub(super) fn set(&'static self, config: &mut Config, value: &Value, said: &str, origin: Origin) -> Result<()> {
        let field = match self.place {
            Place::Field(field) => field,
            Place::Nowhere(why) => {
                config.told.not_applied.push(NotApplied { key: said.to_owned(), origin, why: why.to_owned() });
                return Ok(());
            }
        };
        let accepted = self.accept(value).ok_or_else(|| self.refuse(value, said, &origin))?;
        field(config).set(accepted);
        config.told.values.insert(self.name, (self.value(config), origin));
        Ok(())
    }

    /// Fails with `Invalid` where the field has a value that the key does not take.
    pub(super) fn check(&self, config: &Config) -> Result<()> {
        let value = self.value(config);
        match self.place {
            Place::Field(_) if self.accept(&value).is_none() => {
                Err(self.refuse(&value, self.name, &config.origin(self)))
            }
            _ => Ok(()),
        }
    }

    fn accept(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Null if self.optional => Some(Value::Null),
            Value::Text(text) if self.optional && text == OFF => Some(Value::Null),
            value => self.kind.accept(value),
        }
    }

    fn refuse(&self, value: &Value, said: &str, origin: &Origin) -> Error {
        Error::invalid(format!("`{said}` is {}", shown(value)))
            .at(origin.to_string())
            .mend(format!("write {}", self.takes()))
    }
}

/// A value for people who wrote it.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "empty".into(),
        value => value.to_string(),
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}
