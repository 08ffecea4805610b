//! What statements about configurations say.

/// `config`: what holds, and what a file would have hold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Configuration {
    /// What holds without a file: the defaults and the environment.
    Show,
    /// Every key that there is.
    Keys,
    /// What would hold with this file.
    Check {
        /// The file.
        file: String,
        /// A profile of it.
        profile: Option<String>,
    },
}
