//! The regions, by name.

/// One region of the table.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) display: &'static str,
    /// Degrees north and east, of the city that the region is said to be at.
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) pair: Option<&'static str>,
}

impl Known {
    const fn new(
        name: &'static str,
        display: &'static str,
        latitude: f64,
        longitude: f64,
        pair: Option<&'static str>,
    ) -> Self {
        Self { name, display, latitude, longitude, pair }
    }
}

/// What is known of the region of that name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    let at = KNOWN.binary_search_by_key(&name, |known| known.name).ok()?;
    KNOWN.get(at)
}

/// Sorted by name.
pub(super) static KNOWN: &[Known] = &[
    Known::new("australiacentral", "Australia Central", -35.31, 149.12, Some("australiacentral2")),
    Known::new(
        "australiacentral2",
        "Australia Central 2",
        -35.31,
        149.12,
        Some("australiacentral"),
    ),
    Known::new("australiaeast", "Australia East", -33.86, 151.21, Some("australiasoutheast")),
    Known::new("australiasoutheast", "Australia Southeast", -37.81, 144.96, Some("australiaeast")),
    Known::new("austriaeast", "Austria East", 48.21, 16.37, None),
    Known::new("brazilsouth", "Brazil South", -23.55, -46.63, Some("southcentralus")),
    Known::new("brazilsoutheast", "Brazil Southeast", -22.9, -43.21, Some("brazilsouth")),
    Known::new("canadacentral", "Canada Central", 43.65, -79.38, Some("canadaeast")),
    Known::new("canadaeast", "Canada East", 46.82, -71.22, Some("canadacentral")),
    Known::new("centralindia", "Central India", 18.58, 73.92, Some("southindia")),
    Known::new("centralus", "Central US", 41.59, -93.62, Some("eastus2")),
    Known::new("chinaeast", "China East", 31.23, 121.47, Some("chinanorth")),
    Known::new("chinaeast2", "China East 2", 31.23, 121.47, Some("chinanorth2")),
    Known::new("chinaeast3", "China East 3", 31.23, 121.47, Some("chinanorth3")),
    Known::new("chinanorth", "China North", 39.9, 116.4, Some("chinaeast")),
    Known::new("chinanorth2", "China North 2", 39.9, 116.4, Some("chinaeast2")),
    Known::new("chinanorth3", "China North 3", 39.9, 116.4, Some("chinaeast3")),
    Known::new("eastasia", "East Asia", 22.27, 114.19, Some("southeastasia")),
    Known::new("eastus", "East US", 37.37, -79.82, Some("westus")),
    Known::new("eastus2", "East US 2", 36.67, -78.39, Some("centralus")),
    Known::new("francecentral", "France Central", 46.38, 2.37, Some("francesouth")),
    Known::new("francesouth", "France South", 43.83, 2.2, Some("francecentral")),
    Known::new("germanynorth", "Germany North", 53.07, 8.81, Some("germanywestcentral")),
    Known::new("germanywestcentral", "Germany West Central", 50.11, 8.68, Some("germanynorth")),
    Known::new("indonesiacentral", "Indonesia Central", -6.2, 106.82, None),
    Known::new("israelcentral", "Israel Central", 31.27, 33.45, None),
    Known::new("italynorth", "Italy North", 45.47, 9.18, None),
    Known::new("japaneast", "Japan East", 35.68, 139.77, Some("japanwest")),
    Known::new("japanwest", "Japan West", 34.69, 135.5, Some("japaneast")),
    Known::new("koreacentral", "Korea Central", 37.57, 126.98, Some("koreasouth")),
    Known::new("koreasouth", "Korea South", 35.18, 129.08, Some("koreacentral")),
    Known::new("malaysiawest", "Malaysia West", 3.15, 101.69, None),
    Known::new("mexicocentral", "Mexico Central", 20.59, -100.39, None),
    Known::new("newzealandnorth", "New Zealand North", -36.85, 174.76, None),
    Known::new("northcentralus", "North Central US", 41.88, -87.63, Some("southcentralus")),
    Known::new("northeurope", "North Europe", 53.35, -6.26, Some("westeurope")),
    Known::new("norwayeast", "Norway East", 59.91, 10.75, Some("norwaywest")),
    Known::new("norwaywest", "Norway West", 58.97, 5.73, Some("norwayeast")),
    Known::new("polandcentral", "Poland Central", 52.23, 21.02, None),
    Known::new("qatarcentral", "Qatar Central", 25.55, 51.44, None),
    Known::new("southafricanorth", "South Africa North", -25.73, 28.22, Some("southafricawest")),
    Known::new("southafricawest", "South Africa West", -34.08, 18.84, Some("southafricanorth")),
    Known::new("southcentralus", "South Central US", 29.42, -98.5, Some("northcentralus")),
    Known::new("southeastasia", "Southeast Asia", 1.28, 103.83, Some("eastasia")),
    Known::new("southindia", "South India", 12.98, 80.16, Some("centralindia")),
    Known::new("spaincentral", "Spain Central", 40.42, -3.7, None),
    Known::new("swedencentral", "Sweden Central", 60.67, 17.14, Some("swedensouth")),
    Known::new("swedensouth", "Sweden South", 55.64, 13.21, Some("swedencentral")),
    Known::new("switzerlandnorth", "Switzerland North", 47.45, 8.56, Some("switzerlandwest")),
    Known::new("switzerlandwest", "Switzerland West", 46.2, 6.14, Some("switzerlandnorth")),
    Known::new("uaecentral", "UAE Central", 24.47, 54.37, Some("uaenorth")),
    Known::new("uaenorth", "UAE North", 25.27, 55.32, Some("uaecentral")),
    Known::new("uksouth", "UK South", 50.94, -0.8, Some("ukwest")),
    Known::new("ukwest", "UK West", 53.43, -3.08, Some("uksouth")),
    Known::new("usdodcentral", "US DoD Central", 41.6, -93.61, Some("usdodeast")),
    Known::new("usdodeast", "US DoD East", 36.67, -78.39, Some("usdodcentral")),
    Known::new("usgovarizona", "US Gov Arizona", 33.45, -112.07, Some("usgovtexas")),
    Known::new("usgovtexas", "US Gov Texas", 29.42, -98.5, Some("usgovvirginia")),
    Known::new("usgovvirginia", "US Gov Virginia", 37.37, -79.82, Some("usgovtexas")),
    Known::new("westcentralus", "West Central US", 40.89, -110.23, Some("westus2")),
    Known::new("westeurope", "West Europe", 52.37, 4.9, Some("northeurope")),
    Known::new("westindia", "West India", 19.09, 72.87, Some("southindia")),
    Known::new("westus", "West US", 37.78, -122.42, Some("eastus")),
    Known::new("westus2", "West US 2", 47.23, -119.85, Some("westcentralus")),
    Known::new("westus3", "West US 3", 33.45, -112.07, Some("eastus")),
];
