//! What statements about configurations say.

use super::serving::Author;

/// `config`: what holds, and what a file would have hold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Configuration {
    /// What the pipeline of this model was set up with; without one, the defaults and the environment.
    Show(Option<String>),
    /// Every key that there is.
    Keys,
    /// What would hold with this file.
    Check {
        /// The file.
        file: String,
        /// A profile of it.
        profile: Option<String>,
    },
    /// Sets up the pipeline of a model with this file.
    Apply {
        /// The file.
        file: String,
        /// A profile of it.
        profile: Option<String>,
        /// The model.
        model: String,
        /// Who does it.
        author: Author,
    },
}
