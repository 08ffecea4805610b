//! The registry as one JSON document, in the shape of `model_registry.json`: versions by name.

use std::collections::BTreeMap;
use std::io::Read;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::{Error, ErrorKind, Result};
use crate::filter;
use crate::mlops::change::Change;
use crate::mlops::model::ModelId;
use crate::mlops::registry::version::{Artifact, Lineage, ModelVersion, NewVersion};
use crate::mlops::registry::{Model, same_or_exists};

/// The most bytes a document may have.
const MAX_BYTES: usize = 64 << 20;

/// A version in the document. Field names are those of the format.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    version: String,
    created_at: String,
    model_hash: String,
    #[serde(default)]
    metrics: BTreeMap<String, f64>,
    #[serde(default)]
    config: Json,
    #[serde(default)]
    training_info: Json,
    #[serde(default)]
    file_path: Option<String>,
    #[serde(default)]
    file_size: u64,
    #[serde(default)]
    description: String,
    #[serde(default)]
    tags: Vec<String>,
    /// Ours; left out where there is nothing to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lineage: Option<Lineage>,
}

impl Model {
    /// The versions as one JSON document, `{"1.0.0": {"version": "1.0.0", "created_at": "2024-12-21T14:30:00", ...}}`, without
    /// the artifacts. Times are in UTC.
    pub fn export_json(&self) -> Result<String> {
        let entries = self.list()?.into_iter().map(|version| {
            let entry = entry_of(version)?;
            Ok((entry.version.clone(), entry))
        });
        let entries: BTreeMap<String, Entry> = entries.collect::<Result<_>>()?;
        serde_json::to_string_pretty(&entries).map_err(|error| Error::internal(format!("no JSON can be made: {error}")))
    }

    /// Registers the versions of such a document, in the order of their times; tells how many were new or got their artifact.
    ///
    /// `artifact` gives the bytes of a version, or nothing where they are not at hand; such a version can be looked at and
    /// not loaded, until it is imported again with them. It is not asked for a version that has them. Fails with `Invalid`, naming line and column, when the document is not of that shape, with `Corrupt` when
    /// bytes are not those of the hash, and with `Exists` when there is a version of that name with another hash. Versions
    /// before the failing one are registered then.
    pub fn import_json<R: Read>(
        &self,
        text: &str,
        mut artifact: impl FnMut(&str, Option<&str>) -> Result<Option<R>>,
        change: &Change,
    ) -> Result<u64> {
        if text.len() > MAX_BYTES {
            return Err(Error::invalid(format!("the document has {} bytes; at most {MAX_BYTES} are read", text.len())));
        }
        let entries: BTreeMap<String, Entry> = serde_json::from_str(text)
            .map_err(|error| Error::invalid(format!("this is no registry of models: {error}")))?;
        let mut versions = Vec::with_capacity(entries.len());
        for (name, entry) in entries {
            if name != entry.version {
                return Err(Error::invalid(format!("the version under {name:?} calls itself {:?}", entry.version)));
            }
            versions.push(self.version_of(entry)?);
        }
        versions.sort_by(|a, b| (a.created_at, &a.model).cmp(&(b.created_at, &b.model)));
        let mut added = 0;
        for mut version in versions {
            let known =
                self.find(version.version())?.map(|known| same_or_exists(known, &version.model_hash)).transpose()?;
            if known.as_ref().is_some_and(|known| known.artifact.is_some()) {
                continue;
            }
            let bytes = artifact(version.version(), version.file_path.as_deref())?;
            if known.is_some() && bytes.is_none() {
                continue;
            }
            if let Some(bytes) = bytes {
                self.attach(&mut version, bytes)?;
            }
            match known {
                Some(_) => self.complete(&version, change)?,
                None => drop(self.add(version, &change.actor, "import")?),
            }
            added += 1;
        }
        Ok(added)
    }

    /// Gives a version that was registered without its artifact the one that was stored for it; nothing else of it changes.
    fn complete(&self, version: &ModelVersion, change: &Change) -> Result<()> {
        let ModelVersion { artifact, file_size, model_hash, .. } = version;
        let details = json!({"model_hash": model_hash, "file_size": file_size});
        self.amend(version.version(), "import", details, change, |known| {
            (known.artifact, known.file_size) = (artifact.clone(), *file_size);
        })?;
        Ok(())
    }

    /// Stores the bytes of an imported version, which must be those of its hash.
    fn attach(&self, version: &mut ModelVersion, bytes: impl Read) -> Result<()> {
        let blob = self.db.put_blob(bytes)?;
        if blob.to_string() != version.model_hash {
            let told =
                format!("integrity check failed: the SHA-256 is {blob}, and the document gives {}", version.model_hash);
            return Err(Error::new(ErrorKind::Corrupt, told).at(format!("the artifact of {}", version.model)));
        }
        version.file_size = self.db.get_blob(blob)?.length();
        version.artifact = Some(Artifact { blob });
        Ok(())
    }

    fn version_of(&self, entry: Entry) -> Result<ModelVersion> {
        let model = ModelId::new(self.name(), &*entry.version)?;
        // An offset counts; without one it is UTC.
        let created_at = filter::moment(&entry.created_at).map_err(|_| {
            Error::invalid(format!("`created_at` of {model} is no time: {:?}", entry.created_at))
                .mend("write it as 2024-12-21T14:30:00, in UTC")
        })?;
        let object = |json: Json| if json.is_null() { Json::Object(Default::default()) } else { json };
        let mut new = NewVersion::new(&*entry.version).config(object(entry.config)).description(entry.description);
        new = new.training_info(object(entry.training_info)).format(entry.format.unwrap_or_else(|| "bytes".into()));
        new.metrics = entry.metrics;
        new.tags = entry.tags;
        new.file_path = entry.file_path;
        new.lineage = entry.lineage.unwrap_or_default();
        new.check()?;
        let version = self.describe(model, new, entry.model_hash, None, entry.file_size)?;
        Ok(ModelVersion { created_at, ..version })
    }
}

fn entry_of(version: ModelVersion) -> Result<Entry> {
    let time = jiff::Timestamp::from_microsecond(version.created_at.0)
        .map_err(|_| Error::internal(format!("{} was made at a time that no calendar has", version.model)))?;
    Ok(Entry {
        version: version.version().to_owned(),
        created_at: TimeZone::UTC.to_datetime(time).to_string(),
        model_hash: version.model_hash,
        metrics: version.metrics,
        config: version.config,
        training_info: version.training_info,
        file_path: version.file_path,
        file_size: version.file_size,
        description: version.description,
        tags: version.tags,
        format: (version.format != "bytes").then_some(version.format),
        lineage: (version.lineage != Lineage::default()).then_some(version.lineage),
    })
}
