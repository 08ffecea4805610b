//! What the promises are tested with: a model of what a store should hold, a reader that takes a whole store in and
//! checks that all ways of reading it agree, and seeded work that keeps both in step.

pub(crate) mod child;
pub(crate) mod corpus;
pub(crate) mod crashes;
pub(crate) mod faults;
pub(crate) mod gated;
pub(crate) mod killing;
pub(crate) mod reading;
pub(crate) mod sample;
#[cfg(feature = "cli")]
pub(crate) mod shell;
pub(crate) mod threads;
pub(crate) mod typed;
pub(crate) mod workload;
pub(crate) mod world;

/// The number in an environment variable, to replay one case.
pub(crate) fn wanted(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}
