//! Moving aliases: one batch for the alias, its history and the audit log.

use crate::clock::Timestamp;
use crate::database::batch::Batch;
use crate::database::gate::Protected;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::audit::AuditEntry;
use crate::mlops::change::Change;
use crate::mlops::modes;
use crate::mlops::registry::alias::{Alias, AliasMove, MoveKind};
use crate::mlops::registry::version::ModelVersion;
use crate::mlops::registry::{Model, PRODUCTION};

impl Model {
    /// Where an alias points; none when there never was one of that name.
    pub fn alias(&self, alias: &str) -> Result<Option<Alias>> {
        Ok(self.aliases.get(self.alias_key(alias))?.map(|row| row.value))
    }

    /// The aliases of the model, by name.
    pub fn aliases(&self) -> Result<Vec<Alias>> {
        Ok(self.aliases.prefix(self.alias_key(""))?.into_iter().map(|row| row.value).collect())
    }

    /// Points an alias to a version, making it if there is none.
    ///
    /// Fails with `NotFound` when there is no such version, with `Conflict` when the change expected the alias elsewhere,
    /// with `Invalid` when a gate of the alias does not let the version through, and with `ReadOnly` in inference mode. Pointing it where it points changes nothing.
    pub fn set_alias(&self, alias: &str, version: &str, change: Change) -> Result<Alias> {
        self.move_alias(alias, &change, |it| {
            self.db.check_gate(Protected::Models)?;
            let version = self.version(version)?;
            self.check_gate(alias, &version)?;
            Ok(it.set(version.version()))
        })
    }

    /// Takes an alias away. Its history stays, and it can be rolled back to.
    pub fn remove_alias(&self, alias: &str, change: Change) -> Result<Alias> {
        self.move_alias(alias, &change, |it| {
            self.db.check_gate(Protected::Models)?;
            Ok(it.remove())
        })
    }

    /// Points an alias to the version it pointed to before. Rolling back again goes further back, never forth: what was rolled
    /// back from is left behind. It can be done in every mode, and gates are not asked: it is the way out of trouble. Fails with `NotFound` when there is nothing to go back to.
    pub fn rollback(&self, alias: &str, change: Change) -> Result<Alias> {
        self.move_alias(alias, &change, |it| it.roll_back(|version| Ok(self.find(version)?.is_some())).map(Some))
    }

    /// The same, passing over versions that do not have the tag, such as `stable`.
    pub fn rollback_to_tagged(&self, alias: &str, tag: &str, change: Change) -> Result<Alias> {
        let fits = |version: &str| Ok(self.find(version)?.is_some_and(|it| it.tags.iter().any(|has| has == tag)));
        self.move_alias(alias, &change, |it| it.roll_back(fits).map(Some))
    }

    /// Points `production` to a version: the same as [`Model::set_alias`] with that alias.
    #[doc(alias = "activate")]
    pub fn promote_to_production(&self, version: &str, change: Change) -> Result<Alias> {
        self.set_alias(PRODUCTION, version, change)
    }

    /// The same in the other vocabulary.
    pub fn activate(&self, version: &str, change: Change) -> Result<Alias> {
        self.promote_to_production(version, change)
    }

    /// The version that `production` points to.
    #[doc(alias = "get_production_version")]
    pub fn production(&self) -> Result<Option<ModelVersion>> {
        let version = self.alias(PRODUCTION)?.and_then(|alias| alias.version);
        version.map(|version| self.version(&version)).transpose()
    }

    /// The moves of an alias, the first one first.
    pub fn history(&self, alias: &str) -> Result<Vec<AliasMove>> {
        Ok(self.moves.prefix(self.alias_key(alias) + "/")?.into_iter().map(|row| row.value).collect())
    }

    /// Where an alias pointed at that time.
    pub fn alias_at(&self, alias: &str, time: Timestamp) -> Result<Option<String>> {
        let moves = self.history(alias)?;
        Ok(moves.into_iter().take_while(|it| it.time <= time).last().and_then(|it| it.to))
    }

    fn move_alias(
        &self,
        alias: &str,
        change: &Change,
        apply: impl FnOnce(&mut Alias) -> Result<Option<MoveKind>>,
    ) -> Result<Alias> {
        let (mut moved, mut mode) = (None, None);
        let done = self.db.audit().commit_built(|db| {
            let (next, step) = self.move_in(db.batch(), alias, change, apply)?;
            let serves = alias == PRODUCTION && next.version.is_some();
            moved = Some(next);
            let Some((batch, entry)) = step else { return Ok(None) };
            if !serves {
                return Ok(Some((batch, vec![entry])));
            }
            let (batch, begun) = modes::begin_inference(db, batch, change)?;
            mode = begun.as_ref().map(|begun| (begun.from, begun.to));
            Ok(Some((batch, std::iter::once(entry).chain(begun.map(|begun| begun.entry)).collect())))
        });
        done.map_err(|error| error.at(format!("alias {alias} of model {}", self.name)))?;
        if let Some((from, to)) = mode {
            self.db.modes().tell(from, to);
        }
        moved.ok_or_else(|| Error::internal("an alias was moved and is not there"))
    }

    /// What rolling an alias back would commit, for a batch that does more: to the latest earlier version that has the tag,
    /// or to the one before where none has it.
    pub(crate) fn rollback_in(
        &self,
        batch: Batch,
        alias: &str,
        tag: &str,
        change: &Change,
    ) -> Result<(Batch, Alias, AuditEntry)> {
        let has_tag = |version: &str| Ok(self.find(version)?.is_some_and(|it| it.tags.iter().any(|has| has == tag)));
        let (alias, step) = self.move_in(batch, alias, change, |it| {
            let mut tagged = it.clone();
            match tagged.roll_back(has_tag) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    it.roll_back(|version| Ok(self.find(version)?.is_some())).map(Some)
                }
                other => {
                    *it = tagged;
                    other.map(Some)
                }
            }
        })?;
        let (batch, entry) = step.ok_or_else(|| Error::internal("an alias was rolled back and not moved"))?;
        Ok((batch, alias, entry))
    }

    /// An alias after a move, and what is to be committed, unless it points there already. While the audit log commits
    /// nobody else moves an alias, so what is read here is what the batch meets.
    fn move_in(
        &self,
        batch: Batch,
        alias: &str,
        change: &Change,
        apply: impl FnOnce(&mut Alias) -> Result<Option<MoveKind>>,
    ) -> Result<(Alias, Option<(Batch, AuditEntry)>)> {
        let key = self.alias_key(alias);
        let row = self.aliases.get(&*key)?;
        let before = row.as_ref().map(|row| row.lsn);
        let mut next = match row {
            Some(row) => row.value,
            None => Alias::new(alias)?,
        };
        let from = next.version.clone();
        self.check_expected(alias, change, from.as_ref())?;
        let Some(kind) = apply(&mut next)? else { return Ok((next, None)) };
        // Time in a history runs forward, whatever the clock does.
        next.since = self.db.now().max(next.since);
        next.moves += 1;
        let step = AliasMove {
            number: next.moves,
            kind,
            from,
            to: next.version.clone(),
            time: next.since,
            actor: change.actor.clone(),
            reason: change.reason.clone(),
            correlation: change.correlation.clone(),
        };
        let condition = before.map_or(Precondition::Absent, Precondition::AtLsn);
        let batch = batch.require(&self.aliases.collection()?, &*key, condition);
        let batch = self.aliases.put_in(batch, &*key, &next)?;
        let batch = self.moves.put_in(batch, format!("{key}/{:012}", step.number), &step)?;
        let entry = self.audit_of(alias, &step, change);
        Ok((next, Some((batch, entry))))
    }

    fn check_expected(&self, alias: &str, change: &Change, points_to: Option<&String>) -> Result<()> {
        let Some(expected) = &change.expected else { return Ok(()) };
        if expected.as_ref() == points_to {
            return Ok(());
        }
        let told = |version: Option<&String>| version.map_or("nowhere".to_owned(), |version| format!("to {version}"));
        let (found, expected) = (told(points_to), told(expected.as_ref()));
        let message = format!("`{alias}` of `{}` points {found}, not {expected}", self.name);
        Err(Error::new(ErrorKind::Conflict, message).mend("look at it again, and decide again"))
    }

    fn audit_of(&self, alias: &str, step: &AliasMove, change: &Change) -> AuditEntry {
        let action = match step.kind {
            MoveKind::Set => "alias.set",
            MoveKind::Rollback => "alias.rollback",
            MoveKind::Removed => "alias.remove",
        };
        let details = serde_json::json!({"alias": alias, "from": step.from, "to": step.to, "move": step.number});
        change.audited(action, self.name.clone(), details)
    }

    /// The key of an alias; of all aliases of the model, with an empty one.
    pub(super) fn alias_key(&self, alias: &str) -> String {
        format!("{}@{alias}", self.name)
    }
}
