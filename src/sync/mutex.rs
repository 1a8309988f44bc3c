//! The lock for what is cold.

use std::fmt;

/// A mutex that a panic of its holder does not break.
///
/// `std`'s poisons itself, and everyone after the panic has to decide what that means. Here the
/// next holder finds the value as the panic left it: what is locked in this crate is changed in
/// steps that are each complete.
///
/// Lock and unlock cost two atomic read-modify-writes (about 10 ns) when nobody else wants it.
pub(crate) struct Mutex<T> {
    inner: imp::Mutex<T>,
}

/// Holds a [`Mutex`] locked until it is dropped.
pub(crate) type Guard<'a, T> = imp::Guard<'a, T>;

impl<T> Mutex<T> {
    /// Creates an unlocked mutex.
    pub(crate) const fn new(value: T) -> Self {
        Self { inner: imp::Mutex::new(value) }
    }

    /// Waits until nobody else holds the mutex, and takes it.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        imp::lock(&self.inner)
    }
}

impl<T> Default for Mutex<T>
where
    T: Default,
{
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Printing the value would take the lock, and a debug line must not wait for one.
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

#[cfg(not(all(test, seawall_loom)))]
mod imp {
    use std::sync::PoisonError;

    pub(super) type Guard<'a, T> = std::sync::MutexGuard<'a, T>;
    #[expect(clippy::disallowed_types, reason = "this is the wrapper that the ban points to")]
    pub(super) type Mutex<T> = std::sync::Mutex<T>;

    #[inline]
    pub(super) fn lock<T>(mutex: &Mutex<T>) -> Guard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, seawall_loom))]
mod imp {
    use std::sync::{OnceLock, PoisonError};

    pub(super) type Guard<'a, T> = loom::sync::MutexGuard<'a, T>;

    /// Loom's mutex can not be made in a constant, so it is made at the first lock.
    #[expect(clippy::disallowed_types, reason = "holds the value until the model runs")]
    pub(super) struct Mutex<T> {
        value: std::sync::Mutex<Option<T>>,
        modelled: OnceLock<loom::sync::Mutex<T>>,
    }

    #[expect(clippy::disallowed_types, reason = "holds the value until the model runs")]
    impl<T> Mutex<T> {
        pub(super) const fn new(value: T) -> Self {
            Self { value: std::sync::Mutex::new(Some(value)), modelled: OnceLock::new() }
        }
    }

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> Guard<'_, T> {
        let modelled = mutex.modelled.get_or_init(|| {
            let mut value = mutex.value.lock().unwrap_or_else(PoisonError::into_inner);
            loom::sync::Mutex::new(value.take().expect("initialised only once"))
        });
        modelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn survives_a_panic_of_its_holder() {
        let mutex = Mutex::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = mutex.lock();
            *guard = 2;
            panic!("while holding the lock");
        }));

        assert!(panicked.is_err());
        assert_eq!(*mutex.lock(), 2);
    }
}
