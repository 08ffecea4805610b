//! `driftline bench`: measuring the engine. Outside harnesses drive it through `drive`.

mod drive;
mod request;

use std::io;

use crate::failure::Outcome;

/// Answers requests on stdin until it ends or says to quit.
pub(crate) fn drive() -> Outcome {
    drive::run(io::stdin().lock(), io::stdout().lock())?;
    Ok(())
}
