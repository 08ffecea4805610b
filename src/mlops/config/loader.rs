//! A configuration from a file, a profile and the environment.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::file::File;
use super::{Config, environment, toml, yaml};
use crate::error::{Error, ErrorKind, Result};

/// The most bytes of a file.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a configuration in layers, each over the one before: the defaults, a file, a profile of it, the environment.
///
/// ```no_run
/// use driftline::mlops::Config;
///
/// let config = Config::loader()
///     .file("ranker.yaml")
///     .profile("production")
///     .environment(std::env::vars_os())?
///     .load()?;
/// for NotApplied { key, why, .. } in config.not_applied() {
///     println!("{key} does not apply: {why}");
/// }
/// # use driftline::mlops::NotApplied;
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Default)]
#[must_use = "nothing is read before `load`"]
pub struct ConfigLoader {
    source: Option<Source>,
    profile: Option<String>,
    vars: Vec<(String, String)>,
}

enum Source {
    Path(PathBuf),
    Text(Format, String),
}

#[derive(Clone, Copy)]
enum Format {
    Toml,
    Yaml,
}

impl ConfigLoader {
    /// Reads a file whose name ends in `.toml`, `.yaml` or `.yml`, of at most 1 MiB.
    pub fn file(self, path: impl Into<PathBuf>) -> ConfigLoader {
        ConfigLoader { source: Some(Source::Path(path.into())), ..self }
    }

    /// Reads a text in YAML, instead of a file.
    pub fn yaml(self, text: impl Into<String>) -> ConfigLoader {
        ConfigLoader { source: Some(Source::Text(Format::Yaml, text.into())), ..self }
    }

    /// Reads a text in TOML, instead of a file.
    pub fn toml(self, text: impl Into<String>) -> ConfigLoader {
        ConfigLoader { source: Some(Source::Text(Format::Toml, text.into())), ..self }
    }

    /// Chooses a profile. Otherwise `DRIFTLINE_PROFILE` does, where an environment was given; without either a file that
    /// holds one profile and nothing else is read as that profile, and of any other only what stands outside profiles.
    pub fn profile(self, name: impl Into<String>) -> ConfigLoader {
        ConfigLoader { profile: Some(name.into()), ..self }
    }

    /// Lays variables over what the file says, as [`Config::environment`] does over the defaults. Fails with `Invalid`
    /// where the value of one of ours is no text.
    pub fn environment<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        vars: impl IntoIterator<Item = (N, V)>,
    ) -> Result<ConfigLoader> {
        Ok(ConfigLoader { vars: environment::ours(vars)?, ..self })
    }

    /// Reads everything. Fails with `NotFound` where there is no such file or profile, and with `Invalid`, naming file and
    /// line, for what is no TOML or YAML, a key that is not known or stands twice, a value that its key does not take, and
    /// values that do not fit together. What does not apply is told once as an event and kept in
    /// [`Config::not_applied`].
    pub fn load(self) -> Result<Config> {
        let mut config = Config::default();
        let named = self.vars.iter().find(|(name, _)| name == environment::PROFILE).map(|(_, value)| &**value);
        let profile = self.profile.as_deref().or(named).filter(|name| !name.is_empty());
        match &self.source {
            Some(Source::Path(path)) => read(path)?.lay(&mut config, profile)?,
            Some(Source::Text(format, text)) => parse(*format, text, format.name())?.lay(&mut config, profile)?,
            None => {}
        }
        environment::lay(&mut config, &self.vars)?;
        config.finish()
    }
}

impl Config {
    /// Begins to read a configuration in layers.
    pub fn loader() -> ConfigLoader {
        ConfigLoader::default()
    }

    /// Reads a file, as [`ConfigLoader::file`] does.
    pub fn read(path: impl Into<PathBuf>) -> Result<Config> {
        Config::loader().file(path).load()
    }

    /// Reads the file `<name>_config.toml`, `.yaml` or `.yml` of a directory, the first that is there. It holds the values of
    /// that profile, or the profile of this name.
    pub fn read_profile(directory: impl AsRef<Path>, name: &str) -> Result<Config> {
        let directory = directory.as_ref();
        if name.is_empty() || name.contains(['/', '\\', '\0']) {
            return Err(Error::invalid(format!("{name:?} cannot name a profile")).mend("use a word"));
        }
        let path = |ending| directory.join(format!("{name}_config.{ending}"));
        let Some(path) = ["toml", "yaml", "yml"].into_iter().map(path).find(|path| path.exists()) else {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no file {name}_config.toml, .yaml or .yml"))
                .at(directory.display().to_string())
                .mend("check the directory and the name"));
        };
        let mut config = Config::default();
        let file = read(&path)?;
        file.lay(&mut config, file.has_profiles().then_some(name))?;
        config.finish()
    }

    /// Reads a text in YAML.
    pub fn from_yaml(text: &str) -> Result<Config> {
        Config::loader().yaml(text).load()
    }

    /// Reads a text in TOML.
    pub fn from_toml(text: &str) -> Result<Config> {
        Config::loader().toml(text).load()
    }
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Toml => "toml",
            Format::Yaml => "yaml",
        }
    }

    fn of(path: &Path) -> Result<Format> {
        match path.extension().and_then(OsStr::to_str) {
            Some("toml") => Ok(Format::Toml),
            Some("yaml" | "yml") => Ok(Format::Yaml),
            _ => Err(Error::invalid("the name of the file does not tell its format")
                .at(path.display().to_string())
                .mend("have it end in .toml, .yaml or .yml")),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this file is no store's, so it is behind no file system of ours")]
fn read(path: &Path) -> Result<File> {
    let (format, place) = (Format::of(path)?, path.display().to_string());
    let failed = |error| Error::io("read a configuration", &*place, error);
    // Opening a pipe would wait for who writes to it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::invalid("this is no file").at(&*place).mend("name a file of text"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    small(bytes.len(), &place)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::invalid("the file is no text in UTF-8").at(&*place).mend("save it as UTF-8"))?;
    parse(format, &text, &place)
}

fn parse(format: Format, text: &str, place: &str) -> Result<File> {
    small(text.len(), place)?;
    let entries = match format {
        Format::Toml => toml::read(text, place)?,
        Format::Yaml => yaml::read(text, place)?,
    };
    Ok(File::of(entries, place))
}

fn small(bytes: usize, place: &str) -> Result<()> {
    if bytes as u64 <= MAX_BYTES {
        return Ok(());
    }
    Err(Error::invalid(format!("a configuration of more than {MAX_BYTES} bytes is not read"))
        .at(place)
        .mend("check that this file is one"))
}
