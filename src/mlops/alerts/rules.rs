//! Which rules there are, and which of them hold.

use std::collections::BTreeMap;

use super::Alerts;
use super::config::AlertConfig;
use super::incident::Incident;
use super::records::{Records, rule_key};
use super::rule::{AlertRule, Route};
use super::severity::{Action, Severity};
use crate::database::batch::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::suggest;

impl Alerts {
    /// All rules, by name: the defaults of [`AlertConfig`], and instead of those what was stored; behind each those of
    /// single models.
    pub fn rules(&self) -> Result<Vec<AlertRule>> {
        self.records().rules()
    }

    /// The rules that hold for the versions of a model, one of each name: its own, and else the store's.
    pub fn rules_of(&self, model: &str) -> Result<Vec<AlertRule>> {
        Ok(holding(&self.rules()?, Some(model)).into_iter().cloned().collect())
    }

    /// Stores a rule, instead of the one of its name, or of its name and model. An incident that lasts is judged by it from
    /// the next observation on; where no rule judges it any more, because this one is disabled or is for others, it ends.
    pub fn set_rule(&self, rule: &AlertRule) -> Result<()> {
        self.set_rules(std::slice::from_ref(rule))
    }

    /// Stores the rules that a configuration stands for, instead of those of their names. Models that have rules of their
    /// own keep them.
    pub fn configure(&self, config: &AlertConfig) -> Result<()> {
        self.set_rules(&config.rules())
    }

    /// The same for the versions of one model.
    pub fn configure_model(&self, model: &str, config: &AlertConfig) -> Result<()> {
        let rules: Vec<AlertRule> = config.rules().into_iter().map(|rule| rule.of_model(model)).collect();
        self.set_rules(&rules)
    }

    /// Stores rules, all or none. What lasts and is judged by none of them any more ends.
    pub fn set_rules(&self, rules: &[AlertRule]) -> Result<()> {
        self.retried(|records| {
            let batch = put_in(self.db.batch(), records, rules)?;
            Ok((self.end_unjudged_in(batch, replaced(records.rules()?, rules))?, ()))
        })
    }

    /// Has a batch end the incidents that none of these rules judges: nothing would ever be told of them.
    fn end_unjudged_in(&self, batch: Batch, rules: Vec<AlertRule>) -> Result<Batch> {
        let judges =
            |rule: &AlertRule, it: &Incident| rule.name == it.alert_type && rule.concerns(&it.subject, &it.metric);
        let unjudged = |it: &Incident| !holding(&rules, model_of(&it.subject)).into_iter().any(|rule| judges(rule, it));
        self.end_in(batch, unjudged, |it| format!("no rule judges {} of {} any more", it.metric, it.subject))
    }

    /// Has rules hold for a model, in a batch that does more. It needs none of its own where the store's is the same.
    pub(crate) fn set_model_rules_in(&self, batch: Batch, model: &str, rules: Vec<AlertRule>) -> Result<Batch> {
        let (records, mut all) = (self.records(), self.rules()?);
        let store = holding(&all, None);
        let (shared, own): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| store.contains(&rule));
        let own: Vec<AlertRule> = own.into_iter().map(|rule| rule.of_model(model)).collect();
        let mut batch = put_in(batch, &records, &own)?;
        for rule in &shared {
            let key = rule_key(&rule.name, Some(model));
            if records.rules.get(key.as_str())?.is_some() {
                batch = batch.delete(&records.rules.collection()?, key);
            }
        }
        all.retain(|known| known.model.as_deref() != Some(model) || shared.iter().all(|rule| rule.name != known.name));
        self.end_unjudged_in(batch, replaced(all, &own))
    }

    /// Removes a stored rule; one of the defaults is then as it was. To switch a default off, store it
    /// [disabled](AlertRule::disabled). Fails with `NotFound` when none of this name is stored.
    pub fn remove_rule(&self, name: &str) -> Result<()> {
        self.remove(name, None)
    }

    /// Removes a rule of a model: the store's rule of that name holds for it again. Fails with `NotFound` when there is none.
    pub fn remove_rule_of(&self, model: &str, name: &str) -> Result<()> {
        self.remove(name, Some(model))
    }

    fn remove(&self, name: &str, model: Option<&str>) -> Result<()> {
        let (table, key) = (self.records().rules, rule_key(name, model));
        if table.get(key.as_str())?.is_some() {
            return self.retried(|records| {
                let batch = self.db.batch().delete(&table.collection()?, key.as_str());
                Ok((self.end_unjudged_in(batch, without(records.rules()?, name, model))?, ()))
            });
        }
        let stored = table.walk(|scan| scan)?.into_iter().filter(|row| row.value.model.as_deref() == model);
        let stored: Vec<String> = stored.map(|row| row.value.name).collect();
        let of = model.map(|model| format!(" of model `{model}`")).unwrap_or_default();
        let error = Error::new(ErrorKind::NotFound, format!("no rule `{name}`{of} is stored"));
        Err(match suggest(name, stored.iter().map(String::as_str)) {
            Some(near) => error.mend(format!("did you mean `{near}`?")),
            None => error.mend("a default is switched off by storing it disabled"),
        })
    }

    /// Has alerts of a type ask for an action from a severity on: adds a route to the rules of that name, those of single
    /// models, too. Fails with `NotFound` when there is no such rule.
    pub fn on(&self, alert_type: &str, from: Severity, action: Action) -> Result<()> {
        let rules = self.rules()?;
        let (named, route) = (rules.iter().filter(|rule| rule.name == alert_type), Route { from, action });
        if named.clone().next().is_none() {
            let error = Error::new(ErrorKind::NotFound, format!("there is no rule `{alert_type}`"));
            return Err(match suggest(alert_type, rules.iter().map(|rule| rule.name.as_str())) {
                Some(near) => error.mend(format!("did you mean `{near}`?")),
                None => error.mend("store the rule first"),
            });
        }
        let without = named.filter(|rule| !rule.actions.contains(&route));
        self.set_rules(&without.map(|rule| rule.clone().action(from, action)).collect::<Vec<_>>())
    }
}

/// Adds rules to a batch, once all of them are found to be sound.
fn put_in(batch: Batch, records: &Records, rules: &[AlertRule]) -> Result<Batch> {
    rules.iter().try_for_each(AlertRule::check)?;
    rules.iter().try_fold(batch, |batch, rule| {
        records.rules.put_in(batch, rule_key(&rule.name, rule.model.as_deref()).as_str(), rule)
    })
}

/// All rules, once some are stored instead of those of their names and models.
fn replaced(mut all: Vec<AlertRule>, rules: &[AlertRule]) -> Vec<AlertRule> {
    all.retain(|known| rules.iter().all(|rule| (&rule.name, &rule.model) != (&known.name, &known.model)));
    all.extend_from_slice(rules);
    all
}

/// All rules, once one that is stored is gone: where it stood for a default, that is back.
fn without(mut all: Vec<AlertRule>, name: &str, model: Option<&str>) -> Vec<AlertRule> {
    all.retain(|rule| rule.name != name || rule.model.as_deref() != model);
    all.extend(AlertConfig::default().rules().into_iter().filter(|rule| rule.name == name && model.is_none()));
    all
}

/// The rules that hold for a model, or for what belongs to none: of each name its own, else the store's.
pub(super) fn holding<'a>(rules: &'a [AlertRule], model: Option<&str>) -> Vec<&'a AlertRule> {
    let mut holding: BTreeMap<&str, &AlertRule> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.model.is_none() || rule.model.as_deref() == model) {
        let known = holding.entry(&rule.name).or_insert(rule);
        if rule.model.is_some() {
            *known = rule;
        }
    }
    holding.into_values().collect()
}

/// The model that a subject is about, if it is about a version of one.
pub(in crate::mlops) fn model_of(subject: &str) -> Option<&str> {
    subject.split_once('@').map(|(model, _)| model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_its_own_rule_or_that_of_the_store() {
        let rule = |name: &str, model: Option<&str>| AlertRule {
            model: model.map(str::to_owned),
            ..AlertRule::new(name, "latency_ms")
        };
        let rules = [rule("slow", None), rule("slow", Some("a")), rule("slow", Some("b")), rule("own", Some("b"))];
        let told = |model| {
            let of = |rule: &AlertRule| format!("{} {}", rule.name, rule.model.as_deref().unwrap_or("*"));
            holding(&rules, model).into_iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(told(None), ["slow *"]);
        assert_eq!((told(Some("a")), told(Some("c"))), (vec!["slow a".to_owned()], vec!["slow *".to_owned()]));
        assert_eq!(told(Some("b")), ["own b", "slow b"]);
        assert_eq!((model_of("org/a@1/price"), model_of("docs")), (Some("org/a"), None));
    }
}
