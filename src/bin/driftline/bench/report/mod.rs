//! One page of HTML from lines of results: nothing in it is loaded from elsewhere.

mod axes;
pub(crate) mod curve;
mod load;
mod page;
mod plots;

pub(super) use self::load::html as load_html;
pub(super) use self::page::html;
