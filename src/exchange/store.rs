//! A whole store as a directory of files that anything can read, and back.
//!
//! `manifest.json` lists the collections: name, schema, file and count. Each collection is a file of lines of JSON, each
//! blob a file in `blobs/` under its name.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::export::ExportReport;
use super::file::{MAX_TEXT_BYTES, Reading, refuse, unreadable};
use super::format::Format;
use super::import::import;
use super::lines::{Never, Part, write_line};
use super::options::{ImportOptions, Source};
use super::progress::{Phase, Progress, ROWS_PER_STEP, Tell};
use super::target::{Target, unwritable};
use crate::database::handle::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::payload::{BlobId, Value};
use crate::schema::Schema;

const MANIFEST: &str = "manifest.json";
const BLOBS: &str = "blobs";
/// The form of the directory that this program writes, and the newest it reads.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Manifest {
    driftline_export: u32,
    collections: Vec<Entry>,
    blobs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    /// For people.
    schema: String,
    /// The schema as stores keep it, in base64.
    stored_schema: String,
    file: String,
    records: u64,
}

/// Exports every collection and every blob they name, as they stand at one moment, to a new directory, which appears when
/// it is whole. [`import_store`] makes an equal store of it: keys, vectors bit for bit, payloads, times.
///
/// It is written under the name with `.part` behind it; fails with `Exists` where there is something of either name. Fails
/// with `NotFound` when the last record that names a blob goes, and the blob with it, while this runs.
pub fn export_store(
    db: &Database,
    directory: &Path,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ExportReport> {
    if directory.exists() {
        return Err(Error::new(ErrorKind::Exists, "there is something of that name already")
            .at(directory.display().to_string())
            .mend("name a directory that does not exist"));
    }
    let temporary = Temporary::beside(directory)?;
    let report = write_all(db, &temporary.0, progress)?;
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    fs::rename(&temporary.0, directory).map_err(|error| unwritable(directory, error))?;
    let files = report.files.iter().map(|file| directory.join(file)).collect();
    Ok(ExportReport { files, ..report })
}

/// A directory that goes when it was not renamed.
struct Temporary(PathBuf);

impl Temporary {
    /// Makes one with a place for blobs. What is there already is somebody else's.
    #[expect(clippy::disallowed_methods, reason = "files of the user's, which are no part of a store")]
    fn beside(directory: &Path) -> Result<Temporary> {
        let mut path = directory.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::new(ErrorKind::Exists, "an export may be writing there")
                .at(path.display().to_string())
                .mend("remove it if none is running"),
            _ => unwritable(&path, error),
        };
        fs::create_dir_all(directory.parent().unwrap_or(Path::new(""))).map_err(failed)?;
        fs::create_dir(&path).map_err(failed)?;
        let temporary = Temporary(path.clone());
        fs::create_dir(path.join(BLOBS)).map_err(failed)?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the files; the report names them relative to the directory.
fn write_all(db: &Database, directory: &Path, progress: &mut Tell<'_>) -> Result<ExportReport> {
    let infos = db.collections()?;
    let snapshot = db.snapshot()?;
    let mut report = ExportReport { rows: 0, files: vec![MANIFEST.into()], bytes: 0 };
    let mut manifest = Manifest { driftline_export: VERSION, collections: Vec::new(), blobs: Vec::new() };
    let mut blobs = BTreeSet::new();
    for (number, info) in infos.iter().filter(|info| !info.name.starts_with('_')).enumerate() {
        let file = format!("{number:04}-{}.jsonl", info.name);
        let before = report.rows;
        let mut target = Target::create(&directory.join(&file), false)?;
        for record in snapshot.collection(&info.name)?.scan() {
            let record = record?;
            named_blobs(&record.payload, &mut blobs);
            write_line(&mut target, &record, Part::Whole, Never::of(&info.schema))?;
            report.rows += 1;
            tell(progress, report.rows)?;
        }
        report.bytes += target.finish()?;
        manifest.collections.push(Entry {
            name: info.name.clone(),
            schema: info.schema.to_string(),
            stored_schema: STANDARD.encode(info.schema.encode()?),
            file: file.clone(),
            records: report.rows - before,
        });
        report.files.push(file.into());
    }
    for blob in blobs {
        let file = Path::new(BLOBS).join(blob.to_string());
        let mut target = Target::create(&directory.join(&file), false)?;
        io::copy(&mut db.get_blob(blob)?, &mut target).map_err(|error| unwritable(&file, error))?;
        report.bytes += target.finish()?;
        manifest.blobs.push(blob.to_string());
        report.files.push(file);
    }
    let mut target = Target::create(&directory.join(MANIFEST), false)?;
    serde_json::to_writer_pretty(&mut target, &manifest).map_err(|error| unwritable(directory, error.into()))?;
    report.bytes += target.finish()?;
    Ok(report)
}

fn tell(progress: &mut Tell<'_>, rows: u64) -> Result<()> {
    let told = Progress { phase: Phase::Rows, rows, of: None, bytes: 0, of_bytes: None };
    if rows.is_multiple_of(ROWS_PER_STEP) && progress(told).is_break() {
        return Err(Error::new(ErrorKind::Cancelled, format!("cancelled after {rows} rows; nothing was written")));
    }
    Ok(())
}

fn named_blobs(payload: &Value, found: &mut BTreeSet<BlobId>) {
    // Stored payloads are at most so deep that this recursion is harmless.
    match payload {
        Value::Blob(blob) => drop(found.insert(*blob)),
        Value::Array(values) => values.iter().for_each(|value| named_blobs(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| named_blobs(value, found)),
        _ => {}
    }
}

/// Imports what [`export_store`] wrote. None of its collections may be there already. When it fails, those that were made
/// are dropped again. Returns how many records there are.
pub fn import_store(
    db: &Database,
    directory: &Path,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<u64> {
    let manifest = read_manifest(&directory.join(MANIFEST))?;
    let known = db.collections()?;
    if let Some(entry) = manifest.collections.iter().find(|entry| known.iter().any(|it| it.name == entry.name)) {
        return Err(Error::new(ErrorKind::Exists, format!("there is a collection `{}` already", entry.name))
            .mend("import into another store, or drop it first"));
    }
    for blob in &manifest.blobs {
        read_blob(db, directory, blob)?;
    }
    let mut made = Vec::new();
    let mut rows = 0;
    let imported = manifest.collections.iter().try_for_each(|entry| {
        rows += read_collection(db, directory, entry, &mut made, &mut |told| {
            progress(Progress { rows: rows + told.rows, of: None, ..told })
        })?;
        Ok(())
    });
    match imported {
        Ok(()) => Ok(rows),
        Err(error) => made.iter().try_for_each(|name: &String| db.drop_collection(name)).and(Err(error)),
    }
}

fn read_manifest(path: &Path) -> Result<Manifest> {
    let name = path.display().to_string();
    let mut text = Vec::new();
    let mut file = Reading::open(path)?;
    let read = io::Read::read_to_end(&mut io::Read::take(&mut *file.reader, MAX_TEXT_BYTES), &mut text);
    read.map_err(|error| unreadable(&name, &error))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| {
        refuse(format!("this is no manifest of an export: {error}"), &name, "name the directory of one")
    })?;
    if manifest.driftline_export > VERSION {
        let message = format!("the export has form {}; this program reads {VERSION}", manifest.driftline_export);
        return Err(Error::new(ErrorKind::Version, message).at(name).mend("use a newer version of the program"));
    }
    Ok(manifest)
}

fn read_blob(db: &Database, directory: &Path, name: &str) -> Result<()> {
    let wanted: BlobId = name.parse().map_err(|error: Error| error.at(MANIFEST))?;
    let path = directory.join(BLOBS).join(wanted.to_string());
    let found = db.put_blob(Reading::open(&path)?.reader)?;
    if found != wanted {
        return Err(refuse(
            "the blob's content is not what its name says",
            &path.display().to_string(),
            "export again",
        ));
    }
    Ok(())
}

fn read_collection(
    db: &Database,
    directory: &Path,
    entry: &Entry,
    made: &mut Vec<String>,
    progress: &mut Tell<'_>,
) -> Result<u64> {
    // A name of a file, and no way to one elsewhere.
    if Path::new(&entry.file).file_name() != Some(entry.file.as_ref()) {
        return Err(refuse(format!("{:?} names no file of the export", entry.file), MANIFEST, "export again"));
    }
    let what = format!("the schema of collection {}", entry.name);
    let stored = STANDARD
        .decode(&entry.stored_schema)
        .map_err(|_| refuse("a schema cannot be read", MANIFEST, "export again"))?;
    let collection = db.create_collection(&entry.name, Schema::decode(&stored, &what)?)?;
    made.push(entry.name.clone());
    let path = directory.join(&entry.file);
    let options = ImportOptions::new().format(Format::Jsonl).resumable(false);
    let report = import(&collection, Source::file(&path), &options, progress)?;
    if report.rows != entry.records {
        let message = format!("there are {} records, and the manifest promises {}", report.rows, entry.records);
        return Err(refuse(message, &path.display().to_string(), "export again"));
    }
    Ok(report.rows)
}
