//! A thread that ticks, for those who ask for one.

use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};

use super::Pipeline;
use super::tick::PipelineTick;
use crate::database::handle::WeakDatabase;
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
    /// Starts a thread that ticks at once, then as often as the configuration says (`monitoring.check_interval`), and at least
    /// every minute, by the clock of the store. No thread is started unless this is called.
    pub fn start(&self) -> Result<PipelineThread> {
        let (store, model) = (self.db.downgrade(), self.model.clone());
        let wait = self.config()?.monitoring.check_interval.min(MOST);
        let (stop, stopped) = bounded::<()>(1);
        let run = move || {
            loop {
                if !go_on(&store, &model) || stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
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

/// Does what is due; false where there is nothing to watch any more.
fn go_on(store: &WeakDatabase, model: &str) -> bool {
    match tick(store, model) {
        Ok(tick) => {
            for finding in tick.findings {
                tracing::warn!(model, %finding, "a pipeline could not do all that was due");
            }
            true
        }
        Err(error) if matches!(error.kind(), ErrorKind::Closed | ErrorKind::NotFound) => false,
        Err(error) => {
            tracing::warn!(model, %error, "a pipeline could not do what was due");
            true
        }
    }
}

fn tick(store: &WeakDatabase, model: &str) -> Result<PipelineTick> {
    let db = store.upgrade()?;
    let pipeline = Pipeline { db: db.clone(), model: model.to_owned() };
    let tick = pipeline.watch(db.now())?;
    if let Some(number) = pipeline.look_at_trigger()?
        && let Some(job) = db.retraining().begin(model, number)?
    {
        let store = store.clone();
        let train = move || finish(&store, &job);
        Builder::new().name("driftline-train".into()).spawn(train).map_err(not_started)?;
    }
    Ok(tick)
}

/// Trains, and writes down what came of it where the store is still open.
fn finish(store: &WeakDatabase, job: &Job) {
    let outcome = job.train();
    if let Err(error) = store.upgrade().and_then(|db| db.retraining().finish(job, outcome)) {
        tracing::warn!(model = %job.event.model, run = job.event.number, %error, "what training came to could not be written down");
    }
}
