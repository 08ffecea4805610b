//! Collections made, indexed anew and dropped, and blobs.

use std::time::Duration;

use driftline::{Collection, ErrorKind, IndexSpec, Metric, Random, Schema};

use super::super::world::Change;
use super::{Run, TABLES};

impl Run {
    pub(super) fn create(&mut self) {
        let name = TABLES[self.random.below(TABLES.len() as u64) as usize];
        let schema = match self.random.below(6) {
            0 => Schema::vector(4, Metric::L2),
            1 => Schema::vector(4, Metric::Cosine),
            2 => Schema::vector(4, Metric::Dot).ttl(Duration::from_micros(1_500)),
            3 => Schema::vector(3, Metric::L1).model("model@1"),
            4 => Schema::bits(16),
            _ => Schema::payload_only(),
        };
        let schema = if self.random.one_in(4) { schema.ephemeral() } else { schema };
        let schema = schema.index(self.any_index());
        self.note(|| format!("create {name} {schema}"));
        let outcome = self.db().create_collection(name, schema.clone()).map(drop);
        match outcome {
            Err(error) if error.kind() == ErrorKind::Exists => assert!(self.live.tables.contains_key(name), "{error}"),
            outcome => {
                assert!(outcome.is_err() || !self.live.tables.contains_key(name), "{name} was made twice");
                self.settle(vec![Change::Create(name.into(), schema)], true, outcome);
            }
        }
    }

    pub(super) fn any_index(&mut self) -> IndexSpec {
        let kinds = [
            "flat",
            "hnsw(m=4, ef_construction=16)",
            "hnsw(ef_construction=16, layout=fused)",
            "lsh(tables=1)",
            "auto",
        ];
        let text = kinds[self.random.below(kinds.len() as u64) as usize];
        text.parse().expect("an index")
    }

    /// Another index for a collection, or the same anew.
    pub(super) fn reindex(&mut self) {
        let Some((name, collection)) = self.any_table() else { return };
        if self.random.one_in(4) {
            return self.rebuild_index(&name, &collection);
        }
        let index = self.any_index();
        self.note(|| format!("reindex {name} {index}"));
        match collection.reindex(index.clone()) {
            Err(error) if error.kind() == ErrorKind::ReadOnly => {
                assert!(self.typed.certain.is_serving(), "{error}");
            }
            Err(error) if error.kind() == ErrorKind::Invalid => {
                assert!(self.live.tables[&name].schema.metric().is_none(), "{error}");
            }
            outcome => {
                // What is so already changes nothing, and promises nothing.
                let changes = *self.live.tables[&name].schema.index_spec() != index;
                self.settle(vec![Change::Reindex(name, index)], changes, outcome);
            }
        }
        if self.random.one_in(2) && !self.is_off() {
            match collection.wait_indexed(Duration::from_secs(3600)) {
                Ok(indexed) => assert!(indexed, "an index is missing"),
                Err(error) => self.tolerate(&error),
            }
        }
    }

    fn rebuild_index(&mut self, name: &str, collection: &Collection) {
        self.note(|| format!("rebuild the index of {name}"));
        match collection.rebuild_index() {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                assert!(self.live.tables[name].schema.metric().is_none(), "{error}");
            }
            Err(error) => self.tolerate(&error),
            Ok(_) => {}
        }
    }

    pub(super) fn drop_table(&mut self) {
        let Some((name, old)) = self.any_table() else { return };
        self.note(|| format!("drop {name}"));
        let outcome = self.db().drop_collection(&name);
        let gone = outcome.is_ok();
        // After a failure the imports into it may be gone or not.
        self.pending.iter_mut().filter(|((table, _), _)| *table == name).for_each(|(_, pending)| pending.promised = 0);
        self.pending.retain(|(table, _), _| !gone || *table != name);
        self.settle(vec![Change::Drop(name)], true, outcome);
        if gone {
            assert_eq!(old.get("key").unwrap_err().kind(), ErrorKind::NotFound);
        }
    }

    pub(super) fn put_blob(&mut self) {
        // Some contents come again.
        let number = self.random.below(12);
        let mut content = vec![0; [0, 1, 700, 5_000, 70_000][number as usize % 5]];
        Random::seeded(number, 12).fill(&mut content);
        self.note(|| format!("put blob {number} of {} bytes", content.len()));
        match self.db().put_blob(&content[..]) {
            Ok(id) => {
                self.fresh.insert(id);
                self.contents.insert(id, content.into());
            }
            Err(error) => self.tolerate(&error),
        }
    }
}
