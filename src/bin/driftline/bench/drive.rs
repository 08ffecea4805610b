//! `driftline bench drive`: line JSON on stdin and stdout, so that harnesses in any language measure the engine alike.
//!
//! Queries are read before the clock starts and answers written after it has stopped: what is timed is the public call,
//! as any program makes it. docs/BENCHMARKS.md describes the protocol.

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use driftline::bench::request::{Build, Request, Search};
use driftline::exchange::{ImportOptions, Input, Keys, Source};
use driftline::{Collection, Database, Error, ErrorKind, Hits, IntoFilter, Query, Result, Schema, Vector};
use serde_json::{Value, json};

use super::effort::Effort;
use super::store;

/// A longer line is refused, so that a stream without ends of lines does not fill the memory.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Answers each line with one line, until `quit` or the end. A request that fails is answered, too.
pub(super) fn run(mut requests: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    let mut driver = Driver::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut requests).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let request = match line.len() as u64 {
            MAX_LINE_BYTES => Err(format!("the request is longer than {MAX_LINE_BYTES} bytes")),
            _ => Request::read(&String::from_utf8_lossy(&line)),
        };
        let quit = matches!(request, Ok(Request::Quit));
        let answer = request.and_then(|request| driver.answer(request).map_err(|error| error.to_string()));
        let answer = answer.unwrap_or_else(|error| json!({"ok": false, "error": error}));
        writeln!(answers, "{answer}")?;
        answers.flush()?;
        if quit {
            return Ok(());
        }
    }
}

/// The store that was built, and the handle that searched it last.
#[derive(Default)]
struct Driver {
    built: Option<PathBuf>,
    open: Option<(usize, Database, Collection)>,
}

impl Driver {
    fn answer(&mut self, request: Request) -> Result<Value> {
        match request {
            Request::Build(build) => self.build(&build),
            Request::Search(search) => self.search(&search),
            Request::Quit => Ok(json!({"ok": true})),
        }
    }

    fn build(&mut self, build: &Build) -> Result<Value> {
        self.open = None;
        self.built = None;
        let mut schema = Schema::vector(build.dim, build.metric()?).index(build.index()?);
        for (name, kind) in build.fields()? {
            schema = schema.field(name, kind);
        }
        let input = open(&build.base, build.n, build.payload.as_deref())?;
        let built = store::build(&build.dir, build.threads, schema, input)?;
        self.built = Some(build.dir.clone());
        let secs = (built.rows + built.index).as_secs_f64();
        let (rows, index) = (built.rows.as_secs_f64(), built.index.as_secs_f64());
        Ok(json!({"ok": true, "bytes": built.bytes, "secs": secs, "rows_secs": rows, "index_secs": index}))
    }

    fn search(&mut self, search: &Search) -> Result<Value> {
        let base = self.collection(search.threads)?;
        let records = open(&search.queries, search.nq, None)?;
        let queries: Vec<Vector> = records
            .map(|record| record?.vector.ok_or_else(|| invalid("a row without a vector")))
            .collect::<Result<_>>()?;
        let effort = Effort::read(&search.params)?;
        let filter = search.filter.as_deref().map(IntoFilter::into_filter).transpose()?;
        let prepared = || {
            let query = Effort::tell(effort, base.query().k(search.k));
            match filter.clone() {
                Some(filter) => query.filter(filter),
                None => Ok(query),
            }
        };
        let batch = prepared()?;
        let start = Instant::now();
        let (answers, mut each) =
            if search.batch { (batch.run_many(queries)?, Vec::new()) } else { one_by_one(prepared, queries)? };
        let elapsed = start.elapsed();
        write_ids(&search.out, &answers, search.k)?;
        each.sort_unstable();
        let latency = (!each.is_empty()).then(|| [at(&each, 0.5), at(&each, 0.99)]);
        let stats = |count: fn(&Hits) -> u64| answers.iter().map(count).sum::<u64>() / answers.len().max(1) as u64;
        Ok(json!({
            "ok": true,
            "secs": elapsed.as_secs_f64(),
            "lat_us": latency,
            "bytes_per_query": stats(|hits| hits.stats.bytes),
            "distances_per_query": stats(|hits| hits.stats.distances),
            "code_distances_per_query": stats(|hits| hits.stats.code_distances),
            "visited_per_query": stats(|hits| hits.stats.visited),
            "payloads_per_query": stats(|hits| hits.stats.evaluated),
            "short_answers": answers.iter().filter(|hits| hits.len() < search.k).count(),
        }))
    }

    /// The collection, in a store opened with that many threads.
    fn collection(&mut self, threads: usize) -> Result<Collection> {
        if self.open.as_ref().is_none_or(|open| open.0 != threads) {
            let nothing = || invalid("there is nothing to search").mend("build first");
            let path = self.built.as_ref().ok_or_else(nothing)?;
            // Only one handle at a time may write to a store.
            self.open = None;
            let (db, base) = store::open(path, threads)?;
            self.open = Some((threads, db, base));
        }
        match &self.open {
            Some((_, _, base)) => Ok(base.clone()),
            None => Err(invalid("there is no store")),
        }
    }
}

/// The rows of an array, which must be as many as the harness says, with their payloads.
fn open(path: &Path, rows: u64, payload: Option<&Path>) -> Result<Input> {
    let options = ImportOptions::new().keys(Keys::Rows { first: 0 });
    let options = payload.map_or(options.clone(), |payload| options.payload(payload));
    let input = Input::open(Source::file(path), &options)?;
    match input.total() {
        Some(total) if total != rows => {
            let message = format!("the array has {total} rows, and the request says {rows}");
            Err(invalid(message).at(path.display().to_string()))
        }
        _ => Ok(input),
    }
}

/// Each in a call of its own, which is timed from the empty query on.
fn one_by_one(prepared: impl Fn() -> Result<Query>, queries: Vec<Vector>) -> Result<(Vec<Hits>, Vec<Duration>)> {
    let mut each = Vec::with_capacity(queries.len());
    let answers = queries.into_iter().map(|query| {
        let start = Instant::now();
        let hits = prepared()?.nearest(query).run();
        each.push(start.elapsed());
        hits
    });
    Ok((answers.collect::<Result<_>>()?, each))
}

/// The time in microseconds that this share of the sorted times does not exceed.
fn at(sorted: &[Duration], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len() - 1)).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn write_ids(path: &Path, answers: &[Hits], k: usize) -> Result<()> {
    let mut ids = Vec::with_capacity(answers.len() * k * 4);
    for hits in answers {
        let keys = hits.keys().map(|key| key.as_number().and_then(|row| i32::try_from(row).ok()).unwrap_or(-1));
        keys.chain(std::iter::repeat(-1)).take(k).for_each(|id| ids.extend_from_slice(&id.to_le_bytes()));
    }
    #[expect(clippy::disallowed_methods, reason = "a file of the harness, which is no part of a store")]
    std::fs::write(path, ids).map_err(|error| failed("write", path, &error))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not {what} it: {error}")).at(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each request is answered, and whether all was read.
    fn converse(requests: &str) -> Vec<Value> {
        let mut answers = Vec::new();
        run(requests.as_bytes(), &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A `.npy` file of two columns.
    fn array(path: &Path, rows: &[[f32; 2]]) {
        let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 2), }}", rows.len());
        header += &" ".repeat(117 - header.len());
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.push(b'\n');
        rows.iter().flatten().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        #[expect(clippy::disallowed_methods, reason = "a file of the test")]
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn builds_searches_and_goes_on_after_what_it_cannot_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        array(&path("base.npy"), &[[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]);
        array(&path("q.npy"), &[[0.9, 0.0], [4.0, 0.0]]);
        let build = json!({"op": "build", "base": path("base.npy"), "n": 3, "dim": 2, "metric": "l2", "threads": 1,
            "dir": path("db"), "index": "flat", "unknown": [1]});
        let search = |batch: bool, nq: u64, k: u64| {
            json!({"op": "search", "queries": path("q.npy"), "nq": nq, "k": k, "threads": 1 + u64::from(batch),
                "batch": batch, "params": {"ef": 10}, "out": path("ids")})
        };
        let wrong = [
            search(false, 2, 1).to_string(),
            json!({"op": "dance"}).to_string(),
            "{".into(),
            json!({"op": "build", "base": path("no.npy"), "n": 3, "dim": 2, "metric": "l2", "dir": path("a")})
                .to_string(),
            json!({"op": "build", "base": path("q.npy"), "n": 3, "dim": 2, "metric": "l2", "dir": path("b")})
                .to_string(),
            json!({"op": "build", "base": path("q.npy"), "n": 2, "dim": 3, "metric": "l2", "dir": path("c")})
                .to_string(),
        ];
        for request in wrong {
            let answers = converse(&format!("{request}\n{{\"op\":\"quit\"}}\n"));
            assert_eq!((&answers[0]["ok"], &answers[1]["ok"]), (&false.into(), &true.into()), "{request} {answers:?}");
            assert!(!answers[0]["error"].as_str().unwrap().is_empty());
        }
        for batch in [false, true] {
            let _ = std::fs::remove_dir_all(path("db"));
            // The last one with other threads, for which the store is opened anew.
            let searches = [search(batch, 3, 1), search(batch, 2, 4), search(!batch, 2, 4)];
            let asked: Vec<String> = std::iter::once(&build).chain(&searches).map(Value::to_string).collect();
            let answers = converse(&asked.join("\n"));
            let ok: Vec<&Value> = answers.iter().map(|answer| &answer["ok"]).collect();
            assert_eq!(ok, [true, false, true, true], "{answers:?}");
            assert!(answers[0]["bytes"].as_u64().unwrap() > 4096);
            assert_eq!(answers[2]["lat_us"].is_array(), !batch);
            #[expect(clippy::disallowed_methods, reason = "a file of the test")]
            let ids = std::fs::read(path("ids")).unwrap();
            let ids: Vec<i32> = ids.as_chunks::<4>().0.iter().map(|id| i32::from_le_bytes(*id)).collect();
            assert_eq!(ids, [1, 0, 2, -1, 2, 1, 0, -1]);
        }
    }

    #[test]
    fn filters_and_efforts_are_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        array(&path("base.npy"), &[[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]);
        array(&path("q.npy"), &[[0.0, 0.0]]);
        let payloads =
            "{\"payload\":{\"lang\":\"en\"}}\n{\"payload\":{\"lang\":\"de\"}}\n{\"payload\":{\"lang\":\"de\"}}\n";
        #[expect(clippy::disallowed_methods, reason = "a file of the test")]
        std::fs::write(path("p.jsonl"), payloads).unwrap();
        let build = json!({"op": "build", "base": path("base.npy"), "n": 3, "dim": 2, "metric": "ip", "threads": 1,
            "dir": path("db"), "payload": path("p.jsonl"), "fields": {"lang": "text"}});
        let search = |params: Value, filter: &str| {
            json!({"op": "search", "queries": path("q.npy"), "nq": 1, "k": 3, "params": params, "filter": filter,
                "out": path("ids")})
            .to_string()
        };
        let asked = [
            build.to_string(),
            search(json!({"recall": 0.9}), "lang = 'en'"),
            search(json!({"ef": 9}), "lang = 'de'"),
            search(json!({"exact": true}), "lang = 'fr'"),
            search(json!({"gamma": 1}), "lang = 'de'"),
            search(json!({}), "lang ="),
        ];
        let answers = converse(&asked.join("\n"));
        let short: Vec<&Value> = answers[1..4].iter().map(|answer| &answer["short_answers"]).collect();
        assert_eq!(short, [1, 1, 1], "{answers:?}");
        let compared: Vec<&Value> = answers[1..4].iter().map(|answer| &answer["distances_per_query"]).collect();
        assert_eq!(compared, [1, 2, 0], "{answers:?}");
        assert!(answers[4]["error"].as_str().unwrap().contains("no parameter gamma"), "{answers:?}");
        assert!(answers[5]["error"].as_str().unwrap().contains("the text ends here"), "{answers:?}");
    }
}
