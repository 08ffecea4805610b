//! Which versions are watched: those that serve.

use std::collections::BTreeSet;

use super::Pipeline;
use crate::error::Result;
use crate::mlops::alerts::Incident;
use crate::mlops::experiments::{Experiment, ExperimentState};
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
            versions.extend(monitored.iter().filter_map(|model| about(model)).filter(|id| id.name() == self.model));
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
        let lasts = |state| matches!(state, ExperimentState::Running | ExperimentState::Paused);
        experiments.retain(|it| it.config.model == self.model && lasts(it.state));
        Ok(experiments)
    }

    /// The incidents of the model that last, each with the version it is about.
    pub(super) fn incidents(&self) -> Result<Vec<(ModelId, Incident)>> {
        let lasting = self.db.alerts().incidents()?.into_iter().filter(Incident::is_open);
        let with_version = lasting.filter_map(|it| Some((about(&it.subject)?, it)));
        Ok(with_version.filter(|(version, _)| version.name() == self.model).collect())
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

    fn registered_accuracy(&self, version: &ModelId) -> Result<Option<f64>> {
        let registered = self.db.model(version.name())?.find(version.version())?;
        let accuracy = registered.and_then(|it| it.metrics.get(ACCURACY).copied());
        Ok(accuracy.filter(|accuracy| (0.0..=1.0).contains(accuracy)))
    }

    /// The monitors of the versions that are watched.
    pub(super) fn monitors(&self) -> Result<Vec<Monitor>> {
        Ok(self.watched()?.iter().map(|version| self.db.monitor(version)).collect())
    }
}

/// The version that a subject names, or that it is a part of: parts are written behind a `/`.
pub(super) fn about(subject: &str) -> Option<ModelId> {
    let (name, version) = subject.split_once('@')?;
    let version = version.split_once('/').map_or(version, |(version, _)| version);
    ModelId::new(name, version).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_name_versions_and_parts_of_them() {
        let named = |subject| about(subject).map(|id| id.to_string());
        assert_eq!(named("org/ranker@2").as_deref(), Some("org/ranker@2"));
        assert_eq!(named("ranker@2/price").as_deref(), Some("ranker@2"));
        assert_eq!((named("docs"), named("ranker@"), named("@2")), (None, None, None));
    }
}
