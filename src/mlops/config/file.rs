//! Sections and profiles of a file, laid over a configuration.

use super::Config;
use super::keys::{self, KEYS};
use super::origin::Origin;
use super::tree::{Entry, Node, place};
use crate::error::{Error, ErrorKind, Result};
use crate::filter;
use crate::payload::Value;

/// What a file says: sections of its own, and profiles.
pub(super) struct File {
    path: String,
    sections: Vec<Entry>,
    profiles: Vec<(String, Vec<Entry>)>,
}

impl File {
    /// Parts the top level. A profile is a name that is no section and holds sections.
    pub(super) fn of(entries: Vec<Entry>, path: &str) -> File {
        let mut file = File { path: path.to_owned(), sections: Vec::new(), profiles: Vec::new() };
        for Entry { name, line, node } in entries {
            match node {
                Node::Section(parts) if !is_section(&name) && is_profile(&name, &parts) => {
                    file.profiles.push((name, parts));
                }
                node => file.sections.push(Entry { name, line, node }),
            }
        }
        file
    }

    /// Lays over a configuration what the file says outside its profiles, and the profile. All profiles are checked.
    pub(super) fn lay(&self, config: &mut Config, wanted: Option<&str>) -> Result<()> {
        for (profile, sections) in &self.profiles {
            self.sections(&mut Config::default(), Some(profile), sections)?;
        }
        self.sections(config, None, &self.sections)?;
        if let Some((profile, sections)) = self.chosen(wanted)? {
            self.sections(config, Some(profile), sections)?;
            config.told.profile = Some(profile.clone());
        }
        Ok(())
    }

    /// Whether the file has any profile.
    pub(super) fn has_profiles(&self) -> bool {
        !self.profiles.is_empty()
    }

    fn chosen(&self, wanted: Option<&str>) -> Result<Option<&(String, Vec<Entry>)>> {
        let names = || self.profiles.iter().map(|(name, _)| &**name);
        let all = || names().collect::<Vec<_>>().join(", ");
        let Some(wanted) = wanted else {
            return match (&*self.sections, &*self.profiles) {
                ([], [only]) => Ok(Some(only)),
                ([], [_, _, ..]) => Err(Error::invalid("the file holds several profiles and nothing else")
                    .at(&*self.path)
                    .mend(format!("say which: {}", all()))),
                _ => Ok(None),
            };
        };
        if let Some(profile) = self.profiles.iter().find(|(name, _)| name == wanted) {
            return Ok(Some(profile));
        }
        let error = Error::new(ErrorKind::NotFound, format!("there is no profile `{wanted}`")).at(&*self.path);
        Err(match filter::suggest(wanted, names()) {
            Some(near) => error.mend(format!("did you mean `{near}`?")),
            None if self.profiles.is_empty() => error.mend("the file holds none; leave the profile out"),
            None => error.mend(format!("it holds {}", all())),
        })
    }

    fn sections(&self, config: &mut Config, profile: Option<&str>, entries: &[Entry]) -> Result<()> {
        Layer { file: self, profile }.lay(config, "", entries)
    }
}

/// The sections of a file, or of one of its profiles.
struct Layer<'f> {
    file: &'f File,
    profile: Option<&'f str>,
}

impl Layer<'_> {
    /// Lays entries over a configuration that stand under `path`.
    fn lay(&self, config: &mut Config, path: &str, entries: &[Entry]) -> Result<()> {
        for Entry { name, line, node } in entries {
            let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let refuse = |why: &str| self.refuse(*line, format!("`{}` {why}", self.said(&full)));
            if name.contains('.') {
                return Err(refuse("is one name with dots in it").mend("nest it: a section, and the key under it"));
            }
            match (keys::find(&full), node) {
                (Some(key), Node::Value(value)) => key.set(config, value, &self.said(&full), self.origin(*line))?,
                (Some(key), Node::Section(_)) => {
                    return Err(refuse("holds keys of its own").mend(format!("write {}", key.takes())));
                }
                (None, Node::Section(entries)) if is_section(&full) => self.lay(config, &full, entries)?,
                (None, Node::Value(Value::Null)) if is_section(&full) => {}
                (None, Node::Value(_)) if is_section(&full) => {
                    let keys = parts(&full).join(", ");
                    return Err(refuse("is a section, and has a value").mend(format!("write keys under it: {keys}")));
                }
                (None, _) => return Err(self.unknown(path, name, *line)),
            }
        }
        Ok(())
    }

    /// The whole key, as it stands in the file.
    fn said(&self, key: &str) -> String {
        self.profile.map_or_else(|| key.to_owned(), |profile| format!("{profile}.{key}"))
    }

    fn origin(&self, line: u32) -> Origin {
        let file = self.file.path.clone();
        match self.profile {
            None => Origin::File { file, line },
            Some(profile) => Origin::Profile { profile: profile.to_owned(), file, line },
        }
    }

    fn refuse(&self, line: u32, why: String) -> Error {
        Error::invalid(why).at(place(&self.file.path, line))
    }

    fn unknown(&self, path: &str, name: &str, line: u32) -> Error {
        let known = parts(path);
        let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let what = if path.is_empty() { "section or profile" } else { "key" };
        let error = self.refuse(line, format!("no {what} is called `{}`", self.said(&full)));
        if let Some(near) = filter::suggest(name, known.iter().copied()) {
            return error.mend(format!("did you mean `{near}`?"));
        }
        let elsewhere = KEYS.iter().find(|key| key.name().rsplit('.').next() == Some(name));
        match elsewhere {
            Some(key) => error.mend(format!("did you mean `{}`?", key.name())),
            None => error.mend(format!("write one of {}", known.join(", "))),
        }
    }
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name().strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// The names that may stand under a section; those of sections, under none.
fn parts(section: &str) -> Vec<&'static str> {
    let under = |name: &'static str| match section {
        "" => Some(name),
        section => name.strip_prefix(section)?.strip_prefix('.'),
    };
    let mut parts: Vec<_> = KEYS.iter().filter_map(|key| under(key.name())?.split('.').next()).collect();
    parts.dedup();
    parts
}

/// Whether a name stands for a profile: it holds sections, or what may be misspelt ones.
fn is_profile(name: &str, entries: &[Entry]) -> bool {
    let holds = entries.iter().any(|entry| is_section(&entry.name));
    let all = !entries.is_empty() && entries.iter().all(|entry| matches!(entry.node, Node::Section(_)));
    holds || (all && filter::suggest(name, parts("")).is_none())
}
