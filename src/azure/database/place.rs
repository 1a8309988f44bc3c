//! The places of a pool: as many as there may be connections, each with one or without.
//!
//! They are bb8's, which counts them and lets callers wait for one. A connection is opened by the
//! caller who needs it and not by the pool, so that he gets the real error, within his own deadline:
//! bb8 keeps errors of connecting to itself, and tells those who wait only that time is over.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use bb8::ManageConnection;

use crate::time::Instant;

/// What bb8 manages: places, which cost nothing to make.
pub(super) struct Places<C> {
    connections: PhantomData<fn() -> C>,
}

/// One of them.
pub(super) struct Place<C> {
    /// Taken out while it is used. So a call that is dropped takes its connection with it.
    pub(super) open: Option<Open<C>>,
}

/// A connection that nobody uses.
pub(super) struct Open<C> {
    pub(super) connection: C,
    pub(super) birth: Birth,
    pub(super) used: Instant,
}

/// When a connection was opened, and in which generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Birth {
    pub(super) at: Instant,
    pub(super) generation: u64,
}

impl<C> Places<C> {
    pub(super) const fn new() -> Self {
        Self { connections: PhantomData }
    }
}

impl<C> ManageConnection for Places<C>
where
    C: Send + 'static,
{
    type Connection = Place<C>;
    type Error = Infallible;

    async fn connect(&self) -> Result<Place<C>, Infallible> {
        Ok(Place { open: None })
    }

    async fn is_valid(&self, _: &mut Place<C>) -> Result<(), Infallible> {
        Ok(())
    }

    /// A place without a connection is given up, so that those with one are used first.
    fn has_broken(&self, place: &mut Place<C>) -> bool {
        place.open.is_none()
    }
}

impl<C> fmt::Debug for Places<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish()
    }
}
