//! The registry: versions of models with their artifacts, and aliases that point to them.

mod alias;
mod artifact;
mod gate;
mod json;
mod moves;
mod version;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::database::gate::Protected;
use crate::database::handle::Database;
use crate::database::request::Precondition;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::suggest;
use crate::mlops::audit::AuditEntry;
use crate::mlops::change::Change;
use crate::mlops::model::ModelId;
use crate::mlops::table::{Row, Table};
use crate::payload::BlobId;
use crate::sync::Mutex;

pub use alias::{Alias, AliasMove, MoveKind};
pub use artifact::ArtifactReader;
pub use gate::{Approval, Bound, PromotionGate, Requirement};
pub use version::{Artifact, Lineage, ModelVersion, NewVersion};

/// The collections of the registry.
const VERSIONS: &str = "_models";
const ALIASES: &str = "_model_aliases";
const MOVES: &str = "_model_alias_moves";
const GATES: &str = "_model_gates";
const APPROVALS: &str = "_model_approvals";

/// The alias that says which version serves.
pub const PRODUCTION: &str = "production";

impl Database {
    /// The versions of the model of this name. Nothing is written until a version is registered.
    ///
    /// Fails with `Invalid` when no model can have that name.
    pub fn model(&self, name: &str) -> Result<Model> {
        ModelId::new(name, "1")?;
        Ok(Model {
            name: name.into(),
            versions: Table::new(self, VERSIONS),
            aliases: Table::new(self, ALIASES),
            moves: Table::new(self, MOVES),
            gates: Table::new(self, GATES),
            approvals: Table::new(self, APPROVALS),
            db: self.clone(),
        })
    }

    /// The names of the models that have versions, in their order.
    pub fn models(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for row in Table::<ModelVersion>::new(self, VERSIONS).iter(|scan| scan)? {
            let name = row?.value.model.name().to_owned();
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        names.dedup();
        Ok(names)
    }
}

/// The versions of one model: registered once, found by name, tag, time or order, and pointed to by aliases.
///
/// A version never changes after it was registered, but for its tags and its description, and an artifact that is imported
/// later. Its artifact is a blob, stored
/// once however many versions have it, never executed, and checked against its SHA-256 when it is loaded. Each change is
/// one batch with its entry in the audit log, so a crash leaves all of it or nothing. May be used from any thread.
///
/// The first version in production brings the store into [`Mode::Inference`](crate::mlops::Mode::Inference), in which all
/// changes are refused with `ReadOnly`, but for rolling back.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::{Change, Mode, NewVersion};
///
/// let db = Database::in_memory()?;
/// let model = db.model("ranker")?;
/// model.register(NewVersion::new("1.0.0").metric("accuracy", 0.90), &b"the first"[..])?;
/// model.register(NewVersion::new("1.1.0").metric("accuracy", 0.92), &b"the second"[..])?;
///
/// // From now on the store is in inference mode, in which models stay as they are.
/// model.promote_to_production("1.0.0", Change::by("kim"))?;
/// let training = db.modes().enter(Mode::Training, Change::by("kim"))?;
/// model.promote_to_production("1.1.0", Change::by("kim").because("better"))?;
/// assert_eq!(model.production()?.expect("one serves").version(), "1.1.0");
/// drop(training);
///
/// model.rollback("production", Change::by("lee").because("worse after all"))?;
/// let mut artifact = model.load_active()?;
/// assert_eq!(artifact.version.version(), "1.0.0");
/// assert_eq!(artifact.read_all(1 << 20)?, b"the first");
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Model {
    name: String,
    db: Database,
    versions: Table<ModelVersion>,
    aliases: Table<Alias>,
    moves: Table<AliasMove>,
    gates: Table<PromotionGate>,
    approvals: Table<Approval>,
}

/// The names that were made in this process in the newest second in which one was; they may be registered yet.
#[derive(Debug, Default)]
struct Generated(Mutex<(i64, BTreeSet<String>)>);

impl Generated {
    /// A name that is none of those, and remembers it; `make` gives its key and the name.
    fn next(&self, now: Timestamp, make: impl FnOnce(&BTreeSet<String>) -> Result<(String, String)>) -> Result<String> {
        let mut newest = self.0.lock();
        let second = now.0.div_euclid(1_000_000);
        if newest.0 != second {
            *newest = (second, BTreeSet::new());
        }
        let (key, name) = make(&newest.1)?;
        newest.1.insert(key);
        Ok(name)
    }
}

/// Figures of two versions beside each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MetricChange {
    /// The figure's name.
    pub metric: String,
    /// What the first version has.
    pub from: Option<f64>,
    /// What the second version has.
    pub to: Option<f64>,
    /// The second less the first, where both have it.
    pub difference: Option<f64>,
}

impl Model {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Registers a version with the artifact that `artifact` gives, which is streamed into the store.
    ///
    /// Registering it again with the same artifact returns it as it was registered. Fails with `Exists` when there is one
    /// of that name with another artifact, and with `Invalid` when a metric is not finite or a tag cannot be one.
    pub fn register(&self, version: NewVersion, artifact: impl Read) -> Result<ModelVersion> {
        version.check()?;
        self.db.check_gate(Protected::Models)?;
        let id = ModelId::new(&*self.name, &*version.version)?;
        let blob = self.db.put_blob(artifact)?;
        if let Some(known) = self.find(id.version())? {
            return same_or_exists(known, &blob.to_string());
        }
        let bytes = self.db.get_blob(blob)?.length();
        let registered = self.describe(id, version.clone(), blob.to_string(), Some(Artifact { blob }), bytes)?;
        self.add(registered, &version.actor, "register")
    }

    /// [`Model::register`] under the other name that registries give it.
    #[doc(alias = "save_model")]
    pub fn save(&self, version: NewVersion, artifact: impl Read) -> Result<ModelVersion> {
        self.register(version, artifact)
    }

    fn describe(
        &self,
        model: ModelId,
        new: NewVersion,
        model_hash: String,
        artifact: Option<Artifact>,
        file_size: u64,
    ) -> Result<ModelVersion> {
        let NewVersion { metrics, config, training_info, file_path, format, description, mut tags, lineage, .. } = new;
        tags.sort();
        tags.dedup();
        Ok(ModelVersion {
            model,
            created_at: self.db.now(),
            number: 0,
            model_hash,
            artifact,
            metrics,
            config,
            training_info,
            file_path,
            file_size,
            format,
            description,
            tags,
            lineage,
        })
    }

    /// Writes a version that is not there yet, with its audit entry.
    fn add(&self, mut version: ModelVersion, actor: &str, action: &str) -> Result<ModelVersion> {
        let key = self.key(version.version());
        let mut known = None;
        let done = self.db.audit().commit_built(|db| {
            db.check_gate(Protected::Models)?;
            known = self.find(version.version())?;
            version.number = self.all()?.len() as u64;
            let batch = db.batch().require(&self.versions.collection()?, key.clone(), Precondition::Absent);
            let batch = self.versions.put_in(batch, key.clone(), &version)?;
            let details = serde_json::json!({"model_hash": version.model_hash, "file_size": version.file_size});
            let entry = AuditEntry::new(action, version.model.to_string()).actor(actor).details(details);
            Ok(Some((batch, vec![entry])))
        });
        match (done, known) {
            (Ok(_), _) => Ok(version),
            // Somebody else registered it since it was looked for.
            (Err(error), Some(known)) if error.kind() == ErrorKind::Conflict => {
                same_or_exists(known, &version.model_hash)
            }
            (Err(error), _) => Err(error.at(format!("model {}", self.name))),
        }
    }

    /// The version of this name, if it was registered.
    pub fn find(&self, version: &str) -> Result<Option<ModelVersion>> {
        Ok(self.versions.get(self.key(version))?.map(|row| row.value))
    }

    /// The version of this name. Fails with `NotFound`, naming what there is.
    pub fn version(&self, version: &str) -> Result<ModelVersion> {
        Ok(self.row(version)?.value)
    }

    fn row(&self, version: &str) -> Result<Row<ModelVersion>> {
        if let Some(row) = self.versions.get(self.key(version))? {
            return Ok(row);
        }
        let known: Vec<String> = self.list()?.iter().rev().map(|it| it.version().to_owned()).collect();
        let mend = match (suggest(version, known.iter().map(String::as_str)), &known[..]) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => "register one first; the model has no versions".to_owned(),
            (None, _) => format!("name one of: {}", known[..known.len().min(10)].join(", ")),
        };
        Err(Error::new(ErrorKind::NotFound, format!("model `{}` has no version {version:?}", self.name)).mend(mend))
    }

    /// The versions in the order in which they were registered.
    pub fn list(&self) -> Result<Vec<ModelVersion>> {
        let mut versions = self.all()?;
        versions.sort_by_key(|version| version.number);
        Ok(versions)
    }

    /// The versions that have this tag, in the order in which they were registered.
    pub fn tagged(&self, tag: &str) -> Result<Vec<ModelVersion>> {
        Ok(self.list()?.into_iter().filter(|version| version.tags.iter().any(|it| it == tag)).collect())
    }

    fn all(&self) -> Result<Vec<ModelVersion>> {
        Ok(self.versions.prefix(self.key(""))?.into_iter().map(|row| row.value).collect())
    }

    /// The version of the newest time, [`ModelVersion::created_at`], and of equal times the one that was registered last; none
    /// while there is none. An import brings versions with the times they have had elsewhere.
    pub fn latest(&self) -> Result<Option<ModelVersion>> {
        Ok(self.all()?.into_iter().max_by_key(|version| (version.created_at, version.number)))
    }

    /// The highest version in the order of semantic versions, in which `2.1.3-beta` stands before `2.1.3`. Versions whose
    /// names are not semantic do not count.
    pub fn latest_semantic(&self) -> Result<Option<ModelVersion>> {
        let versions = self.list()?.into_iter().filter_map(|it| Some((version::semantic(it.version())?, it)));
        let order =
            |a: &(semver::Version, ModelVersion), b: &(semver::Version, ModelVersion)| -> Ordering { a.0.cmp(&b.0) };
        Ok(versions.max_by(order).map(|(_, version)| version))
    }

    /// A name for a new version, made of the time in UTC: `20241221-143022`, or `train-20241221-143022` with a prefix. It is
    /// never that of a version there is, and no two calls of one second and process give the same, whether or not what they
    /// gave is registered.
    pub fn generate_version(&self, prefix: Option<&str>) -> Result<String> {
        let now = self.db.now();
        self.db.companion::<Generated>().next(now, |given| {
            let taken = |name: &str| Ok(given.contains(&self.key(name)) || self.find(name)?.is_some());
            let name = version::timestamped(prefix, now, taken)?;
            Ok((self.key(&name), name))
        })
    }

    /// The metrics of two versions beside each other, by name.
    pub fn compare(&self, from: &str, to: &str) -> Result<Vec<MetricChange>> {
        let (from, to) = (self.version(from)?.metrics, self.version(to)?.metrics);
        let names: BTreeMap<&String, ()> = from.keys().chain(to.keys()).map(|name| (name, ())).collect();
        let change = |metric: &String| {
            let (from, to) = (from.get(metric).copied(), to.get(metric).copied());
            MetricChange { metric: metric.clone(), from, to, difference: from.zip(to).map(|(from, to)| to - from) }
        };
        Ok(names.into_keys().map(change).collect())
    }

    /// Replaces the tags of a version.
    pub fn set_tags(&self, version: &str, tags: &[&str], change: &Change) -> Result<ModelVersion> {
        let mut tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        tags.sort();
        tags.dedup();
        version::check_tags(&tags)?;
        let details = serde_json::json!({ "tags": tags });
        self.amend(version, "tag", details, change, |version| version.tags = tags)
    }

    /// Replaces the description of a version.
    pub fn describe_version(&self, version: &str, description: &str, change: &Change) -> Result<ModelVersion> {
        let details = serde_json::json!({ "description": description });
        self.amend(version, "describe", details, change, |version| version.description = description.to_owned())
    }

    fn amend(
        &self,
        version: &str,
        action: &str,
        details: serde_json::Value,
        change: &Change,
        amend: impl FnOnce(&mut ModelVersion),
    ) -> Result<ModelVersion> {
        let mut amended = None;
        self.db.audit().commit_built(|db| {
            db.check_gate(Protected::Models)?;
            let Row { key, mut value, lsn, .. } = self.row(version)?;
            amend(&mut value);
            let batch = db.batch().require(&self.versions.collection()?, key.clone(), Precondition::AtLsn(lsn));
            let batch = self.versions.put_in(batch, key, &value)?;
            let entry = change.audited(action, value.model.to_string(), details);
            amended = Some(value);
            Ok(Some((batch, vec![entry])))
        })?;
        amended.ok_or_else(|| Error::internal("a version was changed and is not there"))
    }

    /// The key of a version; of all versions, with an empty one.
    fn key(&self, version: &str) -> String {
        format!("{}@{version}", self.name)
    }
}

/// The version that is there already, if it has the artifact that was to be registered.
fn same_or_exists(known: ModelVersion, model_hash: &str) -> Result<ModelVersion> {
    if known.model_hash == model_hash {
        return Ok(known);
    }
    Err(Error::new(ErrorKind::Exists, format!("{} is registered with another artifact", known.model))
        .mend("a version never changes: give the new artifact a new version"))
}

/// The hash as a blob's name, where it is one.
fn blob_of(hash: &str) -> Option<BlobId> {
    hash.parse().ok()
}
