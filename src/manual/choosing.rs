//! Which pattern cures which trouble.
//!
//! Start with the [standard stack](crate::stack) and leave it at that until a figure says
//! otherwise. What follows helps to read such figures.
//!
//! | what you see | pattern | what it does not cure |
//! |---|---|---|
//! | single calls fail now and then, the next one works | [`retry`](crate::retry) | a service that is down: there it adds load, which is why it has a [`budget`](crate::budget) |
//! | calls hang | [`timeout`](crate::timeout) | the work that the service goes on doing for a caller who has gone |
//! | a service fails for minutes, and its callers wait for each failure | [`circuit_breaker`](crate::circuit_breaker) | a service where one host of ten fails: use one breaker per host, [`gate::Keyed`](crate::gate::Keyed) |
//! | one slow dependency takes all the memory, sockets or threads | [`bulkhead`](crate::bulkhead) | being slow |
//! | a service answers `429` | [`rate_limit`](crate::rate_limit), and the pause of the breaker | quotas that several processes share |
//! | an answer that is a minute old is better than none | [`fallback`](crate::fallback) | writes |
//!
//! # A budget alone is not enough
//!
//! Take a client that makes 280 calls/s, with a timeout of one second, and a server that can do
//! 300/s in the order of arrival and finishes work whose caller has gone. The server stops for ten
//! seconds. When it is back it has a queue longer than the timeout, so it works only for callers
//! who have gone, and their retries take the places of the ones who wait. That state feeds itself.
//!
//! | client | back to 95 % of its goodput |
//! |---|---|
//! | three retries, doubling waits | never |
//! | the same, with full jitter | never |
//! | the same, with a retry budget of 10 % | never: 280/s plus 10 % is still more than 300/s |
//! | the standard stack | within ten seconds |
//!
//! Only something that lets the queue drain helps: a breaker that holds calls off for a while, or a
//! limit on what is in flight. `tests/it/metastable.rs` runs the first and the last row in virtual
//! time.
//!
//! # What makes matters worse
//!
//! - Retries at several levels of one system: three levels of three attempts are 27 calls at the
//!   bottom. Retry next to what fails, and let the levels above know by the
//!   [attempt number](crate::context::attempt).
//! - One breaker for many hosts: a tenth of them fails, and all are cut off.
//! - A timeout that is longer than the caller's: the work is done for nobody.
//! - A retry of what is not safe to repeat. See [`replay`](crate::replay).
