//! `model`, `alias` and `mode`: versions of models, and which of them is used.

use std::io::{Read, copy};
use std::path::{Component, Path, PathBuf};

use driftline::mlops::{Alias, AliasMove, Change, MetricChange, Mode, ModelVersion, NewVersion, PromotionGate};
use driftline::statement::{AliasStatement, Author, ModelStatement, NewModel};
use driftline::{Error, ErrorKind, Timestamp, json};

use crate::failure::Outcome;
use crate::files;
use crate::render::{self, Plain};
use crate::session::Session;

/// Who changes something where the statement does not say.
const SHELL: &str = "shell";

pub(super) fn change(author: &Author) -> Change {
    let change = Change::by(author.by.as_deref().unwrap_or(SHELL));
    author.because.iter().fold(change, |change, reason| change.because(reason))
}

pub(super) fn model(session: &mut Session, asked: &ModelStatement) -> Outcome {
    match asked {
        ModelStatement::Models => models(session),
        ModelStatement::Versions(name) => versions(session, name),
        ModelStatement::Show(name, version) => {
            let version = session.store.reading()?.model(name)?.version(version)?;
            session.output.one(&version, || described(&version))
        }
        ModelStatement::Register(new) => register(session, new),
        ModelStatement::Load(name, version, file) => load(session, name, version, file),
        ModelStatement::Compare(name, from, to) => {
            let changes = session.store.reading()?.model(name)?.compare(from, to)?;
            let figure = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value}"));
            let row = |it: MetricChange| {
                let difference = it.difference.map_or_else(String::new, |value| format!("{value:+.6}"));
                let cells = vec![render::plain(&it.metric), figure(it.from), figure(it.to), difference];
                Ok(Plain { thing: it, cells })
            };
            session.output.many(&["metric", from, to, "difference"], changes.into_iter().map(row))
        }
        ModelStatement::Tag(name, version, tags, author) => {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let version = session.store.writing()?.model(name)?.set_tags(version, &tags, &change(author))?;
            session.output.one(&version, || format!("{} has the tags {}", version.model, version.tags.join(", ")))
        }
        ModelStatement::Approve(name, alias, version, author) => {
            let model = session.store.writing()?.model(name)?;
            model.approve(alias, version, &change(author))?;
            let approvals = model.approvals(alias, version)?;
            let told =
                || format!("{} for {name}@{version} as {alias}", render::counted(approvals.len() as u64, "approval"));
            session.output.one(&approvals, told)
        }
        ModelStatement::Gate(name, alias, gate, author) => {
            let gate: PromotionGate = serde_json::from_value(gate.clone()).map_err(|error| {
                Error::new(ErrorKind::Invalid, format!("this is no gate: {error}")).mend(
                    r#"write {"requirements": [{"metric": "accuracy", "bound": {"at_least": 0.9}}], "approvals": 1}"#,
                )
            })?;
            session.store.writing()?.model(name)?.set_gate(alias, &gate, &change(author))?;
            session.output.one(&gate, || format!("set the gate of {alias} of {name}"))
        }
        ModelStatement::Export(name, file) => {
            let text = session.store.reading()?.model(name)?.export_json()?;
            std::io::Write::write_all(&mut files::create(file)?, text.as_bytes())
                .map_err(|error| files::unreadable(file, &error))?;
            session.output.one(&json!({ "written": file }), || format!("wrote {}", render::plain(file)))
        }
        ModelStatement::Import(name, file, author) => import(session, name, file, author),
    }
}

fn models(session: &mut Session) -> Outcome {
    let db = session.store.reading()?;
    let row = |name: String| {
        let model = db.model(&name)?;
        let (versions, latest, serving) = (model.list()?.len(), model.latest()?, model.production()?);
        let version = |it: &Option<ModelVersion>| it.as_ref().map_or_else(String::new, |it| it.version().to_owned());
        let thing =
            json!({"model": name, "versions": versions, "latest": version(&latest), "production": version(&serving)});
        let cells = vec![render::plain(&name), versions.to_string(), version(&latest), version(&serving)];
        Ok(Plain { thing, cells })
    };
    let rows: Vec<_> = db.models()?.into_iter().map(row).collect();
    session.output.many(&["model", "versions", "latest", "production"], rows)
}

fn versions(session: &mut Session, name: &str) -> Outcome {
    let model = session.store.reading()?.model(name)?;
    let aliases = model.aliases()?;
    let pointing = |version: &str| {
        let names = aliases.iter().filter(|alias| alias.version.as_deref() == Some(version));
        names.map(|alias| alias.name.clone()).collect::<Vec<_>>().join(", ")
    };
    let row = |it: ModelVersion| {
        let metrics: Vec<String> = it.metrics.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let cells = vec![
            render::plain(it.version()),
            pointing(it.version()),
            render::time(it.created_at),
            render::plain(&metrics.join(", ")),
            render::plain(&it.tags.join(", ")),
            it.artifact.as_ref().map_or_else(|| "not here".to_owned(), |_| render::size(it.file_size)),
        ];
        Ok(Plain { thing: it, cells })
    };
    let headings = ["version", "aliases", "created", "metrics", "tags", "artifact"];
    session.output.many(&headings, model.list()?.into_iter().map(row))
}

/// A version for people.
fn described(version: &ModelVersion) -> String {
    let metrics = version.metrics.iter().map(|(name, value)| format!("{name} {value}"));
    let artifact = match &version.artifact {
        Some(_) => format!("{}, {}", render::size(version.file_size), render::plain(&version.format)),
        None => "not in this store".to_owned(),
    };
    render::pairs([
        ("model", render::plain(&version.model.to_string())),
        ("created", render::time(version.created_at)),
        ("description", render::plain(&version.description)),
        ("metrics", render::plain(&metrics.collect::<Vec<_>>().join(", "))),
        ("tags", render::plain(&version.tags.join(", "))),
        ("artifact", artifact),
        ("sha-256", render::plain(&version.model_hash)),
        ("from", render::plain(version.file_path.as_deref().unwrap_or_default())),
        ("config", render::plain(&version.config.to_string())),
        ("training", render::plain(&version.training_info.to_string())),
    ])
}

fn register(session: &mut Session, new: &NewModel) -> Outcome {
    let model = session.store.making()?.model(&new.model)?;
    let name = new.version.clone().map_or_else(|| model.generate_version(None), Ok)?;
    let mut version = NewVersion::new(name).file_path(&*new.file).actor(new.author.by.as_deref().unwrap_or(SHELL));
    for (name, value) in metrics(new)? {
        version = version.metric(name, value);
    }
    version = new.config.iter().fold(version, |version, config| version.config(config.clone()));
    version = new.training.iter().fold(version, |version, info| version.training_info(info.clone()));
    version = new.format.iter().fold(version, |version, format| version.format(&**format));
    version = new.description.iter().fold(version, |version, text| version.description(&**text));
    version = new.tags.iter().fold(version, |version, tag| version.tag(&**tag));
    let registered = model.register(version, files::open(Path::new(&new.file))?)?;
    let told = || format!("registered {} ({})", registered.model, render::size(registered.file_size));
    session.output.one(&registered, told)
}

fn metrics(new: &NewModel) -> Outcome<Vec<(String, f64)>> {
    let Some(metrics) = &new.metrics else { return Ok(Vec::new()) };
    let refuse =
        || Error::new(ErrorKind::Invalid, "metrics are an object of numbers").mend(r#"write {"accuracy": 0.92}"#);
    let fields = metrics.as_object().ok_or_else(refuse)?;
    let number = |(name, value): (&String, &serde_json::Value)| Ok((name.clone(), value.as_f64().ok_or_else(refuse)?));
    fields.iter().map(number).collect()
}

fn load(session: &mut Session, name: &str, version: &str, file: &str) -> Outcome {
    let mut artifact = session.store.reading()?.model(name)?.load(version)?;
    let written = copy(&mut artifact, &mut files::create(file)?).map_err(|error| files::unreadable(file, &error))?;
    let told = || format!("wrote {} of {name}@{version} to {}", render::size(written), render::plain(file));
    session.output.one(&json!({"written": file, "bytes": written, "sha256": artifact.version.model_hash}), told)
}

fn import(session: &mut Session, name: &str, file: &str, author: &Author) -> Outcome {
    let text = files::text(file)?;
    let model = session.store.making()?.model(name)?;
    let directory = Path::new(file).parent().unwrap_or(Path::new("")).to_owned();
    // Artifacts are taken along where they are; a path that leads nowhere is what the document alone has.
    let artifact = |version: &str, path: Option<&str>| {
        let path = path.map(|path| beside(&directory, version, path)).transpose()?.filter(|path| path.is_file());
        path.map(|path| Ok(Box::new(files::open(&path)?) as Box<dyn Read>)).transpose()
    };
    let added = model.import_json(&text, artifact, &change(author))?;
    session.output.one(&json!({ "registered": added }), || format!("registered {}", render::counted(added, "version")))
}

/// Where an artifact lies. Documents come from anywhere, so a path must not lead out of the directory of its document.
fn beside(directory: &Path, version: &str, path: &str) -> driftline::Result<PathBuf> {
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if Path::new(path).components().all(inside) {
        return Ok(directory.join(path));
    }
    Err(Error::new(ErrorKind::Invalid, format!("the artifact of {version} is at {path:?}, not beside the document"))
        .mend("give `file_path` as a relative path without `..`, or leave it out to register without the artifact"))
}

pub(super) fn alias(session: &mut Session, asked: &AliasStatement) -> Outcome {
    let (name, alias) = match asked {
        AliasStatement::List(name) => return aliases(session, name),
        AliasStatement::History(name, alias) => return history(session, name, alias),
        AliasStatement::At(name, alias, time) => return alias_at(session, name, alias, *time),
        AliasStatement::Set(name, alias, ..) | AliasStatement::Rollback(name, alias, ..) => (name, alias),
        AliasStatement::Remove(name, alias, _) => (name, alias),
    };
    let model = session.store.writing()?.model(name)?;
    let moved = match asked {
        AliasStatement::Set(_, _, version, author) => model.set_alias(alias, version, change(author))?,
        AliasStatement::Rollback(_, _, Some(tag), author) => model.rollback_to_tagged(alias, tag, change(author))?,
        AliasStatement::Rollback(_, _, None, author) => model.rollback(alias, change(author))?,
        AliasStatement::Remove(_, _, author) => model.remove_alias(alias, change(author))?,
        _ => return Ok(()),
    };
    session.output.one(&moved, || pointing(name, &moved))
}

fn pointing(name: &str, alias: &Alias) -> String {
    let to = alias.version.as_ref().map_or("nowhere".to_owned(), |version| format!("to {version}"));
    render::plain(&format!("{} of {name} points {to}", alias.name))
}

fn aliases(session: &mut Session, name: &str) -> Outcome {
    let aliases = session.store.reading()?.model(name)?.aliases()?;
    let row = |it: Alias| {
        let version = it.version.clone().unwrap_or_default();
        let cells = vec![it.name.clone(), version, render::time(it.since), it.moves.to_string()];
        Ok(Plain { thing: it, cells })
    };
    session.output.many(&["alias", "version", "since", "moves"], aliases.into_iter().map(row))
}

fn history(session: &mut Session, name: &str, alias: &str) -> Outcome {
    let moves = session.store.reading()?.model(name)?.history(alias)?;
    let row = |it: AliasMove| {
        let kind = format!("{:?}", it.kind).to_lowercase();
        let (from, to) = (it.from.clone().unwrap_or_default(), it.to.clone().unwrap_or_default());
        let texts = [&it.actor, &it.reason].map(|text| render::plain(text));
        let cells =
            vec![it.number.to_string(), render::time(it.time), kind, from, to].into_iter().chain(texts).collect();
        Ok(Plain { thing: it, cells })
    };
    let headings = ["move", "time", "kind", "from", "to", "by", "because"];
    session.output.many(&headings, moves.into_iter().map(row))
}

fn alias_at(session: &mut Session, name: &str, alias: &str, time: Timestamp) -> Outcome {
    let version = session.store.reading()?.model(name)?.alias_at(alias, time)?;
    let told = || version.clone().unwrap_or_else(|| "nowhere".into());
    session.output.one(&json!({"alias": alias, "time": render::time(time), "version": version}), told)
}

pub(super) fn mode(session: &mut Session, set: Option<&(Mode, Author)>) -> Outcome {
    if let Some((mode, author)) = set {
        session.store.writing()?.modes().set(*mode, change(author))?;
    }
    let mode = session.store.reading()?.modes().current()?;
    session.output.one(&json!({ "mode": mode }), || mode.to_string())
}
