//! Files: the log, the manifest, containers of sections, and the file systems under them. Knows no vectors.

pub(crate) mod checksum;
pub(crate) mod codec;
pub mod fs;
pub(crate) mod manifest;
pub(crate) mod sections;
pub(crate) mod wal;
