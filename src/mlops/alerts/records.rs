//! Where alerts and all that belongs to them are kept.

use std::collections::BTreeMap;

use super::alert::Alert;
use super::config::AlertConfig;
use super::incident::Watch;
use super::rule::AlertRule;
use super::scores::Score;
use super::silence::Silence;
use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::error::{Error, Result};
use crate::ids::Lsn;
use crate::key::Key;
use crate::mlops::table::Table;

/// The collection of alerts, by number.
pub(super) const ALERTS: &str = "_alerts";
/// So many alerts are kept, the newest.
pub(super) const KEPT_ALERTS: u64 = 10_000;

/// The tables of alerts.
#[derive(Debug, Clone)]
pub(super) struct Records {
    pub(super) alerts: Table<Alert>,
    /// By rule and subject.
    pub(super) watches: Table<Watch>,
    /// Those that were changed or added; the others are the defaults.
    pub(super) rules: Table<AlertRule>,
    pub(super) silences: Table<Silence>,
    /// The newest drift score of each subject that ever had one above 0.
    pub(super) scores: Table<Score>,
}

/// The key of a rule that is stored. No name and no model has a control character.
pub(super) fn rule_key(name: &str, model: Option<&str>) -> String {
    model.map_or_else(|| name.to_owned(), |model| format!("{name}\u{1f}{model}"))
}

/// The key of what is remembered of one rule and one subject; neither has control characters.
pub(super) fn watch_key(rule: &str, subject: &str) -> String {
    format!("{rule}\u{1f}{subject}")
}

impl Records {
    pub(super) fn new(db: &Database) -> Records {
        Records {
            alerts: Table::new(db, ALERTS),
            watches: Table::new(db, "_alert_incidents"),
            rules: Table::new(db, "_alert_rules"),
            silences: Table::new(db, "_alert_silences"),
            scores: Table::new(db, "_drift_scores"),
        }
    }

    /// All rules, by name: the defaults, and instead of those what was stored; behind each those of single models.
    pub(super) fn rules(&self) -> Result<Vec<AlertRule>> {
        let place = |rule: AlertRule| ((rule.name.clone(), rule.model.clone()), rule);
        let mut rules: BTreeMap<_, AlertRule> = AlertConfig::default().rules().into_iter().map(place).collect();
        rules.extend(self.rules.walk(|scan| scan)?.into_iter().map(|row| place(row.value)));
        Ok(rules.into_values().collect())
    }

    pub(super) fn silences(&self) -> Result<Vec<Silence>> {
        Ok(self.silences.walk(|scan| scan)?.into_iter().map(|row| row.value).collect())
    }

    /// The number of the newest alert; 0 when there is none.
    pub(super) fn last_alert(&self) -> Result<u64> {
        let newest = self.alerts.walk(|scan| scan.reverse().limit(1))?;
        Ok(newest.first().map_or(0, |row| row.value.id))
    }

    /// Adds alerts to a batch, which fails with `Conflict` where somebody else has added some meanwhile: so numbers rise by
    /// one in the order of commits, and who has read up to one has missed none. The oldest go.
    pub(super) fn record(&self, mut batch: Batch, alerts: &[Alert]) -> Result<Batch> {
        let collection = self.alerts.collection()?;
        if let Some(first) = alerts.first() {
            once(&batch, &collection, &Key::from(first.id))?;
            batch = batch.require(&collection, first.id, Precondition::Absent);
        }
        for alert in alerts {
            batch = self.alerts.put_in(batch, alert.id, alert)?;
            if let Some(old) = alert.id.checked_sub(KEPT_ALERTS) {
                batch = batch.delete(&collection, old);
            }
        }
        Ok(batch)
    }

    /// Adds what is remembered of a rule and a subject to a batch, which fails with `Conflict` where it has changed since
    /// it was read at `lsn`.
    pub(super) fn remember(&self, batch: Batch, key: &str, watch: &Watch, lsn: Option<Lsn>) -> Result<Batch> {
        let collection = self.watches.collection()?;
        once(&batch, &collection, &Key::from(key))?;
        let batch = batch.require(&collection, key, lsn.map_or(Precondition::Absent, Precondition::AtLsn));
        self.watches.put_in(batch, key, watch)
    }
}

/// Refuses a batch that has observations already: those that are added later do not see what the earlier change.
fn once(batch: &Batch, collection: &crate::database::collection::Collection, key: &Key) -> Result<()> {
    if batch.requires(collection, key)? {
        return Err(Error::invalid("the batch has observations already")
            .mend("give all observations of a batch in one call of observe_in"));
    }
    Ok(())
}
