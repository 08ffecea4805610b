//! What stands on the database takes part in the history.

use driftline::{Database, ErrorKind};

use super::super::typed::{Act, Heard, Typed, use_cache};
use super::{EXPECTED_OPEN, Run};

/// What is known of it, and what it may be where a call did not say how it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) certain: Typed,
    unsure: Vec<Typed>,
    /// What a handler of alerts was told, which no crash takes back.
    heard: Heard,
}

impl Run {
    pub(super) fn act(&mut self) {
        let act = Act::any(&mut self.random);
        self.note(|| format!("{act:?}"));
        let mut path = self.typed.certain.path(self.db(), act);
        let db = self.db.as_ref().expect(EXPECTED_OPEN);
        match self.typed.certain.perform(db, act, &mut self.typed.heard) {
            Ok(()) => self.typed.certain = path.pop().unwrap_or(self.typed.certain.clone()),
            Err(error) => {
                if error.kind() == ErrorKind::OutcomeUnknown || self.is_off() {
                    self.typed.unsure.extend(path);
                } else if act.goes_on_reading() && self.typed.unsure.is_empty() {
                    // Where something is unsure, the store takes no more writes until it is reopened.
                    self.stopped_on(&path);
                }
                self.tolerate(&error);
            }
        }
    }

    /// An act that reads between its batches and after them failed: those before that are there.
    fn stopped_on(&mut self, path: &[Typed]) {
        let found = Typed::of(self.db()).expect("reading goes on");
        let certain = &self.typed.certain;
        assert!(found == *certain || path.contains(&found), "{found:?} is not on the way from {certain:?}: {path:?}");
        self.typed.certain = found;
    }

    pub(super) fn use_cache(&mut self) {
        let name = self.random.below(4);
        self.note(|| format!("cache {name}"));
        if let Err(error) = use_cache(self.db(), name) {
            self.tolerate(&error);
        }
    }

    /// The store holds what is known, or beside it what was under way when a call failed.
    pub(super) fn check_typed(&self, db: &Database) -> Typed {
        let found = Typed::of(db).expect("what stands on a store that opens can be read");
        let Known { certain, unsure, heard } = &self.typed;
        assert!(found == *certain || unsure.contains(&found), "{found:?} of {certain:?} or {unsure:?}");
        heard.check(db).expect("what stands on a store that opens can be read");
        found
    }

    /// What was found is what is known from now on.
    pub(super) fn adopt_typed(&mut self, db: &Database) {
        self.typed.certain = self.check_typed(db);
        self.typed.unsure.clear();
    }
}
