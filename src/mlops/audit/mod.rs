//! The audit log: who did what and when, in a chain of hashes, so that a change of what was written can be seen.

use std::ops::RangeInclusive;

use crate::database::batch::Batch;
use crate::database::handle::Database;
use crate::database::ledger;
use crate::database::request::{Commit, Precondition};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::mlops::table::Table;
use crate::mlops::times::TimeRange;
use crate::sync::{Mutex, MutexGuard};

pub use crate::database::ledger::{AuditBreak, AuditEntry, AuditHead, AuditRecord, AuditVerdict};

impl Database {
    /// The audit log of this store.
    pub fn audit(&self) -> AuditLog {
        AuditLog { db: self.clone(), table: Table::new(self, ledger::ENTRIES) }
    }
}

/// The audit log of a store: entries in the order in which they were committed, each with the SHA-256 of itself and of the
/// one before. There is no call that changes or removes one.
///
/// May be used from any thread; entries are committed one after the other. An entry can be committed together with the
/// batch it tells of: both are there after a crash, or neither.
///
/// What was changed in the files by somebody who worked around this crate is found by [`AuditLog::verify`], and so is a gap. Whoever
/// can write all files can also make a whole new chain, or cut its end off: keep [`AuditLog::head`] elsewhere now and then,
/// and give it to [`AuditLog::verify_since`].
///
/// ```
/// use driftline::{Database, json};
/// use driftline::mlops::AuditEntry;
///
/// let db = Database::in_memory()?;
/// let audit = db.audit();
/// audit.append(AuditEntry::new("promote", "minilm").actor("kim").details(json!({"version": "1.2.0"})))?;
/// let verdict = audit.verify()?;
/// assert!(verdict.is_whole());
/// assert_eq!(verdict.records, 1);
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AuditLog {
    db: Database,
    table: Table<AuditRecord>,
}

/// Held while an entry is committed, because it contains the hash of the one before. The head, once it is known.
#[derive(Debug, Default)]
struct Tail(Mutex<Option<AuditHead>>);

impl AuditLog {
    /// Writes an entry, durably as the store's options say, and returns it with its place and its hash.
    pub fn append(&self, entry: AuditEntry) -> Result<AuditRecord> {
        let mut records = self.commit_all(self.db.batch(), vec![entry])?.1;
        records.pop().ok_or_else(|| Error::internal("an entry was committed and is not there"))
    }

    /// Commits a batch together with the entry that tells of it.
    pub fn commit(&self, batch: Batch, entry: AuditEntry) -> Result<Commit> {
        self.commit_all(batch, vec![entry]).map(|(commit, _)| commit)
    }

    /// The same with several entries, in this order.
    pub fn commit_all(&self, batch: Batch, entries: Vec<AuditEntry>) -> Result<(Commit, Vec<AuditRecord>)> {
        let done = self.commit_built(|_| Ok(Some((batch, entries))))?;
        done.ok_or_else(|| Error::internal("a batch was to be committed and was not"))
    }

    /// The same, and the batch is made while no other entry can be committed: what is read for it stays true, as far as
    /// only audited batches change it. Nothing is committed where there turns out to be nothing to do.
    pub(crate) fn commit_built(
        &self,
        build: impl FnOnce(&Database) -> Result<Option<(Batch, Vec<AuditEntry>)>>,
    ) -> Result<Option<(Commit, Vec<AuditRecord>)>> {
        let tail = self.db.companion::<Tail>();
        let mut tail = tail.0.lock();
        let Some((mut batch, entries)) = build(&self.db)? else { return Ok(None) };
        let collection = self.table.collection()?;
        let mut head = self.known_head(&mut tail)?;
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let record = AuditRecord::new(entry, head.as_ref(), self.db.now())?;
            let key = Key::from(record.position);
            batch = batch.require(&collection, key.clone(), Precondition::Absent);
            batch = self.table.put_in(batch, key, &record)?;
            head = Some(record.head());
            records.push(record);
        }
        // Whatever becomes of this batch, the tail is known again only when it is known to be committed.
        *tail = None;
        let commit = batch.commit()?;
        *tail = head;
        for record in &records {
            tracing::info!(action = record.action, subject = record.subject, actor = record.actor, "changed");
        }
        Ok(Some((commit, records)))
    }

    fn known_head(&self, tail: &mut MutexGuard<'_, Option<AuditHead>>) -> Result<Option<AuditHead>> {
        if tail.is_none() {
            **tail = self.head()?;
        }
        Ok((**tail).clone())
    }

    /// The place and the hash of the newest entry; none while there is none.
    pub fn head(&self) -> Result<Option<AuditHead>> {
        let newest = self.table.walk(|scan| scan.reverse().limit(1))?;
        Ok(newest.first().map(|row| row.value.head()))
    }

    /// The entry at this place, counted from 1.
    pub fn get(&self, position: u64) -> Result<Option<AuditRecord>> {
        Ok(self.table.get(position)?.map(|row| row.value))
    }

    /// The entries at these places, in their order.
    pub fn range(&self, places: RangeInclusive<u64>) -> Result<Vec<AuditRecord>> {
        let (first, last) = places.into_inner();
        let rows = self.table.range(Key::from(first)..=Key::from(last))?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// The newest entries that `select` takes, newest first, at most `limit`. Reads the log backward until it has them.
    pub fn newest(&self, limit: usize, select: impl Fn(&AuditRecord) -> bool) -> Result<Vec<AuditRecord>> {
        let records = self.table.iter(|scan| scan.reverse())?.map(|row| Ok(row?.value));
        records.filter(|record| record.as_ref().map_or(true, &select)).take(limit).collect()
    }

    /// The entries with this correlation, in their order: what belongs to one incident. Reads the whole log.
    pub fn correlated(&self, correlation: &str) -> Result<Vec<AuditRecord>> {
        let records = self.table.iter(|scan| scan)?.map(|row| Ok(row?.value));
        let belongs = |record: &AuditRecord| record.correlation.as_deref() == Some(correlation);
        records.filter(|record: &Result<AuditRecord>| record.as_ref().map_or(true, belongs)).collect()
    }

    /// The entries of these times, in their order. Reads the whole log.
    pub fn within(&self, times: TimeRange) -> Result<Vec<AuditRecord>> {
        let records = self.table.iter(|scan| scan)?.map(|row| Ok(row?.value));
        records
            .filter(|record: &Result<AuditRecord>| record.as_ref().map_or(true, |it| times.contains(it.time)))
            .collect()
    }

    /// Reads the whole log and checks every hash. Tells where the chain breaks first, if it does.
    pub fn verify(&self) -> Result<AuditVerdict> {
        self.check(None)
    }

    /// The same, and that the chain still goes through a head that was noted earlier.
    pub fn verify_since(&self, noted: &AuditHead) -> Result<AuditVerdict> {
        self.check(Some(noted))
    }

    fn check(&self, noted: Option<&AuditHead>) -> Result<AuditVerdict> {
        let entries = self.table.existing()?.map(|collection| collection.scan());
        ledger::follow(entries.into_iter().flatten(), noted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::record::Record;
    use crate::database::verify::VerifyLevel;
    use crate::payload::Value;
    use crate::schema::Schema;
    use serde_json::json;

    fn log_of(count: u64) -> (Database, AuditLog) {
        let db = Database::in_memory().unwrap();
        let audit = db.audit();
        for number in 1..=count {
            let entry = AuditEntry::new("promote", "m").details(json!({"number": number, "share": 0.1}));
            assert_eq!(audit.append(entry).unwrap().position, number);
        }
        (db, audit)
    }

    /// Changes the stored entry at a place, as somebody would who writes the files.
    fn forge(db: &Database, position: u64, change: impl FnOnce(&mut AuditRecord)) {
        let table = Table::<AuditRecord>::new(db, ledger::ENTRIES);
        let mut record = table.get(position).unwrap().unwrap().value;
        change(&mut record);
        table.put(position, &record).unwrap();
    }

    #[test]
    fn the_first_change_of_any_field_is_found() {
        let changes: [fn(&mut AuditRecord); 8] = [
            |it| it.action.push('!'),
            |it| it.subject.push('!'),
            |it| it.actor.push('!'),
            |it| it.time.0 += 1,
            |it| it.details = json!({"number": 8}),
            |it| it.correlation = Some("x".into()),
            |it| it.previous.replace_range(0..1, "x"),
            |it| it.hash.replace_range(0..1, "x"),
        ];
        for change in changes {
            let (db, audit) = log_of(5);
            assert!(audit.verify().unwrap().is_whole());
            forge(&db, 3, change);
            let verdict = audit.verify().unwrap();
            assert_eq!((verdict.records, verdict.broken.unwrap().position), (2, 3));
        }
    }

    #[test]
    fn checking_the_store_names_the_first_break_and_blames_no_file() {
        let (db, _) = log_of(5);
        assert!(db.verify(VerifyLevel::Full).unwrap().is_clean());
        forge(&db, 3, |it| it.actor.push('!'));
        let report = db.verify(VerifyLevel::Full).unwrap();
        assert!(!report.is_clean() && report.problems.is_empty() && report.warnings.is_empty());
        let verdict = report.audit.unwrap();
        assert_eq!((verdict.records, verdict.broken.unwrap().position), (2, 3));
        assert!(db.verify(VerifyLevel::Quick).unwrap().is_clean(), "quick reads no rows");
        // A copy of such a store is a good copy.
        let copies = tempfile::tempdir().unwrap();
        db.backup().copy().verify().to_dir(copies.path().join("copy")).unwrap();
    }

    #[test]
    fn a_forged_entry_with_a_hash_of_its_own_breaks_the_next() {
        let (db, audit) = log_of(5);
        forge(&db, 3, |it| {
            it.actor = "nobody".into();
            it.hash = it.digest();
        });
        assert_eq!(audit.verify().unwrap().broken.unwrap().position, 4);
    }

    #[test]
    fn gaps_unreadable_entries_and_a_cut_end_are_found() {
        let (db, audit) = log_of(5);
        let noted = audit.head().unwrap().unwrap();
        let collection = db.collection(ledger::ENTRIES).unwrap().for_system();
        collection.delete(5u64).unwrap();
        assert!(audit.verify().unwrap().is_whole(), "a chain does not show that its end was cut off");
        assert_eq!(audit.verify_since(&noted).unwrap().broken.unwrap().position, 5);
        collection.put(Record::new(4u64).payload(Value::from("gone"))).unwrap();
        assert_eq!(audit.verify().unwrap().broken.unwrap().position, 4);
        collection.delete(2u64).unwrap();
        assert_eq!(audit.verify().unwrap().broken.unwrap().position, 2);
    }

    #[test]
    fn a_new_chain_is_not_the_one_that_was_noted() {
        let (_db, audit) = log_of(3);
        let (_other, other) = log_of(4);
        assert!(audit.verify_since(&audit.head().unwrap().unwrap()).unwrap().is_whole());
        let noted = other.get(2).unwrap().unwrap().head();
        assert_eq!(audit.verify_since(&noted).unwrap().broken.unwrap().position, 2, "times differ, so hashes do");
    }

    #[test]
    fn an_entry_and_its_batch_are_there_together_or_not_at_all() {
        let (db, audit) = log_of(1);
        let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
        let refused = db.batch().require(&notes, "a", Precondition::Present).put(&notes, Record::new("a"));
        audit.commit(refused, AuditEntry::new("note", "a")).unwrap_err();
        assert_eq!((audit.head().unwrap().unwrap().position, notes.count().unwrap()), (1, 0));
        let commit = audit.commit(db.batch().put(&notes, Record::new("a")), AuditEntry::new("note", "a")).unwrap();
        assert_eq!(notes.get("a").unwrap().unwrap().lsn, commit.lsn);
        assert_eq!(db.collection(ledger::ENTRIES).unwrap().get(2u64).unwrap().unwrap().lsn, commit.lsn);
        assert!(audit.verify().unwrap().is_whole());
    }

    #[test]
    fn threads_make_one_chain() {
        let (_db, audit) = log_of(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let audit = &audit;
                scope.spawn(move || {
                    for _ in 0..50 {
                        audit.append(AuditEntry::new("a", format!("{thread}"))).unwrap();
                    }
                });
            }
        });
        let verdict = audit.verify().unwrap();
        assert_eq!((verdict.records, verdict.broken), (200, None));
        assert_eq!(audit.newest(3, |it| it.subject == "2").unwrap().len(), 3);
        assert_eq!(audit.range(2..=4).unwrap().iter().map(|it| it.position).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn what_belongs_together_is_found_and_empty_texts_are_refused() {
        let (_db, audit) = log_of(2);
        for action in ["drop", "retrain"] {
            audit.append(AuditEntry::new(action, "m").correlation("inc-7".to_owned())).unwrap();
        }
        let found = audit.correlated("inc-7").unwrap();
        assert_eq!(found.iter().map(|it| it.action.as_str()).collect::<Vec<_>>(), ["drop", "retrain"]);
        for entry in
            [AuditEntry::new("", "m"), AuditEntry::new("a", ""), AuditEntry::new("a", "b").actor("x".repeat(129))]
        {
            audit.append(entry).unwrap_err();
        }
        assert_eq!(audit.verify().unwrap().records, 4);
    }
}
