//! Values from the environment.

use std::ffi::OsStr;

use super::Config;
use super::key::{ConfigKey, PREFIX};
use super::keys::{self, KEYS};
use super::kind::Kind;
use super::origin::{NotApplied, Origin};
use super::plain::plain;
use crate::error::{Error, Result};
use crate::filter;
use crate::payload::Value;

/// The variable that chooses a profile, where nobody else does.
pub(super) const PROFILE: &str = "DRIFTLINE_PROFILE";

/// Short names, and the keys they stand for.
const SHORT: &[(&str, &str)] = &[("DRIFTLINE_DRIFT_THRESHOLD", "monitoring.sigma_threshold")];

const SERVER: &str = "Driftline answers no requests; the server that uses it guards its own doors";
const STORE: &str = "everything is kept in the store, wherever that was opened";

/// Names of other programs' settings that do not apply here, and why.
const FOREIGN: &[(&str, &str)] = &[
    ("DRIFTLINE_SECRET_KEY", SERVER),
    ("DRIFTLINE_AUTH_ENABLED", SERVER),
    ("DRIFTLINE_API_KEY", SERVER),
    ("DRIFTLINE_RATE_LIMIT_ENABLED", SERVER),
    ("DRIFTLINE_MAX_REQUESTS", SERVER),
    ("DRIFTLINE_RATE_WINDOW", SERVER),
    ("DRIFTLINE_DB_PASSWORD", "Driftline is the database; there is none to connect to"),
    ("DRIFTLINE_MODELS_DIR", STORE),
    ("DRIFTLINE_MONITORING_DIR", STORE),
];

/// Names that are no settings: of the program, of commands for training, and of the tests of this crate.
const OTHERS: &[&str] = &[
    PROFILE,
    "DRIFTLINE_LOG",
    "DRIFTLINE_KERNELS",
    "DRIFTLINE_COMMIT",
    "DRIFTLINE_BENCH_DIR",
    "DRIFTLINE_MODEL",
    "DRIFTLINE_RUN",
    "DRIFTLINE_REASON",
    "DRIFTLINE_ORACLES",
    "DRIFTLINE_MNIST",
    "DRIFTLINE_SEED",
    "DRIFTLINE_CALL",
    "DRIFTLINE_WRITE_SEEDS",
];

impl Config {
    /// The defaults, and over them the variables whose names begin with `DRIFTLINE_`; others are not looked at. Nothing
    /// here reads the environment unasked: hand over `std::env::vars_os()`.
    ///
    /// Every key has a name in the environment, see [`ConfigKey::environment`]; `DRIFTLINE_DRIFT_THRESHOLD` is short for
    /// `DRIFTLINE_MONITORING_SIGMA_THRESHOLD`, which counts where both are set. Lists are parted by commas, `off` switches
    /// off what can be. Fails with `Invalid` for a name that is not known and for a value that its key does not take.
    ///
    /// ```
    /// use driftline::mlops::Config;
    ///
    /// let config = Config::environment([("DRIFTLINE_MONITORING_WINDOW", "500"), ("HOME", "/root")])?;
    /// assert_eq!(config.monitoring.window, 500);
    /// # Ok::<(), driftline::Error>(())
    /// ```
    pub fn environment<N: AsRef<OsStr>, V: AsRef<OsStr>>(vars: impl IntoIterator<Item = (N, V)>) -> Result<Config> {
        let mut config = Config::default();
        lay(&mut config, &ours(vars)?)?;
        config.finish()
    }
}

/// The variables that begin as ours do, by name.
pub(super) fn ours<N: AsRef<OsStr>, V: AsRef<OsStr>>(
    vars: impl IntoIterator<Item = (N, V)>,
) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (name, value) in vars {
        let name = name.as_ref().to_string_lossy();
        if !name.starts_with(PREFIX) {
            continue;
        }
        let value = value.as_ref().to_str().ok_or_else(|| {
            Error::invalid(format!("the value of {name} is no Unicode text")).at("the environment").mend("set it anew")
        })?;
        found.push((name.into_owned(), value.to_owned()));
    }
    found.sort();
    Ok(found)
}

/// Lays variables over a configuration.
pub(super) fn lay(config: &mut Config, vars: &[(String, String)]) -> Result<()> {
    for (name, value) in vars {
        let origin = Origin::Environment { name: name.clone() };
        if OTHERS.contains(&&**name) {
            continue;
        }
        if let Some((_, why)) = FOREIGN.iter().find(|(foreign, _)| foreign == name) {
            config.told.not_applied.push(NotApplied { key: name.clone(), origin, why: (*why).to_owned() });
            continue;
        }
        let key = key(name).ok_or_else(|| unknown(name))?;
        key.set(config, &read(key.kind, value), key.name(), origin)?;
    }
    Ok(())
}

fn key(name: &str) -> Option<&'static ConfigKey> {
    let short = SHORT.iter().find(|(short, _)| *short == name);
    match short {
        Some((_, key)) => keys::find(key),
        None => KEYS.iter().find(|key| key.environment() == name),
    }
}

/// The value that a text stands for, for a key of this kind.
fn read(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Text => Value::from(text),
        Kind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::Array(parts.map(Value::from).collect())
        }
        _ => plain(text.trim()),
    }
}

fn unknown(name: &str) -> Error {
    let keys: Vec<String> = KEYS.iter().map(ConfigKey::environment).collect();
    let short = SHORT.iter().map(|(name, _)| *name);
    let known = keys.iter().map(String::as_str).chain(short).chain(OTHERS.iter().copied());
    // What all begin with would make all of them near.
    let bare = known.filter_map(|name| name.strip_prefix(PREFIX));
    let error = Error::invalid(format!("no setting is called {name}")).at("the environment");
    match filter::suggest(&name[PREFIX.len()..], bare) {
        Some(near) => error.mend(format!("did you mean {PREFIX}{near}?")),
        None => error.mend("unset it; `config keys` lists the names"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::*;

    #[test]
    fn lists_are_parted_by_commas_and_keep_all_their_parts_in_order() {
        let mut list = vec!["old".to_owned()];
        list.set(read(Kind::List, ".npy, .csv,"));
        assert_eq!(list, [".npy", ".csv"]);
        assert_eq!(list.get(), Value::Array(vec![Value::from(".npy"), Value::from(".csv")]));
    }
}
