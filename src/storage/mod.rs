//! Files: the log, the manifest, containers of sections, and the file systems under them. Knows no vectors.

pub(crate) mod fs;
