//! Texts and rankings, and weights in four bits.

use serde_json::Value;

use super::{all_close, cases, close, num, nums, of_kind, places, table};
use crate::stats::bm25::{Bm25, Bm25Options};
use crate::stats::{nf4, ranking};

fn words(value: &Value) -> Vec<String> {
    table(value, |word| word.as_str().unwrap().to_owned())
}

#[test]
fn texts_and_rankings() {
    let mut seen = [0; 3];
    for case in cases("text_and_ranking") {
        match case["kind"].as_str().unwrap() {
            "bm25" => seen[0] += scored(&case, &case["docs"]),
            "bm25_shared" => seen[0] += scored(&case, &shared(case["corpus"].as_str().unwrap())),
            "rrf" => seen[1] += fused(&case),
            "ranking" => seen[2] += judged(&case),
            kind => panic!("{kind}"),
        }
    }
    assert_eq!(seen, [11, 1, 3]);
}

/// Texts that more than one case asks.
fn shared(name: &str) -> Value {
    super::whole("text_and_ranking")["corpora"][name].clone()
}

fn scored(case: &Value, texts: &Value) -> usize {
    let options = Bm25Options { k1: num(&case["k1"]), b: num(&case["b"]) };
    let (texts, query) = (Bm25::of(&table(texts, words), options).unwrap(), words(&case["query"]));
    all_close(&case["name"], "score", &texts.scores(&query), &case["scores"], (1e-9, 1e-7));
    if case["kind"] == "bm25" {
        assert_eq!(texts.ranking(&query), places(&case["ranking_nonzero"]), "{}", case["name"]);
    }
    1
}

fn fused(case: &Value) -> usize {
    let got = ranking::fuse(&table(&case["lists"], places), num(&case["k"])).unwrap();
    for (item, score) in &got {
        close(&case["name"], "score", *score, &case["scores"][item.to_string()]);
    }
    assert_eq!(got.into_iter().map(|(item, _)| item).collect::<Vec<_>>(), places(&case["ranking"]));
    1
}

fn judged(case: &Value) -> usize {
    let grades: Vec<u32> = nums(&case["grades"]).into_iter().map(|grade| grade as u32).collect();
    let got = ranking::quality(&grades, &places(&case["retrieved"]), num(&case["k"]) as usize).unwrap();
    for (what, got) in [
        ("ndcg", got.ndcg),
        ("recall", got.recall),
        ("precision", got.precision),
        ("reciprocal_rank", got.reciprocal_rank),
        ("average_precision", got.average_precision),
    ] {
        close(&case["name"], what, got, &case[what]);
    }
    1
}

#[test]
fn weights_in_four_bits() {
    let cases = of_kind("linear_algebra", "nf4");
    for case in &cases {
        let (name, weights) = (&case["name"], nums(&case["weights"]));
        all_close(name, "level", &nf4::LEVELS, &case["levels"], (0.0, 0.0));
        let block = nf4::Block::of(&weights).unwrap();
        close(name, "scale", block.scale, &case["scale"]);
        assert_eq!(block.codes.iter().map(|code| usize::from(*code)).collect::<Vec<_>>(), places(&case["codes"]));
        let values = block.values().unwrap();
        all_close(name, "value", &values, &case["dequantized"], (1e-9, 1e-7));
        let squares: f64 = values.iter().zip(&weights).map(|(value, weight)| (value - weight).powi(2)).sum();
        close(name, "error", squares / weights.len() as f64, &case["mse"]);
    }
    assert_eq!(cases.len(), 1);
}
