//! `config`: what holds, and what a file would have hold.

use driftline::mlops::{Config, ConfigKey, NotApplied, Pipeline, Setting};
use driftline::statement::Configuration;
use serde_json::{Value as Json, json};

use super::models::change;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Output, Plain};
use crate::session::Session;

pub(super) fn config(session: &mut Session, asked: &Configuration) -> Outcome {
    match asked {
        Configuration::Show(None) => show(&mut session.output, &Config::environment(std::env::vars_os())?),
        Configuration::Show(Some(model)) => {
            let config = session.store.reading()?.pipeline(model)?.config()?;
            show(&mut session.output, &config)
        }
        Configuration::Keys => keys(&mut session.output),
        Configuration::Check { file, profile } => show(&mut session.output, &read(file, profile.as_deref())?),
        Configuration::Apply { file, profile, model, author } => {
            let config = read(file, profile.as_deref())?;
            let db = session.store.making()?;
            let pipeline = Pipeline::builder(&db, model).config(&config).by(change(author)).open()?;
            let status = pipeline.status()?;
            session.output.one(&status, || super::pipelines::told(&status))
        }
        // The library may learn to ask before this program does.
        _ => Err(Failure::failed("this program cannot do that yet")),
    }
}

fn read(file: &str, profile: Option<&str>) -> driftline::Result<Config> {
    let loader = Config::loader().file(file).environment(std::env::vars_os())?;
    profile.into_iter().fold(loader, |loader, name| loader.profile(name)).load()
}

/// What holds, and below it what does not apply.
fn show(output: &mut Output, config: &Config) -> Outcome {
    if let (true, Some(profile)) = (output.is_table(), config.profile()) {
        output.line(&format!("profile {}", render::plain(profile)))?;
    }
    let rows =
        config.settings().iter().map(setting).chain(config.not_applied().iter().map(unapplied)).collect::<Vec<_>>();
    output.many(&["key", "value", "from"], rows.into_iter().map(Ok))
}

fn setting(it: &Setting) -> Plain<Json> {
    let from = it.origin.to_string();
    let thing = json!({ "key": it.key, "value": it.value, "from": from, "not_applied": null });
    Plain { thing, cells: vec![it.key.into(), render::plain(&it.shown()), render::plain(&from)] }
}

fn unapplied(it: &NotApplied) -> Plain<Json> {
    let from = it.origin.to_string();
    let thing = json!({ "key": it.key, "value": null, "from": from, "not_applied": it.why });
    let told = format!("does not apply: {}", it.why);
    Plain { thing, cells: vec![render::plain(&it.key), told, render::plain(&from)] }
}

fn keys(output: &mut Output) -> Outcome {
    let defaults = Config::default().settings();
    let row = |key: &ConfigKey| {
        let default = defaults.iter().find(|setting| setting.key == key.name());
        let thing = json!({
            "key": key.name(),
            "takes": key.takes(),
            "default": default.map(|setting| &setting.value),
            "environment": key.environment(),
            "meaning": key.meaning(),
            "applies": key.not_applied().is_none(),
        });
        let shown = default.map_or_else(String::new, Setting::shown);
        let meaning = key.not_applied().map_or_else(|| key.meaning().into(), |why| format!("does not apply: {why}"));
        Ok(Plain { thing, cells: vec![key.name().into(), key.takes(), shown, key.environment(), meaning] })
    };
    output.many(&["key", "takes", "default", "environment", "meaning"], Config::keys().map(row))
}
