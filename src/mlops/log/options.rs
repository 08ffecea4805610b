//! What a space of the log is like: its vectors, how long they stay, and how its state is cut.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::index::IndexSpec;
use crate::mlops::model::ModelId;
use crate::mlops::times::TimeRange;
use crate::schema::Schema;
use crate::vector::metric::Metric;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The longest window and slice: no use is known for longer ones, and times can be added to them without care.
pub(super) const MAX_WINDOW: Duration = Duration::from_secs(366 * 86_400);
const MAX_SLICE: Duration = Duration::from_secs(3_660 * 86_400);
/// Rows that the sample of a window may hold.
const MAX_SAMPLE: usize = 10_000;
/// A space that keeps rows for an age has about so many slices, so that at most a sixteenth more is kept than asked for.
const SLICES_OF_AN_AGE: u32 = 16;

/// How long a space keeps its vectors. Whole slices of time go at once, see [`EmbeddingLog::tick`](super::EmbeddingLog::tick).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Retention {
    /// For ever.
    #[default]
    Forever,
    /// Until they are older than this. Older ones are refused when they are logged.
    Age(Duration),
    /// Until the space takes more bytes than this, in files and in memory; then the oldest go. The newest slice stays, and so does
    /// each whose time is not over.
    Bytes(u64),
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Retention::Forever => f.write_str("forever"),
            Retention::Age(age) => write!(f, "{age:?}"),
            Retention::Bytes(bytes) => write!(f, "{bytes} bytes"),
        }
    }
}

/// How the space of a model is made. Only the dimension has no default.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct SpaceOptions {
    /// Numbers in a vector: 1 to [`MAX_DIMENSION`](crate::MAX_DIMENSION).
    pub dimension: usize,
    /// How vectors are compared. Default cosine, which takes no vectors of zeros.
    pub metric: Metric,
    /// How near ones are found in a slice. Default flat: exact, by comparing with all.
    pub index: IndexSpec,
    /// How long vectors are kept. Default for ever.
    pub retention: Retention,
    /// Rows of so long a time lie together and go together; a multiple of the window. Default a sixteenth of the age they
    /// are kept for and at least an hour, and without an age 30 days. Shorter ones keep closer to the retention and make
    /// searches over long times slower. A space has at most 1,000 slices.
    pub slice: Option<Duration>,
    /// Counts, means, quantiles and samples are kept for windows of this length: a second to 366 days, default an hour. A
    /// window takes about 16 bytes for each dimension, 8 for each row of its sample and 8 KiB, and goes when its rows have gone.
    pub window: Duration,
    /// Rows in the sample of a window: 1 to 10,000, default 1,000.
    pub sample: usize,
}

impl SpaceOptions {
    /// The defaults, for vectors of so many numbers.
    pub fn new(dimension: usize) -> SpaceOptions {
        SpaceOptions {
            dimension,
            metric: Metric::Cosine,
            index: IndexSpec::Flat,
            retention: Retention::Forever,
            slice: None,
            window: HOUR,
            sample: 1_000,
        }
    }

    /// Sets [`SpaceOptions::metric`].
    pub fn metric(self, metric: Metric) -> SpaceOptions {
        SpaceOptions { metric, ..self }
    }

    /// Sets [`SpaceOptions::index`].
    pub fn index(self, index: IndexSpec) -> SpaceOptions {
        SpaceOptions { index, ..self }
    }

    /// Sets [`SpaceOptions::retention`].
    pub fn retention(self, retention: Retention) -> SpaceOptions {
        SpaceOptions { retention, ..self }
    }

    /// Sets [`SpaceOptions::slice`].
    pub fn slice(self, slice: Duration) -> SpaceOptions {
        SpaceOptions { slice: Some(slice), ..self }
    }

    /// Sets [`SpaceOptions::window`].
    pub fn window(self, window: Duration) -> SpaceOptions {
        SpaceOptions { window, ..self }
    }

    /// Sets [`SpaceOptions::sample`].
    pub fn sample(self, sample: usize) -> SpaceOptions {
        SpaceOptions { sample, ..self }
    }

    /// What is fixed for ever when the space is made. Refuses options outside their rules.
    pub(super) fn plan(&self, model: &ModelId) -> Result<Plan> {
        check_retention(self.retention)?;
        let refuse = |message: String| Err(Error::invalid(message));
        if !(SECOND..=MAX_WINDOW).contains(&self.window) || !self.window.subsec_nanos().is_multiple_of(1_000) {
            return refuse(format!("a window of {:?} is outside a second to 366 days", self.window));
        }
        if !(1..=MAX_SAMPLE).contains(&self.sample) {
            return refuse(format!("a sample of {} rows is outside 1 to {MAX_SAMPLE}", self.sample));
        }
        let (window_us, slice_us) = (micros(self.window), micros(self.slice.unwrap_or_else(|| self.usual_slice())));
        if slice_us < window_us || slice_us > micros(MAX_SLICE) || slice_us % window_us != 0 {
            let message =
                format!("a slice of {:?} is no multiple of the window", Duration::from_micros(slice_us as u64));
            return Err(Error::invalid(message).mend(format!("use a multiple of {:?}, up to 3,660 days", self.window)));
        }
        let (index, metric) = (self.index.to_string(), self.metric.name().to_owned());
        let plan = Plan { dimension: self.dimension, metric, index, window_us, slice_us, sample: self.sample };
        plan.schema(model)?.check().map(|()| plan)
    }

    /// The default slice, in whole windows.
    fn usual_slice(&self) -> Duration {
        let wanted = match self.retention {
            Retention::Age(age) => (age / SLICES_OF_AN_AGE).max(HOUR),
            Retention::Forever | Retention::Bytes(_) => DAY * 30,
        };
        let (window, most) = (micros(self.window), micros(MAX_SLICE));
        let windows = (micros(wanted) as u64).div_ceil(window as u64).min((most / window) as u64);
        Duration::from_micros(windows * window as u64)
    }
}

/// Refuses a retention that keeps nothing.
pub(super) fn check_retention(retention: Retention) -> Result<()> {
    match retention {
        Retention::Age(age) if age < SECOND => Err(Error::invalid(format!("an age of {age:?} keeps nothing"))
            .mend("keep vectors for a second at least, or for ever")),
        Retention::Bytes(0) => {
            Err(Error::invalid("0 bytes keep nothing").mend("keep a byte at least, or all for ever"))
        }
        _ => Ok(()),
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// What is fixed of a space when it is made, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) dimension: usize,
    metric: String,
    index: String,
    window_us: i64,
    slice_us: i64,
    pub(super) sample: usize,
}

impl Plan {
    /// The same, if it is one that [`SpaceOptions`] make: what was read from a disk may be anything.
    pub(super) fn checked(self, model: &ModelId) -> Result<Plan> {
        let length = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        let options = SpaceOptions {
            dimension: self.dimension,
            metric: self.metric()?,
            index: IndexSpec::parse(&self.index)?,
            retention: Retention::Forever,
            slice: Some(length(self.slice_us)),
            window: length(self.window_us),
            sample: self.sample,
        };
        options.plan(model).map_err(|error| error.into_kind(ErrorKind::Corrupt)).map(|_| self)
    }

    /// How vectors are compared.
    pub(super) fn metric(&self) -> Result<Metric> {
        self.metric.parse()
    }

    /// What each slice is as a collection.
    pub(super) fn schema(&self, model: &ModelId) -> Result<Schema> {
        let index = IndexSpec::parse(&self.index)?;
        Ok(Schema::vector(self.dimension, self.metric()?).index(index).model(model.to_string()))
    }

    /// The window that a time lies in.
    pub(super) fn window(&self, time: Timestamp) -> TimeRange {
        TimeRange::window(time, Duration::from_micros(self.window_us.unsigned_abs()))
    }

    /// The number of the slice that a time lies in.
    pub(super) fn slice(&self, time: Timestamp) -> i64 {
        time.0.div_euclid(self.slice_us)
    }

    /// The times of a slice.
    pub(super) fn times_of(&self, slice: i64) -> TimeRange {
        let from = slice.saturating_mul(self.slice_us);
        TimeRange { from: Timestamp(from), to: Timestamp(from.saturating_add(self.slice_us)) }
    }

    /// Says what differs from the plan that a space has already.
    pub(super) fn agrees(&self, wanted: &Plan, model: &ModelId) -> Result<()> {
        if self.dimension != wanted.dimension {
            return Err(self.wrong_dimension(model, wanted.dimension));
        }
        let facts = |plan: &Plan| {
            let lengths = [plan.window_us, plan.slice_us].map(|micros| Duration::from_micros(micros.unsigned_abs()));
            let [window, slice] = lengths.map(|length| format!("{length:?}"));
            let sample = plan.sample.to_string();
            [
                ("metric", plan.metric.clone()),
                ("index", plan.index.clone()),
                ("window", window),
                ("slice", slice),
                ("sample", sample),
            ]
        };
        let differs = facts(self).into_iter().zip(facts(wanted)).find(|(has, asked)| has != asked);
        match differs {
            None => Ok(()),
            Some(((what, has), (_, asked))) => {
                let message = format!("the space of {model} has {what} {has}, and {what} {asked} was asked for");
                Err(Error::new(ErrorKind::Exists, message)
                    .mend("log to it as it is, or under another version of the model"))
            }
        }
    }

    /// The error of a vector of another dimension.
    pub(super) fn wrong_dimension(&self, model: &ModelId, given: usize) -> Error {
        let message = format!("the vector has dimension {given}; those of {model} have {}", self.dimension);
        Error::new(ErrorKind::Dimension, message)
            .mend("check which model it comes from: each model has a space of its own")
    }

    /// About the bytes that the state of a window takes.
    pub(super) fn window_bytes(&self) -> usize {
        16 * self.dimension + 8 * self.sample + (8 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelId {
        "m@1".parse().unwrap()
    }

    #[test]
    fn slices_are_whole_windows_and_follow_the_age() {
        let plan = |options: SpaceOptions| options.plan(&model()).unwrap();
        let of = |options| Duration::from_micros(plan(options).slice_us as u64);
        assert_eq!(of(SpaceOptions::new(3)), DAY * 30);
        assert_eq!(of(SpaceOptions::new(3).retention(Retention::Age(DAY * 32))), DAY * 2);
        assert_eq!(of(SpaceOptions::new(3).retention(Retention::Age(SECOND))), HOUR);
        assert_eq!(of(SpaceOptions::new(3).window(SECOND * 7_000)).as_secs() % 7_000, 0);
        let plan = plan(SpaceOptions::new(3).slice(HOUR * 2));
        for time in [-1, 0, 7_199_999_999, 7_200_000_000, i64::MIN, i64::MAX - 1] {
            let time = Timestamp(time);
            assert!(plan.times_of(plan.slice(time)).contains(time), "{time:?}");
            assert_eq!(
                plan.slice(plan.window(time).from.max(Timestamp(i64::MIN + 10_000_000_000))),
                plan.slice(time.max(Timestamp(i64::MIN + 10_000_000_000)))
            );
        }
    }

    #[test]
    fn options_outside_their_rules_are_refused() {
        let options = SpaceOptions::new(3);
        let refused = [
            SpaceOptions::new(0),
            options.clone().metric(Metric::Hamming),
            options.clone().window(Duration::from_millis(10)),
            options.clone().slice(Duration::from_secs(5_000)),
            options.clone().slice(Duration::MAX),
            options.clone().sample(0),
            options.clone().retention(Retention::Age(Duration::ZERO)),
            options.clone().retention(Retention::Bytes(0)),
        ];
        for options in refused {
            assert_eq!(options.plan(&model()).unwrap_err().kind(), ErrorKind::Invalid, "{options:?}");
        }
        let stored = Plan { window_us: 0, ..options.plan(&model()).unwrap() };
        assert_eq!(stored.checked(&model()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
