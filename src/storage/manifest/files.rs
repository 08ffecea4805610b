//! The files that a manifest lists.

use super::{CollectionEntry, Manifest, SegmentEntry};
use crate::storage::names;
use crate::storage::sections::{FileKind, FileRef};

/// A file that is written once, as a manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedFile {
    pub(crate) name: String,
    pub(crate) kind: FileKind,
    pub(crate) file: FileRef,
}

impl Manifest {
    /// Every file but the logs.
    pub(crate) fn files(&self) -> Vec<ListedFile> {
        let segments = self.collections.iter().flat_map(CollectionEntry::files);
        let imported = self.imports.iter().flat_map(|import| &import.files).map(|imported| segment(imported.file));
        let blobs = self.blobs.iter().map(|blob| ListedFile {
            name: names::blob(blob.file.id),
            kind: FileKind::Blob,
            file: blob.file,
        });
        segments.chain(imported).chain(blobs).collect()
    }
}

impl CollectionEntry {
    /// Every file of its segments.
    pub(crate) fn files(&self) -> impl Iterator<Item = ListedFile> {
        self.segments.iter().flat_map(SegmentEntry::files)
    }
}

impl SegmentEntry {
    /// Its file, and those of its deletions and its index.
    pub(crate) fn files(&self) -> impl Iterator<Item = ListedFile> {
        let deletions = self.deletions.map(|deletions| ListedFile {
            name: names::deletions(self.file.id, deletions.generation),
            kind: FileKind::Deletions,
            file: deletions.file,
        });
        let index = self.index.as_ref().map(|index| ListedFile {
            name: names::index(index.file.id),
            kind: FileKind::Index,
            file: index.file,
        });
        std::iter::once(segment(self.file)).chain(deletions).chain(index)
    }
}

fn segment(file: FileRef) -> ListedFile {
    ListedFile { name: names::segment(file.id), kind: FileKind::Segment, file }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::samples;

    #[test]
    fn every_file_is_listed_once() {
        let manifest = samples::manifest();
        let files = manifest.files();
        let names: BTreeSet<&str> = files.iter().map(|file| &*file.name).collect();
        assert_eq!(names.len(), files.len());
        let segments: usize = manifest.collections.iter().map(|it| it.segments.len()).sum();
        let imported: usize = manifest.imports.iter().map(|it| it.files.len()).sum();
        let beside = manifest.collections.iter().flat_map(|it| &it.segments);
        let beside: usize =
            beside.map(|it| usize::from(it.deletions.is_some()) + usize::from(it.index.is_some())).sum();
        assert_eq!(files.len(), segments + imported + beside + manifest.blobs.len());
    }
}
