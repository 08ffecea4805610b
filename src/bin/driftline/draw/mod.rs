//! Pages of HTML that load nothing from elsewhere, and the plots on them as SVG.
//!
//! `page` is the frame, with one style sheet for light and for dark; `plots` draws on `axes`.

pub(crate) mod axes;
pub(crate) mod drift;
pub(crate) mod page;
pub(crate) mod plots;
