//! One page of HTML from lines of results: nothing in it is loaded from elsewhere.

mod axes;
pub(crate) mod curve;
mod page;
mod plots;

pub(super) use self::page::html;
