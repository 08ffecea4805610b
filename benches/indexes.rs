//! What becomes of a graph: `cargo bench --bench indexes`. An argument names what to measure (`churn`, `open`).
//!
//! `churn` replaces a tenth of the rows ten times over and compares with a store built afresh from the same rows; `open`
//! times the opening of a million rows with a graph, each time in a process of its own. Rows lie on a curved surface of few
//! dimensions, as embeddings do. `DRIFTLINE_BENCH_DIR` says where to write.

use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use driftline::{Collection, Database, IndexSpec, Metric, Random, Record, Schema};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const DIMENSION: usize = 128;
const LATENT: usize = 24;
const QUERIES: u64 = 500;
/// Longer than any index here takes.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Names the store to open to a process that is to do only that.
const OPEN: &str = "DRIFTLINE_BENCH_OPEN";

fn main() -> Outcome {
    if let Some(path) = std::env::var_os(OPEN) {
        return open_and_ask(Path::new(&path));
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|argument| argument == name);
    let place = std::env::var_os("DRIFTLINE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(place)?;
    if wants("churn") {
        churn(dir.path())?;
    }
    if wants("open") {
        open(dir.path())?;
    }
    Ok(())
}

/// Vectors near a curved surface: a point of few numbers, bent by a fixed random map.
struct Surface {
    map: Vec<f32>,
}

impl Surface {
    fn new() -> Surface {
        let mut random = Random::seeded(7, 0);
        Surface { map: (0..LATENT * DIMENSION).map(|_| normal(&mut random) / (LATENT as f32).sqrt()).collect() }
    }

    fn vector(&self, seed: u64) -> Vec<f32> {
        let mut group = Random::seeded(seed % 1000, 1);
        let mut own = Random::seeded(seed, 2);
        let latent: Vec<f32> = (0..LATENT).map(|_| normal(&mut group) + 0.5 * normal(&mut own)).collect();
        let bent = |row: &[f32]| (latent.iter().zip(row).map(|(a, b)| a * b).sum::<f32>() * 1.5).tanh();
        self.map.chunks_exact(LATENT).map(|row| bent(row) + 0.02 * normal(&mut own)).collect()
    }
}

/// About a normal deviate: the sum of twelve uniform ones.
fn normal(random: &mut Random) -> f32 {
    ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0) as f32
}

fn create(path: &Path) -> Outcome<(Database, Collection)> {
    let db = Database::open(path)?;
    let schema = Schema::vector(DIMENSION, Metric::L2).index("hnsw".parse::<IndexSpec>()?);
    let items = db.create_collection("items", schema)?;
    Ok((db, items))
}

/// Ten rounds that replace a tenth of the rows, beside a store that was given the rows of the end at once.
fn churn(dir: &Path) -> Outcome {
    const ROWS: u64 = 100_000;
    const ROUNDS: u64 = 10;
    let surface = Surface::new();
    let (db, items) = create(&dir.join("churned"))?;
    let mut seeds: Vec<u64> = (0..ROWS).collect();
    put(&items, &surface, seeds.iter().copied().enumerate())?;
    let mut random = Random::seeded(11, 0);
    println!("churn: {ROUNDS} rounds, each replacing {} of {ROWS} rows of {DIMENSION} numbers", ROWS / ROUNDS);
    for round in 1..=ROUNDS {
        let replaced: Vec<(usize, u64)> =
            (0..ROWS / 10).map(|number| (random.below(ROWS) as usize, ROWS * round + number)).collect();
        replaced.iter().for_each(|(key, seed)| seeds[*key] = *seed);
        put(&items, &surface, replaced)?;
        settle(&db, &items)?;
        println!("  round {round:>2}: recall {:.4}, {}", recall(&items, &surface)?, size(&db)?);
    }
    let (fresh_db, fresh) = create(&dir.join("fresh"))?;
    put(&fresh, &surface, seeds.iter().copied().enumerate())?;
    settle(&fresh_db, &fresh)?;
    println!("  afresh:   recall {:.4}, {}", recall(&fresh, &surface)?, size(&fresh_db)?);
    for (name, items) in [("churned", &items), ("afresh", &fresh)] {
        for ef in [None, Some(100)] {
            let effort = ef.map_or("at the default effort".to_owned(), |ef| format!("at ef {ef}"));
            println!(
                "  {name}: {} of {ROWS} rows are not found by their own vectors {effort}",
                missed(items, &surface, &seeds, ef)?
            );
        }
    }
    db.close()?;
    fresh_db.close()?;
    Ok(())
}

/// How many rows are not the first hit for their own vectors.
fn missed(items: &Collection, surface: &Surface, seeds: &[u64], ef: Option<usize>) -> Outcome<u64> {
    let mut missed = 0;
    for (key, seed) in seeds.iter().enumerate() {
        let query = items.query().nearest(surface.vector(*seed)).k(1);
        let hits = ef.into_iter().fold(query, |query, ef| query.ef(ef)).run()?;
        missed += u64::from(hits.keys().next().and_then(|key| key.as_number()) != Some(key as u64));
    }
    Ok(missed)
}

fn put(items: &Collection, surface: &Surface, rows: impl IntoIterator<Item = (usize, u64)>) -> Outcome {
    let rows: Vec<(usize, u64)> = rows.into_iter().collect();
    for rows in rows.chunks(1000) {
        items.put_all(rows.iter().map(|(key, seed)| Record::new(*key as u64).vector(surface.vector(*seed))))?;
    }
    Ok(())
}

/// Brings rows into files and waits for their indexes.
fn settle(db: &Database, items: &Collection) -> Outcome {
    db.flush()?;
    match items.wait_indexed(PATIENCE)? {
        true => Ok(()),
        false => Err("an index takes too long".into()),
    }
}

/// Recall of the ten nearest at default effort.
fn recall(items: &Collection, surface: &Surface) -> Outcome<f64> {
    let mut found = 0;
    for query in 0..QUERIES {
        let vector = surface.vector(1 << 40 | query);
        let exact = items.query().nearest(&vector).k(10).exact().run()?;
        let exact: HashSet<_> = exact.keys().cloned().collect();
        found += items.query().nearest(&vector).k(10).run()?.keys().filter(|key| exact.contains(*key)).count();
    }
    Ok(found as f64 / (10 * QUERIES) as f64)
}

/// What the files of a store's collections take, as people read it.
fn size(db: &Database) -> Outcome<String> {
    let bytes: u64 = db.stats()?.collections.iter().map(|collection| collection.file_bytes).sum();
    Ok(format!("{} MiB of files", bytes >> 20))
}

/// Opening a million rows with a graph, and the first answers.
fn open(dir: &Path) -> Outcome {
    const ROWS: u64 = 1_000_000;
    const OPENINGS: usize = 5;
    let path = dir.join("million");
    let surface = Surface::new();
    let (db, items) = create(&path)?;
    let mut import = items.import()?;
    for key in 0..ROWS {
        import.put(Record::new(key).vector(surface.vector(key)))?;
    }
    import.finish()?;
    items.compact()?;
    settle(&db, &items)?;
    db.close()?;
    let mut columns: [Vec<f64>; 3] = Default::default();
    for _ in 0..OPENINGS {
        let child = Command::new(std::env::current_exe()?).env(OPEN, &path).output()?;
        let printed = String::from_utf8(child.stdout)?;
        let times: Vec<f64> = printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        if times.len() != columns.len() {
            return Err(format!("an opening failed: {}", String::from_utf8_lossy(&child.stderr)).into());
        }
        columns.iter_mut().zip(times).for_each(|(column, time)| column.push(time));
    }
    let [open, first, second] = columns.map(|mut times| {
        times.sort_by(f64::total_cmp);
        Duration::from_secs_f64(times[times.len() / 2])
    });
    println!("a graph over {ROWS} rows of {DIMENSION} numbers, median of {OPENINGS} openings");
    println!("  open {open:.2?}, first answer {first:.2?} more, second {second:.2?}");
    Ok(())
}

/// Opens the store at `path`, asks it twice through its index, and prints the seconds of each.
fn open_and_ask(path: &Path) -> Outcome {
    let vector = Surface::new().vector(1 << 40);
    let start = Instant::now();
    let db = Database::open(path)?;
    let mut times = vec![start.elapsed().as_secs_f64()];
    let items = db.collection("items")?;
    for _ in 0..2 {
        let start = Instant::now();
        let hits = items.query().nearest(&vector).k(10).run()?;
        times.push(start.elapsed().as_secs_f64());
        assert!(hits.len() == 10 && hits.stats.distances < 1000, "the index was not used");
    }
    db.close()?;
    println!("{} {} {}", times[0], times[1], times[2]);
    Ok(())
}
