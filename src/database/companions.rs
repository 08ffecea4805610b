//! What stands on the database and remembers something of an open store, for as long as it is open.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use crate::sync::Mutex;

/// One value of each type that was asked for. The database knows none of these types.
#[derive(Debug, Default)]
pub(crate) struct Companions(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Companions {
    /// The value of this type, made the first time.
    pub(crate) fn of<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let mut kept = self.0.lock();
        let value = kept.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        Arc::clone(value).downcast().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{AtomicU64, Ordering};

    #[test]
    fn a_type_has_one_value() {
        let companions = Companions::default();
        companions.of::<AtomicU64>().store(7, Ordering::SeqCst);
        assert_eq!(companions.of::<AtomicU64>().load(Ordering::SeqCst), 7);
        assert!(companions.of::<Mutex<Vec<u8>>>().lock().is_empty());
    }
}
