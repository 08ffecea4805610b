//! Who trains: closures, and commands.

use std::process::Command;

use crate::error::{Error, ErrorKind, Result};
use crate::mlops::retraining::event::RetrainEvent;

/// A command that trains a model: it succeeds when its exit status is 0.
///
/// It gets the variables `DRIFTLINE_MODEL`, `DRIFTLINE_RUN` and `DRIFTLINE_REASON`, and otherwise the environment, the
/// directory and the streams of this process. Nothing is read by a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrainCommand {
    program: String,
    arguments: Vec<String>,
}

impl RetrainCommand {
    /// A program with its arguments.
    pub fn new(program: impl Into<String>, arguments: impl IntoIterator<Item = impl Into<String>>) -> RetrainCommand {
        RetrainCommand { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    pub(crate) fn run(&self, event: &RetrainEvent) -> Result<String> {
        let reasons: Vec<&str> = event.reasons.iter().map(|reason| &*reason.text).collect();
        let status = Command::new(&self.program)
            .args(&self.arguments)
            .env("DRIFTLINE_MODEL", &event.model)
            .env("DRIFTLINE_RUN", event.number.to_string())
            .env("DRIFTLINE_REASON", reasons.join("; "))
            .status()
            .map_err(|error| Error::io("start the training command", &*self.program, error))?;
        if status.success() {
            return Ok(status.to_string());
        }
        Err(Error::new(ErrorKind::Io, format!("the training command ended with {status}")).at(&*self.program))
    }
}
