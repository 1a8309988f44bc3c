//! Where a call goes.

use std::fmt;
use std::sync::Arc;

use crate::sync::Mutex;

/// One of the two places that have a storage account's data.
///
/// # Example
///
/// ```
/// use seawall::azure::storage::Location;
///
/// assert_eq!(Location::Secondary.to_string(), "secondary");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an account has these two")]
pub enum Location {
    /// The region that is written to.
    Primary,
    /// The paired region, which can be read, and is some minutes behind.
    Secondary,
}

impl Location {
    /// A short, stable name for logs and metrics.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(seawall::azure::storage::Location::Primary.name(), "primary");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Keeps several calls in one place: that of the first of them that was answered.
///
/// For what belongs together: the pages of a list, a copy and the looks at it, a condition and what
/// it was made from. A call that is pinned is not served anywhere else; it fails when its place
/// does.
///
/// # Example
///
/// ```
/// use azure_core::http::ClientMethodOptions;
/// use seawall::azure::CallOptions;
/// use seawall::azure::storage::Pin;
///
/// let pin = Pin::new();
/// let page = || ClientMethodOptions {
///     context: CallOptions::new().pin(&pin).into_context(),
///     ..ClientMethodOptions::default()
/// };
/// # let _ = page();
/// assert_eq!(pin.location(), None);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pin {
    location: Arc<Mutex<Option<Location>>>,
}

impl Pin {
    /// Nowhere yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At `location` from the start.
    #[must_use]
    pub fn at(location: Location) -> Self {
        Self { location: Arc::new(Mutex::new(Some(location))) }
    }

    /// Where it is, once a call was answered.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        *self.location.lock()
    }

    /// Stays where the first call was answered.
    pub(super) fn settle(&self, location: Location) {
        self.location.lock().get_or_insert(location);
    }
}

/// What one call has learned of the two places.
#[derive(Debug, Default)]
pub(in crate::azure) struct Visit {
    /// Who answered last.
    pub(in crate::azure) served_by: Option<String>,
    /// Up to when that one has all that was written, if it is a secondary and this is known.
    pub(in crate::azure) last_sync: Option<String>,
    /// The secondary does not have what is asked for, and is not asked again.
    pub(super) secondary_is_over: bool,
    /// This call has been counted among those that the primary failed.
    pub(super) primary_has_failed: bool,
}
