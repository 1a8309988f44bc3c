//! Code of users that must not take ours with it.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `f` gives, unless it panics.
pub(super) fn quietly<T>(f: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // What is thrown may be anything, also a thing that panics when it is dropped.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                mem::forget(again);
            }
            None
        }
    }
}

/// A value of the user's, whose drop may panic and harms nobody by it.
pub(in crate::health) struct Quiet<T>(Option<T>);

impl<T> Quiet<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T> Deref for Quiet<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl<T> DerefMut for Quiet<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("there until it is dropped")
    }
}

impl<T> Drop for Quiet<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        // A panic has been reported by the panic hook.
        let _panicked = quietly(|| drop(value));
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as drops do");
        }
    }

    #[test]
    fn no_panic_gets_through() {
        assert_eq!(quietly(|| 7), Some(7));
        assert_eq!(quietly(|| panic_any(Bomb)), None::<()>);
        drop(Quiet::new(Bomb));
    }
}
