//! Files: the log, the manifest, containers of sections, and the file systems under them. Knows no vectors.

pub(crate) mod checksum;
pub(crate) mod codec;
pub(crate) mod fs;
pub(crate) mod header;
pub(crate) mod holes;
pub(crate) mod manifest;
pub(crate) mod names;
pub(crate) mod sections;
pub(crate) mod stored_file;
pub(crate) mod wal;
