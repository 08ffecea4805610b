//! One page of HTML from lines of results: nothing in it is loaded from elsewhere.

pub(crate) mod curve;
mod load;
mod page;

pub(super) use self::load::html as load_html;
pub(super) use self::page::html;
