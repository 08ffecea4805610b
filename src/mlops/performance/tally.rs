//! Tallies: all that is counted of predictions, kept so that parts add up to the whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::prediction::{Output, PredictionRecord};
use super::quality::{FeatureProfile, QualityTally};
use crate::error::{Error, ErrorKind, Result};
use crate::stats::moments::Moments;
use crate::stats::performance::Confusion;
use crate::stats::quantile::Buckets;

/// The relative error of percentiles that come from sketches.
pub(super) const SKETCH_ERROR: f64 = 0.01;
/// Bins of the calibration.
pub(super) const CALIBRATION_BINS: usize = 15;
/// So many latencies are kept one by one, for exact percentiles.
const MOST_EXACT: usize = 100_000;
/// So many pairs of truth and prediction, and kinds of errors, are stored with a window, the most frequent.
const MOST_PAIRS: usize = 2_048;
const MOST_KINDS: usize = 64;

/// What is counted of some predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) errors: u64,
    /// Classes with a truth, and how many of them were right.
    pub(super) labelled: u64,
    pub(super) right: u64,
    #[serde(with = "pairs")]
    pub(super) confusion: Confusion<String>,
    pub(super) residuals: Residuals,
    pub(super) calibration: Vec<Bin>,
    pub(super) latency: Spread,
    pub(super) buckets: Buckets,
    pub(super) confidence: Spread,
    /// Numbers that were predicted; windows that were counted before it was are without.
    #[serde(default)]
    pub(super) numbers: Moments,
    pub(super) kinds: BTreeMap<String, ErrorPattern>,
    pub(super) quality: QualityTally,
    /// Latencies one by one, while these are all.
    #[serde(skip)]
    pub(super) exact: Vec<f64>,
}

/// A kind of errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorPattern {
    /// The kind.
    pub kind: String,
    /// How many.
    pub count: u64,
    /// What the last of them said.
    pub example: String,
}

impl ErrorPattern {
    fn new(kind: &str) -> ErrorPattern {
        ErrorPattern { kind: kind.to_owned(), count: 0, example: String::new() }
    }
}

/// Sums over truths and errors of regression.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Residuals {
    pub(super) squared: f64,
    pub(super) absolute: f64,
    pub(super) truth: Moments,
    /// Of absolute errors; windows that were counted before it was are without.
    #[serde(default)]
    pub(super) errors: Moments,
}

impl Residuals {
    pub(super) fn merge(&mut self, other: &Residuals) {
        self.squared += other.squared;
        self.absolute += other.absolute;
        self.truth.merge(&other.truth);
        self.errors.merge(&other.errors);
    }
}

/// Predictions of about one confidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bin {
    pub(super) count: u64,
    pub(super) confidence: f64,
    pub(super) right: u64,
}

/// Mean, deviation and range.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) moments: Moments,
    pub(super) range: Option<(f64, f64)>,
}

impl Spread {
    fn add(&mut self, value: f64) -> Result<()> {
        self.moments.add(value)?;
        self.reach(value, value);
        Ok(())
    }

    fn merge(&mut self, other: &Spread) {
        self.moments.merge(&other.moments);
        if let Some((least, most)) = other.range {
            self.reach(least, most);
        }
    }

    fn reach(&mut self, least: f64, most: f64) {
        self.range = Some(self.range.map_or((least, most), |(a, b)| (a.min(least), b.max(most))));
    }
}

impl Tally {
    pub(super) fn new() -> Result<Tally> {
        Ok(Tally {
            rows: 0,
            errors: 0,
            labelled: 0,
            right: 0,
            confusion: Confusion::default(),
            residuals: Residuals::default(),
            calibration: vec![Bin::default(); CALIBRATION_BINS],
            latency: Spread::default(),
            buckets: Buckets::new(SKETCH_ERROR)?,
            confidence: Spread::default(),
            numbers: Moments::default(),
            kinds: BTreeMap::new(),
            quality: QualityTally::default(),
            exact: Vec::new(),
        })
    }

    /// Counts a prediction.
    pub(super) fn add(&mut self, record: &PredictionRecord, profile: &FeatureProfile) -> Result<()> {
        self.rows += 1;
        if let Some(error) = &record.error {
            self.errors += 1;
            let pattern = self.kinds.entry(error.kind.clone()).or_insert_with(|| ErrorPattern::new(&error.kind));
            pattern.count += 1;
            pattern.example.clone_from(&error.text);
        }
        if let Some(latency) = record.latency_ms {
            self.latency.add(latency)?;
            self.buckets.add(latency)?;
            // Once they are too many, there are fewer than were counted, and the sketch answers.
            if self.exact.len() < MOST_EXACT {
                self.exact.push(latency);
            }
        }
        if let Some(confidence) = record.confidence {
            self.confidence.add(confidence)?;
        }
        if let Some(number) = record.output.as_ref().and_then(Output::number) {
            self.numbers.add(number)?;
        }
        if !record.features.is_null() {
            self.quality.add(record, profile);
        }
        self.add_truth(record)
    }

    fn add_truth(&mut self, record: &PredictionRecord) -> Result<()> {
        let (Some(output), Some(truth)) = (&record.output, &record.truth) else { return Ok(()) };
        if let (Some(said), Some(is)) = (output.number(), truth.number()) {
            self.residuals.squared += (is - said).powi(2);
            self.residuals.absolute += (is - said).abs();
            self.residuals.errors.add((is - said).abs())?;
            return self.residuals.truth.add(is);
        }
        let (Some(said), Some(is)) = (output.label(), truth.label()) else { return Ok(()) };
        let right = u64::from(said == is);
        self.labelled += 1;
        self.right += right;
        self.confusion.add(is.to_owned(), said.to_owned());
        if let Some(confidence) = record.confidence {
            // The bins are those of `stats::performance::calibration`: each holds its upper edge.
            let place = (confidence * CALIBRATION_BINS as f64).ceil() as usize;
            let bin = &mut self.calibration[place.saturating_sub(1).min(CALIBRATION_BINS - 1)];
            bin.count += 1;
            bin.confidence += confidence;
            bin.right += right;
        }
        Ok(())
    }

    /// Ends the window: what can only be told of a whole one is.
    pub(super) fn close(&mut self, profile: &FeatureProfile) {
        self.quality.close(profile);
    }

    /// Adds another part; both are closed.
    pub(super) fn merge(&mut self, other: &Tally) -> Result<()> {
        let was_exact = self.is_exact() && other.is_exact();
        self.rows += other.rows;
        self.errors += other.errors;
        self.labelled += other.labelled;
        self.right += other.right;
        self.confusion.merge(&other.confusion);
        self.residuals.merge(&other.residuals);
        for (bin, more) in self.calibration.iter_mut().zip(&other.calibration) {
            bin.count += more.count;
            bin.confidence += more.confidence;
            bin.right += more.right;
        }
        self.latency.merge(&other.latency);
        self.buckets.merge(&other.buckets)?;
        self.confidence.merge(&other.confidence);
        self.numbers.merge(&other.numbers);
        for (kind, pattern) in &other.kinds {
            let sum = self.kinds.entry(kind.clone()).or_insert_with(|| ErrorPattern::new(kind));
            sum.count += pattern.count;
            sum.example.clone_from(&pattern.example);
        }
        self.quality.merge(&other.quality);
        if was_exact && self.exact.len() + other.exact.len() <= MOST_EXACT {
            self.exact.extend_from_slice(&other.exact);
        } else {
            self.exact.clear();
        }
        Ok(())
    }

    /// Whether all latencies are there one by one.
    pub(super) fn is_exact(&self) -> bool {
        self.exact.len() as u64 == self.buckets.count()
    }

    /// The tally as it is stored with a window: of pairs and kinds the most frequent.
    pub(super) fn to_store(&self) -> Tally {
        let mut stored = Tally { exact: Vec::new(), ..self.clone() };
        let mut pairs: Vec<(&String, &String, u64)> = self.confusion.pairs().collect();
        if pairs.len() > MOST_PAIRS {
            pairs.sort_by_key(|(truth, predicted, count)| (std::cmp::Reverse(*count), *truth, *predicted));
            stored.confusion = Confusion::default();
            for (truth, predicted, count) in &pairs[..MOST_PAIRS] {
                stored.confusion.add_many((*truth).clone(), (*predicted).clone(), *count);
            }
        }
        let mut kinds: Vec<&ErrorPattern> = self.kinds.values().collect();
        if kinds.len() > MOST_KINDS {
            kinds.sort_by_key(|pattern| (std::cmp::Reverse(pattern.count), &pattern.kind));
            stored.kinds = kinds[..MOST_KINDS].iter().map(|it| (it.kind.clone(), (*it).clone())).collect();
        }
        stored
    }

    /// The tally, if counting could have made it; for one that was read from a disk.
    pub(super) fn checked(self, place: &str) -> Result<Tally> {
        let most = 1 << 40;
        let pairs = self.confusion.pairs().try_fold(0u64, |sum, (.., count)| sum.checked_add(count));
        let kinds = self.kinds.values().try_fold(0u64, |sum, pattern| sum.checked_add(pattern.count));
        let bins =
            self.calibration.iter().all(|bin| bin.right <= bin.count && bin.count < most && bin.confidence >= 0.0);
        let Residuals { truth, errors, .. } = &self.residuals;
        let moments = [&self.latency.moments, &self.confidence.moments, &self.numbers, truth, errors];
        let sound = self.rows < most
            && self.errors <= self.rows
            && self.right <= self.labelled
            && self.labelled <= self.rows
            && pairs.is_some_and(|pairs| pairs <= self.labelled)
            && kinds.is_some_and(|kinds| kinds <= self.errors)
            && self.calibration.len() == CALIBRATION_BINS
            && bins
            && moments.iter().all(|moments| moments.is_sound())
            && self.residuals.squared >= 0.0
            && self.residuals.absolute >= 0.0
            && self.quality.is_sound();
        let damaged = || Error::new(ErrorKind::Corrupt, "a window's tally contradicts itself").at(place.to_owned());
        if !sound {
            return Err(damaged());
        }
        let Tally { buckets, .. } = &self;
        let buckets = buckets.clone().checked().map_err(|_| damaged())?;
        Ok(Tally { buckets, ..self })
    }
}

/// Pairs of truth and prediction as JSON holds them: `[truth, prediction, count]`.
mod pairs {
    use super::{Confusion, Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(of: &Confusion<String>, serializer: S) -> Result<S::Ok, S::Error> {
        of.pairs().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Confusion<String>, D::Error> {
        let mut confusion = Confusion::default();
        // No window has more of one pair, and sums of damaged counts cannot overflow.
        for (truth, predicted, count) in Vec::<(String, String, u32)>::deserialize(deserializer)? {
            confusion.add_many(truth, predicted, u64::from(count));
        }
        Ok(confusion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::performance::{calibration, regression};

    fn records() -> Vec<PredictionRecord> {
        let served = (0..50u32).map(|n| {
            let truth = if n % 4 == 0 { "a" } else { "b" };
            let said = if n % 3 == 0 { "a" } else { "b" };
            PredictionRecord::new(said).truth(truth).confidence(f64::from(n) / 50.0).latency_ms(f64::from(n * n % 37))
        });
        let failed = (0..5).map(|n| PredictionRecord::failed(format!("no answer {n}")));
        served.chain(failed).collect()
    }

    fn of(records: &[PredictionRecord]) -> Tally {
        let mut tally = Tally::new().unwrap();
        records.iter().for_each(|record| tally.add(record, &FeatureProfile::default()).unwrap());
        tally.close(&FeatureProfile::default());
        tally
    }

    #[test]
    fn parts_add_up_and_survive_being_stored() {
        let records = records();
        let whole = of(&records);
        for cut in [0, 1, 20, 55] {
            let mut left = of(&records[..cut]);
            left.merge(&of(&records[cut..])).unwrap();
            assert_eq!((left.rows, left.errors, left.right, &left.confusion), (55, 5, whole.right, &whole.confusion));
            assert_eq!((&left.exact, &left.kinds, &left.buckets), (&whole.exact, &whole.kinds, &whole.buckets));
            assert_eq!((left.confidence.moments.count(), left.confidence.range), (50, whole.confidence.range));
        }
        let said: Vec<_> = (0..4u32).map(|n| PredictionRecord::new(f64::from(n))).collect();
        let mut left = of(&said[..1]);
        left.merge(&of(&said[1..])).unwrap();
        assert_eq!((left.numbers.count(), left.numbers.mean()), (4, 1.5));
        let json = serde_json::to_value(whole.to_store()).unwrap();
        let back: Tally = serde_json::from_value(json).unwrap();
        assert_eq!(back, whole.to_store());
        let back = back.checked("it").unwrap();
        assert_eq!(back, Tally { exact: Vec::new(), ..whole });
    }

    #[test]
    fn calibration_and_regression_are_those_of_the_statistics() {
        let records = records();
        let tally = of(&records);
        let known: Vec<_> = records.iter().filter(|it| it.truth.is_some()).collect();
        let right: Vec<bool> = known.iter().map(|it| it.is_right().unwrap()).collect();
        let confidence: Vec<f64> = known.iter().map(|it| it.confidence.unwrap()).collect();
        let wanted = calibration(&right, &confidence, CALIBRATION_BINS).unwrap();
        let figures = tally.figures(None).unwrap();
        assert!((figures.classification.unwrap().calibration_error.unwrap() - wanted.expected_error).abs() < 1e-12);

        let truth: Vec<f64> = (0..40).map(|n| f64::from(n % 7)).collect();
        let said: Vec<f64> = truth.iter().enumerate().map(|(n, it)| it + (n % 3) as f64 - 1.0).collect();
        let numbers: Vec<_> =
            truth.iter().zip(&said).map(|(truth, said)| PredictionRecord::new(*said).truth(*truth)).collect();
        let (ours, wanted) =
            (of(&numbers).figures(None).unwrap().regression.unwrap(), regression(&truth, &said).unwrap());
        for (ours, wanted) in [
            (ours.mse, wanted.mse),
            (ours.mae, wanted.mae),
            (ours.rmse, wanted.rmse),
            (ours.r2.unwrap(), wanted.r2.unwrap()),
        ] {
            assert!((ours - wanted).abs() < 1e-12, "{ours} {wanted}");
        }
    }

    #[test]
    fn a_tally_that_contradicts_itself_is_refused() {
        let whole = of(&records());
        let spoiled: [fn(&mut Tally); 6] = [
            |it| it.errors = it.rows + 1,
            |it| it.right = it.labelled + 1,
            |it| it.rows = u64::MAX,
            |it| it.calibration.clear(),
            |it| it.residuals.squared = f64::NAN,
            |it| it.confusion.add_many("x".into(), "y".into(), 1_000),
        ];
        for spoil in spoiled {
            let mut tally = whole.clone();
            spoil(&mut tally);
            assert_eq!(tally.checked("it").unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn what_is_stored_of_many_classes_is_bounded_and_the_accuracy_stays_exact() {
        let many: Vec<_> = (0..3_000).map(|n| PredictionRecord::new(format!("c{n}")).truth(format!("c{n}"))).collect();
        let mut tally = of(&many);
        let errors: Vec<_> = (0..100).map(|n| PredictionRecord::failed("x").error_kind(format!("k{n}"))).collect();
        tally.merge(&of(&errors)).unwrap();
        let stored = tally.to_store().checked("it").unwrap();
        assert_eq!((stored.confusion.pairs().len(), stored.kinds.len()), (2_048, 64));
        let classes = stored.figures(None).unwrap().classification.unwrap();
        assert_eq!((classes.accuracy, classes.truncated), (1.0, true));
    }
}
