//! Which versions are watched: those that serve.

use std::collections::BTreeSet;

use super::Pipeline;
use crate::database::handle::Database;
use crate::error::Result;
use crate::mlops::alerts::{Incident, model_of};
use crate::mlops::experiments::Experiment;
use crate::mlops::model::ModelId;
use crate::mlops::performance::Monitor;
use crate::mlops::registry::PRODUCTION;

/// The metric of a version that its predictions are held against.
const ACCURACY: &str = "accuracy";

impl Pipeline {
    /// The version in production.
    pub(super) fn production(&self) -> Result<Option<String>> {
        Ok(self.db.model(&self.model)?.alias(PRODUCTION)?.and_then(|alias| alias.version))
    }

    /// The versions that serve: that in production, and those of experiments that run or are paused; where nothing is in
    /// production, all that have predictions.
    pub(super) fn serving(&self) -> Result<BTreeSet<ModelId>> {
        let mut versions = BTreeSet::new();
        let production = self.production()?;
        let in_experiments = self.experiments()?.into_iter().flat_map(|it| [it.config.version_a, it.config.version_b]);
        for version in in_experiments.chain(production.clone()) {
            versions.insert(ModelId::new(&*self.model, version)?);
        }
        if production.is_none() {
            let monitored = self.db.monitored_models()?;
            let named = monitored.iter().filter_map(|model| model.parse::<ModelId>().ok());
            versions.extend(named.filter(|id| id.name() == self.model));
        }
        Ok(versions)
    }

    /// The versions that serve, and those about which an incident lasts.
    pub(super) fn watched(&self) -> Result<BTreeSet<ModelId>> {
        let mut versions = self.serving()?;
        versions.extend(self.incidents()?.into_iter().map(|(version, _)| version));
        Ok(versions)
    }

    /// The experiments of the model that run or are paused.
    pub(super) fn experiments(&self) -> Result<Vec<Experiment>> {
        let mut experiments = self.db.experiments().list()?;
        experiments.retain(|it| it.config.model == self.model && it.lasts());
        Ok(experiments)
    }

    /// The incidents of the model that last, each with the version it is about.
    pub(super) fn incidents(&self) -> Result<Vec<(ModelId, Incident)>> {
        let mut found = Vec::new();
        for incident in self.db.alerts().incidents()? {
            if incident.is_open()
                && model_of(&incident.subject) == Some(&*self.model)
                && let Some(version) = about(&self.db, &incident.subject)?
            {
                found.push((version, incident));
            }
        }
        Ok(found)
    }

    /// Has the monitors of the versions that serve work as the configuration says, and know what is normal.
    pub(super) fn prepare(&self) -> Result<()> {
        self.serving()?.iter().try_for_each(|version| self.prepare_version(version))
    }

    /// The same for one version. A first baseline changes none, so it may be given in every mode.
    pub(super) fn prepare_version(&self, version: &ModelId) -> Result<()> {
        let monitor = self.db.monitor(version);
        let known = monitor.settings()?;
        let settings = self.config()?.monitor_settings(known.clone());
        if settings != known {
            monitor.store_settings(&settings)?;
        }
        if monitor.baseline()?.is_none()
            && let Some(accuracy) = self.registered_accuracy(version)?
        {
            monitor.first_baseline(accuracy, "the accuracy it was registered with")?;
        }
        Ok(())
    }

    pub(super) fn registered_accuracy(&self, version: &ModelId) -> Result<Option<f64>> {
        let registered = self.db.model(version.name())?.find(version.version())?;
        let accuracy = registered.and_then(|it| it.metrics.get(ACCURACY).copied());
        Ok(accuracy.filter(|accuracy| (0.0..=1.0).contains(accuracy)))
    }

    /// The monitors of the versions that are watched.
    pub(super) fn monitors(&self) -> Result<Vec<Monitor>> {
        Ok(self.watched()?.iter().map(|version| self.db.monitor(version)).collect())
    }
}

/// The version that a subject names, or that it is a part of. Parts are written behind a `/`, which versions may have as
/// well: the longest that is known is meant, and where none is, what stands before the first `/`.
pub(super) fn about(db: &Database, subject: &str) -> Result<Option<ModelId>> {
    let Some((name, mut version)) = subject.split_once('@') else { return Ok(None) };
    while let Some((whole, _)) = version.rsplit_once('/') {
        if let Ok(id) = ModelId::new(name, version)
            && is_known(db, &id)?
        {
            return Ok(Some(id));
        }
        version = whole;
    }
    Ok(ModelId::new(name, version).ok())
}

/// Whether a version was registered, or has a monitor.
fn is_known(db: &Database, version: &ModelId) -> Result<bool> {
    Ok(db.model(version.name())?.find(version.version())?.is_some()
        || db.monitored_models()?.contains(&version.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlops::performance::PredictionRecord;
    use crate::mlops::registry::NewVersion;

    #[test]
    fn subjects_name_versions_and_parts_of_them() {
        let db = Database::in_memory().unwrap();
        let named = |subject: &str| about(&db, subject).unwrap().map(|id| id.to_string());
        assert_eq!(named("org/ranker@2").as_deref(), Some("org/ranker@2"));
        assert_eq!(named("ranker@2/price/eu").as_deref(), Some("ranker@2"));
        assert_eq!((named("docs"), named("ranker@"), named("@2")), (None, None, None));
        assert_eq!(named(&format!("ranker@2/{}", "x".repeat(200))).as_deref(), Some("ranker@2"));
    }

    #[test]
    fn versions_that_are_known_may_have_a_slash() {
        let db = Database::in_memory().unwrap();
        db.model("ranker").unwrap().register(NewVersion::new("release/2"), &b"it"[..]).unwrap();
        let monitored = ModelId::new("ranker", "main/3/hot").unwrap();
        db.monitor(&monitored).record_prediction(PredictionRecord::new("yes")).unwrap();
        let named = |subject: &str| about(&db, subject).unwrap().map(|id| id.to_string());
        for (subject, wanted) in [
            ("ranker@release/2", "ranker@release/2"),
            ("ranker@release/2/price/eu", "ranker@release/2"),
            ("ranker@main/3/hot/eu", "ranker@main/3/hot"),
            ("ranker@release/4", "ranker@release"),
            ("other@release/2", "other@release"),
        ] {
            assert_eq!(named(subject).as_deref(), Some(wanted), "{subject}");
        }
    }
}
