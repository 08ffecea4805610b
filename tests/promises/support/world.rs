//! The model: what a store should hold, and which of its histories a crash may leave.

use std::collections::{BTreeMap, BTreeSet};

use driftline::{IndexSpec, Key, Lsn, Record, Schema, Timestamp, Value, Vector};

/// A record as the model knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) vector: Option<Vector>,
    pub(crate) payload: Value,
    /// Unknown where the call that wrote it did not return.
    pub(crate) lsn: Option<Lsn>,
    pub(crate) created: Timestamp,
    pub(crate) expires: Option<Timestamp>,
}

impl Row {
    pub(crate) fn of(record: &Record) -> Row {
        Row {
            vector: record.vector.clone(),
            payload: record.payload.clone(),
            lsn: Some(record.lsn),
            created: record.created.expect("a record that was read says when it was created"),
            expires: record.expires,
        }
    }

    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    /// Equal, where an unknown position equals any.
    fn agrees(&self, found: &Row) -> bool {
        let same_lsn = self.lsn.is_none() || self.lsn == found.lsn;
        same_lsn
            && self.payload == found.payload
            && self.vector == found.vector
            && self.created == found.created
            && self.expires == found.expires
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) schema: Schema,
    pub(crate) rows: BTreeMap<Key, Row>,
}

/// Everything a store holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) tables: BTreeMap<String, Table>,
}

/// One change of a [`World`].
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Put(String, Key, Row),
    Delete(String, Key),
    Create(String, Schema),
    Reindex(String, IndexSpec),
    Drop(String),
}

impl Change {
    /// The collection it changes.
    pub(crate) fn table(&self) -> &str {
        match self {
            Change::Put(name, ..) | Change::Delete(name, _) => name,
            Change::Create(name, _) | Change::Reindex(name, _) | Change::Drop(name) => name,
        }
    }

    /// Whether it makes or drops the collection `name`.
    fn remakes(&self, name: &str) -> bool {
        matches!(self, Change::Create(made, _) | Change::Drop(made) if made == name)
    }
}

impl World {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(table, key, row) => {
                if let Some(table) = self.tables.get_mut(table) {
                    table.rows.insert(key.clone(), row.clone());
                }
            }
            Change::Delete(table, key) => {
                if let Some(table) = self.tables.get_mut(table) {
                    table.rows.remove(key);
                }
            }
            Change::Create(name, schema) => {
                let table = Table { schema: schema.clone(), rows: BTreeMap::new() };
                self.tables.insert(name.clone(), table);
            }
            Change::Reindex(name, index) => {
                if let Some(table) = self.tables.get_mut(name) {
                    table.schema = table.schema.clone().index(index.clone());
                }
            }
            Change::Drop(name) => drop(self.tables.remove(name)),
        }
    }

    /// What of it is still there at a time.
    pub(crate) fn at(mut self, now: Timestamp) -> World {
        self.tables.values_mut().for_each(|table| table.rows.retain(|_, row| row.is_live(now)));
        self
    }

    /// The same with rows that may have any position.
    pub(crate) fn without_positions(mut self) -> World {
        self.tables.values_mut().flat_map(|table| table.rows.values_mut()).for_each(|row| row.lsn = None);
        self
    }

    pub(crate) fn apply_all(&mut self, changes: &[Change]) {
        changes.iter().for_each(|change| self.apply(change));
    }

    /// The ephemeral collections that hold the same here and in `found`.
    fn ephemeral_as_in(&self, found: &World, now: Timestamp) -> Vec<String> {
        let tables = self.tables.iter().filter(|(_, table)| table.schema.is_ephemeral());
        let same = tables.filter(|(name, table)| {
            found.tables.get(*name).is_some_and(|found| table.difference(found, now).is_none())
        });
        same.map(|(name, _)| name.clone()).collect()
    }

    /// The record of that key, if it is there and has not expired.
    pub(crate) fn row(&self, table: &str, key: &Key, now: Timestamp) -> Option<&Row> {
        self.tables.get(table)?.rows.get(key).filter(|row| row.is_live(now))
    }

    /// How `found` differs from this world at `now`, if it does. `found` holds live rows only.
    pub(crate) fn difference(&self, found: &World, now: Timestamp) -> Option<String> {
        self.difference_among(found, now, |_| true)
    }

    /// The same, looking only into the rows of the collections that `among` lets through.
    fn difference_among(&self, found: &World, now: Timestamp, among: impl Fn(&Schema) -> bool) -> Option<String> {
        let (mine, theirs): (Vec<_>, Vec<_>) = (self.tables.keys().collect(), found.tables.keys().collect());
        if mine != theirs {
            return Some(format!("collections {mine:?} are expected, {theirs:?} are there"));
        }
        self.tables.iter().find_map(|(name, table)| {
            let found = &found.tables[name];
            if table.schema != found.schema {
                return Some(format!("{name} is {}, not {}", found.schema, table.schema));
            }
            if !among(&table.schema) {
                return None;
            }
            table.difference(found, now).map(|difference| format!("{name}: {difference}"))
        })
    }
}

impl Table {
    fn difference(&self, found: &Table, now: Timestamp) -> Option<String> {
        let mut expected = self.rows.iter().filter(|(_, row)| row.is_live(now));
        let mut there = found.rows.iter();
        loop {
            match (expected.next(), there.next()) {
                (None, None) => return None,
                (Some((key, row)), Some((same, other))) if key == same && row.agrees(other) => {}
                (Some((key, row)), Some((same, other))) if key == same => {
                    return Some(format!("{key:?} is {}, expected {}", brief(other), brief(row)));
                }
                (Some((key, _)), Some((other, _))) if key < other => return Some(format!("{key:?} is missing")),
                (Some((key, _)), None) => return Some(format!("{key:?} is missing")),
                (_, Some((key, row))) => return Some(format!("{key:?} should not be there: {}", brief(row))),
            }
        }
    }
}

/// A row in a line.
fn brief(row: &Row) -> String {
    let payload: String = format!("{:?}", row.payload).chars().take(60).collect();
    let (vector, lsn) = (&row.vector, row.lsn.map(|lsn| lsn.0));
    format!("{payload} {vector:?} at {lsn:?} created {} expires {:?}", row.created.0, row.expires.map(|time| time.0))
}

/// What happened since a state that is known to be on disk: steps, in order, of which a crash leaves the first few,
/// and at least those that were promised. Of an ephemeral collection it may leave fewer, but none less than were
/// flushed.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    base: World,
    steps: Vec<Vec<Change>>,
    promised: usize,
    flushed: usize,
}

impl History {
    pub(crate) fn new(base: World) -> History {
        History { base, steps: Vec::new(), promised: 0, flushed: 0 }
    }

    /// Something happened, or may have: then nothing can follow it.
    pub(crate) fn push(&mut self, step: Vec<Change>) {
        self.steps.push(step);
    }

    /// Of so many steps nothing may be lost.
    pub(crate) fn promised(&self) -> usize {
        self.promised
    }

    /// All that happened so far must survive.
    pub(crate) fn promise(&mut self) {
        self.promised = self.steps.len();
    }

    /// When records of it expire.
    pub(crate) fn expiries(&self) -> BTreeSet<Timestamp> {
        let base = self.base.tables.values().flat_map(|table| table.rows.values());
        let puts = self.steps.iter().flatten().filter_map(|change| match change {
            Change::Put(_, _, row) => Some(row),
            _ => None,
        });
        base.chain(puts).filter_map(|row| row.expires).collect()
    }

    /// All that happened so far is in files, so that it must survive in ephemeral collections too.
    pub(crate) fn promise_flushed(&mut self) {
        self.promise();
        self.flushed = self.steps.len();
    }

    /// Checks that `found` is what some steps leave, with all that were promised; tells how many steps.
    pub(crate) fn explain(&self, found: &World, now: Timestamp) -> Result<usize, String> {
        let mut world = self.base.clone();
        let mut differences = Vec::new();
        // The ephemeral collections that were, after some flushed step, as they were found.
        let mut fallen_back = BTreeSet::<String>::new();
        for count in 0..=self.steps.len() {
            if count > 0 {
                let step = &self.steps[count - 1];
                fallen_back.retain(|name| !step.iter().any(|change| change.remakes(name)));
                world.apply_all(step);
            }
            if count >= self.flushed {
                fallen_back.extend(world.ephemeral_as_in(found, now));
            }
            if count < self.promised {
                continue;
            }
            let logged = world.difference_among(found, now, |schema| !schema.is_ephemeral());
            let ephemeral = || {
                let mut tables = found.tables.iter().filter(|(_, table)| table.schema.is_ephemeral());
                let unexplained = tables.find(|(name, _)| !fallen_back.contains(*name))?;
                Some(format!("ephemeral {} was never so since it was flushed", unexplained.0))
            };
            match logged.or_else(ephemeral) {
                None => return Ok(count),
                Some(difference) => differences.push(format!("after {count} steps: {difference}")),
            }
        }
        let (steps, promised) = (self.steps.len(), self.promised);
        Err(format!("of {steps} steps, {promised} of them promised, none explains it:\n  {}", differences.join("\n  ")))
    }
}
