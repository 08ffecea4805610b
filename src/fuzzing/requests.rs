//! Lines that a harness sends: any text is a request or is refused, and what a request names is known or refused.

use super::Seed;
use crate::bench::request::Request;
use crate::filter::IntoFilter;

/// Reads `data` as lines of `driftline bench drive`.
pub fn drive(data: &[u8]) {
    for line in String::from_utf8_lossy(data).lines() {
        match Request::read(line) {
            Ok(Request::Build(build)) => {
                let _ = build.metric();
                let index = build.index().map(|index| index.to_string());
                assert!(index.is_ok_and(|text| !text.is_empty()) || build.index().is_err(), "an index has a name");
                let _ = build.fields();
            }
            Ok(Request::Search(search)) => _ = search.filter.as_deref().map(IntoFilter::into_filter),
            Ok(Request::Quit) => {}
            Err(why) => assert!(!why.is_empty(), "a refusal says why"),
        }
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let build = r#"{"op": "build", "base": "base.npy", "n": 3, "dim": 2, "metric": "ip", "threads": 1, "dir": "db",
        "index": "hnsw(m=8, layout=fused)", "payload": "p.jsonl", "fields": {"lang": "text", "n": "int"}, "more": [1]}"#;
    let search = r#"{"op": "search", "queries": "q.npy", "nq": 1, "k": 3, "batch": true, "params": {"recall": 0.9},
        "filter": "lang in ['en', 'de'] and n > 7", "out": "ids"}"#;
    let seed = |name, text: &str| Seed { name, bytes: text.split_whitespace().collect::<Vec<_>>().join(" ").into() };
    vec![seed("build", build), seed("search", search), seed("quit", r#"{"op": "quit"}"#)]
}
