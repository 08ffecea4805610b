//! What statements about pipelines say.

/// `pipeline`: how models that are watched stand, and doing what is due for them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Pipelines {
    /// Lists all.
    List,
    /// Tells how that of a model stands.
    Status(String),
    /// Does what is due, for one model or for all.
    Tick(Option<String>),
}
