//! `driftline bench` makes sets, measures on them, and says what it measured.

use std::fs;
use std::path::Path;

use driftline::Random;
use serde_json::Value;

use crate::support::shell::{Shell, f32s, npy};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bench").join(name);
    path.to_str().unwrap().to_owned()
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The numbers of an npy file that the program wrote.
fn numbers(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(bytes.starts_with(b"\x93NUMPY") && header.is_multiple_of(64));
    bytes[header..].as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

#[test]
fn a_set_is_generated_measured_and_drawn() {
    let shell = Shell::empty();
    let path = |name: &str| shell.path(name).to_str().unwrap().to_owned();
    let (set, out, report) = (path("set"), path("r.jsonl"), path("r.html"));
    let said = shell.run(&["bench", "generate", &set, "--rows", "1500", "--dim", "24", "--queries", "40"]).done();
    assert!(said.contains("1500 × 24 clustered for l2, 40 queries"), "{said}");
    let run = ["bench", "run", &set, "--index", "flat", "--index", "hnsw", "--rounds", "1", "--threads", "1,2"];
    let options = ["--recall", "0.9,0.99", "--ef", "10,200", "--filters", "50,1", "--out", &out, "--report", &report];
    let table = shell.run(&[&run[..], &options].concat()).done();
    for word in ["index", "recall", "flat", "hnsw", "exact", "share < 100", "queries/s"] {
        assert!(table.contains(word), "{word:?} is missing: {table}");
    }

    let lines = lines(Path::new(&out));
    let exact: Vec<&Value> = lines.iter().filter(|line| line["index"]["spec"] == "flat").collect();
    // One setting for each number of threads, two shares, near and far.
    assert_eq!(exact.len(), 2 + 4, "{table}");
    for line in &exact {
        assert_eq!((&line["recall"]["mean"], &line["recall"]["min"]), (&1.0.into(), &1.0.into()), "{line}");
        assert_eq!(line["short_answers"], 0, "{line}");
    }
    assert!(lines.iter().any(|line| line["index"]["kind"] == "hnsw"));
    for line in &lines {
        check_line(line);
    }

    let page = fs::read_to_string(&report).unwrap();
    check_page(&page);
    assert!(page.contains("hnsw") && page.matches("<svg").count() >= 8, "{}", page.matches("<svg").count());
    // The page follows from the lines alone.
    let again = path("again.html");
    shell.run(&["bench", "report", &out, "--out", &again]).done();
    assert_eq!(fs::read_to_string(again).unwrap(), page);

    let compared = shell.run(&["bench", "compare", &out, &out, "--format", "jsonl"]).done();
    let ratios: Vec<Value> = compared.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!ratios.is_empty() && ratios.iter().all(|it| it["ratio"].is_null() || it["ratio"] == 1.0), "{compared}");
    // Nothing is left of the stores.
    let left =
        fs::read_dir(shell.dir.path()).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert!(!left.into_iter().any(|name| name.starts_with("driftline-bench")));
}

/// A line has each field of the form that docs/guide/bench.md describes, of the right kind.
#[test]
fn a_load_checks_its_answers_and_says_what_was_taken() {
    let shell = Shell::empty();
    let path = |name: &str| shell.path(name).to_str().unwrap().to_owned();
    let (out, report, work) = (path("load.jsonl"), path("load.html"), path("work"));
    let shape = ["bench", "load", "--minutes", "0.15", "--every", "1", "--rows", "600", "--dim", "8", "--rate", "100"];
    let table = shell.run(&[&shape[..], &["--out", &out, "--report", &report, "--work", &work]].concat()).done();
    for word in ["filtered search", "snapshot", "backup", "p99 us", "descriptors", "steady"] {
        assert!(table.contains(word), "{word:?} is missing: {table}");
    }
    let looks = lines(Path::new(&out));
    assert_eq!(looks.len(), 9);
    assert!(looks.iter().all(|look| look["taken"]["disk"].as_u64() > Some(0) && look["calls"][0]["count"].is_u64()));
    check_page(&fs::read_to_string(&report).unwrap());
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0, "the store is still there");
    shell.run(&["bench", "load", "--minutes", "0"]).refused(1, &["--minutes is 0", "above 0"]);
}

fn check_line(line: &Value) {
    let text =
        ["dataset.name", "dataset.metric", "dataset.sha256", "dataset.truth", "engine.version", "engine.profile"];
    let number = [
        "schema",
        "when",
        "seed",
        "dataset.n",
        "dataset.d",
        "machine.cores",
        "machine.ram",
        "index.rows",
        "index.bytes",
        "index.unreachable",
        "build.s",
        "build.rows_s",
        "build.index_s",
        "build.cpu_s",
        "build.peak_rss",
        "build.disk",
        "build.rows_per_s",
        "build.bytes_per_vector",
        "memory.anon",
        "memory.mapped",
        "query.k",
        "query.threads",
        "query.queries",
        "query.filter_selectivity",
        "recall.mean",
        "recall.p05",
        "recall.min",
        "recall.ci95.0",
        "recall.ci95.1",
        "qps.single",
        "lat_us.p50",
        "lat_us.p90",
        "lat_us.p95",
        "lat_us.p99",
        "lat_us.p999",
        "lat_us.max",
        "dist_per_query",
        "code_dist_per_query",
        "visited_per_query",
        "bytes_read",
        "short_answers",
        "cold.open_ms",
        "cold.first_query_ms",
    ];
    let find = |path: &str| line.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default();
    for path in text {
        assert!(find(path).is_string(), "{path}: {line}");
    }
    for path in number {
        assert!(find(path).is_number(), "{path}: {line}");
    }
    let [low, mean, high] = ["recall.ci95.0", "recall.mean", "recall.ci95.1"].map(|path| find(path).as_f64().unwrap());
    assert!(0.0 <= low && low <= mean && mean <= high && high <= 1.0, "{line}");
    assert_eq!(line["query"]["effort"].as_object().map(serde_json::Map::len), Some(1), "{line}");
    assert_eq!(line["query"]["filter"].is_null(), line["qps"]["batch"].is_number(), "{line}");
}

/// Every element is closed in its order, and nothing is loaded from elsewhere.
fn check_page(page: &str) {
    assert!(page.starts_with("<!doctype html>"));
    for word in ["http:", "https:", "src=", "<link", "@import", "url(", "NaN", "inf\""] {
        assert!(!page.contains(word), "{word:?} is in the page");
    }
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("every tag ends");
        let name = tag.split([' ', '\n', '/']).find(|word| !word.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "in {tag:?}");
        } else if !tag.ends_with('/') && !matches!(name, "!doctype" | "meta") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

#[test]
fn sets_of_ann_benchmarks_are_read_with_their_neighbours() {
    let shell = Shell::empty();
    let out = shell.path("r.jsonl");
    for (name, metric) in [("euclidean.hdf5", "l2"), ("angular-gzip.hdf5", "cosine")] {
        let _ = fs::remove_file(&out);
        let run = ["bench", "run", &fixture(name), "--index", "flat", "--filters", "none", "--rounds", "1"];
        shell.run(&[&run[..], &["--threads", "1", "-o", out.to_str().unwrap()]].concat()).done();
        let lines = lines(&out);
        let set = &lines[0]["dataset"];
        assert_eq!((lines.len(), &set["n"], &set["d"]), (1, &100.into(), &8.into()));
        assert_eq!((set["metric"].as_str(), set["truth"].as_str()), (Some(metric), Some("given")));
        assert_eq!((&lines[0]["recall"]["mean"], &lines[0]["query"]["queries"]), (&1.0.into(), &12.into()));
    }
}

#[test]
fn damaged_hdf5_is_refused_and_never_panics() {
    let shell = Shell::empty();
    let whole = fs::read(fixture("angular-gzip.hdf5")).unwrap();
    let run = |bytes: &[u8]| {
        let path = shell.file("it.hdf5", bytes);
        let words = ["bench", "run", &path, "--index", "flat", "--filters", "none", "--rounds", "1", "--threads", "1"];
        shell.run(&words)
    };
    for share in [0.0, 0.01, 0.3, 0.9] {
        let ended = run(&whole[..(whole.len() as f64 * share) as usize]);
        ended.refused(1, &["it.hdf5", "copy or download it again"]);
    }
    // A byte changed: an answer or a refusal, never a crash. The harness kills what hangs.
    let mut random = Random::seeded(3, 0);
    for _ in 0..40 {
        let mut bytes = whole.clone();
        let place = random.below(bytes.len() as u64) as usize;
        bytes[place] ^= 1 << random.below(8);
        let ended = run(&bytes);
        assert!(matches!(ended.code, 0 | 1), "byte {place}: {ended:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_way_out() {
    let shell = Shell::empty();
    let flat = ["--index", "flat", "--filters", "none", "--rounds", "1", "--threads", "1"];
    let run = |data: &str, more: &[&str]| shell.run(&[&["bench", "run", data], &flat[..], more].concat());
    let file = |name: &str, rows: usize, columns: usize| {
        let data: Vec<f32> = (0..rows * columns).map(|it| it as f32).collect();
        shell.file(name, npy("<f4", &format!("({rows}, {columns})"), false, &f32s(&data)))
    };
    run("nowhere.npy", &["--metric", "l2"]).refused(1, &["nowhere.npy", "check the path"]);
    let base = file("base.npy", 30, 4);
    run(&base, &[]).refused(1, &["base.npy", "does not say which metric", "--metric"]);
    let other = file("other.npy", 3, 5);
    let ended = run(&base, &["--metric", "l2", "--queries-from", &other]);
    ended.refused(1, &["dimension 4", "queries 5"]);
    run(&base, &["--metric", "hamming"]).refused(1, &["bits"]);
    run(&base, &["--metric", "l3"]).refused(2, &["l3", "cosine"]);
    run(&base, &["--recall", "1.5", "--metric", "l2"]).refused(1, &["--recall is 1.5"]);
    run(&base, &["-k", "0", "--metric", "l2"]).refused(1, &["-k is 0"]);
    run(&base, &["--speed", "9"]).refused(2, &["--speed"]);
    shell.run(&["bench", "run", &base, "--index", "tree"]).refused(2, &["tree"]);
    shell.run(&["bench", "run", &base, "--filters", "120"]).refused(2, &["120", "percents"]);
    // Queries that are held out come from the file itself.
    run(&base, &["--metric", "l2"]).done();

    fs::create_dir(shell.path("set")).unwrap();
    let set = shell.path("set").to_str().unwrap().to_owned();
    run(&set, &["--metric", "l2"]).refused(1, &["set", "base.npy"]);
    file("set/base.npy", 30, 4);
    file("set/query.npy", 3, 4);
    // The neighbours 0 1 2 3 of each query are not the nearest of the third.
    let wrong: Vec<u8> = (0..3).flat_map(|_| [26i32, 27, 28, 29]).flat_map(i32::to_le_bytes).collect();
    shell.file("set/gt.npy", npy("<i4", "(3, 4)", false, &wrong));
    run(&set, &["--metric", "l2", "-k", "4"]).refused(1, &["not the nearest by l2", "--recompute-truth"]);
    run(&set, &["--metric", "l2", "-k", "4", "--recompute-truth"]).done();
    let far: Vec<u8> = (0..12).flat_map(|_| 30i32.to_le_bytes()).collect();
    shell.file("set/gt.npy", npy("<i4", "(3, 4)", false, &far));
    run(&set, &["--metric", "l2", "-k", "4"]).refused(1, &["row 30", "30 rows"]);
    shell.file("set/info.json", "{");
    run(&set, &[]).refused(1, &["info.json", "no JSON"]);

    let results = shell.file("r.jsonl", "{\"schema\":1}\n");
    shell.run(&["bench", "report", &results]).refused(1, &["r.jsonl, line 1", "bench run --out"]);
    let generate = |more: &[&str]| {
        let out = shell.path("made").to_str().unwrap().to_owned();
        shell.run(&[&["bench", "generate", &out], more].concat())
    };
    generate(&["--rows", "0", "--dim", "4"]).refused(1, &["--rows is 0"]);
    generate(&["--rows", "10", "--dim", "0"]).refused(1, &["--dim is 0"]);
    generate(&["--rows", "10", "--dim", "4", "--metric", "l1"]).refused(1, &["l2, cosine or dot"]);
    generate(&["--rows", "10", "--dim", "4", "--kind", "noise"]).refused(2, &["clustered"]);
    generate(&["--rows", "10", "--dim", "4", "--queries", "2"]).done();
    generate(&["--rows", "10", "--dim", "4"]).refused(1, &["not empty", "--force"]);
}

#[test]
fn generated_sets_are_the_same_for_a_seed_at_any_number_of_threads() {
    let shell = Shell::empty();
    let make = |name: &str, seed: &str, threads: &str| {
        let out = shell.path(name);
        // So many numbers that several blocks are drawn.
        let set = ["--rows", "20000", "--dim", "130", "--queries", "20", "--kind", "anisotropic", "--truth", "10"];
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("driftline");
        command.args(["bench", "generate", out.to_str().unwrap(), "--seed", seed]).args(set);
        command.env("RAYON_NUM_THREADS", threads).assert().success();
        ["base.npy", "query.npy", "gt.npy"].map(|file| fs::read(out.join(file)).unwrap())
    };
    let one = make("one", "5", "1");
    assert!(one == make("three", "5", "3"), "threads change the set");
    let other = make("other", "6", "2");
    assert!((0..3).all(|file| one[file] != other[file]), "the seed does not change the set");
}

#[test]
fn generated_sets_look_like_embeddings() {
    let shell = Shell::empty();
    for (kind, metric) in [("clustered", "l2"), ("low-dimension", "cosine"), ("anisotropic", "dot")] {
        for shifted in [false, true] {
            let out = shell.path(&format!("{kind}-{shifted}"));
            let set = ["--rows", "8000", "--dim", "96", "--queries", "60", "--truth", "100", "--kind", kind];
            let mut words = [&["bench", "generate", out.to_str().unwrap(), "--metric", metric], &set[..]].concat();
            words.extend(shifted.then_some("--out-of-distribution"));
            shell.run(&words).done();
            let base = numbers(&out.join("base.npy"));
            assert!(base.len() == 8000 * 96 && base.iter().all(|number| number.is_finite()));
            let length = |row: &[f32]| row.iter().map(|number| number * number).sum::<f32>().sqrt();
            if metric == "cosine" {
                assert!(base.chunks(96).all(|row| (length(row) - 1.0).abs() < 1e-5));
            }
            let (dimension, contrast) = difficulty(&base, &numbers(&out.join("query.npy")));
            // Noise of 96 dimensions has about 50 and 1.3; images of digits have 13 and 2.4.
            assert!(dimension > 5.0 && (dimension < 30.0 || shifted), "{kind}: intrinsic dimension {dimension}");
            if !shifted {
                assert!((1.6..5.0).contains(&contrast), "{kind}: contrast {contrast}");
            } else {
                assert!(contrast < 2.2, "{kind}: queries from elsewhere have near neighbours, {contrast}");
            }
        }
    }
}

/// The local intrinsic dimension (Levina and Bickel's estimate from 50 neighbours, its median), and how many times
/// further than the nearest an average row is.
fn difficulty(base: &[f32], queries: &[f32]) -> (f64, f64) {
    let (mut dimensions, mut contrasts) = (Vec::new(), Vec::new());
    for query in queries.chunks(96) {
        let mut far: Vec<f64> = base
            .chunks(96)
            .map(|row| row.iter().zip(query).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt())
            .collect();
        far.sort_by(f64::total_cmp);
        let logs: f64 = far[..49].iter().map(|near| (near / far[49]).ln()).sum();
        dimensions.push(-49.0 / logs);
        contrasts.push(far.iter().sum::<f64>() / far.len() as f64 / far[0]);
    }
    let median = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    (median(dimensions), median(contrasts))
}

#[test]
fn detectors_of_drift_are_measured_the_same_on_any_number_of_threads() {
    let shell = Shell::empty();
    let run = |threads: &str| {
        let page = shell.path(&format!("drift-{threads}.md")).display().to_string();
        let asked = ["bench", "drift", "--draws", "3", "--dims", "6", "--rows", "60", "--permutations", "99"];
        let out = shell.run(&[&asked[..], &["--threads", threads, "--report", &page, "-q"]].concat()).done();
        let page = fs::read_to_string(&page).unwrap();
        (out, page.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
    };
    let (one, page) = run("1");
    let (three, other) = run("3");
    assert!(one == three && page == other, "{one}\n{three}");
    for told in ["embeddings of 6 dimensions", "one column of numbers", "auto", "rule: PSI > 0.2", "no drift at 0.01"] {
        assert!(one.contains(told) && page.iter().any(|line| line.contains(told)), "{told}: {one}");
    }
    let lines = shell.path("drift.jsonl").display().to_string();
    shell.run(&["bench", "drift", "--draws", "1", "--dims", "6", "--rows", "60", "--out", &lines, "-q"]).done();
    let lines = self::lines(Path::new(&lines));
    assert_eq!((lines.len(), lines[0]["detectors"][0]["name"].as_str()), (3, Some("auto")));
    assert_eq!(lines[0]["detectors"][0]["rates"].as_array().unwrap().len(), 10);
    for wrong in [["--draws", "0"], ["--dims", "2"], ["--rows", "10"], ["--permutations", "3"]] {
        shell.run(&[&["bench", "drift"][..], &wrong].concat()).refused(1, &[wrong[0]]);
    }
}
