//! How well texts answer a query, by the words they share with it: Okapi BM25.

use std::collections::{BTreeMap, BTreeSet};

use super::check;
use crate::error::Result;

/// How BM25 weighs what it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25Options {
    /// How soon more of the same word adds nothing; 1.2.
    pub k1: f64,
    /// How much long texts are held back, from 0 (not at all) to 1; 0.75.
    pub b: f64,
}

impl Default for Bm25Options {
    fn default() -> Bm25Options {
        Bm25Options { k1: 1.2, b: 0.75 }
    }
}

/// What is counted of texts, each given as its words.
#[derive(Debug, Clone)]
pub struct Bm25 {
    options: Bm25Options,
    /// How often a text has a word, by word and text.
    counts: BTreeMap<String, BTreeMap<usize, u64>>,
    lengths: Vec<usize>,
}

impl Bm25 {
    /// Counts the words of texts. Costs memory by the words of each text, without repetitions. Fails with `Invalid` where there
    /// is no text, `k1` is below 0, or `b` is not from 0 to 1.
    pub fn of<W: AsRef<str>>(texts: &[Vec<W>], options: Bm25Options) -> Result<Bm25> {
        check::at_least("the list of texts", texts.len(), 1)?;
        check::within("k1", options.k1, 0.0, f64::MAX)?;
        check::within("b", options.b, 0.0, 1.0)?;
        let mut counts: BTreeMap<String, BTreeMap<usize, u64>> = BTreeMap::new();
        for (place, text) in texts.iter().enumerate() {
            for word in text {
                *counts.entry(word.as_ref().to_owned()).or_default().entry(place).or_default() += 1;
            }
        }
        Ok(Bm25 { options, counts, lengths: texts.iter().map(Vec::len).collect() })
    }

    /// The score of each text: for every word of the query that it has, and again where the query repeats it,
    /// `ln(1 + (N - n + ½) / (n + ½)) · f·(k1 + 1) / (f + k1·(1 - b + b·length/mean length))` with `n` of `N` texts having the
    /// word and this one `f` times (Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009, §3,
    /// with Lucene's logarithm, which is never negative). 0 where it shares none.
    pub fn scores<W: AsRef<str>>(&self, query: &[W]) -> Vec<f64> {
        let texts = self.lengths.len() as f64;
        let mean = self.lengths.iter().sum::<usize>() as f64 / texts;
        let mut scores = vec![0.0; self.lengths.len()];
        for counts in query.iter().filter_map(|word| self.counts.get(word.as_ref())) {
            let having = counts.len() as f64;
            let rarity = (1.0 + (texts - having + 0.5) / (having + 0.5)).ln();
            for (&text, &count) in counts {
                let (count, Bm25Options { k1, b }) = (count as f64, self.options);
                let long = 1.0 - b + b * self.lengths[text] as f64 / mean;
                scores[text] += rarity * count * (k1 + 1.0) / (count + k1 * long);
            }
        }
        scores
    }

    /// The texts that share a word with the query, as their places, the best first; of equal ones the earlier.
    pub fn ranking<W: AsRef<str>>(&self, query: &[W]) -> Vec<usize> {
        let scores = self.scores(query);
        let words = query.iter().filter_map(|word| self.counts.get(word.as_ref()));
        let sharing: BTreeSet<usize> = words.flat_map(|counts| counts.keys().copied()).collect();
        let mut ranking: Vec<usize> = sharing.into_iter().collect();
        ranking.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        ranking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_texts_and_unknown_words_score_nothing() {
        let texts = Bm25::of(&[vec!["a", "b"], vec![], vec!["b"]], Bm25Options::default()).unwrap();
        assert_eq!(texts.scores(&["c"]), [0.0; 3]);
        assert_eq!(texts.ranking(&["b", "c"]), [2, 0], "of two that have a word once the shorter one");
        let empty: [Vec<&str>; 1] = [vec![]];
        assert_eq!(Bm25::of(&empty, Bm25Options::default()).unwrap().scores(&["a"]), [0.0]);
        assert!(Bm25::of::<&str>(&[], Bm25Options::default()).is_err());
        for options in
            [Bm25Options { k1: -1.0, b: 0.5 }, Bm25Options { k1: 1.0, b: 1.5 }, Bm25Options { k1: f64::NAN, b: 0.5 }]
        {
            assert!(Bm25::of(&empty, options).is_err(), "{options:?}");
        }
    }
}
