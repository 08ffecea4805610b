//! Drawing records that pass a filter, by the hash of their keys.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::collection::record::Record;
use crate::database::collection::Collection;
use crate::error::Result;
use crate::filter::Filter;

impl Collection {
    /// Of the records that pass, at most `count`: those whose keys have the smallest hashes under `seed`, in the order of
    /// these. Which they are depends on keys alone, not on files, threads or the order of writing, and each is as likely as
    /// any other (Cohen and Kaplan 2007). Costs asking the filter of every record, and reading those that are drawn.
    pub(crate) fn draw(&self, filter: &Filter, count: usize, seed: u64) -> Result<Vec<Record>> {
        let reader = self.reader()?;
        let passing = reader.engine().call(|| reader.passing(filter))?;
        let mut hashes: Vec<(u64, Vec<u8>)> =
            passing.into_iter().map(|found| (xxh3_64_with_seed(&found.key, seed), found.key)).collect();
        if hashes.len() > count {
            hashes.select_nth_unstable(count);
            hashes.truncate(count);
        }
        hashes.sort_unstable();
        let read = |(_, key): (u64, Vec<u8>)| reader.engine().call(|| reader.view.get(&key, reader.moment)).transpose();
        hashes.into_iter().filter_map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::collection::record::Record;
    use crate::database::handle::Database;
    use crate::filter::{Filter, key};
    use crate::schema::Schema;

    #[test]
    fn what_is_drawn_depends_on_keys_alone() {
        let drawn = |keys: Vec<u64>, flushed: bool| {
            let db = Database::in_memory().unwrap();
            let notes = db.create_collection("notes", Schema::payload_only()).unwrap();
            for key in keys {
                notes.put(Record::new(key)).unwrap();
            }
            if flushed {
                db.flush().unwrap();
            }
            let few = notes.draw(&Filter::all(), 5, 7).unwrap();
            assert_eq!(notes.draw(&Filter::all(), 500, 7).unwrap().len(), 60);
            assert_eq!(notes.draw(&key().lt(3u64), 500, 7).unwrap().len(), 3);
            assert!(notes.draw(&Filter::all(), 0, 7).unwrap().is_empty());
            few.into_iter().map(|record| record.key.as_number().unwrap()).collect::<Vec<_>>()
        };
        let one = drawn((0..60).collect(), false);
        assert_eq!(one.len(), 5);
        assert_eq!(drawn((0..60).rev().collect(), true), one);
    }
}
