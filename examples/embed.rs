//! Driftline inside an application: make a store, fill it, search it, read it as it was, close it and open it again.
//!
//! `cargo run --example embed`

use driftline::{Database, Durability, Metric, Options, Patch, Precondition, Record, Result, Schema, Select, json};

fn main() -> Result<()> {
    // A store is a directory of its own. `Database::in_memory()` does the same without a disk.
    let path = std::env::temp_dir().join(format!("driftline-embed-{}.drift", std::process::id()));
    let db = Database::open(&path)?;

    // A collection has one schema: how long its vectors are and how they are compared. `ensure_collection` creates it
    // the first time and checks it ever after.
    let items = db.ensure_collection("items", Schema::vector(3, Metric::Cosine).model("toy@1"))?;

    // A record is a key, a vector, and anything JSON can say. When `put` returns, a power cut cannot take it away.
    items.put(Record::new("apple").vector([0.9, 0.1, 0.0]).payload(json!({"kind": "fruit", "price": 3})))?;
    items.put(Record::new("pear").vector([0.8, 0.2, 0.1]).payload(json!({"kind": "fruit", "price": 4})))?;

    // A batch happens as a whole or not at all, over any collections, and waits for the disk once. It can demand what
    // must hold for it to happen, and say how sure it needs to be.
    let log = db.ensure_collection("log", Schema::payload_only())?;
    let commit = db
        .batch()
        .require(&items, "hammer", Precondition::Absent)
        .put(&items, Record::new("hammer").vector([0.0, 0.1, 0.9]).payload(json!({"kind": "tool", "price": 20})))
        .put(&log, Record::new(1u64).payload(json!({"added": "hammer"})))
        .durability(Durability::Commit)
        .commit()?;
    println!("the batch is at LSN {}", commit.lsn);

    // The nearest first; lower distances are closer, whatever the metric. The answer says what it cost.
    let hits = items.query().nearest([1.0, 0.0, 0.0]).k(2).model("toy@1").select(Select::Record).run()?;
    for hit in &hits {
        let price = hit.record.as_ref().and_then(|record| record.payload.get("price")?.as_i64());
        println!("{} is {:.4} away and costs {}", hit.key, hit.distance, price.unwrap_or_default());
    }
    println!("{} distances in {:?}", hits.stats.distances, hits.stats.elapsed);

    // A snapshot shows the store as it was, whatever happens later.
    let before = db.snapshot()?;
    items.patch("apple", Patch::new().merge(json!({"price": 5})))?;
    items.delete("pear")?;
    println!("{} items now, {} before", items.count()?, before.collection("items")?.count()?);

    // Records come in key order, all of them or a range.
    for record in items.scan().prefix("a") {
        let record = record?;
        println!("{}: {}", record.key, record.payload);
    }

    // Closing brings everything into files, so that the next opening has nothing to replay. A process that is killed
    // instead loses nothing that was acknowledged; its next opening takes a little longer.
    drop(before);
    db.close()?;

    // Many processes may read a store at once, as long as nobody writes.
    let db = Options::new().open_read_only(&path)?;
    println!("opened again in {:?}", db.recovery_report().elapsed);
    println!("{}", db.collection("items")?.get("apple")?.map_or("lost".into(), |apple| apple.payload.to_string()));
    println!("the store is in {}", path.display());
    Ok(())
}
