//! A thread that ticks, for those who ask for one.

use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};

use super::finding::{Concern, Finding, step};
use super::{Pipeline, stored};
use crate::database::handle::{Database, WeakDatabase};
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::retraining::Job;

/// A thread looks at least so often.
const MOST: Duration = Duration::from_secs(60);

/// A thread that does what is due for a model; it stops when this is dropped.
///
/// It does not keep the store open, and ends when that closes. A run of training has a thread of its own, so one that hangs
/// keeps nothing from being watched; it goes on when this is dropped, and is known as cut off where the store is closed
/// before it ends.
#[derive(Debug)]
#[must_use = "the thread stops when this is dropped"]
pub struct PipelineThread {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts a thread that ticks at once, then as often as the configuration says (`monitoring.check_interval`, also when
    /// that is changed), and at least every minute, by the clock of the store. It ends when the store closes or the pipeline
    /// is removed. No thread is started unless this is called.
    pub fn start(&self) -> Result<PipelineThread> {
        self.stored()?;
        let (store, model) = (self.db.downgrade(), self.model.clone());
        let (stop, stopped) = bounded::<()>(1);
        let run = move || {
            while let Some(wait) = go_on(&store, &model) {
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = Builder::new().name("driftline-pipeline".into()).spawn(run).map_err(not_started)?;
        Ok(PipelineThread { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for PipelineThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed already, and there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

fn not_started(error: std::io::Error) -> Error {
    Error::io("start a thread for a pipeline", "driftline-pipeline", error)
}

/// Does what is due, and tells how long to wait then; none where there is nothing to watch any more.
fn go_on(store: &WeakDatabase, model: &str) -> Option<Duration> {
    let watched = store.upgrade().and_then(|db| Ok((stored::table(&db).get(model)?, db)));
    let (config, db) = match watched {
        Ok((Some(row), db)) => (row.value.config, db),
        Ok((None, _)) => return None,
        Err(error) if error.kind() == ErrorKind::Closed => return None,
        Err(error) => {
            tracing::warn!(model, %error, "what a pipeline was set up with could not be read");
            return Some(MOST);
        }
    };
    match tick(&db, model) {
        Ok(findings) => {
            for finding in findings {
                tracing::warn!(model, %finding, "a pipeline could not do all that was due");
            }
        }
        Err(error) if error.kind() == ErrorKind::Closed => return None,
        Err(error) => tracing::warn!(model, %error, "a pipeline could not do what was due"),
    }
    Some(config.monitoring.check_interval.min(MOST))
}

/// Does what is due, and has training begin on a thread of its own; gives what could not be done.
fn tick(db: &Database, model: &str) -> Result<Vec<Finding>> {
    let pipeline = Pipeline { db: db.clone(), model: model.to_owned() };
    let mut findings = pipeline.watch(db.now())?.findings;
    let (due, failure) = step(&mut findings, Concern::Retraining, || pipeline.look_at_trigger())?;
    findings.extend(failure.map(|error| Finding::new(Concern::Retraining, error.to_string())));
    let job = step(&mut findings, Concern::Retraining, || match due {
        Some(number) => db.retraining().begin(model, number),
        None => Ok(None),
    })?;
    if let Some(job) = job {
        let store = db.downgrade();
        let train = move || finish(&store, &job);
        Builder::new().name("driftline-train".into()).spawn(train).map_err(not_started)?;
    }
    Ok(findings)
}

/// Trains, and writes down what came of it where the store is still open.
fn finish(store: &WeakDatabase, job: &Job) {
    let outcome = job.train();
    if let Err(error) = store.upgrade().and_then(|db| db.retraining().finish(job, outcome)) {
        tracing::warn!(model = %job.event.model, run = job.event.number, %error, "what training came to could not be written down");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlops::change::Change;
    use crate::mlops::config::Config;

    fn watched(change: impl FnOnce(&mut Config)) -> (Database, Pipeline) {
        let db = Database::in_memory().unwrap();
        let mut config = Config::default();
        change(&mut config);
        let pipeline = Pipeline::from_config(&db, &config, "ranker").unwrap();
        (db, pipeline)
    }

    #[test]
    fn it_goes_on_where_samples_are_not_there_yet_and_says_so() {
        let (db, _) = watched(|config| config.retraining.samples_in = Some("labelled".into()));
        let findings = tick(&db, "ranker").unwrap();
        assert!(findings.len() == 1 && findings[0].concern == Concern::Retraining, "{findings:?}");
        assert!(findings[0].message.contains("labelled"), "{findings:?}");
        assert!(go_on(&db.downgrade(), "ranker").is_some());
    }

    #[cfg(feature = "watch")]
    #[test]
    fn it_goes_on_where_new_data_cannot_be_looked_for() {
        let directories = tempfile::tempdir().unwrap();
        let file = tempfile::NamedTempFile::new_in(&directories).unwrap();
        for missing in [directories.path().join("none"), file.path().to_owned()] {
            let (db, pipeline) = watched(|config| {
                config.retraining.data_directories = vec![missing.display().to_string()];
            });
            for findings in [tick(&db, "ranker").unwrap(), pipeline.tick(db.now()).unwrap().findings] {
                assert!(findings.len() == 1 && findings[0].message.contains("look for new data"), "{findings:?}");
            }
            assert!(go_on(&db.downgrade(), "ranker").is_some());
        }
    }

    #[test]
    fn it_waits_as_long_as_the_configuration_says_by_now_and_ends_with_the_pipeline() {
        let (db, pipeline) = watched(|_| {});
        let store = db.downgrade();
        assert_eq!(go_on(&store, "ranker"), Some(MOST));
        let mut config = Config::default();
        config.monitoring.check_interval = Duration::from_secs(5);
        Pipeline::from_config(&db, &config, "ranker").unwrap();
        assert_eq!(go_on(&store, "ranker"), Some(Duration::from_secs(5)));
        pipeline.remove(Change::by("kim")).unwrap();
        assert_eq!(go_on(&store, "ranker"), None);
        let (db, _) = watched(|_| {});
        let store = db.downgrade();
        drop(db);
        assert_eq!(go_on(&store, "ranker"), None);
    }
}
