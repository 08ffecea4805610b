//! Records: put, patched and deleted, alone and in batches.

use std::collections::BTreeSet;
use std::time::Duration;

use driftline::{
    Batch, BlobId, Collection, Commit, Durability, ErrorKind, Key, Lsn, Patch, Precondition, Record, Timestamp, Value,
};

use super::super::reading::{any_vector, named_blobs};
use super::super::world::{Change, Row, World};
use super::Run;

/// A batch being built, with what it will do if its conditions hold.
struct Planned {
    batch: Batch,
    /// The model as the steps so far would leave it.
    world: World,
    changes: Vec<Change>,
    existed: u64,
    refused: Option<ErrorKind>,
}

impl Run {
    fn any_key(&mut self) -> Key {
        let number = self.random.below(self.shape.keys);
        match self.random.below(3) {
            0 => number.into(),
            1 => format!("key-{number}").into(),
            _ => vec![0xFF, number as u8].into(),
        }
    }

    fn any_payload(&mut self) -> Value {
        let number = self.random.draw();
        match self.random.below(16) {
            0..3 => Value::Null,
            3..5 => self.any_blob().map_or(Value::Null, |blob| Value::object([("blob", Value::Blob(blob))])),
            5 => {
                let mut bytes = vec![0; self.random.below(60_000) as usize];
                self.random.fill(&mut bytes);
                Value::Bytes(bytes)
            }
            6 => Value::Array(vec![number.into(), Value::Bool(true), "text".into()]),
            _ => Value::object([
                ("n", number.into()),
                ("s", format!("text {number}").into()),
                ("gone", 1.into()),
                ("tenth", (number % 10).into()),
            ]),
        }
    }

    fn any_blob(&mut self) -> Option<BlobId> {
        let certain: Vec<BlobId> = self.certain_blobs().into_iter().collect();
        (!certain.is_empty()).then(|| certain[self.random.below(certain.len() as u64) as usize])
    }

    /// The blobs that must be there: fresh ones, and those that live records name.
    pub(super) fn certain_blobs(&self) -> BTreeSet<BlobId> {
        let now = self.now();
        let mut named = Vec::new();
        let rows = self.live.tables.values().flat_map(|table| table.rows.values());
        rows.filter(|row| row.is_live(now)).for_each(|row| named_blobs(&row.payload, &mut named));
        named.into_iter().chain(self.fresh.iter().copied()).collect()
    }

    /// A record, and what it will be once it is put.
    pub(super) fn any_record(&mut self, table: &str) -> (Record, Row) {
        let schema = self.live.tables[table].schema.clone();
        let mut record = Record::new(self.any_key()).payload(self.any_payload());
        record.vector = any_vector(&schema, &mut self.random);
        let wait = Duration::from_micros(self.random.below(2_000));
        let mut lifetime = schema.time_to_live();
        match self.random.below(16) {
            0 => record = record.expires_at(self.now().after(wait)),
            1 => {
                lifetime = Some(wait);
                record = record.expires_in(wait);
            }
            2 => record = record.created_at(Timestamp(self.random.below(1_000_000) as i64)),
            _ => {}
        }
        let created = record.created.unwrap_or(self.now());
        let expires = record.expires.or(lifetime.map(|lifetime| created.after(lifetime)));
        let (vector, payload) = (record.vector.clone(), record.payload.clone());
        (record, Row { vector, payload, lsn: None, created, expires })
    }

    pub(super) fn any_durability(&mut self) -> Durability {
        match self.random.below(4) {
            0 | 1 => Durability::Commit,
            2 => Durability::Interval(Duration::from_micros(1 + self.random.below(1_000))),
            _ => Durability::None,
        }
    }

    pub(super) fn put(&mut self) {
        let Some((name, collection)) = self.any_table() else { return self.create() };
        let mut planned = self.plan();
        self.plan_put(&mut planned, &name, &collection);
        self.commit(planned, "put");
    }

    pub(super) fn put_many(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        let mut planned = self.plan();
        for _ in 0..1 + self.random.below(8) {
            self.plan_put(&mut planned, &name, &collection);
        }
        self.commit(planned, "put many");
    }

    pub(super) fn delete(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        let mut planned = self.plan();
        for _ in 0..1 + self.random.below(3) {
            self.plan_delete(&mut planned, &name, &collection);
        }
        self.commit(planned, "delete");
    }

    pub(super) fn patch(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        let mut planned = self.plan();
        self.plan_patch(&mut planned, &name, &collection);
        self.commit(planned, "patch");
    }

    /// Several changes in several collections, often under conditions.
    pub(super) fn batch(&mut self) {
        let mut planned = self.plan();
        for _ in 0..self.random.below(3) {
            let Some((name, collection)) = self.any_table() else { return };
            self.plan_condition(&mut planned, &name, &collection);
        }
        for _ in 0..1 + self.random.below(6) {
            let Some((name, collection)) = self.any_table() else { return };
            match self.random.below(6) {
                0..3 => self.plan_put(&mut planned, &name, &collection),
                3 => self.plan_patch(&mut planned, &name, &collection),
                _ => self.plan_delete(&mut planned, &name, &collection),
            }
        }
        self.commit(planned, "batch");
    }

    /// Deletes or patches the records that pass a filter.
    pub(super) fn change_where(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        let (tenth, number) = (self.random.below(10), self.random.draw());
        let patched = self.random.one_in(2).then(|| Value::object([("n", number.into())]));
        let mut changes = self.changes_where(&name, tenth, patched.as_ref());
        self.note(|| format!("where tenth = {tenth}: {}", summary(&changes)));
        let filter = format!("tenth = {tenth}");
        let outcome = match patched {
            Some(patched) => collection.patch_where(&filter, Patch::new().merge(patched)),
            None => collection.delete_where(&filter),
        };
        if let Ok(count) = &outcome {
            assert_eq!(*count, changes.len() as u64, "records that pass {filter}");
            set_lsn(&mut changes, self.db().lsn());
        }
        let promises = !changes.is_empty() && !self.live.tables[&name].schema.is_ephemeral();
        self.settle(changes, promises, outcome.map(drop));
    }

    /// What patching or deleting the records of that tenth changes.
    fn changes_where(&self, name: &str, tenth: u64, patched: Option<&Value>) -> Vec<Change> {
        let (now, tenth) = (self.now(), Value::from(tenth));
        let rows = self.live.tables[name].rows.iter().filter(|(_, row)| row.is_live(now));
        let passing = rows.filter(|(_, row)| row.payload.get("tenth") == Some(&tenth));
        let change = |(key, row): (&Key, &Row)| match patched {
            None => Change::Delete(name.into(), key.clone()),
            Some(patched) => {
                let mut row = Row { lsn: None, ..row.clone() };
                row.payload.merge(patched.clone());
                Change::Put(name.into(), key.clone(), row)
            }
        };
        passing.map(change).collect()
    }

    fn plan(&self) -> Planned {
        let batch = self.db().batch();
        Planned { batch, world: self.live.clone(), changes: Vec::new(), existed: 0, refused: None }
    }

    fn plan_put(&mut self, planned: &mut Planned, name: &str, collection: &Collection) {
        let (record, row) = self.any_record(name);
        self.change(planned, Change::Put(name.into(), record.key.clone(), row));
        self.with_batch(planned, |batch| batch.put(collection, record));
    }

    fn plan_delete(&mut self, planned: &mut Planned, name: &str, collection: &Collection) {
        let key = self.any_key();
        self.change(planned, Change::Delete(name.into(), key.clone()));
        self.with_batch(planned, |batch| batch.delete(collection, key));
    }

    fn plan_patch(&mut self, planned: &mut Planned, name: &str, collection: &Collection) {
        let key = self.any_key();
        let mut patch = Patch::new();
        let mut row = planned.world.row(name, &key, self.now()).cloned();
        if self.random.one_in(2) {
            let merged = Value::object([("n", self.random.draw().into()), ("gone", Value::Null)]);
            row.iter_mut().for_each(|row| row.payload.merge(merged.clone()));
            patch = patch.merge(merged);
        }
        if self.random.one_in(3)
            && let Some(vector) = any_vector(&self.live.tables[name].schema, &mut self.random)
        {
            row.iter_mut().for_each(|row| row.vector = Some(vector.clone()));
            patch = patch.vector(vector);
        }
        if self.random.one_in(4) {
            let time = self.random.one_in(2).then(|| self.now().after(Duration::from_micros(self.random.below(3_000))));
            row.iter_mut().for_each(|row| row.expires = time);
            patch = patch.expires(time);
        }
        match row {
            Some(row) => self.change(planned, Change::Put(name.into(), key.clone(), Row { lsn: None, ..row })),
            None => _ = planned.refused.get_or_insert(ErrorKind::NotFound),
        }
        self.with_batch(planned, |batch| batch.patch(collection, key, patch));
    }

    fn plan_condition(&mut self, planned: &mut Planned, name: &str, collection: &Collection) {
        let key = self.any_key();
        let found = self.live.row(name, &key, self.now()).map(|row| row.lsn.expect("a returned call tells"));
        // Mostly one that holds.
        let condition = match (self.random.below(5), found) {
            (0, _) => Precondition::Absent,
            (1, _) => Precondition::AtLsn(Lsn(self.random.below(50))),
            (2, Some(_)) => Precondition::Present,
            (_, Some(lsn)) => Precondition::AtLsn(lsn),
            (_, None) => Precondition::Absent,
        };
        let holds = match condition {
            Precondition::Absent => found.is_none(),
            Precondition::Present => found.is_some(),
            Precondition::AtLsn(lsn) => found == Some(lsn),
            _ => unreachable!("no other conditions are drawn"),
        };
        if !holds {
            // Conditions are judged before any step.
            planned.refused = Some(ErrorKind::Conflict);
        }
        self.with_batch(planned, |batch| batch.require(collection, key, condition));
    }

    fn with_batch(&self, planned: &mut Planned, add: impl FnOnce(Batch) -> Batch) {
        let batch = std::mem::replace(&mut planned.batch, self.db().batch());
        planned.batch = add(batch);
    }

    fn change(&self, planned: &mut Planned, change: Change) {
        let (Change::Put(table, key, _) | Change::Delete(table, key)) = &change else { unreachable!("a batch") };
        planned.existed += u64::from(planned.world.row(table, key, self.now()).is_some());
        planned.world.apply(&change);
        planned.changes.push(change);
    }

    fn commit(&mut self, planned: Planned, what: &str) {
        let durability = self.any_durability();
        let Planned { batch, mut changes, existed, refused, .. } = planned;
        self.note(|| format!("{what} {durability:?}: {}, to be refused: {refused:?}", summary(&changes)));
        let outcome = batch.durability(durability).commit();
        if let Ok(Commit { lsn, .. }) = &outcome {
            assert_eq!(refused, None, "a batch was committed that had to be refused");
            set_lsn(&mut changes, *lsn);
        }
        match (outcome, refused) {
            (Err(error), Some(kind)) if error.kind() == kind => {}
            (outcome, _) => {
                let outcome = outcome.inspect(|commit| assert_eq!(commit.existed, existed, "records met"));
                let is_logged = |change: &Change| !self.live.tables[change.table()].schema.is_ephemeral();
                let promises = durability == Durability::Commit && changes.iter().any(is_logged);
                self.settle(changes, promises, outcome.map(drop));
            }
        }
    }
}

pub(super) fn set_lsn(changes: &mut [Change], to: Lsn) {
    for change in changes {
        if let Change::Put(_, _, row) = change {
            row.lsn = Some(to);
        }
    }
}

pub(super) fn summary(changes: &[Change]) -> String {
    let of = |change: &Change| match change {
        Change::Put(table, key, row) => format!("put {table}/{key:?} until {:?}", row.expires.map(|time| time.0)),
        Change::Delete(table, key) => format!("delete {table}/{key:?}"),
        Change::Create(name, _) => format!("create {name}"),
        Change::Reindex(name, index) => format!("reindex {name} {index}"),
        Change::Drop(name) => format!("drop {name}"),
    };
    changes.iter().map(of).collect::<Vec<_>>().join(", ")
}
