//! A collection: segments under one name, and what is asked of them. Holds no log and no thread.

pub(crate) mod advice;
pub(crate) mod cursor;
pub(crate) mod explain;
pub(crate) mod filtered;
pub(crate) mod hits;
pub(crate) mod measure;
pub(crate) mod merge;
pub(crate) mod meters;
pub(crate) mod operation;
pub(crate) mod query;
pub(crate) mod reach;
pub(crate) mod recall;
pub(crate) mod record;
pub(crate) mod sample;
pub(crate) mod scan;
pub(crate) mod seal;
pub(crate) mod select;
pub(crate) mod view;
