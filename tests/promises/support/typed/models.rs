//! Versions of a model, the alias that points to one of them, as its gate allows, and the mode of the store.

use driftline::mlops::{AuditRecord, Mode, Model, MoveKind, NewVersion};
use driftline::{Database, ErrorKind, Result};

use super::change;
use super::gates::Gates;

pub(super) const MODEL: &str = "ranker";
pub(super) const ALIAS: &str = "live";
/// The modes that a store is brought into, one after the other.
const MODES: [Mode; 3] = [Mode::Training, Mode::Inference, Mode::Maintenance];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Models {
    pub(super) versions: u64,
    /// Where the alias was moved to, and how.
    moves: Vec<(MoveKind, u64)>,
    /// Where it can be rolled back to, the latest last.
    behind: Vec<u64>,
    /// How often the mode was changed.
    modes: u64,
    gates: Gates,
}

impl Models {
    fn mode(&self) -> Mode {
        MODES[self.modes as usize % MODES.len()]
    }

    /// Models stay as they are while they serve.
    pub(super) fn are_serving(&self) -> bool {
        self.mode() == Mode::Inference
    }

    /// Where the alias goes next; to the first version only while there is no other.
    fn target(&self) -> u64 {
        (self.moves.len() as u64) % self.versions.max(1)
    }

    fn stands(&self) -> Option<u64> {
        self.moves.last().map(|(_, version)| *version)
    }

    pub(super) fn point(&mut self) {
        let target = self.target();
        if self.versions > 0 && self.gates.let_through(target) && self.stands() != Some(target) {
            self.behind.extend(self.stands());
            self.moves.push((MoveKind::Set, target));
        }
    }

    /// Back to where it pointed before, forgetting where it points.
    pub(super) fn roll_back(&mut self) {
        if let Some(version) = self.behind.pop() {
            self.moves.push((MoveKind::Rollback, version));
        }
    }

    pub(super) fn change_mode(&mut self) {
        self.modes += 1;
    }

    pub(super) fn set_gate(&mut self) {
        self.gates.set();
    }

    /// Somebody approves the version that the alias goes to next.
    pub(super) fn approve(&mut self) {
        if self.versions > 0 {
            self.gates.approve(self.target());
        }
    }

    pub(super) fn perform_register(&self, db: &Database) -> Result<()> {
        let number = self.versions.to_string();
        let version = NewVersion::new(&*number).metric("number", self.versions as f64);
        db.model(MODEL)?.register(version, number.as_bytes()).map(drop)
    }

    pub(super) fn perform_point(&self, db: &Database) -> Result<()> {
        if self.versions == 0 {
            return Ok(());
        }
        let moved = db.model(MODEL)?.set_alias(ALIAS, &self.target().to_string(), change());
        match (moved, self.gates.let_through(self.target())) {
            (Err(error), false) if error.kind() == ErrorKind::Invalid => Ok(()),
            (Ok(alias), false) => panic!("the gate does not let it through: {alias:?}"),
            (moved, _) => moved.map(drop),
        }
    }

    /// In every mode, as long as there is something behind.
    pub(super) fn perform_roll_back(&self, db: &Database) -> Result<()> {
        match (db.model(MODEL)?.rollback(ALIAS, change()), self.behind.last()) {
            (Err(error), None) if error.kind() == ErrorKind::NotFound => Ok(()),
            (Ok(alias), behind) => {
                assert_eq!(alias.version, behind.map(u64::to_string), "rolled back to something else");
                Ok(())
            }
            (Err(error), _) => Err(error),
        }
    }

    pub(super) fn perform_change_mode(&self, db: &Database) -> Result<()> {
        let mut after = self.clone();
        after.change_mode();
        db.modes().set(after.mode(), change())
    }

    pub(super) fn perform_set_gate(&self, db: &Database) -> Result<()> {
        self.gates.perform_set(db)
    }

    pub(super) fn perform_approve(&self, db: &Database) -> Result<()> {
        if self.versions == 0 {
            return Ok(());
        }
        self.gates.perform_approve(db, self.target())
    }

    /// What the store holds of it; `entries` is the audit log.
    pub(super) fn of(db: &Database, entries: &[AuditRecord]) -> Result<Models> {
        let model = db.model(MODEL)?;
        let versions = versions(&model)?;
        let moves = moves(&model, entries)?;
        let behind = model.alias(ALIAS)?.map(|alias| alias.behind).unwrap_or_default();
        let behind = behind.iter().map(|version| version.parse().unwrap()).collect();
        let modes = entries.iter().filter(|it| it.action == "mode.set").count() as u64;
        let gates = Gates::of(&model, versions, entries)?;
        let found = Models { versions, moves, behind, modes, gates };
        assert_eq!(db.modes().current()?, found.mode(), "the mode and the audit log are one");
        Ok(found)
    }
}

/// Versions, each of which has its artifact.
fn versions(model: &Model) -> Result<u64> {
    let versions = model.list()?;
    for number in 0..versions.len() {
        let number = number.to_string();
        assert_eq!(model.load(&number)?.read_all(100)?, number.as_bytes(), "a version has another artifact");
    }
    Ok(versions.len() as u64)
}

/// An alias stands where its history ends, and each of its moves has an entry in the audit log.
fn moves(model: &Model, entries: &[AuditRecord]) -> Result<Vec<(MoveKind, u64)>> {
    let history = model.history(ALIAS)?;
    let stands = model.alias(ALIAS)?.and_then(|alias| alias.version);
    assert_eq!(stands.as_ref(), history.last().and_then(|it| it.to.as_ref()), "an alias and its history are one");
    let entries = entries.iter().filter(|it| it.action.starts_with("alias.")).map(|it| it.action.as_str());
    let told = history.iter().map(|it| if it.kind == MoveKind::Set { "alias.set" } else { "alias.rollback" });
    assert!(entries.eq(told), "each move has its entry: {history:?}");
    Ok(history.iter().map(|it| (it.kind, it.to.as_ref().expect("never none").parse().unwrap())).collect())
}
