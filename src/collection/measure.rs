//! Asking queries twice, as they are and exactly, to see how many of the nearest are found.

use crate::collection::hits::QueryStats;
use crate::collection::query::{Answers, Nearest, Neighbour, Wanted, nearest_many};
use crate::collection::view::CollectionView;
use crate::error::Result;
use crate::filter::Bound;
use crate::index::{Effort, Stop};
use crate::pool::Pool;
use crate::segment::Moment;
use crate::vector::VectorRef;

/// Neighbours that are held at one time, over all queries that are asked together.
const NEIGHBOURS_AT_A_TIME: usize = 1 << 18;
/// Queries that are asked together at most: enough for each row that is read to be compared with many.
const QUERIES_AT_A_TIME: usize = 128;

/// A query to be asked twice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) vector: VectorRef<'a>,
    /// The stored key of a record that is not to be among the answers.
    pub(crate) without: Option<&'a [u8]>,
}

/// What queries are asked of, and how.
#[derive(Clone, Copy)]
pub(crate) struct Measure<'a> {
    pub(crate) view: &'a CollectionView,
    pub(crate) moment: Moment,
    pub(crate) k: usize,
    pub(crate) within: f32,
    pub(crate) effort: Effort,
    pub(crate) filter: Option<&'a Bound>,
    pub(crate) stop: &'a Stop<'a>,
    pub(crate) pool: &'a Pool,
}

/// What asking twice gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Of each query that has an answer, the share of it that was found.
    pub(crate) recalls: Vec<f64>,
    /// What all of them together took as they are.
    pub(crate) asked: QueryStats,
    /// The same for the exact answers.
    pub(crate) exact: QueryStats,
    /// It was stopped, and does not hold all queries.
    pub(crate) cut: bool,
    /// An index was found damaged on the way, and is to be built anew.
    pub(crate) quarantined: bool,
}

impl Measure<'_> {
    /// Asks all of `questions`, some at a time. Nothing of those is counted during which it was stopped.
    pub(crate) fn run(&self, questions: &[Question<'_>]) -> Result<Tally> {
        let mut tally = Tally::default();
        let together = (NEIGHBOURS_AT_A_TIME / (self.k + 1)).clamp(1, QUERIES_AT_A_TIME);
        for questions in questions.chunks(together) {
            let asked = self.ask(questions, self.effort)?;
            tally.quarantined |= asked.quarantined;
            let exact = self.ask(questions, Effort::Exact)?;
            tally.cut = asked.of_each.iter().chain(&exact.of_each).any(|answer| answer.cut) || (self.stop)();
            if tally.cut {
                break;
            }
            for ((question, asked), exact) in questions.iter().zip(asked.of_each).zip(exact.of_each) {
                tally.add(&self.left_out(question, asked), &self.left_out(question, exact));
            }
        }
        Ok(tally)
    }

    fn ask(&self, questions: &[Question<'_>], effort: Effort) -> Result<Answers> {
        // One more, since a record that asks finds itself.
        let more = usize::from(questions.iter().any(|question| question.without.is_some()));
        let Measure { within, filter, stop, .. } = *self;
        let without: Vec<Option<&[u8]>> = questions.iter().map(|question| question.without).collect();
        let without = &without;
        let wanted = Wanted { k: self.k + more, within, after: None, filter, effort, without, stop, explain: false };
        let vectors: Vec<VectorRef<'_>> = questions.iter().map(|question| question.vector).collect();
        nearest_many(self.view, &vectors, &wanted, self.moment, self.pool)
    }

    /// The answer without the record that asked.
    fn left_out(&self, question: &Question<'_>, mut answer: Nearest) -> Nearest {
        answer.neighbours.retain(|found| question.without != Some(&*found.key));
        answer.neighbours.truncate(self.k);
        answer
    }
}

impl Tally {
    fn add(&mut self, asked: &Nearest, exact: &Nearest) {
        if let Some(recall) = recall_of(&asked.neighbours, &exact.neighbours) {
            self.recalls.push(recall);
            self.asked = sum(self.asked, asked.stats);
            self.exact = sum(self.exact, exact.stats);
        }
    }

    /// Takes in what others gave.
    pub(crate) fn merge(&mut self, other: Tally) {
        self.recalls.extend(other.recalls);
        self.asked = sum(self.asked, other.asked);
        self.exact = sum(self.exact, other.exact);
        self.cut |= other.cut;
        self.quarantined |= other.quarantined;
    }
}

fn sum(a: QueryStats, b: QueryStats) -> QueryStats {
    QueryStats {
        segments: a.segments + b.segments,
        visited: a.visited + b.visited,
        distances: a.distances + b.distances,
        code_distances: a.code_distances + b.code_distances,
        evaluated: a.evaluated + b.evaluated,
        bytes: a.bytes + b.bytes,
        elapsed: a.elapsed + b.elapsed,
    }
}

/// The share of the exact answer that was found; none where that is empty. What is as near as the last of it counts, so
/// that it makes no difference which of two equals was found.
fn recall_of(found: &[Neighbour], exact: &[Neighbour]) -> Option<f64> {
    let last = exact.last()?.distance;
    let hits = found.iter().filter(|found| found.distance <= last).count();
    Some(hits.min(exact.len()) as f64 / exact.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(distances: &[f32]) -> Vec<Neighbour> {
        let key = |number: usize| vec![number as u8];
        distances.iter().enumerate().map(|(n, distance)| Neighbour { distance: *distance, key: key(n) }).collect()
    }

    #[test]
    fn equals_of_the_last_neighbour_count_as_found() {
        let recall = |found: &[f32], exact: &[f32]| recall_of(&at(found), &at(exact));
        assert_eq!(recall(&[1.0, 2.0, 2.0], &[1.0, 2.0, 2.0]), Some(1.0));
        assert_eq!(recall(&[2.0, 2.0, 3.0], &[1.0, 2.0, 2.0]), Some(2.0 / 3.0));
        assert_eq!(recall(&[1.0], &[1.0, 2.0]), Some(0.5));
        assert_eq!(recall(&[], &[1.0]), Some(0.0));
        assert_eq!(recall(&[], &[]), None);
    }
}
