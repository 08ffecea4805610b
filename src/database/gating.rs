//! The mode that a store is in, and what it refuses.

use crate::database::engine::Engine;
use crate::database::gate::{Mode, Protected};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::payload::Value;

/// The collection of the mode's only record, its key, and the field of its payload that holds the mode (frozen).
pub(crate) const MODES: &str = "_mode";
pub(crate) const MODE_KEY: &str = "mode";
const MODE_FIELD: &str = "mode";

impl Engine {
    /// The mode that was set, whatever is held; none where none ever was.
    pub(crate) fn mode_set(&self) -> Result<Option<Mode>> {
        let current = self.current();
        let Ok(view) = current.view.by_name(MODES) else { return Ok(None) };
        view.check_usable()?;
        let record = view.get(&Key::from(MODE_KEY).encode(), self.moment(&current))?;
        let Some(record) = record else { return Ok(None) };
        let damaged = || Error::corrupt("the record of the store's mode names none", format!("collection {MODES}"));
        match record.payload.get(MODE_FIELD) {
            Some(Value::Text(mode)) => mode.parse().map(Some).map_err(|_| damaged()),
            _ => Err(damaged()),
        }
    }

    /// The mode the store is in: what is held, else what was set, else training.
    pub(crate) fn mode(&self) -> Result<Mode> {
        match self.gate.held() {
            Some(held) => Ok(held),
            None => Ok(self.mode_set()?.unwrap_or(Mode::Training)),
        }
    }

    /// Refuses to change what the mode protects.
    pub(crate) fn check_gate(&self, protected: Protected) -> Result<()> {
        match self.mode()? {
            Mode::Inference => Err(Error::new(
                ErrorKind::ReadOnly,
                format!("the store is in inference mode, in which {protected} stay as they are"),
            )
            .mend("enter training or maintenance mode first")),
            Mode::Training | Mode::Maintenance => Ok(()),
        }
    }
}
