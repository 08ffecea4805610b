//! The newest windows and what is known of their truths, as rules look at them that judge more than one window.

use std::collections::VecDeque;

use super::baseline::Baseline;
use super::records::{Records, Window};
use super::tally::{Residuals, Tally};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::mlops::times::TimeRange;
use crate::stats::moments::Moments;

/// Truths are gathered over at most so many windows.
const MOST_WINDOWS: usize = 1_000;
/// Of the window in which the baseline was set, so many predictions are counted anew, to leave out those from before. Where
/// there are more, there will be enough in the next window.
const MOST_CUT: u64 = 10_000;

/// How the newest truths compare with what was predicted, window by window, since there is the baseline that holds. What was
/// before it says nothing about it: it may be why there is a new one.
pub(super) struct Tail {
    pub(super) baseline: Option<Baseline>,
    /// The newest first.
    windows: VecDeque<Part>,
    /// So many truths are looked at.
    pub(super) wanted: u64,
}

/// What is known of a window, or of several, that begin there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) from: Timestamp,
    /// Classes with a truth, and how many of them were right.
    pub(super) labelled: u64,
    pub(super) right: u64,
    /// Numbers with a truth.
    pub(super) residuals: Residuals,
    /// What was said, whether its truth is known or not: how sure the model was, and numbers.
    pub(super) confidence: Moments,
    pub(super) numbers: Moments,
}

impl Part {
    fn of(from: Timestamp, tally: &Tally) -> Part {
        Part {
            from,
            labelled: tally.labelled,
            right: tally.right,
            residuals: tally.residuals,
            confidence: tally.confidence.moments,
            numbers: tally.numbers,
        }
    }

    /// Adds an earlier one.
    fn merge(&mut self, earlier: &Part) {
        self.from = earlier.from;
        self.labelled = self.labelled.saturating_add(earlier.labelled);
        self.right = self.right.saturating_add(earlier.right);
        self.residuals.merge(&earlier.residuals);
        self.confidence.merge(&earlier.confidence);
        self.numbers.merge(&earlier.numbers);
    }
}

impl Tail {
    /// What was counted since there is a baseline; nothing where there is none.
    pub(super) fn new(records: &Records) -> Result<Tail> {
        let mut tail = Tail { baseline: records.baseline()?, windows: VecDeque::new(), wanted: 0 };
        let Some(since) = tail.since() else { return Ok(tail) };
        for row in records.windows.iter(|scan| scan.prefix(records.prefix()).reverse().limit(MOST_WINDOWS as u64))? {
            let Window { range, tally, .. } = row?.value;
            if range.to <= since {
                break;
            }
            tail.set(records, range, &tally)?;
        }
        Ok(tail)
    }

    fn since(&self) -> Option<Timestamp> {
        self.baseline.as_ref().map(Baseline::since)
    }

    /// Notes what was counted of a window, anew where it was counted before.
    pub(super) fn set(&mut self, records: &Records, window: TimeRange, tally: &Tally) -> Result<()> {
        match self.since() {
            Some(since) if since <= window.from => self.note(Part::of(window.from, tally)),
            Some(since) if since < window.to && tally.rows <= MOST_CUT => {
                self.note(Part::of(since, &records.count(TimeRange { from: since, to: window.to })?));
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, counted: Part) {
        match self.windows.iter().position(|known| known.from <= counted.from) {
            Some(place) if self.windows[place].from == counted.from => self.windows[place] = counted,
            Some(place) => self.windows.insert(place, counted),
            None => self.windows.push_back(counted),
        }
        self.windows.truncate(MOST_WINDOWS);
    }

    /// The newest windows that have together the truths that are wanted, and at least `least`, as `truths` counts them; all
    /// there are where they do not.
    pub(super) fn newest(&self, least: u64, truths: impl Fn(&Part) -> u64) -> Option<Part> {
        let mut windows = self.windows.iter();
        let mut sum = *windows.next()?;
        for earlier in windows {
            if truths(&sum) >= self.wanted.max(least) {
                break;
            }
            sum.merge(earlier);
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_windows_with_enough_truths_are_added_up() {
        let counted = |labelled: u64, right: u64| Tally { labelled, right, ..Tally::new().unwrap() };
        let mut tail = Tail { baseline: None, windows: VecDeque::new(), wanted: 30 };
        assert!(tail.newest(0, |part| part.labelled).is_none());
        for (from, labelled, right) in [(3, 10, 9), (1, 40, 40), (2, 20, 5), (3, 10, 8)] {
            tail.note(Part::of(Timestamp(from), &counted(labelled, right)));
        }
        let told_of =
            |tail: &Tail, least| tail.newest(least, |part| part.labelled).map(|it| (it.from.0, it.labelled, it.right));
        let told = |tail: &Tail| told_of(tail, 0);
        assert_eq!(told(&tail), Some((2, 30, 13)), "30 are enough, and window 3 was counted anew");
        assert_eq!(told_of(&tail, 31), Some((1, 70, 53)), "a rule may need more than is wanted");
        tail.wanted = 31;
        assert_eq!(told(&tail), Some((1, 70, 53)));
        tail.wanted = 1_000;
        assert_eq!(told(&tail), Some((1, 70, 53)));
    }

    #[test]
    fn what_was_said_is_added_up_with_the_truths() {
        let mut tail = Tail { baseline: None, windows: VecDeque::new(), wanted: 2 };
        for (from, confidence, number) in [(1, 0.5, 10.0), (2, 1.0, 30.0)] {
            let mut tally = Tally { labelled: 1, ..Tally::new().unwrap() };
            tally.confidence.moments.add(confidence).unwrap();
            tally.numbers.add(number).unwrap();
            tail.note(Part::of(Timestamp(from), &tally));
        }
        let sum = tail.newest(0, |part| part.labelled).unwrap();
        assert_eq!((sum.confidence.count(), sum.confidence.mean()), (2, 0.75));
        assert_eq!((sum.numbers.count(), sum.numbers.mean()), (2, 20.0));
    }
}
