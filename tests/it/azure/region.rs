use seawall::azure::region::{
    Cloud, by_distance, cloud, display_name, distance_km, known, nearest, pair,
};
use seawall::region::Region;

/// The pairs as published, and whether both name each other.
const PAIRS: &[(&str, &str, bool)] = &[
    ("eastus", "westus", true),
    ("eastus2", "centralus", true),
    ("northcentralus", "southcentralus", true),
    ("westus2", "westcentralus", true),
    ("canadacentral", "canadaeast", true),
    ("northeurope", "westeurope", true),
    ("francecentral", "francesouth", true),
    ("germanywestcentral", "germanynorth", true),
    ("norwayeast", "norwaywest", true),
    ("swedencentral", "swedensouth", true),
    ("switzerlandnorth", "switzerlandwest", true),
    ("uksouth", "ukwest", true),
    ("eastasia", "southeastasia", true),
    ("australiaeast", "australiasoutheast", true),
    ("australiacentral", "australiacentral2", true),
    ("japaneast", "japanwest", true),
    ("koreacentral", "koreasouth", true),
    ("centralindia", "southindia", true),
    ("southafricanorth", "southafricawest", true),
    ("uaenorth", "uaecentral", true),
    ("chinanorth", "chinaeast", true),
    ("chinanorth2", "chinaeast2", true),
    ("chinanorth3", "chinaeast3", true),
    ("usdodeast", "usdodcentral", true),
    ("usgovvirginia", "usgovtexas", true),
    ("westus3", "eastus", false),
    ("brazilsouth", "southcentralus", false),
    ("brazilsoutheast", "brazilsouth", false),
    ("westindia", "southindia", false),
    ("usgovarizona", "usgovtexas", false),
];

const ALONE: &[&str] = &[
    "austriaeast",
    "indonesiacentral",
    "israelcentral",
    "italynorth",
    "malaysiawest",
    "mexicocentral",
    "newzealandnorth",
    "polandcentral",
    "qatarcentral",
    "spaincentral",
];

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

#[test]
fn every_pair_is_as_published() {
    for (one, other, mutual) in PAIRS {
        assert_eq!(pair(&region(one)), Some(region(other)), "{one}");
        let back = pair(&region(other));
        assert_eq!(back == Some(region(one)), *mutual, "{other} has {back:?}");
    }
    for name in ALONE {
        assert_eq!(pair(&region(name)), None, "{name}");
    }
    let mutual = PAIRS.iter().filter(|(_, _, mutual)| *mutual).count();
    assert_eq!(known().count(), PAIRS.len() + mutual + ALONE.len());
}

#[test]
fn a_pair_is_known_another_and_of_the_same_cloud() {
    for region in known() {
        let Some(pair) = pair(&region) else { continue };
        assert_ne!(pair, region);
        assert!(display_name(&pair).is_some(), "{pair}");
        assert_eq!(cloud(&pair), cloud(&region), "{pair}");
    }
}

#[test]
fn display_names_and_names_are_two_ways_to_write_one() {
    for region in known() {
        let display = display_name(&region).unwrap();
        assert_eq!(display.parse::<Region>().unwrap(), region);
        assert_ne!(display, region.as_str());
    }
}

#[test]
fn nothing_is_said_of_a_region_that_is_not_known() {
    let nowhere = region("mars north");

    assert_eq!((pair(&nowhere), display_name(&nowhere), cloud(&nowhere)), (None, None, None));
    assert_eq!(distance_km(&nowhere, &region("westeurope")), None);
    assert_eq!(nearest(&nowhere), []);
}

#[test]
fn distances_are_those_of_the_globe() {
    let km = |one: &str, other: &str| distance_km(&region(one), &region(other)).unwrap();

    // Between the cities, as a map says, to a tenth.
    for (one, other, expected) in [
        ("westeurope", "northeurope", 760),
        ("westeurope", "eastus", 6_600),
        ("japaneast", "japanwest", 400),
        ("australiaeast", "brazilsouth", 13_400),
        ("newzealandnorth", "spaincentral", 19_600),
    ] {
        let found = km(one, other);
        assert!(found.abs_diff(expected) * 10 <= expected, "{one} to {other}: {found} km");
        assert_eq!(found, km(other, one));
    }
    assert_eq!(km("westeurope", "westeurope"), 0);
    // Across the line where longitudes jump.
    assert!(km("newzealandnorth", "westus") < 11_500);
}

#[test]
fn the_nearest_come_first_and_no_other_cloud_is_among_them() {
    let first = |name: &str, n: usize| {
        let nearest = nearest(&region(name));
        nearest.into_iter().take(n).map(|region| region.to_string()).collect::<Vec<_>>()
    };

    assert_eq!(first("westeurope", 2), ["germanynorth", "germanywestcentral"]);
    assert_eq!(first("japaneast", 1), ["japanwest"]);
    assert_eq!(first("usgovarizona", 2), ["usgovtexas", "usdodcentral"]);
    assert_eq!(first("chinaeast", 2), ["chinaeast2", "chinaeast3"]);
    for from in known() {
        let order = nearest(&from);
        let km: Vec<_> = order.iter().map(|to| distance_km(&from, to).unwrap()).collect();
        assert!(km.is_sorted(), "{from}: {km:?}");
        assert!(!order.contains(&from));
        assert!(order.iter().all(|to| cloud(to) == cloud(&from)), "{from}");
        let same = known().filter(|other| cloud(other) == cloud(&from)).count();
        assert_eq!(order.len() + 1, same);
    }
}

#[test]
fn candidates_are_ordered_with_what_is_not_known_last_and_as_it_was() {
    let mut regions =
        ["mars", "chinaeast", "eastus", "venus", "uksouth", "westeurope", "northeurope"]
            .map(region);

    by_distance(&region("West Europe"), &mut regions);

    let order = ["westeurope", "uksouth", "northeurope", "eastus", "mars", "chinaeast", "venus"]
        .map(region);
    assert_eq!(regions, order);
    by_distance(&region("mars"), &mut regions);
    assert_eq!(regions[0], region("mars"), "here is nearest, known or not");
    assert_eq!(regions[1..5], order[..4]);
}

#[test]
fn clouds_are_told_apart() {
    let of = |name: &str| cloud(&region(name)).unwrap();

    assert_eq!(of("westeurope"), Cloud::Public);
    assert_eq!(of("chinanorth3"), Cloud::China);
    assert_eq!(of("usgovvirginia"), Cloud::UsGovernment);
    assert_eq!(of("usdodeast"), Cloud::UsGovernment);
    let public = known().filter(|region| cloud(region) == Some(Cloud::Public)).count();
    assert_eq!(public, known().count() - 6 - 5);
}
