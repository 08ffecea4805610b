//! The cell through which readers see what writers have done.

use std::sync::Arc;

use crate::ids::Lsn;
use crate::sync::RwLock;

/// What readers see: a view, and the position up to which they may look. The two change together.
#[derive(Debug)]
pub(crate) struct Current<View> {
    pub(crate) view: Arc<View>,
    pub(crate) visible: Lsn,
}

impl<View> Clone for Current<View> {
    fn clone(&self) -> Current<View> {
        Current { view: Arc::clone(&self.view), visible: self.visible }
    }
}

/// Holds the [`Current`]; locked only for the length of a clone or a swap.
#[derive(Debug)]
pub(crate) struct ViewCell<View>(RwLock<Current<View>>);

impl<View> ViewCell<View> {
    pub(crate) fn new(current: Current<View>) -> ViewCell<View> {
        ViewCell(RwLock::new(current))
    }

    pub(crate) fn get(&self) -> Current<View> {
        self.0.read().clone()
    }

    /// Replaces the view and lets readers see up to `lsn`, in one step. Returns the old view, so that whatever goes
    /// with it goes outside the lock. The caller holds the commit lock.
    #[must_use]
    pub(crate) fn install(&self, view: View, lsn: Lsn) -> Arc<View> {
        let mut current = self.0.write();
        current.visible = current.visible.max(lsn);
        std::mem::replace(&mut current.view, Arc::new(view))
    }

    /// Lets readers see up to `lsn`. The caller holds the commit lock.
    pub(crate) fn advance(&self, lsn: Lsn) {
        let mut current = self.0.write();
        current.visible = current.visible.max(lsn);
    }
}
