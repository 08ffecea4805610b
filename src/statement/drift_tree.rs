//! What statements about drift and baselines say.

use std::ops::Range;
use std::time::Duration;

use super::name::Name;
use crate::filter::Filter;

/// What `drift` was asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Drift {
    /// To hold one time against another.
    Check(Box<DriftCheck>),
    /// To sum up what was recorded.
    Show {
        /// Of what.
        subject: DriftSubject,
        /// Over the last so long.
        last: Option<Duration>,
    },
    /// To list what was recorded.
    History {
        /// Of what.
        subject: DriftSubject,
        /// Over the last so long.
        last: Option<Duration>,
    },
    /// To list incidents.
    Incidents {
        /// Of what.
        subject: DriftSubject,
        /// Over the last so long.
        last: Option<Duration>,
    },
}

/// What drift is looked for in.
#[derive(Debug, Clone, PartialEq)]
pub enum DriftSubject {
    /// A collection.
    Collection(Name),
    /// A version of a model, as it was written, and where.
    Model(String, Range<usize>),
}

/// A time to be held against another, or against a baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftCheck {
    /// Of what.
    pub subject: DriftSubject,
    /// How long back the time goes; a day unless told.
    pub last: Option<Duration>,
    /// What it is held against; as long a time before it unless told.
    pub against: Option<Against>,
    /// The field whose values are judged one by one.
    pub by: Option<String>,
    /// The fields that are judged; those that can be where there are none.
    pub fields: Vec<String>,
    /// Only records that match.
    pub filter: Option<Filter>,
    /// The method.
    pub method: Option<String>,
    /// Its threshold, on its own scale.
    pub threshold: Option<f64>,
    /// Rows drawn a side.
    pub rows: Option<u64>,
    /// Whether the report is kept.
    pub record: bool,
    /// A file for a page of HTML that shows the report.
    pub report: Option<String>,
}

/// What a time is held against.
#[derive(Debug, Clone, PartialEq)]
pub enum Against {
    /// The time of this length before it.
    Before(Duration),
    /// A baseline: this version of it, or the newest.
    Baseline(String, Option<u64>),
}

/// What `baseline` was asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Baseline {
    /// To make the next version.
    Create {
        /// Its name.
        name: String,
        /// Of what.
        subject: DriftSubject,
        /// How long back its rows go; 30 days unless told.
        last: Option<Duration>,
        /// The fields it holds; those that can be judged where there are none.
        fields: Vec<String>,
    },
    /// To list all.
    List,
    /// To tell of one.
    Show {
        /// Its name.
        name: String,
        /// Its version; the newest unless told.
        version: Option<u64>,
    },
}
