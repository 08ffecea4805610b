//! The figures the README states, measured beside what the disk itself does: `cargo bench --bench figures`.
//!
//! Each pair is measured in turn, several rounds, and the medians are compared: absolute times depend on the machine,
//! ratios much less. An argument names the figures to measure (`puts`, `batches`, `reopen`, `filters`); without one, all are.
//! `DRIFTLINE_BENCH_DIR` says where to write; the default is the system's directory for temporary files.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use driftline::{Database, Maintenance, Metric, Options, Random, Record, Schema, json};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;
const PUTS: u64 = 400;

/// Names the store to open to a process that is to do only that.
const REOPEN: &str = "DRIFTLINE_BENCH_REOPEN";

fn main() -> Outcome {
    if let Some(path) = std::env::var_os(REOPEN) {
        return open_and_ask(Path::new(&path));
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|argument| argument == name);
    let place = std::env::var_os("DRIFTLINE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(place)?;
    if wants("puts") {
        puts(dir.path())?;
    }
    if wants("batches") {
        batches(dir.path())?;
    }
    if wants("reopen") {
        reopen(dir.path())?;
    }
    if wants("filters") {
        filters(dir.path())?;
    }
    Ok(())
}

/// The ten nearest among all of 60,000 rows, among 1 % by a field index, and among 1 % by reading payloads.
fn filters(dir: &Path) -> Outcome {
    const ROWS: u64 = 60_000;
    const DIMENSION: usize = 784;
    const QUERIES: usize = 31;
    let db = Database::open(dir.join("filters"))?;
    let points = db.create_collection("points", Schema::vector(DIMENSION, Metric::L2))?;
    let mut random = Random::seeded(1, 8);
    let mut import = points.import()?;
    for key in 0..ROWS {
        // What lists hold is not indexed.
        let payload = json!({"hundredth": key % 100, "list": [key % 100]});
        import.put(Record::new(key).vector(vector(&mut random, DIMENSION)).payload(payload))?;
    }
    import.finish()?;
    points.compact()?;
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|_| vector(&mut random, DIMENSION)).collect();
    let ask = |query: &Vec<f32>, filter: &str| -> Outcome<f64> {
        let start = Instant::now();
        let hits = points.query().nearest(query.clone()).filter(filter)?.run()?;
        assert_eq!(hits.len(), 10);
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    let kinds = ["true", "hundredth = 7", "list contains 7"];
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for (filter, times) in kinds.iter().zip(&mut times) {
        *times = queries.iter().map(|query| ask(query, filter)).collect::<Outcome<_>>()?;
    }
    // Right after a query that read all codes, so that none of the few wanted are in a cache.
    let cold = queries.iter().map(|query| ask(query, "true").and_then(|_| ask(query, "hundredth = 7")));
    let cold = median(cold.collect::<Outcome<_>>()?);
    let [all, indexed, read] = times.map(median);
    println!("ten nearest of {ROWS} x {DIMENSION}, exact, median of {QUERIES} queries");
    println!("  all                          {all:>9.3} ms");
    println!("  1 %, by a field index        {indexed:>9.3} ms   {:>5.3} of all", indexed / all);
    println!("  the same, codes out of cache {cold:>9.3} ms   {:>5.3} of all", cold / all);
    println!("  1 %, by reading payloads     {read:>9.3} ms   {:>5.3} of all", read / all);
    Ok(())
}

/// Durable single puts from 1 and 16 threads, beside 4 KiB appended to a growing file and synced.
fn puts(dir: &Path) -> Outcome {
    let (mut disk, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        disk.push(appends_per_second(&dir.join(format!("append-{round}")))?);
        one.push(puts_per_second(&dir.join(format!("one-{round}")), 1)?);
        many.push(puts_per_second(&dir.join(format!("many-{round}")), 16)?);
    }
    let (disk, one, many) = (median(disk), median(one), median(many));
    println!("durable single puts, 384-d, median of {ROUNDS} rounds");
    println!("  append 4 KiB to a growing file, fdatasync   {disk:>9.0} /s");
    println!("  put from 1 thread                           {one:>9.0} /s   {:>5.2} of the disk's", one / disk);
    println!("  put from 16 threads                         {many:>9.0} /s   {:>5.2} of 1 thread's", many / one);
    Ok(())
}

fn appends_per_second(path: &Path) -> Outcome<f64> {
    let file = File::create_new(path)?;
    let block = [7; 4096];
    let start = Instant::now();
    for number in 0..PUTS {
        file.write_all_at(&block, number * 4096)?;
        file.sync_data()?;
    }
    Ok(PUTS as f64 / start.elapsed().as_secs_f64())
}

fn puts_per_second(path: &Path, threads: u64) -> Outcome<f64> {
    let db = Database::open(path)?;
    let items = db.create_collection("items", Schema::vector(384, Metric::Cosine))?;
    let each = if threads == 1 { PUTS } else { PUTS / 4 };
    // The first put makes the log.
    items.put(Record::new("first").vector(vector(&mut Random::seeded(1, 99), 384)))?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let work = |thread: u64| {
            let items = items.clone();
            move || -> driftline::Result<()> {
                let mut random = Random::seeded(1, thread);
                for number in 0..each {
                    items.put(Record::new(thread << 32 | number).vector(vector(&mut random, 384)))?;
                }
                Ok(())
            }
        };
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let rate = (threads * each) as f64 / start.elapsed().as_secs_f64();
    db.close()?;
    Ok(rate)
}

/// Durable batches of 1,000 rows of 384 numbers, beside the same bytes written and synced.
fn batches(dir: &Path) -> Outcome {
    const BATCHES: u64 = 60;
    let bytes = 1000 * 384 * 4;
    let mut random = Random::seeded(2, 0);
    let rows: Vec<Vec<f32>> = (0..1000).map(|_| vector(&mut random, 384)).collect();
    let (mut disk, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut file = File::create_new(dir.join(format!("stream-{round}")))?;
        let block = vec![7; bytes];
        let start = Instant::now();
        for _ in 0..BATCHES {
            file.write_all(&block)?;
            file.sync_data()?;
        }
        disk.push(BATCHES as f64 * 1000.0 / start.elapsed().as_secs_f64());

        let db = Database::open(dir.join(format!("batches-{round}")))?;
        let items = db.create_collection("items", Schema::vector(384, Metric::L2))?;
        let start = Instant::now();
        for batch in 0..BATCHES {
            let record = |(number, row): (u64, &Vec<f32>)| Record::new(batch * 1000 + number).vector(row);
            items.put_all((0..).zip(&rows).map(record))?;
        }
        ours.push(BATCHES as f64 * 1000.0 / start.elapsed().as_secs_f64());
        db.close()?;
    }
    let (disk, ours) = (median(disk), median(ours));
    let mib = |rate: f64| rate * 384.0 * 4.0 / f64::from(1 << 20);
    println!("durable batches of 1,000 rows of 384 numbers, median of {ROUNDS} rounds");
    println!("  the same bytes appended and synced          {disk:>9.0} rows/s  {:>7.0} MiB/s", mib(disk));
    println!("  put_all                                     {ours:>9.0} rows/s  {:>7.0} MiB/s", mib(ours));
    Ok(())
}

const MILLION: u64 = 1_000_000;

/// Opening a cleanly closed store of a million rows, and the first answer. Each opening is a process of its own: memory
/// that this one has kept from building the store would hide what an opening takes.
fn reopen(dir: &Path) -> Outcome {
    let path = dir.join("million");
    let db = Options::new().maintenance(Maintenance::Manual).open(&path)?;
    let items = db.create_collection("items", Schema::vector(128, Metric::L2))?;
    let mut random = Random::seeded(3, 0);
    let start = Instant::now();
    let mut import = items.import()?;
    for key in 0..MILLION {
        import.put(Record::new(key).vector(vector(&mut random, 128)))?;
    }
    import.finish()?;
    let built = start.elapsed();
    db.close()?;
    let mut columns: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let child = Command::new(std::env::current_exe()?).env(REOPEN, &path).output()?;
        let printed = String::from_utf8(child.stdout)?;
        let numbers: Vec<f64> = printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        if numbers.len() != columns.len() {
            return Err(format!("an opening failed: {}", String::from_utf8_lossy(&child.stderr)).into());
        }
        columns.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
    }
    let [open, first, second, anonymous] = columns.map(median);
    let show = Duration::from_secs_f64;
    println!("a store of 1,000,000 rows of 128 numbers, imported in {built:.1?}, median of {ROUNDS} openings");
    println!("  open                                        {:>9.1?}", show(open));
    println!("  first exact query, checksums included       {:>9.1?}", show(first));
    println!("  second exact query                          {:>9.1?}", show(second));
    let share = anonymous / (MILLION * 128 * 4) as f64 * 100.0;
    println!("  anonymous memory after open and one query   {anonymous:>9} bytes, {share:.2} % of the data");
    Ok(())
}

/// Opens the store at `path`, asks it twice, and prints the seconds of each and the anonymous memory of the whole
/// process after the first answer.
fn open_and_ask(path: &Path) -> Outcome {
    let query = vector(&mut Random::seeded(4, 0), 128);
    let start = Instant::now();
    let db = Database::open(path)?;
    let open = start.elapsed().as_secs_f64();
    let items = db.collection("items")?;
    let start = Instant::now();
    assert_eq!(items.query().nearest(&query).run()?.len(), 10);
    let first = start.elapsed().as_secs_f64();
    let anonymous = anonymous_bytes()?;
    let start = Instant::now();
    assert_eq!(items.query().nearest(&query).run()?.stats.code_distances, MILLION);
    let second = start.elapsed().as_secs_f64();
    db.close()?;
    println!("{open} {first} {second} {anonymous}");
    Ok(())
}

/// Anonymous memory of this process, from the kernel.
fn anonymous_bytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).ok_or("no RssAnon line")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib * 1024)
}

fn vector(random: &mut Random, dimension: usize) -> Vec<f32> {
    (0..dimension).map(|_| random.unit() as f32 - 0.5).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
