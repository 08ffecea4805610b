//! How the program ends when it could not do what it was asked.

use std::io;
use std::process::ExitCode;

use driftline::{Error, ErrorKind};

/// What a command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The statement failed.
const FAILED: u8 = 1;
/// The command line makes no sense. clap uses the same.
const USAGE: u8 = 2;
/// The store cannot be opened, or is locked.
const CANNOT_OPEN: u8 = 3;
/// Damage was found.
const DAMAGED: u8 = 4;
/// Cancelled, as a shell says it.
pub(crate) const CANCELLED: u8 = 130;

/// An exit code, and what to say on stderr.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: u8,
    message: Option<String>,
}

impl Failure {
    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: USAGE, message: Some(message.into()) }
    }

    /// The store could not be opened.
    pub(crate) fn opening(error: &Error) -> Failure {
        let exit = if error.kind() == ErrorKind::Corrupt { DAMAGED } else { CANNOT_OPEN };
        Failure { exit, message: Some(told(error)) }
    }

    /// Damage was found and has been reported.
    pub(crate) fn damaged() -> Failure {
        Failure { exit: DAMAGED, message: None }
    }

    /// Something else went wrong.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure { exit: FAILED, message: Some(message.into()) }
    }

    /// Says it and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(message) = self.message {
            eprintln!("error: {message}");
        }
        ExitCode::from(self.exit)
    }
}

/// The message, which ends with the remedy where there is one, and the code that scripts can look for.
fn told(error: &Error) -> String {
    format!("{error} [{}]", error.code())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let exit = match error.kind() {
            ErrorKind::Corrupt => DAMAGED,
            ErrorKind::Cancelled => CANCELLED,
            _ => FAILED,
        };
        Failure { exit, message: Some(told(&error)) }
    }
}

/// Stdout could not be written. When its reader has gone, there is nobody to tell.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure { exit: 0, message: None },
            _ => Failure::failed(format!("could not write the answer: {error} [io]")),
        }
    }
}
