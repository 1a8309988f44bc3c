//! What is known of Azure's regions: names, pairs, and which is near.
//!
//! # Example
//!
//! ```
//! use seawall::azure::region;
//! use seawall::region::Region;
//!
//! let here = Region::new("West Europe")?;
//!
//! assert_eq!(region::pair(&here), Some(Region::new("northeurope")?));
//! assert_eq!(region::nearest(&here)[0], Region::new("germanynorth")?);
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! # Pairs
//!
//! | kind | regions |
//! |---|---|
//! | mutual | most: `westeurope` and `northeurope`, `eastus` and `westus` |
//! | one way | `westus3` to `eastus`, `brazilsouth` to `southcentralus`, `brazilsoutheast` to `brazilsouth`, `westindia` to `southindia`, `usgovarizona` to `usgovtexas` |
//! | none | newer ones: `austriaeast`, `indonesiacentral`, `israelcentral`, `italynorth`, `malaysiawest`, `mexicocentral`, `newzealandnorth`, `polandcentral`, `qatarcentral`, `spaincentral` |
//!
//! The platform does not update both regions of a pair at once, and takes care of one of each first
//! when much has failed. Some services replicate to the pair and to nowhere else. It is no plan to
//! fail over by: that is for the application to decide.
//!
//! # Near
//!
//! Near is by distance on the globe, between the cities that the regions are said to be at, and not
//! by a measured round trip: cables make detours, and figures are to some ten kilometres. Where
//! round trips have been measured, order by them instead; whatever takes an order of regions
//! takes any.
//!
//! Each [`Cloud`] is by itself: the regions of another are never near.
//!
//! The table is from January 2025. What it does not hold has no pair here, and is nowhere.

mod table;

use self::table::{KNOWN, Known, find};
use crate::region::Region;

/// Clouds that share no network, no accounts and no names.
///
/// # Example
///
/// ```
/// use seawall::azure::region::{Cloud, cloud};
/// use seawall::region::Region;
///
/// assert_eq!(cloud(&Region::new("China North 3")?), Some(Cloud::China));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cloud {
    /// The one that most mean.
    Public,
    /// The one in China.
    China,
    /// Those of the government of the United States, the Department of Defense among them.
    UsGovernment,
}

/// The region that the platform pairs with this one, if it has one.
///
/// # Example
///
/// ```
/// use seawall::azure::region::pair;
/// use seawall::region::Region;
///
/// // Not all are mutual.
/// assert_eq!(pair(&Region::new("brazilsouth")?), Some(Region::new("southcentralus")?));
/// assert_eq!(pair(&Region::new("southcentralus")?), Some(Region::new("northcentralus")?));
/// assert_eq!(pair(&Region::new("italynorth")?), None);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use]
pub fn pair(region: &Region) -> Option<Region> {
    find(find(region.as_str())?.pair?).map(to_region)
}

/// The name that people read, as in `West Europe`.
///
/// # Example
///
/// ```
/// use seawall::azure::region::display_name;
/// use seawall::region::Region;
///
/// assert_eq!(display_name(&Region::new("westus2")?), Some("West US 2"));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use]
pub fn display_name(region: &Region) -> Option<&'static str> {
    Some(find(region.as_str())?.display)
}

/// The cloud that the region belongs to. [`Cloud`] has an example.
#[must_use]
pub fn cloud(region: &Region) -> Option<Cloud> {
    find(region.as_str()).map(cloud_of)
}

/// All regions that are known, by name.
///
/// # Example
///
/// ```
/// use seawall::azure::region::known;
///
/// assert!(known().any(|region| region.as_str() == "westeurope"));
/// ```
pub fn known() -> impl Iterator<Item = Region> {
    KNOWN.iter().map(to_region)
}

/// The distance between two regions on the globe, in kilometres.
///
/// By the haversine formula, on a sphere.
///
/// # Example
///
/// ```
/// use seawall::azure::region::distance_km;
/// use seawall::region::Region;
///
/// let (here, there) = (Region::new("westeurope")?, Region::new("northeurope")?);
/// assert!((700..800).contains(&distance_km(&here, &there).unwrap()));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use]
pub fn distance_km(one: &Region, other: &Region) -> Option<u32> {
    Some(between(find(one.as_str())?, find(other.as_str())?))
}

/// The other regions of the same cloud, nearest first; none if this one is not known.
///
/// Those that are as far are in the order of their names. Sorts some fifty regions: keep what it
/// returns.
///
/// # Example
///
/// ```
/// use seawall::azure::region::nearest;
/// use seawall::region::Region;
///
/// let order = nearest(&Region::new("japaneast")?);
/// assert_eq!(order[0], Region::new("japanwest")?);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use]
pub fn nearest(region: &Region) -> Vec<Region> {
    let Some(here) = find(region.as_str()) else { return Vec::new() };
    let others = KNOWN.iter().filter(|known| known.name != here.name);
    let mut others: Vec<_> = others.filter(|known| cloud_of(known) == cloud_of(here)).collect();
    others.sort_by_key(|known| between(here, known));
    others.into_iter().map(to_region).collect()
}

/// Orders regions by their distance from one, nearest first.
///
/// That one itself comes first, and those that are not known, or are of another cloud, come last;
/// what is as far as another stays in its order. From a region that is not known, nothing else
/// moves.
///
/// # Example
///
/// ```
/// use seawall::azure::region::by_distance;
/// use seawall::region::Region;
///
/// let mut replicas = [Region::new("eastus")?, Region::new("northeurope")?];
/// by_distance(&Region::new("westeurope")?, &mut replicas);
/// assert_eq!(replicas[0], Region::new("northeurope")?);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub fn by_distance(from: &Region, regions: &mut [Region]) {
    let here = find(from.as_str());
    regions.sort_by_key(|region| {
        let there = find(region.as_str());
        let km = here.zip(there).filter(|(here, there)| cloud_of(here) == cloud_of(there));
        (region != from, km.map_or(u32::MAX, |(here, there)| between(here, there)))
    });
}

fn to_region(known: &Known) -> Region {
    Region::new(known.name).expect("every name of the table is one")
}

fn cloud_of(known: &Known) -> Cloud {
    match known.name {
        name if name.starts_with("china") => Cloud::China,
        name if name.starts_with("usgov") || name.starts_with("usdod") => Cloud::UsGovernment,
        _ => Cloud::Public,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most half of the way around the globe, and no less than none"
)]
fn between(one: &Known, other: &Known) -> u32 {
    let radians = |known: &Known| (known.latitude.to_radians(), known.longitude.to_radians());
    let ((north, east), (other_north, other_east)) = (radians(one), radians(other));
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let chord =
        half(north - other_north) + north.cos() * other_north.cos() * half(east - other_east);
    let km = 2.0 * EARTH_KM * chord.min(1.0).sqrt().asin();
    km.round() as u32
}

/// The mean radius of the earth.
const EARTH_KM: f64 = 6_371.0;
