//! The write gate: what may be changed in the mode that a store is in.
//!
//! The mode is a record in a system collection, so it is what it was after a crash; what is entered for a while stands in
//! memory only, so a crash leaves no store in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;

/// What a store is used for at the moment, which decides what may be changed in it. Records and logs may be written in
/// every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Models serve: versions, aliases, indexes and baselines stay as they are, but for rolling an alias back.
    Inference,
    /// Models are made: everything may be changed.
    Training,
    /// The store is looked after: everything may be changed.
    Maintenance,
}

impl Mode {
    /// Its name: `inference`, `training` or `maintenance`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Inference => "inference",
            Mode::Training => "training",
            Mode::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Mode> {
        let modes = [Mode::Inference, Mode::Training, Mode::Maintenance];
        modes.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            Error::invalid(format!("{text:?} is no mode")).mend("use inference, training or maintenance")
        })
    }
}

/// What the gate protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protected {
    Models,
    Indexes,
    Baselines,
}

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protected::Models => "models",
            Protected::Indexes => "indexes",
            Protected::Baselines => "baselines",
        })
    }
}

/// The mode that was entered for a while, and how many hold it.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    mode: Option<Mode>,
    holders: u64,
}

impl Gate {
    /// The mode that is held, if one is.
    pub(crate) fn held(&self) -> Option<Mode> {
        self.0.lock().mode
    }

    /// Holds a mode. Fails with `Busy` while another one is held.
    pub(crate) fn hold(&self, mode: Mode) -> Result<()> {
        let mut held = self.0.lock();
        match held.mode {
            Some(other) if other != mode => {
                Err(Error::new(ErrorKind::Busy, format!("the store is held in {other} mode"))
                    .mend("wait until those who hold it are done"))
            }
            _ => {
                held.mode = Some(mode);
                held.holders += 1;
                Ok(())
            }
        }
    }

    /// Lets go; true when nobody holds the mode any more.
    pub(crate) fn release(&self) -> bool {
        let mut held = self.0.lock();
        held.holders = held.holders.saturating_sub(1);
        if held.holders == 0 {
            held.mode = None;
        }
        held.holders == 0
    }
}
