//! Where something runs: regions and zones, with names that compare.
//!
//! # Example
//!
//! ```
//! use seawall::region::{Region, Zone};
//!
//! let region: Region = "West Europe".parse()?;
//! assert_eq!(region, Region::new("westeurope")?);
//!
//! // Two subscriptions number the zones of one region each in their own way.
//! let (ours, theirs) = (Zone::new(1)?, Zone::new(3)?);
//! assert_eq!(ours.same_place(&theirs), None);
//! let (ours, theirs) = (ours.physical("westeurope-az2")?, theirs.physical("WestEurope-AZ2")?);
//! assert_eq!(ours.same_place(&theirs), Some(true));
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::InvalidConfig;

/// The name of a region, in one form: lower-case letters and digits.
///
/// `West Europe`, `west-europe`, `WestEurope` and `westeurope` are one region. A cheap clone.
///
/// # Example
///
/// ```
/// use seawall::region::Region;
///
/// let region = Region::new("West US 2")?;
///
/// assert_eq!(region.as_str(), "westus2");
/// assert_eq!(region.to_string(), "westus2");
/// assert_eq!(region, "west_us_2".parse()?);
/// assert_eq!(Region::new("10.0.0.1").unwrap_err().field(), "region");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct Region(Arc<str>);

impl Region {
    /// The region of that name. Spaces, hyphens and underscores count for nothing, nor does case.
    ///
    /// # Errors
    ///
    /// If the name is not of ASCII letters and digits otherwise, does not begin with a letter, or
    /// has more than 64 of them.
    pub fn new(name: &str) -> Result<Self, InvalidConfig> {
        let letters = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_'));
        let plain = plain(name, letters, |c| c.is_ascii_alphanumeric());
        match plain {
            Some(plain) => Ok(Self(plain.into())),
            None => Err(InvalidConfig::new("region", EXPECTED)),
        }
    }

    /// The name, as in `westeurope`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = InvalidConfig;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidConfig;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.as_str().into()
    }
}

impl AsRef<str> for Region {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A zone of a region: its number, and the name of the place itself where that is known.
///
/// Each subscription numbers zones in its own way, so the numbers of two mean nothing to each
/// other. That is why zones can not be compared with `==`: ask [`same_place`](Self::same_place).
///
/// # Example
///
/// ```
/// use seawall::region::Zone;
///
/// let zone = Zone::new(2)?.physical("westeurope-AZ3")?;
///
/// assert_eq!(zone.number(), 2);
/// assert_eq!(zone.physical_name(), Some("westeurope-az3"));
/// assert_eq!(zone.to_string(), "2 (westeurope-az3)");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zone {
    number: u8,
    physical: Option<Arc<str>>,
}

impl Zone {
    /// The zone that the subscription gives this number, from 1 on.
    ///
    /// # Errors
    ///
    /// If the number is 0.
    pub fn new(number: u8) -> Result<Self, InvalidConfig> {
        if number == 0 {
            return Err(InvalidConfig::new("zone", "from 1 to 255"));
        }
        Ok(Self { number, physical: None })
    }

    /// Adds the name of the place itself, as in `westeurope-az1`. Case does not count.
    ///
    /// # Errors
    ///
    /// If it is not of ASCII letters, digits and hyphens, does not begin with a letter, or has more
    /// than 64 of them.
    pub fn physical(self, name: &str) -> Result<Self, InvalidConfig> {
        let plain = plain(name, name.chars(), |c| c.is_ascii_alphanumeric() || c == '-');
        match plain {
            Some(plain) => Ok(Self { physical: Some(plain.into()), ..self }),
            None => Err(InvalidConfig::new("zone", EXPECTED)),
        }
    }

    /// The number that the subscription gives it.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// The name of the place itself, where that is known.
    #[must_use]
    pub fn physical_name(&self) -> Option<&str> {
        self.physical.as_deref()
    }

    /// Whether both are the same place; `None` if the place of one is not known.
    ///
    /// Their numbers are not looked at. Within one subscription, those can be compared.
    #[must_use]
    pub fn same_place(&self, other: &Self) -> Option<bool> {
        Some(self.physical.as_ref()? == other.physical.as_ref()?)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.physical {
            Some(physical) => write!(f, "{} ({physical})", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

/// The lower-case form of a name, if it may be one.
fn plain(
    name: &str,
    characters: impl Iterator<Item = char>,
    allowed: impl Fn(char) -> bool,
) -> Option<String> {
    // No name is filled up with spaces for longer than this.
    if name.len() > 4 * LONGEST {
        return None;
    }
    let plain: String = characters.map(|c| c.to_ascii_lowercase()).collect();
    let begins = plain.starts_with(|c: char| c.is_ascii_lowercase());
    let fits = begins && plain.len() <= LONGEST && plain.chars().all(allowed);
    fits.then_some(plain)
}

const EXPECTED: &str = "of ASCII letters and digits, a letter first, 64 at most";

const LONGEST: usize = 64;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_ways_to_write_a_region_are_one() {
        for name in ["westus2", "West US 2", "WestUS2", "west-us-2", "WEST_US_2", " west us 2 "] {
            assert_eq!(Region::new(name).unwrap().as_str(), "westus2", "{name}");
        }
        assert_ne!(Region::new("westus").unwrap(), Region::new("westus2").unwrap());
    }

    #[test]
    fn what_is_no_name_is_refused_and_named() {
        let long = "a".repeat(65);
        let filled = format!("a{}", " ".repeat(1_000_000));
        let names =
            ["", " ", "-", "2west", "west.europe", "west/europe", "wést", "a\n", &long, &filled];
        for name in names {
            let error = Region::new(name).unwrap_err();
            assert_eq!(error.field(), "region", "{name:?}");
            assert!(Zone::new(1).unwrap().physical(name).is_err(), "{name:?}");
        }
        assert!(Region::new(&"a".repeat(64)).is_ok());
        assert_eq!(Zone::new(0).unwrap_err().field(), "zone");
    }

    #[test]
    fn zones_are_compared_by_their_place_alone() {
        let zone = |number, place: Option<&str>| {
            let zone = Zone::new(number).unwrap();
            place.map_or(zone.clone(), |place| zone.physical(place).unwrap())
        };

        assert_eq!(zone(1, None).same_place(&zone(1, None)), None);
        assert_eq!(zone(1, Some("a-az1")).same_place(&zone(1, None)), None);
        assert_eq!(zone(1, Some("a-az1")).same_place(&zone(2, Some("A-AZ1"))), Some(true));
        assert_eq!(zone(1, Some("a-az1")).same_place(&zone(1, Some("a-az2"))), Some(false));
        assert_eq!(zone(1, None).to_string(), "1");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_region_is_read_as_it_is_written_and_checked() {
        let region: Region = serde_json::from_str(r#""West Europe""#).unwrap();

        assert_eq!(serde_json::to_string(&region).unwrap(), r#""westeurope""#);
        let error = serde_json::from_str::<Region>(r#""a.b""#).unwrap_err();
        assert!(error.to_string().contains("`region` must be"), "{error}");
    }

    proptest! {
        #[test]
        fn names_round_trip(name in "[ _-]{0,3}[A-Za-z][A-Za-z0-9 _-]{0,40}") {
            let region = Region::new(&name).unwrap();

            let again: Region = region.to_string().parse().unwrap();

            prop_assert_eq!(&again, &region);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            prop_assert!(region.as_str().chars().all(plain));
        }

        #[test]
        fn no_text_makes_it_panic_or_long(name in ".{0,200}") {
            if let Ok(region) = Region::new(&name) {
                prop_assert!((1..=64).contains(&region.as_str().len()));
            }
        }
    }
}
