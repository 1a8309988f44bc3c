//! The tables of the manual are those of the code.

use super::*;

/// The tables of a page, in its order.
type Tables = Vec<(Contract, Section)>;

/// Each page by its name, with its text, and whose tables it has.
fn pages() -> Vec<(&'static str, &'static str, Tables)> {
    use Section::{Answers, Doubts, Operations, Reasons};

    let http = |contract| vec![(contract, Answers), (contract, Operations), (contract, Doubts)];
    let mut messaging = vec![(Contract::service_bus(), Reasons), (Contract::event_hubs(), Reasons)];
    messaging.extend(http(Contract::service_bus()));
    vec![
        ("arm", include_str!("../../../manual/arm.rs"), http(Contract::arm())),
        ("identity", include_str!("../../../manual/identity.rs"), http(Contract::identity())),
        ("key_vault", include_str!("../../../manual/key_vault.rs"), http(Contract::key_vault())),
        ("messaging", include_str!("../../../manual/messaging.rs"), messaging),
        ("open_ai", include_str!("../../../manual/open_ai.rs"), http(Contract::open_ai())),
        ("redis", include_str!("../../../manual/redis.rs"), vec![(Contract::redis(), Reasons)]),
        ("storage", include_str!("../../../manual/storage.rs"), http(Contract::storage())),
    ]
}

#[test]
fn each_page_has_the_tables_of_its_contracts_and_no_others() {
    for (name, page, expected) in pages() {
        let tables = tables_of(page);
        assert_eq!(tables.len(), expected.len(), "{name}");
        for ((head, rows), (contract, section)) in tables.iter().zip(expected) {
            assert_eq!(*head, head_of(section), "{name}");
            let expected: Vec<_> = contract
                .rows()
                .filter(|row| row.section() == section)
                .map(|row| row.to_string())
                .collect();
            assert_eq!(*rows, expected, "{name}: {section:?} of {}", contract.name());
        }
    }
}

#[test]
fn both_of_messaging_have_the_same_over_http() {
    let over_http = |contract: Contract| {
        let rows = contract.rows().filter(|row| row.section() != Section::Reasons);
        rows.collect::<Vec<_>>()
    };

    assert_eq!(over_http(Contract::service_bus()), over_http(Contract::event_hubs()));
}

/// The tables of a page that have the head of a contract's, each with its rows.
fn tables_of(page: &str) -> Vec<(&str, Vec<&str>)> {
    let heads = [Section::Answers, Section::Operations, Section::Doubts, Section::Reasons];
    let heads = heads.map(head_of);
    let lines = page.lines().map(|line| line.strip_prefix("//! ").unwrap_or_default());
    let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in lines {
        if heads.contains(&line) {
            tables.push((line, Vec::new()));
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|---") {
            tables.last_mut().unwrap().1.push(line);
        }
    }
    tables
}

fn head_of(section: Section) -> &'static str {
    match section {
        Section::Answers => "| answer | means | executed | because |",
        Section::Operations => "| request | may be sent twice | because |",
        Section::Doubts => "| repeat of | answers that may be due to the first | because |",
        Section::Reasons => "| reason | means | executed | because |",
    }
}
