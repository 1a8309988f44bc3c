//! Service Bus and Event Hubs.

use std::time::Duration;

use azure_core::http::Method;

use super::super::classify::{Operation, Reason, Repeat};
use super::common::{CODES, CONDITIONS, DOUBTS, METHODS, PATCHES, READ, STATUSES};
use super::{Executed, Table};
use crate::backoff::{Backoff, Jitter};
use crate::outcome::Outcome;
use crate::retry;
use crate::stack;

pub(super) static SERVICE_BUS: Table = Table {
    name: "service_bus",
    answers: &[CODES, STATUSES],
    operations: &[READ, OPERATIONS, CONDITIONS, PATCHES, METHODS],
    doubts: &[DOUBTS],
    reasons: BUS_REASONS,
    ..Table::new(bus_stack)
};

pub(super) static EVENT_HUBS: Table = Table {
    name: "event_hubs",
    answers: &[CODES, STATUSES],
    operations: &[READ, OPERATIONS, CONDITIONS, PATCHES, METHODS],
    doubts: &[DOUBTS],
    reasons: HUB_REASONS,
    ..Table::new(hub_stack)
};

/// Three repeats from 0.8 s on, as the SDKs of other languages make them. An attempt is as long as
/// it takes to wait out a busy service and be answered.
fn bus_stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_millis(800)).max(Duration::from_secs(60));
    stack::Config::default()
        .total_timeout(Duration::from_secs(90))
        .attempt_timeout(Duration::from_secs(20))
        .retry(retry::Config::default().max_attempts(4).backoff(backoff.jitter(Jitter::Equal)))
}

/// What the SDK's own client does: eight tries from 0.2 s on, within a minute.
fn hub_stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_millis(200)).max(Duration::from_secs(30));
    stack::Config::default()
        .total_timeout(Duration::from_secs(60))
        .attempt_timeout(Duration::from_secs(20))
        .retry(retry::Config::default().max_attempts(8).backoff(backoff.jitter(Jitter::Equal)))
}

static OPERATIONS: &[Operation] = &[
    Operation::new(
        "DELETE `messages/head`",
        |call| call.is(Method::Delete) && call.ends_with(&["messages", "head"]),
        Repeat::Unsafe,
        "takes a message away, and the repeat takes another",
    ),
    Operation::new(
        "POST `messages/{id}/{lock}`",
        |call| {
            call.is(Method::Post)
                && call.ends_with(&["messages", "*", "*"])
                && !["head", "messages"].iter().any(|last| call.ends_with(&[last]))
        },
        Repeat::Idempotent,
        "renews a lock",
    ),
];

static BUS_REASONS: &[Reason] = &[
    Reason::new(
        &["ServiceBusy", "ServerBusy", "com.microsoft:server-busy"],
        BUSY,
        Executed::No,
        "no call on this client for 10 s",
    ),
    Reason::new(
        &["ServiceTimeout", "com.microsoft:timeout"],
        Outcome::Transient,
        Executed::MayBe,
        "nobody knows how it ended",
    ),
    Reason::new(
        &[
            "GeneralError",
            "ServiceCommunicationProblem",
            "amqp:internal-error",
            "amqp:connection:forced",
            "amqp:connection:framing-error",
        ],
        Outcome::Transient,
        Executed::MayBe,
        "passes, mostly",
    ),
    Reason::new(
        &["amqp:link:detach-forced", "com.microsoft:container-close"],
        Outcome::Transient,
        Executed::MayBe,
        "idle for 10 minutes, or an upgrade: opens again",
    ),
    Reason::new(
        &[
            "MessageLockLost",
            "SessionLockLost",
            "com.microsoft:message-lock-lost",
            "com.microsoft:session-lock-lost",
            "com.microsoft:message-not-found",
            "MessageNotFound",
        ],
        Outcome::Permanent,
        Executed::No,
        "throw it away and receive it again",
    ),
    Reason::new(
        &["SessionCannotBeLocked", "com.microsoft:session-cannot-be-locked"],
        Outcome::Permanent,
        Executed::No,
        "somebody else has the session: take another",
    ),
    Reason::new(
        &["QuotaExceeded", "amqp:resource-limit-exceeded"],
        Outcome::Permanent,
        Executed::No,
        "full until somebody receives",
    ),
    Reason::new(
        &["MessageSizeExceeded", "MessageSizeExceededException", "amqp:link:message-size-exceeded"],
        Outcome::Permanent,
        Executed::No,
        "too large",
    ),
    Reason::new(
        &[
            "MessagingEntityNotFound",
            "MessagingEntityDisabled",
            "MessagingEntityAlreadyExists",
            "amqp:not-found",
            "com.microsoft:entity-disabled",
            "com.microsoft:entity-already-exists",
        ],
        Outcome::Permanent,
        Executed::No,
        "a matter of who sets it up",
    ),
    Reason::new(
        &["Unauthorized", "amqp:unauthorized-access", "com.microsoft:auth-failed"],
        Outcome::Permanent,
        Executed::No,
        "not allowed, or the token is too old",
    ),
    Reason::new(
        &[
            "com.microsoft:argument-error",
            "com.microsoft:argument-out-of-range",
            "amqp:not-allowed",
        ],
        Outcome::Permanent,
        Executed::No,
        "the call is wrong",
    ),
];

static HUB_REASONS: &[Reason] = &[
    Reason::new(
        &["ServiceBusy", "ServerBusy", "50002", "com.microsoft:server-busy"],
        BUSY,
        Executed::No,
        "no call on this client for 10 s",
    ),
    Reason::new(
        &["ServiceTimeout", "com.microsoft:timeout"],
        Outcome::Transient,
        Executed::MayBe,
        "nobody knows how it ended",
    ),
    Reason::new(
        &[
            "GeneralError",
            "ServiceCommunicationProblem",
            "amqp:internal-error",
            "amqp:connection:forced",
            "amqp:connection:framing-error",
        ],
        Outcome::Transient,
        Executed::MayBe,
        "passes, mostly",
    ),
    Reason::new(
        &["amqp:link:detach-forced", "com.microsoft:container-close"],
        Outcome::Transient,
        Executed::MayBe,
        "idle, or an upgrade: opens again",
    ),
    Reason::new(
        &["ConsumerDisconnected", "amqp:link:stolen"],
        Outcome::Permanent,
        Executed::No,
        "another reader owns the partition now",
    ),
    Reason::new(
        &["QuotaExceeded", "amqp:resource-limit-exceeded"],
        Outcome::Permanent,
        Executed::No,
        "too many readers or connections",
    ),
    Reason::new(
        &["MessageSizeExceeded", "amqp:link:message-size-exceeded"],
        Outcome::Permanent,
        Executed::No,
        "too large: make the batch smaller",
    ),
    Reason::new(
        &["MessagingEntityNotFound", "amqp:not-found", "com.microsoft:entity-disabled"],
        Outcome::Permanent,
        Executed::No,
        "a matter of who sets it up",
    ),
    Reason::new(
        &[
            "Unauthorized",
            "amqp:unauthorized-access",
            "com.microsoft:auth-failed",
            "com.microsoft:publisher-revoked",
        ],
        Outcome::Permanent,
        Executed::No,
        "not allowed, or the token is too old",
    ),
    Reason::new(
        &[
            "com.microsoft:argument-error",
            "com.microsoft:argument-out-of-range",
            "amqp:not-allowed",
        ],
        Outcome::Permanent,
        Executed::No,
        "the call is wrong",
    ),
];

/// What a busy service wants, without saying so.
const BUSY: Outcome = Outcome::Overload { retry_after: Some(Duration::from_secs(10)) };
