//! What a machine is, and where.

use serde_json::{Map, Value};

use super::ImdsError;
use crate::region::{Region, Zone};

/// What the metadata service says of the machine.
///
/// All of it is text, and what the machine does not have is `None`.
///
/// # Example
///
/// ```
/// use seawall::azure::imds::Instance;
///
/// let instance = Instance::parse(br#"{"name": "shop_7", "zone": "", "priority": "Spot"}"#)?;
///
/// assert_eq!(instance.name(), Some("shop_7"));
/// assert_eq!(instance.zone(), None);
/// assert!(instance.is_spot());
/// # Ok::<(), seawall::azure::imds::ImdsError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Instance {
    region: Option<String>,
    zone: Option<String>,
    physical_zone: Option<String>,
    fault_domain: Option<String>,
    update_domain: Option<String>,
    name: Option<String>,
    vm_id: Option<String>,
    resource_id: Option<String>,
    scale_set: Option<String>,
    priority: Option<String>,
}

impl Instance {
    /// Reads the `compute` part of the service's instance document. What it does not know it leaves
    /// out.
    ///
    /// # Errors
    ///
    /// [`ImdsError::Malformed`] if it is no JSON object.
    pub fn parse(document: &[u8]) -> Result<Self, ImdsError> {
        let document: Map<String, Value> =
            serde_json::from_slice(document).map_err(|_| ImdsError::Malformed)?;
        let field = |name: &str| text(document.get(name)?);
        Ok(Self {
            region: field("location"),
            zone: field("zone"),
            physical_zone: field("physicalZone"),
            fault_domain: field("platformFaultDomain"),
            update_domain: field("platformUpdateDomain"),
            name: field("name"),
            vm_id: field("vmId"),
            resource_id: field("resourceId"),
            scale_set: field("vmScaleSetName"),
            priority: field("priority"),
        })
    }

    /// The region, as in `westeurope`.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The zone as the subscription numbers it, as in `2`. Numbers of two subscriptions can not be
    /// compared.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The zone itself, as in `westeurope-az1`.
    #[must_use]
    pub fn physical_zone(&self) -> Option<&str> {
        self.physical_zone.as_deref()
    }

    /// The region as one that compares with others, if its name is one.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::imds::Instance;
    /// use seawall::azure::region;
    ///
    /// let instance = Instance::parse(br#"{"location": "westeurope"}"#)?;
    ///
    /// let pair = instance.to_region().as_ref().and_then(region::pair);
    /// assert_eq!(pair.map(|it| it.to_string()).as_deref(), Some("northeurope"));
    /// # Ok::<(), seawall::azure::imds::ImdsError>(())
    /// ```
    #[must_use]
    pub fn to_region(&self) -> Option<Region> {
        Region::new(self.region()?).ok()
    }

    /// The zone, with the name of its place where the service knows that.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::imds::Instance;
    ///
    /// let document = br#"{"zone": "2", "physicalZone": "westeurope-AZ3"}"#;
    /// let zone = Instance::parse(document)?.to_zone();
    ///
    /// assert_eq!(zone.map(|it| it.to_string()).as_deref(), Some("2 (westeurope-az3)"));
    /// # Ok::<(), seawall::azure::imds::ImdsError>(())
    /// ```
    #[must_use]
    pub fn to_zone(&self) -> Option<Zone> {
        let zone = Zone::new(self.zone()?.parse().ok()?).ok()?;
        let named = self.physical_zone().and_then(|name| zone.clone().physical(name).ok());
        Some(named.unwrap_or(zone))
    }

    /// The number of the fault domain: machines of one share power and network.
    #[must_use]
    pub fn fault_domain(&self) -> Option<&str> {
        self.fault_domain.as_deref()
    }

    /// The number of the update domain: machines of one are rebooted together.
    #[must_use]
    pub fn update_domain(&self) -> Option<&str> {
        self.update_domain.as_deref()
    }

    /// The machine's name, in a scale set as in `shop_7`. It is what scheduled events call it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The machine's unique id.
    #[must_use]
    pub fn vm_id(&self) -> Option<&str> {
        self.vm_id.as_deref()
    }

    /// The id of its resource.
    #[must_use]
    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_deref()
    }

    /// The name of the scale set that it belongs to.
    #[must_use]
    pub fn scale_set(&self) -> Option<&str> {
        self.scale_set.as_deref()
    }

    /// Whether it may be taken away with half a minute's notice.
    #[must_use]
    pub fn is_spot(&self) -> bool {
        self.priority.as_deref().is_some_and(|priority| priority.eq_ignore_ascii_case("spot"))
    }
}

/// Primitives are texts, absent ones are empty.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            Some(text.chars().take(LONGEST).collect()).filter(|text: &String| !text.is_empty())
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Resource ids are the longest; they have some hundred characters.
const LONGEST: usize = 1024;

/// The first that has [`Instance::physical_zone`].
pub(super) const VERSION: &str = "2023-11-15";

pub(super) fn path(version: &str) -> String {
    format!("/metadata/instance/compute?api-version={version}")
}

/// The newest of the versions that the service lists.
pub(super) fn newest_version(versions: &[u8]) -> Result<String, ImdsError> {
    let document: Value = serde_json::from_slice(versions).map_err(|_| ImdsError::Malformed)?;
    let versions = document.get("apiVersions").and_then(Value::as_array);
    let versions = versions.into_iter().flatten().filter_map(Value::as_str);
    let newest = versions.filter(|version| is_version(version)).max();
    newest.map(ToOwned::to_owned).ok_or(ImdsError::Malformed)
}

/// It becomes part of an address: a date, and nothing else.
fn is_version(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}
