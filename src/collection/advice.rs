//! What would make a query cheaper, or its answer better.

use crate::collection::explain::{Explain, SegmentExplain};
use crate::collection::hits::Completeness;
use crate::index::{Effort, IndexSpec};

/// More segments than this are worth a merge.
const MANY_SEGMENTS: usize = 8;
/// What makes no difference that anybody would notice is no reason to advise.
const FEW_ROWS: u64 = 1000;
/// From so many rows on comparing with all of them takes many times longer than an index.
const MANY_ROWS: u64 = 20_000;

/// What advice depends on beside what was done.
#[derive(Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) effort: Effort,
    /// The index that the collection is to have.
    pub(crate) index: &'a IndexSpec,
}

type Advice = fn(&Explain, &Circumstances<'_>) -> Option<String>;

/// In the order in which they are given.
const ALL: &[Advice] = &[
    damaged_index,
    missing_index,
    flat_on_many_rows,
    recall_out_of_reach,
    low_ef,
    exact_is_cheaper,
    narrow_filter,
    payloads_read,
    rows_in_memory,
    many_segments,
    rows_gone,
    time_was_up,
];

/// Everything there is to advise.
pub(crate) fn of(explain: &Explain, circumstances: &Circumstances<'_>) -> Vec<String> {
    ALL.iter().filter_map(|advice| advice(explain, circumstances)).collect()
}

/// The names of these segments, or of the first of many; none where there are none.
fn names<'a>(segments: impl Iterator<Item = &'a SegmentExplain>) -> Option<String> {
    let names: Vec<&str> = segments.map(|segment| segment.name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        [first, _, _, rest @ ..] if !rest.is_empty() => Some(format!("{first} and {} others", names.len() - 1)),
        _ => Some(names.join(", ")),
    }
}

fn damaged_index(explain: &Explain, _: &Circumstances<'_>) -> Option<String> {
    let names = names(explain.sealed().filter(|segment| segment.damage.is_some()))?;
    Some(format!(
        "the index of {names} is damaged and is not used: every row is compared until it has been built anew, in the \
         background of a store that is open for writing"
    ))
}

fn missing_index(explain: &Explain, circumstances: &Circumstances<'_>) -> Option<String> {
    let waits = |segment: &&SegmentExplain| segment.awaits.is_some() && segment.damage.is_none();
    let (missing, other) = explain.sealed().filter(waits).partition::<Vec<_>, _>(|segment| segment.index.is_none());
    let missing = names(missing.into_iter()).map(|names| format!("{names} has no index yet and every row is compared"));
    let other = || names(other.into_iter()).map(|names| format!("{names} has still another index than it is to have"));
    let wanted = circumstances.index;
    missing.or_else(other).map(|told| {
        format!("{told}: {wanted} is built in the background; Collection::wait_indexed or `reindex` wait for it")
    })
}

fn flat_on_many_rows(explain: &Explain, circumstances: &Circumstances<'_>) -> Option<String> {
    let rows: u64 = explain.sealed().map(|segment| segment.candidates).sum();
    let asked = *circumstances.index == IndexSpec::Flat && circumstances.effort != Effort::Exact;
    (asked && rows >= MANY_ROWS).then(|| {
        format!(
            "the collection has the index flat, so each of {rows} rows was compared: `reindex {} auto` answers sooner, \
             and not always exactly",
            explain.collection
        )
    })
}

fn recall_out_of_reach(explain: &Explain, circumstances: &Circumstances<'_>) -> Option<String> {
    let Effort::Recall(recall) = circumstances.effort else { return None };
    let walked = explain.sealed().filter(|segment| segment.approximate);
    let lowest = walked.filter_map(|segment| Some((segment.reaches?, &segment.name)));
    let (reached, name) = lowest.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|(reached, _)| *reached < recall)?;
    Some(format!(
        "a recall of {recall} was asked for, and the index of {name} had {reached:.3} at most when it was measured: ask \
         for exact, or build one that links more rows, such as hnsw(m=32)"
    ))
}

fn low_ef(explain: &Explain, circumstances: &Circumstances<'_>) -> Option<String> {
    match circumstances.effort {
        Effort::Ef(ef) if ef <= explain.k && explain.is_approximate() => Some(format!(
            "ef {ef} has an index look at no more candidates than are wanted, and it misses many: raise it, or ask for a \
             recall"
        )),
        _ => None,
    }
}

fn exact_is_cheaper(explain: &Explain, _: &Circumstances<'_>) -> Option<String> {
    let dearer = explain.is_approximate() && explain.stats.bytes > explain.exact.bytes;
    dearer.then(|| "the exact answer would have read less: ask for exact, or for a lower recall".into())
}

fn narrow_filter(explain: &Explain, circumstances: &Circumstances<'_>) -> Option<String> {
    let passed_over = |segment: &&SegmentExplain| {
        segment.index.is_some() && !segment.approximate && segment.candidates < segment.rows / 2
    };
    let asked = explain.filter.is_some() && circumstances.effort != Effort::Exact;
    let names = names(explain.sealed().filter(passed_over)).filter(|_| asked)?;
    Some(format!(
        "the filter lets so few rows of {names} through that all of them were compared, which is exact; no recall or ef \
         changes that"
    ))
}

fn payloads_read(explain: &Explain, _: &Circumstances<'_>) -> Option<String> {
    let mut unindexed: Vec<&str> =
        explain.sealed().flat_map(|segment| &segment.by_payload).map(String::as_str).collect();
    unindexed.sort_unstable();
    unindexed.dedup();
    let evaluated = explain.stats.evaluated;
    (!unindexed.is_empty() && evaluated > 0).then(|| {
        format!(
            "the payloads of {evaluated} rows were read for {}: no index of every segment answers that part of the \
             filter; declare the field in the schema of a new collection, or compare it in a way an index can answer",
            unindexed.join(", ")
        )
    })
}

fn rows_in_memory(explain: &Explain, _: &Circumstances<'_>) -> Option<String> {
    let rows = explain.rows_in_memory();
    let lacking = if explain.filter.is_some() { "no field indexes" } else { "no codes" };
    (rows > explain.rows / 4 && rows > FEW_ROWS)
        .then(|| format!("{rows} rows are not in files yet and have {lacking}: flush the store"))
}

fn many_segments(explain: &Explain, _: &Circumstances<'_>) -> Option<String> {
    let count = explain.segments.len();
    (count > MANY_SEGMENTS).then(|| format!("{count} segments were searched: compact the collection"))
}

fn rows_gone(explain: &Explain, _: &Circumstances<'_>) -> Option<String> {
    let most = explain.candidates * 2 < explain.rows && explain.filter.is_none() && explain.rows > FEW_ROWS;
    most.then(|| "more than half of the rows are deleted or expired: compact the collection".into())
}

fn time_was_up(explain: &Explain, _: &Circumstances<'_>) -> Option<String> {
    (explain.completeness == Completeness::BudgetHit)
        .then(|| "the deadline ended the search: allow more time, or narrow it with a filter".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::explain::{Asked, ExactCost, MEMORY};
    use crate::collection::hits::{Hits, QueryStats};

    const DEFAULT: Effort = Effort::Recall(0.95);

    /// A segment of 60,000 rows that was searched through its index, in a tenth of what the exact answer takes.
    fn indexed(name: &str) -> SegmentExplain {
        SegmentExplain {
            name: name.into(),
            rows: 60_000,
            candidates: 60_000,
            index: Some("hnsw".into()),
            reaches: Some(0.99),
            approximate: true,
            bytes: 100,
            exact: ExactCost::of(&crate::index::Found { bytes: 1_000, ..Default::default() }),
            ..SegmentExplain::default()
        }
    }

    fn advised(effort: Effort, index: &str, filter: Option<&str>, segments: Vec<SegmentExplain>) -> Vec<String> {
        let sum = |of: fn(&SegmentExplain) -> u64| segments.iter().map(of).sum::<u64>();
        let stats =
            QueryStats { bytes: sum(|it| it.bytes), evaluated: sum(|it| it.evaluated), ..QueryStats::default() };
        let hits = Hits { hits: Vec::new(), completeness: Completeness::Complete, stats, next: None };
        let filter = filter.map(str::to_owned);
        let asked = Asked { collection: "docs".into(), k: 10, effort, within: None, filter };
        let explain = Explain::new(asked, &hits, segments);
        of(&explain, &Circumstances { effort, index: &index.parse().unwrap() })
    }

    #[test]
    fn nothing_is_advised_where_all_is_well() {
        assert_eq!(advised(DEFAULT, "hnsw", None, vec![indexed("seg-1")]), [""; 0]);
    }

    #[test]
    fn each_situation_has_its_advice() {
        let with = |change: fn(&mut SegmentExplain)| {
            let mut segment = indexed("seg-1");
            change(&mut segment);
            vec![segment]
        };
        let exact = |it: &mut SegmentExplain| (it.approximate, it.index) = (false, None);
        let awaiting = |it: &mut SegmentExplain| {
            (it.approximate, it.index, it.awaits) = (false, None, Some("hnsw".into()));
        };
        let cases: [(&str, Vec<String>); 13] = [
            ("no index yet", advised(DEFAULT, "hnsw", None, with(awaiting))),
            ("still another", advised(DEFAULT, "lsh", None, with(|it| it.awaits = Some("lsh".into())))),
            (
                "is damaged",
                advised(
                    DEFAULT,
                    "hnsw",
                    None,
                    with(|it| {
                        (it.approximate, it.index, it.awaits) = (false, None, Some("hnsw".into()));
                        it.damage = Some("a checksum".into());
                    }),
                ),
            ),
            ("reindex docs auto", advised(DEFAULT, "flat", None, with(exact))),
            ("0.999 was asked for", advised(Effort::Recall(0.999), "hnsw", None, with(|_| {}))),
            ("ef 10", advised(Effort::Ef(10), "hnsw", None, with(|_| {}))),
            ("would have read less", advised(DEFAULT, "hnsw", None, with(|it| it.bytes = 1_001))),
            (
                "the filter lets so few",
                advised(
                    DEFAULT,
                    "hnsw",
                    Some("a = 1"),
                    with(|it| {
                        (it.approximate, it.candidates) = (false, 100);
                    }),
                ),
            ),
            (
                "payloads of 7 rows were read for a",
                advised(
                    DEFAULT,
                    "hnsw",
                    Some("a = 1"),
                    with(|it| {
                        (it.by_payload, it.evaluated) = (vec!["a".into()], 7);
                    }),
                ),
            ),
            (
                "have no codes: flush",
                advised(
                    DEFAULT,
                    "hnsw",
                    None,
                    with(|it| {
                        (it.name, it.index, it.approximate) = (MEMORY.into(), None, false);
                    }),
                ),
            ),
            (
                "no field indexes: flush",
                advised(
                    DEFAULT,
                    "hnsw",
                    Some("a = 1"),
                    with(|it| {
                        (it.name, it.index, it.approximate) = (MEMORY.into(), None, false);
                    }),
                ),
            ),
            ("9 segments", advised(DEFAULT, "hnsw", None, (0..9).map(|n| indexed(&format!("seg-{n}"))).collect())),
            ("more than half", advised(DEFAULT, "hnsw", None, with(|it| it.candidates = 29_999))),
        ];
        for (expected, advice) in cases {
            assert!(advice.len() == 1 && advice[0].contains(expected), "{expected}: {advice:?}");
        }
    }

    #[test]
    fn whoever_asks_for_the_exact_answer_is_not_told_to_ask_for_less() {
        let mut segment = indexed("seg-1");
        segment.approximate = false;
        assert_eq!(advised(Effort::Exact, "hnsw", None, vec![segment.clone()]), [""; 0]);
        assert_eq!(advised(Effort::Exact, "flat", None, vec![segment]), [""; 0]);
        assert_eq!(advised(Effort::Ef(11), "hnsw", None, vec![indexed("seg-1")]), [""; 0]);
    }
}
