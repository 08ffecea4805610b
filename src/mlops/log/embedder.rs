//! What makes vectors of texts.

use crate::error::{Error, ErrorKind, Result};
use crate::mlops::model::ModelId;

/// A model that makes vectors of texts. Driftline has none of its own; an application that has one shows it this way, to have
/// it checked ([`EmbeddingLog::attach`](super::EmbeddingLog::attach)) and to embed again what another made
/// ([`EmbeddingLog::reembed`](super::EmbeddingLog::reembed)).
pub trait Embedder {
    /// Which model it is.
    fn model(&self) -> &ModelId;

    /// The vectors of some texts, in the same order, all of one dimension.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>>;
}

/// The vectors of some texts. Refuses what an embedder should not return.
pub(super) fn embed(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
    let model = embedder.model();
    let vectors = embedder.embed(texts)?;
    let refuse = |kind, message: String| Err(Error::new(kind, message).at(format!("embedder of {model}")));
    if vectors.len() != texts.len() {
        return refuse(ErrorKind::Invalid, format!("{} texts were embedded as {} vectors", texts.len(), vectors.len()));
    }
    let dimension = vectors.first().map_or(0, Vec::len);
    if let Some(other) = vectors.iter().find(|vector| vector.len() != dimension || vector.is_empty()) {
        return refuse(ErrorKind::Dimension, format!("it made vectors of dimension {dimension} and {}", other.len()));
    }
    if vectors.iter().flatten().any(|value| !value.is_finite()) {
        return refuse(ErrorKind::Invalid, "it made a vector with numbers that are not finite".into());
    }
    Ok(vectors)
}

/// The cosine of the angle between two vectors; 0 where one has no direction or another dimension.
pub(super) fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let lengths = (dot(one, one) * dot(other, other)).sqrt();
    if one.len() == other.len() && lengths > 0.0 { (dot(one, other) / lengths).clamp(-1.0, 1.0) } else { 0.0 }
}
