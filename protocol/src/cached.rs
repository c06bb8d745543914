//! A value that is costly to derive, kept until what it is derived from changes.

use std::cell::Cell;

/// See the module. The owner calls [`Cached::clear`] with every change.
#[derive(Clone, Debug)]
pub(crate) struct Cached<T: Copy>(Cell<Option<T>>);

impl<T: Copy> Default for Cached<T> {
    fn default() -> Self {
        Self(Cell::new(None))
    }
}

impl<T: Copy> Cached<T> {
    /// The value, derived if need be.
    pub(crate) fn get_or(&self, derive: impl FnOnce() -> T) -> T {
        let value = self.0.get().unwrap_or_else(derive);
        self.0.set(Some(value));
        value
    }

    /// What the value is derived from has changed.
    pub(crate) fn clear(&self) {
        self.0.set(None);
    }
}
