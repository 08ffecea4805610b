//! Has a stream changed? Each detector takes one value at a time, keeps little, and can be stored and taken up again.

mod adwin;
mod cusum;
mod page_hinkley;

pub use adwin::Adwin;
pub use cusum::{Cusum, Side};
pub use page_hinkley::PageHinkley;
