//! Redis: what it promises and what to do about it.
//!
//! # Example
//!
//! ```
//! use seawall::Outcome;
//! use seawall::azure::Contract;
//!
//! let redis = Contract::redis();
//!
//! let after_failover = "READONLY You can't write against a read only replica.";
//! assert_eq!(redis.judge_code(after_failover), Some(Outcome::Transient));
//!
//! let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
//! assert_eq!(redis.judge_code(wrong_type), Some(Outcome::Permanent));
//! ```
//!
//! # What to do
//!
//! - Take it for a cache. When it fails, ask the source of truth:
//!   [a fallback](crate::fallback) serves better than many repeats.
//! - Repeat commands on the connection that is there, which many share. A connection for each repeat
//!   is what brings a server down that just came up.
//! - At least 15 s for connecting, about 5 s for a command.
//! - An idle connection is closed after ten minutes. A PING before that keeps it.
//! - Where every call has failed for 30 s, make the connection new, and not again within a minute.
//! - A command that counts or pushes acts twice when it is sent twice. Run such ones through a stack
//!   that knows: [`Cloned::not_idempotent`](crate::replay::Cloned::not_idempotent).
//!
//! # What it says
//!
//! The first word of an error counts, and of those that begin with `ERR` as many as are in the table.
//!
//! | reason | means | executed | because |
//! |---|---|---|---|
//! | `LOADING` | transient | no | still reading its data set |
//! | `CLUSTERDOWN` | transient | no | a failover is under way |
//! | `MASTERDOWN` | transient | no | a failover is under way |
//! | `READONLY` | transient | no | a replica now: connect again to find the primary |
//! | `UNBLOCKED` | transient | no | a replica now: the blocked call took nothing |
//! | `NOREPLICAS` | transient | no | takes no writes until it can keep them |
//! | `MISCONF` | transient | no | takes no writes until it can keep them |
//! | `BUSY` | overload | no | a script is running |
//! | `TRYAGAIN` | overload | no | keys are moving to another node |
//! | `MOVED` | overload | no | the slot is on another node: a cluster client goes there |
//! | `ASK` | overload | no | the slot is on another node: a cluster client goes there |
//! | `OOM` | overload | no | out of memory for writes |
//! | `ERR max number of clients reached` | overload | no | too many connections |
//! | `NOAUTH` | permanent | no | not allowed, or the token is too old |
//! | `WRONGPASS` | permanent | no | not allowed, or the token is too old |
//! | `NOPERM` | permanent | no | not allowed, or the token is too old |
//! | `WRONGTYPE` | permanent | no | the call does not fit what is there |
//! | `CROSSSLOT` | permanent | no | the call does not fit what is there |
//! | `BUSYKEY` | permanent | no | the call does not fit what is there |
//! | `BUSYGROUP` | permanent | no | the call does not fit what is there |
//! | `NOGROUP` | permanent | no | the call does not fit what is there |
//! | `NOSCRIPT` | permanent | no | load the script first |
//! | `EXECABORT` | permanent | no | a command of the transaction was refused, and none was executed |
//! | `ERR` | permanent | maybe | the call is wrong |
//!
//! # How often, and how long
//!
//! ```
//! use seawall::azure::Contract;
//!
//! let stack = Contract::redis().stack().build()?;
//! assert_eq!(
//!     stack.describe().to_string(),
//!     "\
//! redis
//!   total timeout    12s
//!   rate limit       none
//!   retry            2 attempts, waits 100ms x2 to 1s, equal jitter, budget 10% of calls and 1/s, over 10s
//!   circuit breaker  opens when 50% of 20 calls or more in 10s fail, or 90% of the newest; open 4s, 3 probes, back within 2s
//!   attempt timeout  5s
//!   bulkhead         1000 calls at a time
//! "
//! );
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
