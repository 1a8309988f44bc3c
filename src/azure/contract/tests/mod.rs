//! Each row of each table against what somebody else wrote down of it.

mod answers;
mod failures;
mod operations;
mod pages;
mod reasons;
mod stacks;

use std::collections::BTreeSet;

use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{Method, Request, Url};

use super::*;

/// All contracts.
fn all() -> [Contract; 12] {
    [
        Contract::ai_search(),
        Contract::app_configuration(),
        Contract::arm(),
        Contract::event_hubs(),
        Contract::generic(),
        Contract::identity(),
        Contract::key_vault(),
        Contract::managed_identity(),
        Contract::open_ai(),
        Contract::redis(),
        Contract::service_bus(),
        Contract::storage(),
    ]
}

/// All that speak HTTP.
fn over_http() -> impl Iterator<Item = Contract> {
    all().into_iter().filter(|contract| contract.name() != "redis")
}

/// The `when` of the rows of a section.
fn rows_of(contract: &Contract, section: Section) -> BTreeSet<String> {
    let rows = contract.rows().filter(|row| row.section() == section);
    rows.map(|row| row.when().to_owned()).collect()
}

/// Fails if some row was not tried.
fn assert_all_tried(contract: &Contract, section: Section, tried: &BTreeSet<String>) {
    let rows = rows_of(contract, section);
    let left: Vec<_> = rows.difference(tried).collect();
    assert!(left.is_empty(), "{}: not tried: {left:?}", contract.name());
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in pairs {
        headers.insert(HeaderName::from((*name).to_owned()), (*value).to_owned());
    }
    headers
}

/// A request by its line, as `PUT /c/b?comp=block`, and headers.
fn request(line: &str, pairs: &[(&str, &str)]) -> Request {
    let (method, path) = line.split_once(' ').unwrap();
    let method = match method {
        "DELETE" => Method::Delete,
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "PATCH" => Method::Patch,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        other => panic!("{other} is no method"),
    };
    let url = Url::parse("https://a.example.net").unwrap().join(path).unwrap();
    let mut request = Request::new(url, method);
    for (name, value) in pairs {
        let name = HeaderName::from((*name).to_owned());
        request.insert_header(name, (*value).to_owned());
    }
    request
}

#[test]
fn a_contract_says_which_it_is_and_how_it_is_set() {
    let contract = Contract::key_vault().repeat_versions(true);

    let said = format!("{contract:?}");

    assert!(said.contains("key_vault") && said.contains("repeats_versions: true"), "{said}");
    let names: BTreeSet<_> = all().iter().map(Contract::name).collect();
    assert_eq!(names.len(), all().len());
}
