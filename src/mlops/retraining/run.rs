//! Runs: they begin, train, and end, and are known to have been cut off where the process went.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, caught};
use crate::mlops::change::Change;
use crate::mlops::retraining::event::{RetrainEvent, RetrainState};
use crate::mlops::retraining::{Hooks, Look, Retraining, Trainer};

/// A run that has begun in this process. It holds no store, so training need not keep one open.
pub(crate) struct Job {
    pub(crate) event: RetrainEvent,
    trainer: Trainer,
    _running: Running,
}

/// That a run of a model is under way in this process.
struct Running {
    hooks: Arc<Hooks>,
    model: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hooks.running.lock().remove(&self.model);
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("event", &self.event).finish_non_exhaustive()
    }
}

impl Job {
    /// Has the handler train; a panic of it is a failure like any other.
    pub(crate) fn train(&self) -> Result<String> {
        caught(|| (self.trainer)(&self.event)).unwrap_or_else(|why| {
            Err(Error::new(ErrorKind::Internal, format!("the handler cannot train: {why}"))
                .mend("see what it does with this model"))
        })
    }
}

impl Retraining {
    /// Begins a run that was approved. None where nobody trains the model in this process, so that the run stays approved for
    /// whoever registers; and where a run of it is under way.
    pub(crate) fn begin(&self, model: &str, number: u64) -> Result<Option<Job>> {
        let Some(trainer) = self.hooks.trainers.lock().get(model).cloned() else { return Ok(None) };
        {
            let mut running = self.hooks.running.lock();
            if running.contains_key(model) {
                return Ok(None);
            }
            running.insert(model.to_owned(), number);
        }
        let running = Running { hooks: Arc::clone(&self.hooks), model: model.to_owned() };
        let event =
            self.step(model, number, "begin", &[RetrainState::Approved], &Change::default(), |event, now| {
                event.state = RetrainState::Running;
                event.started_at = Some(now);
            })?;
        Ok(Some(Job { event, trainer, _running: running }))
    }

    /// Writes down what came of a run.
    pub(crate) fn finish(&self, job: &Job, outcome: Result<String>) -> Result<RetrainEvent> {
        let (state, action, told) = match outcome {
            Ok(told) => (RetrainState::Done, "finish", told),
            Err(error) => (RetrainState::Failed, "fail", error.to_string()),
        };
        let RetrainEvent { model, number, .. } = &job.event;
        self.step(model, *number, action, &[RetrainState::Running], &Change::default(), |event, now| {
            event.state = state;
            event.finished_at = Some(now);
            event.outcome = Some(told.clone());
        })
    }

    /// Begins a run that was approved, trains on this thread, and writes down what came of it.
    pub(super) fn run(&self, model: &str, number: u64) -> Result<RetrainEvent> {
        match self.begin(model, number)? {
            Some(job) => self.finish(&job, job.train()),
            None => self.event(model, number),
        }
    }

    /// Ends a run that stands as running and is not: the process that had begun it is gone.
    pub(super) fn end_if_cut_off(&self, event: &RetrainEvent) -> Result<Look> {
        if self.hooks.running.lock().contains_key(&event.model) {
            return Ok(Look::Nothing);
        }
        let (model, number, change) = (&event.model, event.number, Change::default());
        let ended = self.step(model, number, "fail", &[RetrainState::Running], &change, |event, now| {
            event.state = RetrainState::Failed;
            event.finished_at = Some(now);
            event.outcome = Some("cut off: the process that ran it ended".to_owned());
        });
        match ended {
            Ok(event) => Ok(Look::Changed(event)),
            // It came to its end after it was looked up.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Look::Nothing),
            Err(error) => Err(error),
        }
    }
}
