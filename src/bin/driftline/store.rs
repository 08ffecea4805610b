//! The store that the statements are about, opened when one needs it.
//!
//! A statement that only reads opens the store for reading, beside other readers; the first that writes opens it for
//! writing. An interactive shell opens for writing at once.

use std::path::PathBuf;

use driftline::statement::Name;
use driftline::{Collection, Create, Database, Durability, Error, ErrorKind, Options};

use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;

/// Where the store is, and whether it is open.
pub(crate) struct Store {
    place: Place,
    read_only: bool,
    durability: Durability,
    open: Option<(Database, Access)>,
    /// Closes the store when the program is asked to end.
    interrupt: Interrupt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Directory(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Read,
    Write,
}

impl Store {
    pub(crate) fn new(place: Place, read_only: bool, durability: Durability, interrupt: Interrupt) -> Store {
        Store { place, read_only, durability, open: None, interrupt }
    }

    /// Where it is, for people.
    pub(crate) fn name(&self) -> String {
        match &self.place {
            Place::Memory => "a store in memory".into(),
            Place::Directory(path) => path.display().to_string(),
        }
    }

    /// Its last part, for a prompt; empty in memory.
    pub(crate) fn short_name(&self) -> String {
        match &self.place {
            Place::Memory => String::new(),
            Place::Directory(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// Is about another store from now on; this one must be closed.
    pub(crate) fn move_to(&mut self, place: Place) {
        self.place = place;
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether there is something to open.
    pub(crate) fn exists(&self) -> bool {
        match &self.place {
            Place::Memory => true,
            Place::Directory(path) => path.exists(),
        }
    }

    /// The store, if it is open.
    pub(crate) fn opened(&self) -> Option<&Database> {
        self.open.as_ref().map(|(db, _)| db)
    }

    /// The store, to read from.
    pub(crate) fn reading(&mut self) -> Outcome<Database> {
        self.at_least(Access::Read, Create::Never)
    }

    /// The store, to write to; it must be there.
    pub(crate) fn writing(&mut self) -> Outcome<Database> {
        self.at_least(Access::Write, Create::Never)
    }

    /// The store, to write to; it is made if there is none.
    pub(crate) fn making(&mut self) -> Outcome<Database> {
        self.at_least(Access::Write, Create::IfMissing)
    }

    /// A collection, to read from.
    pub(crate) fn collection(&mut self, name: &Name) -> Outcome<Collection> {
        find(&self.reading()?, name)
    }

    /// A collection, to write to.
    pub(crate) fn writable(&mut self, name: &Name) -> Outcome<Collection> {
        find(&self.writing()?, name)
    }

    fn at_least(&mut self, access: Access, create: Create) -> Outcome<Database> {
        if let Some((db, _)) = self.open.as_ref().filter(|(_, open)| *open >= access) {
            return Ok(db.clone());
        }
        if self.read_only && access == Access::Write {
            let error = Error::new(ErrorKind::ReadOnly, "the store is open for reading only");
            return Err(error.mend("leave out --read-only").into());
        }
        self.close()?;
        let options = Options::new().create(create).durability(self.durability);
        let db = match (&self.place, access) {
            (Place::Memory, _) => options.in_memory(),
            (Place::Directory(path), Access::Read) => options.open_read_only(path),
            (Place::Directory(path), Access::Write) => options.open(path),
        };
        let db = db.map_err(|error| Failure::opening(&error))?;
        let access = if self.place == Place::Memory { Access::Write } else { access };
        self.interrupt.watch(Some(&db));
        self.open = Some((db.clone(), access));
        Ok(db)
    }

    /// Closes the store; what could not be written is an error.
    pub(crate) fn close(&mut self) -> Outcome {
        let closed = match self.open.take() {
            Some((db, _)) => db.close(),
            None => Ok(()),
        };
        self.interrupt.watch(None);
        Ok(closed?)
    }
}

/// A collection by its name; the error points at the name.
fn find(db: &Database, name: &Name) -> Outcome<Collection> {
    db.collection(&name.text).map_err(|error| {
        let error = match error.kind() {
            ErrorKind::NotFound => error.mend("`collections` lists those there are"),
            _ => error,
        };
        Failure::from(error).about(name.span.clone())
    })
}
