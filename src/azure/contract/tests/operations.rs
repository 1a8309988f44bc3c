//! Which requests may be sent twice, and which answers to a repeat are none.

use azure_core::http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::replay::Safety::{self, Idempotent, Keyed, Unsafe};

/// A request line, its headers, the row that it is to find, and whether it may be sent twice.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str, Safety);

const READ: &str = "GET, HEAD";
const REPEATABLE: &str = "`Repeatability-Request-ID` and `Repeatability-First-Sent`";
const IF_NONE: &str = "a write, `If-None-Match: *`";
const IF_MATCH: &str = "a write, `If-Match` with a tag, `If-Unmodified-Since`, `x-ms-if-tags`";
const WHOLE: &str = "other PUT, DELETE";
const MERGE: &str = "PATCH, `Content-Type: application/merge-patch+json`";
const TOKEN: &str = "POST `oauth2/token`, `oauth2/v2.0/token`";
const OTHER: &str = "any other";

/// What is the same for all.
const COMMON: &[Case] = &[
    ("GET /x/y", &[], READ, Idempotent),
    ("HEAD /x/y", &[("if-match", "\"1\"")], READ, Idempotent),
    ("GET /x/y", &[("if-none-match", "*")], READ, Idempotent),
    (
        "POST /x/y",
        &[("repeatability-request-id", "a"), ("repeatability-first-sent", "b")],
        REPEATABLE,
        Keyed,
    ),
    (
        "PUT /x/y",
        &[
            ("repeatability-request-id", "a"),
            ("repeatability-first-sent", "b"),
            ("if-none-match", "*"),
        ],
        REPEATABLE,
        Keyed,
    ),
    ("POST /x/y", &[("repeatability-request-id", "a")], OTHER, Unsafe),
    ("POST /x/y", &[("repeatability-first-sent", "b")], OTHER, Unsafe),
    (
        "POST /x/y",
        &[("repeatability-request-id", " "), ("repeatability-first-sent", "b")],
        OTHER,
        Unsafe,
    ),
    // Every request of the SDK has one.
    ("POST /x/y", &[("x-ms-client-request-id", "a")], OTHER, Unsafe),
    ("PUT /x/y/z/w", &[("if-none-match", "*")], IF_NONE, Unsafe),
    ("PUT /x/y/z/w", &[("if-none-match", "\"1\"")], WHOLE, Idempotent),
    ("PUT /x/y/z/w", &[("if-match", "\"1\"")], IF_MATCH, Unsafe),
    ("DELETE /x/y/z/w", &[("if-match", "\"1\"")], IF_MATCH, Unsafe),
    ("PUT /x/y/z/w", &[("if-match", "*")], WHOLE, Idempotent),
    ("PUT /x/y/z/w", &[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], IF_MATCH, Unsafe),
    ("PUT /x/y/z/w", &[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], WHOLE, Idempotent),
    ("PUT /x/y/z/w", &[("x-ms-if-tags", "\"a\"='b'")], IF_MATCH, Unsafe),
    ("PUT /x/y/z/w", &[], WHOLE, Idempotent),
    ("DELETE /x/y/z/w", &[], WHOLE, Idempotent),
    ("POST /tenant/oauth2/v2.0/token", &[], TOKEN, Idempotent),
    ("POST /tenant/oauth2/token", &[], TOKEN, Idempotent),
    // A table may have that name.
    ("POST /token", &[], OTHER, Unsafe),
    ("POST /x/y/z", &[], OTHER, Unsafe),
    ("POST /", &[], OTHER, Unsafe),
];

/// Where PATCH is told apart by what it carries.
const PATCHES: &[Case] = &[
    ("PATCH /x/y", &[("content-type", "application/merge-patch+json")], MERGE, Idempotent),
    (
        "PATCH /x/y",
        &[("content-type", "Application/Merge-Patch+JSON; charset=utf-8")],
        MERGE,
        Idempotent,
    ),
    ("PATCH /x/y", &[("content-type", "application/json")], OTHER, Unsafe),
    ("PATCH /x/y", &[], OTHER, Unsafe),
];

const APPEND_AT: &str = "PUT `comp=appendblock`, with `x-ms-blob-condition-appendpos`";
const APPEND: &str = "PUT `comp=appendblock`";
const ACQUIRE: &str = "lease: acquire, with `x-ms-proposed-lease-id`";
const RENEW: &str = "lease: renew, change, release";
const BREAK: &str = "lease: acquire, break, any other";
const RECEIPT: &str = "PUT with `popreceipt`";
const ENTITY: &str = "PATCH of an entity, without a condition or `If-Match: *`";
const LAKE: &str = "PATCH `action=append`, `action=flush`, with `position`";
const QUERY: &str = "POST `comp=userdelegationkey`, `comp=query`";
const ENTITY_PATH: &str = "PATCH /Tasks(PartitionKey='a',RowKey='b')";

const STORAGE: &[Case] = &[
    // Reads, the dequeuing of messages among them.
    ("GET /queue/messages?numofmessages=4", &[], READ, Idempotent),
    ("PUT /c/b?comp=appendblock", &[], APPEND, Unsafe),
    ("PUT /c/b?Comp=AppendBlock", &[], APPEND, Unsafe),
    ("PUT /c/b?timeout=3&comp=%61ppendblock", &[], APPEND, Unsafe),
    ("PUT /c/b?comp=appendblock", &[("x-ms-blob-condition-maxsize", "9")], APPEND, Unsafe),
    ("PUT /c/b?comp=appendblock", &[("x-ms-blob-condition-appendpos", "0")], APPEND_AT, Keyed),
    ("PUT /c/b?comp=appendblock", &[("x-ms-blob-condition-appendpos", "")], APPEND, Unsafe),
    (
        "PUT /c/b?comp=lease",
        &[("x-ms-lease-action", "acquire"), ("x-ms-proposed-lease-id", "a")],
        ACQUIRE,
        Keyed,
    ),
    (
        "PUT /c?restype=container&comp=lease",
        &[("x-ms-lease-action", "acquire"), ("x-ms-proposed-lease-id", "a")],
        ACQUIRE,
        Keyed,
    ),
    ("PUT /c/b?comp=lease", &[("x-ms-lease-action", "acquire")], BREAK, Unsafe),
    (
        "PUT /c/b?comp=lease",
        &[("x-ms-lease-action", "renew"), ("x-ms-lease-id", "a")],
        RENEW,
        Idempotent,
    ),
    (
        "PUT /c/b?comp=lease",
        &[("x-ms-lease-action", "Release"), ("x-ms-lease-id", "a")],
        RENEW,
        Idempotent,
    ),
    (
        "PUT /c/b?comp=lease",
        &[("x-ms-lease-action", "change"), ("x-ms-lease-id", "a"), ("x-ms-proposed-lease-id", "b")],
        RENEW,
        Idempotent,
    ),
    ("PUT /c/b?comp=lease", &[("x-ms-lease-action", "break")], BREAK, Unsafe),
    ("PUT /c/b?comp=lease", &[], BREAK, Unsafe),
    ("POST /fs/path", &[("x-ms-lease-action", "acquire")], BREAK, Unsafe),
    ("PUT /c/b?comp=snapshot", &[], "PUT `comp=snapshot`", Unsafe),
    ("PUT /share?restype=share&comp=snapshot", &[], "PUT `comp=snapshot`", Unsafe),
    (
        "PUT /c/b?comp=properties",
        &[("x-ms-sequence-number-action", "increment")],
        "PUT, `x-ms-sequence-number-action: increment`",
        Unsafe,
    ),
    ("PUT /c/b?comp=properties", &[("x-ms-sequence-number-action", "update")], WHOLE, Idempotent),
    ("PUT /queue/messages/1?popreceipt=a&visibilitytimeout=30", &[], RECEIPT, Unsafe),
    ("DELETE /queue/messages/1?popreceipt=a", &[], WHOLE, Idempotent),
    ("POST /queue/messages", &[], OTHER, Unsafe),
    ("DELETE /queue/messages", &[], WHOLE, Idempotent),
    ("PUT /queue", &[], WHOLE, Idempotent),
    ("POST /?restype=service&comp=userdelegationkey", &[], QUERY, Idempotent),
    ("POST /c/b?comp=query", &[], QUERY, Idempotent),
    ("POST /?comp=batch", &[], OTHER, Unsafe),
    ("POST /Tasks", &[], OTHER, Unsafe),
    ("POST /Tables", &[], OTHER, Unsafe),
    ("POST /$batch", &[], OTHER, Unsafe),
    (ENTITY_PATH, &[], ENTITY, Idempotent),
    (ENTITY_PATH, &[("if-match", "*")], ENTITY, Idempotent),
    ("PATCH /Tasks%28partitionkey=%27a%27,rowkey=%27b%27%29", &[], ENTITY, Idempotent),
    (ENTITY_PATH, &[("if-match", "W/\"1\"")], IF_MATCH, Unsafe),
    ("PUT /Tasks(PartitionKey='a',RowKey='b')", &[], WHOLE, Idempotent),
    ("PATCH /fs/file?action=append&position=0", &[], LAKE, Idempotent),
    ("PATCH /fs/file?action=flush&position=9", &[], LAKE, Idempotent),
    ("PATCH /fs/file?action=flush&position=9", &[("if-match", "\"1\"")], IF_MATCH, Unsafe),
    ("PATCH /fs/file?action=append", &[], OTHER, Unsafe),
    // Blocks have names, pages have places, and a list of blocks is a whole.
    ("PUT /c/b?comp=block&blockid=a", &[], WHOLE, Idempotent),
    ("PUT /c/b?comp=blocklist", &[], WHOLE, Idempotent),
    ("PUT /c/b?comp=page", &[], WHOLE, Idempotent),
    ("PUT /c/b?comp=metadata", &[], WHOLE, Idempotent),
    ("PUT /c/b", &[("x-ms-copy-source", "https://b.example.net/c/b")], WHOLE, Idempotent),
    ("PUT /c?restype=container", &[], WHOLE, Idempotent),
];

const VERSION: &str = "PUT `/secrets/{name}`, `/keys/{name}`";
const CREATE: &str = "POST `create`, `import`, `rotate`";
const CRYPTO: &str =
    "POST `encrypt`, `decrypt`, `sign`, `verify`, `wrapkey`, `unwrapkey`, `release`";

const KEY_VAULT: &[Case] = &[
    ("PUT /secrets/s?api-version=7.6", &[], VERSION, Unsafe),
    ("PUT /Secrets/s/", &[], VERSION, Unsafe),
    ("PUT /keys/k", &[], VERSION, Unsafe),
    ("PUT /keys/k/rotationpolicy", &[], WHOLE, Idempotent),
    ("PUT /certificates/issuers/i", &[], WHOLE, Idempotent),
    ("POST /keys/k/create", &[], CREATE, Unsafe),
    ("POST /keys/k/rotate", &[], CREATE, Unsafe),
    ("POST /certificates/c/create", &[], CREATE, Unsafe),
    ("POST /certificates/c/import", &[], CREATE, Unsafe),
    ("POST /keys/k/v/encrypt", &[], CRYPTO, Idempotent),
    ("POST /keys/k/v/decrypt", &[], CRYPTO, Idempotent),
    ("POST /keys/k/v/sign", &[], CRYPTO, Idempotent),
    ("POST /keys/k/v/verify", &[], CRYPTO, Idempotent),
    ("POST /keys/k/v/wrapkey", &[], CRYPTO, Idempotent),
    ("POST /keys/k/v/unwrapkey", &[], CRYPTO, Idempotent),
    ("POST /keys/k/v/release", &[], CRYPTO, Idempotent),
    ("POST /keys/k//sign", &[], CRYPTO, Idempotent),
    ("POST /secrets/s/backup", &[], "POST `backup`, `rng`", Idempotent),
    ("POST /rng", &[], "POST `backup`, `rng`", Idempotent),
    ("POST /secrets/restore", &[], OTHER, Unsafe),
    ("POST /certificates/c/pending/merge", &[], OTHER, Unsafe),
    ("POST /fullbackup", &[], OTHER, Unsafe),
    ("POST /deletedsecrets/s/recover", &[], "POST `recover`", Idempotent),
    ("DELETE /secrets/s", &[], WHOLE, Idempotent),
    ("DELETE /deletedsecrets/s", &[], WHOLE, Idempotent),
    ("PATCH /secrets/s/v", &[], "PATCH", Idempotent),
];

const LIST: &str = "POST, path ends with `/list...`, `/checkNameAvailability`, `Microsoft.ResourceGraph/resources`";

const ARM: &[Case] = &[
    ("PUT /subscriptions/s/resourceGroups/g", &[], WHOLE, Idempotent),
    ("DELETE /subscriptions/s/resourceGroups/g", &[], WHOLE, Idempotent),
    ("PATCH /subscriptions/s/resourceGroups/g", &[], "PATCH", Idempotent),
    ("POST /subscriptions/s/providers/p/t/n/listKeys", &[], LIST, Idempotent),
    ("POST /subscriptions/s/providers/p/checkNameAvailability", &[], LIST, Idempotent),
    ("POST /providers/Microsoft.ResourceGraph/resources", &[], LIST, Idempotent),
    ("POST /subscriptions/s/providers/p/t/n/restart", &[], OTHER, Unsafe),
    ("POST /subscriptions/s/providers/p/t/n/regenerateKey", &[], OTHER, Unsafe),
];

const PAID: &str = "POST `completions`, `embeddings`, `moderations`, `images/..`, `audio/..`";

const OPEN_AI: &[Case] = &[
    ("POST /openai/deployments/d/chat/completions?api-version=1", &[], PAID, Idempotent),
    ("POST /openai/v1/completions", &[], PAID, Idempotent),
    ("POST /openai/deployments/d/embeddings", &[], PAID, Idempotent),
    ("POST /openai/v1/moderations", &[], PAID, Idempotent),
    ("POST /openai/deployments/d/images/generations", &[], PAID, Idempotent),
    ("POST /openai/deployments/d/images/edits", &[], PAID, Idempotent),
    ("POST /openai/deployments/d/audio/speech", &[], PAID, Idempotent),
    ("POST /openai/deployments/d/audio/transcriptions", &[], PAID, Idempotent),
    ("POST /openai/deployments/d/audio/translations", &[], PAID, Idempotent),
    ("POST /openai/v1/responses", &[], OTHER, Unsafe),
    ("POST /openai/threads/t/runs", &[], OTHER, Unsafe),
    ("POST /openai/files", &[], OTHER, Unsafe),
    ("POST /openai/batches", &[], OTHER, Unsafe),
];

const INDEX: &str = "POST `docs/index`";
const SEARCH: &str = "POST `docs/search`, `docs/suggest`, `docs/autocomplete`, `analyze`";

const AI_SEARCH: &[Case] = &[
    ("POST /indexes/i/docs/index", &[], INDEX, Idempotent),
    ("POST /indexes('i')/docs/search.index", &[], INDEX, Idempotent),
    ("POST /indexes/i/docs/search", &[], SEARCH, Idempotent),
    ("POST /indexes('i')/docs/search.post.search", &[], SEARCH, Idempotent),
    ("POST /indexes('i')/docs/search.post.suggest", &[], SEARCH, Idempotent),
    ("POST /indexes('i')/docs/search.post.autocomplete", &[], SEARCH, Idempotent),
    ("POST /indexes/i/docs/suggest", &[], SEARCH, Idempotent),
    ("POST /indexes/i/docs/autocomplete", &[], SEARCH, Idempotent),
    ("POST /indexes/i/analyze", &[], SEARCH, Idempotent),
    ("POST /indexes('i')/search.analyze", &[], SEARCH, Idempotent),
    ("POST /indexes", &[], OTHER, Unsafe),
    ("POST /indexers/i/run", &[], OTHER, Unsafe),
    ("POST /indexers('i')/search.run", &[], OTHER, Unsafe),
    ("PUT /indexes/i", &[], WHOLE, Idempotent),
];

const MESSAGES: &[Case] = &[
    ("POST /queue/messages", &[], OTHER, Unsafe),
    ("POST /queue/messages/head", &[], OTHER, Unsafe),
    ("POST /messages/messages/head", &[], OTHER, Unsafe),
    ("POST /messages/a/messages", &[], OTHER, Unsafe),
    ("DELETE /queue/messages/head?timeout=60", &[], "DELETE `messages/head`", Unsafe),
    ("DELETE /queue/messages/1/lock", &[], WHOLE, Idempotent),
    ("PUT /queue/messages/1/lock", &[], WHOLE, Idempotent),
    ("POST /queue/messages/1/lock", &[], "POST `messages/{id}/{lock}`", Idempotent),
];

const GENERIC: &[Case] = &[
    ("POST /x", &[("idempotency-key", "a")], "`Idempotency-Key`", Keyed),
    ("POST /x", &[("idempotency-key", "")], OTHER, Unsafe),
];

fn own(contract: &Contract) -> Vec<Case> {
    match contract.name() {
        "storage" => [STORAGE, PATCHES].concat(),
        "key_vault" => KEY_VAULT.to_vec(),
        "arm" => ARM.to_vec(),
        "open_ai" => [OPEN_AI, PATCHES].concat(),
        "ai_search" => [AI_SEARCH, PATCHES].concat(),
        "service_bus" | "event_hubs" => [MESSAGES, PATCHES].concat(),
        // A storage client in the generic wrapper appends no more often.
        "azure" => [GENERIC, STORAGE, PATCHES].concat(),
        _ => PATCHES.to_vec(),
    }
}

#[test]
fn every_row_of_every_table_says_what_is_expected() {
    for contract in over_http() {
        let mut tried = BTreeSet::new();
        for (line, pairs, when, safety) in COMMON.iter().chain(&own(&contract)) {
            let request = request(line, pairs);
            let name = contract.name();
            let row = contract.table.operation(&Call::new(&request)).unwrap();
            assert_eq!(row.when, *when, "{name}: {line} {pairs:?}");
            assert_eq!(contract.safety(&request), *safety, "{name}: {line} {pairs:?}");
            tried.insert(row.when.to_owned());
        }
        assert_all_tried(&contract, Section::Operations, &tried);
    }
}

#[test]
fn versions_and_questions_are_repeated_as_is_wished() {
    let secret = request("PUT /secrets/s", &[]);
    let question = request("POST /openai/deployments/d/chat/completions", &[]);
    let vault = Contract::key_vault();
    let models = Contract::open_ai();

    assert_eq!(vault.safety(&secret), Unsafe);
    assert_eq!(vault.repeat_versions(true).safety(&secret), Idempotent);
    assert_eq!(models.safety(&question), Idempotent);
    assert_eq!(models.repeat_inference(false).safety(&question), Unsafe);
    // What the one is told does not reach to the other.
    assert_eq!(vault.repeat_inference(true).safety(&secret), Unsafe);
    assert_eq!(models.repeat_versions(true).repeat_inference(false).safety(&question), Unsafe);
    // The table says it.
    let means = |contract: Contract| {
        contract.rows().find(|row| row.when() == VERSION).unwrap().means().to_owned()
    };
    assert_eq!(means(vault), "unsafe");
    assert_eq!(means(vault.repeat_versions(true)), "idempotent");
}

/// A request line, its headers, the row, and the answers that may be due to an earlier attempt.
type Doubted =
    (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static [u16]);

const COMMON_DOUBTS: &[Doubted] = &[
    ("GET /x/y", &[], READ, &[]),
    ("HEAD /x/y", &[], READ, &[]),
    ("DELETE /x/y/z/w", &[], "DELETE", &[404, 409, 410, 412]),
    ("PUT /x/y/z/w", &[("if-none-match", "*")], OTHER, &[409, 412]),
    ("POST /x/y/z/w", &[], OTHER, &[409, 412]),
    ("PATCH /x/y/z/w", &[], OTHER, &[409, 412]),
];

const STORAGE_DOUBTS: &[Doubted] = &[
    ("PUT /c/b?comp=appendblock", &[("x-ms-blob-condition-appendpos", "0")], OTHER, &[409, 412]),
    (
        "PUT /c/b?comp=lease",
        &[("x-ms-lease-action", "acquire"), ("x-ms-proposed-lease-id", "a")],
        "lease: acquire, change, renew",
        &[],
    ),
    (
        "PUT /c/b?comp=lease",
        &[("x-ms-lease-action", "renew")],
        "lease: acquire, change, renew",
        &[],
    ),
    (
        "PUT /c/b?comp=lease",
        &[("x-ms-lease-action", "change")],
        "lease: acquire, change, renew",
        &[],
    ),
    ("PUT /c/b?comp=lease", &[("x-ms-lease-action", "release")], OTHER, &[409, 412]),
    ("PUT /c/b?comp=lease", &[("x-ms-lease-action", "break")], OTHER, &[409, 412]),
    ("PUT /c/b?comp=blocklist", &[], "PUT `comp=blocklist`", &[400, 409, 412]),
    ("GET /c/b?comp=blocklist", &[], READ, &[]),
    ("PUT /q/messages/1?popreceipt=a", &[], RECEIPT, &[400, 404, 409, 412]),
    (
        "DELETE /q/messages/1?popreceipt=a",
        &[],
        "DELETE with `popreceipt`",
        &[400, 404, 409, 410, 412],
    ),
    (
        "PUT /fs/new",
        &[("x-ms-rename-source", "/fs/old")],
        "PUT with `x-ms-rename-source`",
        &[404, 409, 412],
    ),
];

const VAULT_DOUBTS: &[Doubted] =
    &[("POST /deletedsecrets/s/recover", &[], "POST `recover`", &[404, 409])];

#[test]
fn every_answer_that_an_earlier_attempt_may_be_the_cause_of_is_told_apart() {
    for contract in over_http() {
        let own = match contract.name() {
            "storage" | "azure" => STORAGE_DOUBTS,
            "key_vault" => VAULT_DOUBTS,
            _ => &[],
        };
        let mut tried = BTreeSet::new();
        for (line, pairs, when, expected) in COMMON_DOUBTS.iter().chain(own) {
            let request = request(line, pairs);
            let name = contract.name();
            let row = contract.table.doubt(&Call::new(&request)).unwrap();
            assert_eq!(row.when, *when, "{name}: {line} {pairs:?}");
            let doubted: Vec<_> = (100..1000)
                .filter(|status| contract.after_ambiguous(&request, StatusCode::from(*status)))
                .collect();
            assert_eq!(doubted, *expected, "{name}: {line} {pairs:?}");
            tried.insert(row.when.to_owned());
        }
        assert_all_tried(&contract, Section::Doubts, &tried);
    }
}

proptest! {
    #[test]
    fn no_request_makes_a_contract_panic(
        index in 0..all().len(),
        path in "\\PC*",
        query in "\\PC*",
        method in prop_oneof![Just("GET"), Just("PUT"), Just("POST"), Just("PATCH"), Just("DELETE")],
        name in prop_oneof![
            Just("x-ms-lease-action"),
            Just("if-match"),
            Just("content-type"),
            Just("repeatability-request-id"),
        ],
        value in any::<String>(),
        status in any::<u16>(),
    ) {
        let contract = all()[index];
        let mut request = request("GET /", &[(name, &value)]);
        request.set_method(super::request(&format!("{method} /"), &[]).method());
        request.url_mut().set_path(&path);
        request.url_mut().set_query(Some(&query));

        let safety = contract.safety(&request);

        prop_assert!(method != "GET" || contract.name() == "redis" || safety == Idempotent);
        let doubted = contract.after_ambiguous(&request, StatusCode::from(status));
        prop_assert!(!doubted || method != "GET");
    }
}
