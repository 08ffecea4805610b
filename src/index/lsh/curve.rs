//! How many probes a recall takes, as it was measured when the index was built.

use super::plan::corrupt;
use super::trial::{KS, MOST_PROBES, Step};
use crate::bytes::{Reader, Truncated, Write};
use crate::error::Result;

/// Steps that are stored, at most.
const MAX_STEPS: usize = 128;

/// Of what is missing to a recall of one, this share is aimed at on top, for what the sample may flatter.
const MARGIN: f32 = 0.2;

/// Recall and cost by the number of probes, both rising.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve(Vec<Step>);

impl Curve {
    pub(super) fn new(mut steps: Vec<Step>) -> Curve {
        steps.truncate(MAX_STEPS);
        Curve(steps)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The probes after which about this share of the `k` nearest are found; `None` where more would be needed than were
    /// tried.
    pub(super) fn probes(&self, recall: f32, k: f32) -> Option<u32> {
        let wanted = recall + MARGIN * (1.0 - recall);
        let few = self.probes_of(wanted, 0)?;
        let [least, most] = KS.map(|k| k as f32);
        if k <= least {
            return Some(few.ceil() as u32);
        }
        // Straight between the two as logarithms, and on behind the second.
        let many = self.probes_of(wanted, 1)?.max(few);
        let share = (k / least).ln() / (most / least).ln();
        Some((few * (many / few).powf(share)).ceil().min(u32::MAX as f32) as u32)
    }

    /// Rows that are compared, and looked at, for so many probes; `None` where fewer were tried.
    pub(super) fn cost(&self, probes: u32) -> Option<(f32, f32)> {
        let step = self.0.iter().find(|step| step.probes >= probes)?;
        Some((step.candidates, step.looks))
    }

    fn probes_of(&self, recall: f32, which: usize) -> Option<f32> {
        let place = self.0.iter().position(|step| step.recall[which] >= recall)?;
        let to = self.0[place];
        let Some(from) = place.checked_sub(1).map(|before| self.0[before]) else { return Some(to.probes as f32) };
        let share = (recall - from.recall[which]) / (to.recall[which] - from.recall[which]).max(f32::MIN_POSITIVE);
        Some(from.probes as f32 + share.clamp(0.0, 1.0) * (to.probes - from.probes) as f32)
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.put_u32(self.0.len() as u32);
        for step in &self.0 {
            to.put_u32(step.probes);
            for figure in [step.recall[0], step.recall[1], step.candidates, step.looks] {
                to.put_u32(figure.to_bits());
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Curve> {
        let steps = Curve::parse(from).map_err(|_| corrupt("the curve of recall ends early"))?;
        let rises = steps.windows(2).all(|pair| pair[0].probes < pair[1].probes);
        let sound = steps.len() <= MAX_STEPS
            && rises
            && steps.last().is_none_or(|step| step.probes <= MOST_PROBES)
            && steps.iter().all(|step| {
                let figures = [step.recall[0], step.recall[1], step.candidates, step.looks];
                figures.iter().all(|figure| figure.is_finite() && *figure >= 0.0)
            });
        if sound { Ok(Curve(steps)) } else { Err(corrupt("the curve of recall does not rise")) }
    }

    fn parse(from: &mut Reader<'_>) -> Result<Vec<Step>, Truncated> {
        let figure = |from: &mut Reader<'_>| from.u32().map(f32::from_bits);
        let count = from.count(20)?;
        let step = |_| {
            Ok(Step {
                probes: from.u32()?,
                recall: [figure(from)?, figure(from)?],
                candidates: figure(from)?,
                looks: figure(from)?,
            })
        };
        (0..count).map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> Curve {
        let step = |probes: u32, recall| Step { probes, recall, candidates: 10.0 * probes as f32, looks: 0.0 };
        Curve::new(vec![step(1, [0.4, 0.1]), step(10, [0.8, 0.4]), step(100, [0.96, 0.9]), step(1000, [1.0, 0.97])])
    }

    #[test]
    fn more_recall_and_more_neighbours_take_more_probes() {
        let curve = curve();
        assert_eq!(curve.probes(0.1, 10.0), Some(1));
        assert_eq!((curve.probes(0.9, 10.0), curve.probes(0.9, 1.0)), (Some(78), Some(78)));
        assert_eq!(curve.probes(0.9, 100.0), Some(358));
        assert!((120..300).contains(&curve.probes(0.9, 30.0).unwrap()));
        assert!((1500..1800).contains(&curve.probes(0.9, 1000.0).unwrap()));
        assert_eq!((curve.probes(0.99, 10.0).is_some(), curve.probes(0.99, 100.0)), (true, None));
        assert_eq!((curve.cost(70), curve.cost(1001)), (Some((1000.0, 0.0)), None));
        assert_eq!(Curve::new(Vec::new()).probes(0.5, 10.0), None);
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        let mut bytes = Vec::new();
        curve().write(&mut bytes);
        assert_eq!(Curve::read(&mut Reader::new(&bytes)).unwrap(), curve());
        for end in 0..bytes.len() {
            assert!(Curve::read(&mut Reader::new(&bytes[..end])).is_err());
        }
        let mut nan = bytes.clone();
        nan[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        let mut long = bytes.clone();
        long[67] = 1;
        assert!(Curve::read(&mut Reader::new(&long)).is_err());
        let mut falls = bytes;
        falls[4] = 20;
        assert!(Curve::read(&mut Reader::new(&nan)).is_err() && Curve::read(&mut Reader::new(&falls)).is_err());
    }
}
