//! Caches: in memory, and as collections; of anything, of embeddings, and of predictions.

mod backend;
mod embeddings;
mod flight;
mod loaded;
mod lru;
mod overview;
mod predictions;
mod stored;

pub use backend::{Cache, MemoryCache, PersistentCache};
pub use embeddings::{EmbeddingCache, SimilarEmbedding};
pub use loaded::LoadedModels;
pub use lru::{CacheLimits, CacheStats, LruCache};
pub use overview::CacheOverview;
pub use predictions::PredictionCache;
