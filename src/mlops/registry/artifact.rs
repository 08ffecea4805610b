//! Loading artifacts: streamed, and checked against their hash before the first byte is given out.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::database::blob::BlobReader;
use crate::error::{Error, ErrorKind, Result};
use crate::mlops::registry::version::ModelVersion;
use crate::mlops::registry::{Model, PRODUCTION, blob_of};
use crate::payload::BlobId;

/// Bytes that are hashed at a time.
const PIECE: usize = 1 << 16;

/// The artifact of a version, read front to back.
#[derive(Debug)]
pub struct ArtifactReader {
    /// The version it belongs to.
    pub version: ModelVersion,
    content: BlobReader,
}

impl Read for ArtifactReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer)
    }
}

impl ArtifactReader {
    /// Bytes of the whole artifact.
    pub fn length(&self) -> u64 {
        self.content.length()
    }

    /// All bytes that have not been read yet. Fails with `Invalid` when the artifact is larger than `limit` bytes.
    pub fn read_all(&mut self, limit: u64) -> Result<Vec<u8>> {
        if self.length() > limit {
            let told = format!(
                "the artifact of {} has {} bytes, more than the limit of {limit}",
                self.version.model,
                self.length()
            );
            return Err(Error::invalid(told).mend("read it piece by piece"));
        }
        let mut bytes = Vec::new();
        self.content.read_to_end(&mut bytes).map_err(|error| failed(&self.version, error))?;
        Ok(bytes)
    }
}

fn failed(version: &ModelVersion, error: io::Error) -> Error {
    let place = format!("the artifact of {}", version.model);
    match error.kind() {
        io::ErrorKind::InvalidData => Error::corrupt(format!("integrity check failed: {error}"), place)
            .mend("restore it from a backup, or register the artifact again under a new version"),
        _ => Error::io("read the artifact", place, error),
    }
}

impl Model {
    /// The artifact of a version. All of it is read once and hashed before this returns, in pieces of 64 KiB, and so costs
    /// its length; [`Model::load_unverified`] leaves that out.
    ///
    /// Fails with `NotFound` when there is no such version, or when it was imported without its artifact, and with `Corrupt`
    /// when the artifact is not what was registered.
    pub fn load(&self, version: &str) -> Result<ArtifactReader> {
        let (version, blob) = self.stored(version)?;
        let mut content = self.db.get_blob(blob)?;
        let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
        loop {
            match content.read(&mut piece).map_err(|error| failed(&version, error))? {
                0 => break,
                count => hash.update(&piece[..count]),
            }
        }
        let found = BlobId(hash.finalize().into());
        if Some(found) != blob_of(&version.model_hash) {
            let told =
                format!("integrity check failed: the SHA-256 is {found}, and {} was registered", version.model_hash);
            return Err(Error::corrupt(told, format!("the artifact of {}", version.model))
                .mend("restore it from a backup, or register the artifact again under a new version"));
        }
        Ok(ArtifactReader { version, content: self.db.get_blob(blob)? })
    }

    /// The artifact of a version, whose pieces are checked as they are read, and not all of it before the first one.
    pub fn load_unverified(&self, version: &str) -> Result<ArtifactReader> {
        let (version, blob) = self.stored(version)?;
        Ok(ArtifactReader { version, content: self.db.get_blob(blob)? })
    }

    /// The artifact of the version that serves, as [`Model::load`] gives it.
    pub fn load_active(&self) -> Result<ArtifactReader> {
        let alias = self.alias(PRODUCTION)?.and_then(|alias| alias.version);
        let version = alias.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no version of `{}` is in production", self.name()))
                .mend("promote one first")
        })?;
        self.load(&version)
    }

    fn stored(&self, version: &str) -> Result<(ModelVersion, BlobId)> {
        let version = self.version(version)?;
        let artifact = version.artifact.as_ref().map(|artifact| artifact.blob).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{} was registered without its artifact", version.model))
                .mend("import its document again with the artifact beside it")
        })?;
        Ok((version, artifact))
    }
}
