//! Configurations: whatever is read as one can be written down and is read again.

use serde_json::{Map, Value as Json};

use super::Seed;
use crate::mlops::{Config, ConfigKey, Setting};

/// Reads `data` as YAML and as TOML, and what was read once more.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for config in [Config::from_yaml(text), Config::from_toml(text)].into_iter().flatten() {
        assert!(config.check().is_ok(), "what was read fits together");
        let settings = config.settings();
        // JSON is YAML, but for characters that only one of them takes.
        let written = written(&settings);
        if !written.is_ascii() {
            continue;
        }
        let again = match Config::from_yaml(&written) {
            Ok(again) => again.settings(),
            Err(error) => panic!("what was read is read again: {error}\n{written}"),
        };
        for (first, second) in settings.iter().zip(again).filter(|(first, _)| !is_time(first.key)) {
            assert_eq!(first.value, second.value, "{}", first.key);
        }
    }
}

/// Times are divided by their unit and multiplied again, which rounds.
fn is_time(name: &str) -> bool {
    Config::keys().any(|key: &ConfigKey| key.name() == name && key.takes().starts_with("a time"))
}

fn written(settings: &[Setting]) -> String {
    let mut root = Map::new();
    for Setting { key, value, .. } in settings {
        let mut names = key.split('.').peekable();
        let mut section = &mut root;
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                section.insert(name.to_owned(), value.to_json());
                break;
            }
            let inner = section.entry(name).or_insert_with(|| Json::Object(Map::new()));
            let Json::Object(inner) = inner else { return String::new() };
            section = inner;
        }
    }
    Json::Object(root).to_string()
}

pub(super) fn seeds() -> Vec<Seed> {
    let seed = |(name, text): (&'static str, &str)| Seed { name, bytes: text.as_bytes().to_vec() };
    let texts = [
        (
            "yaml",
            "monitoring:\n  window: 500\n  alert_config:\n    hysteresis: .25\nretraining:\n  min_new_samples: off\n",
        ),
        ("flow", "{cache: {ttl_seconds: '90d', max_bytes: ~}, retraining: {samples_in: \"a \\u00e4\"}}"),
        ("profile", "production:\n  ab_testing:\n    default_traffic_split: 1e-1\n  serving: {port: 0x1388}\n"),
        ("block", "retraining:\n  data_directories:\n  - >-\n    folded\n  - |\n    kept\n"),
        ("anchor", "monitoring: &m\n  window: 3\nalerting: *m\n"),
        ("toml", "[monitoring]\nwindow = 1_000\ncheck_interval = \"1h 30m\"\n[production.cache]\nmax_entries = 0x10\n"),
        (
            "dotted",
            "monitoring.alert_config.hold_seconds = 1.5\nretraining = { approval = true, watch_file_patterns = [''] }\n",
        ),
        ("mistake", "monitoring:\n  windov: 3\n"),
    ];
    texts.into_iter().map(seed).collect()
}
