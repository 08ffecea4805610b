//! Models that were loaded, so that each is loaded once.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::database::handle::Database;
use crate::error::{Error, Result};
use crate::mlops::model::ModelId;
use crate::mlops::registry::ArtifactReader;
use crate::sync::Mutex;

/// The models that were loaded in this process from a store, as whatever the application makes of their artifacts.
///
/// Each version is loaded once, also when threads ask at the same time: the others wait. May be used from any thread.
///
/// ```
/// use driftline::Database;
/// use driftline::mlops::{ModelId, NewVersion};
///
/// let db = Database::in_memory()?;
/// db.model("ranker")?.register(NewVersion::new("1.0.0"), &b"weights"[..])?;
/// let id = ModelId::new("ranker", "1.0.0")?;
/// let models = db.loaded_models();
/// let weights = models.get_or_load(&id, |artifact| artifact.read_all(1 << 20))?;
/// assert_eq!(*weights, b"weights");
/// assert_eq!(models.list(), [id]);
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LoadedModels {
    db: Database,
    loaded: Arc<Loaded>,
}

/// Each model in a place of its own, so that loading one keeps nobody from another.
#[derive(Default)]
struct Loaded(Mutex<BTreeMap<ModelId, Arc<Place>>>);

#[derive(Default)]
struct Place {
    /// Held by whoever loads; taken before `object`.
    loading: Mutex<()>,
    /// Held for moments, so that nobody waits for loading who only asks what there is.
    object: Mutex<Option<Object>>,
}

impl Place {
    fn object(&self) -> Option<Object> {
        self.object.lock().clone()
    }
}

type Object = Arc<dyn Any + Send + Sync>;

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().keys()).finish()
    }
}

impl Database {
    /// The models that were loaded from this store.
    pub fn loaded_models(&self) -> LoadedModels {
        LoadedModels { db: self.clone(), loaded: self.companion() }
    }
}

impl LoadedModels {
    /// The model, loaded by `load` from its artifact if it was not loaded before. Fails with what loading fails with; the next
    /// call tries again. Fails with `Invalid` when it was loaded as another type.
    pub fn get_or_load<T: Send + Sync + 'static>(
        &self,
        model: &ModelId,
        load: impl FnOnce(&mut ArtifactReader) -> Result<T>,
    ) -> Result<Arc<T>> {
        let place = Arc::clone(self.loaded.0.lock().entry(model.clone()).or_default());
        let _loading = place.loading.lock();
        let object = match place.object() {
            Some(object) => object,
            None => {
                let mut artifact = self.db.model(model.name())?.load(model.version())?;
                let object: Object = Arc::new(load(&mut artifact)?);
                *place.object.lock() = Some(Arc::clone(&object));
                object
            }
        };
        typed(model, object)
    }

    /// The model, if it was loaded. Waits for nobody, nor do the calls below: one that is being loaded is not there yet.
    pub fn get<T: Send + Sync + 'static>(&self, model: &ModelId) -> Result<Option<Arc<T>>> {
        let place = self.loaded.0.lock().get(model).cloned();
        let object = place.and_then(|place| place.object());
        object.map(|object| typed(model, object)).transpose()
    }

    /// Forgets a model; who holds it, or is loading it, keeps it. Tells whether it was loaded.
    pub fn unload(&self, model: &ModelId) -> bool {
        let place = self.loaded.0.lock().remove(model);
        place.is_some_and(|place| place.object().is_some())
    }

    /// The models that were loaded, by name and version.
    pub fn list(&self) -> Vec<ModelId> {
        let places = self.loaded.0.lock();
        places.iter().filter(|(_, place)| place.object().is_some()).map(|(model, _)| model.clone()).collect()
    }
}

fn typed<T: Send + Sync + 'static>(model: &ModelId, object: Object) -> Result<Arc<T>> {
    object.downcast().map_err(|_| {
        Error::invalid(format!("{model} was loaded as another type")).mend("unload it first, or ask for that type")
    })
}
