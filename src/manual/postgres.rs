//! PostgreSQL: what is done about which error, and how to set a pool up.
//!
//! A [`PgPool`] makes calls again on a connection of their own, finds the primary again after a
//! failover, and never makes a call twice that is not safe to repeat.
//!
//! # Set it up
//!
//! ```
//! use seawall::azure::postgres::PgPool;
//!
//! let hosts = "host=db-a.internal,db-b.internal user=orders dbname=orders sslmode=require";
//! let pool = PgPool::builder(hosts.parse()?)
//!     .name("orders")
//!     // .tls(…) with the connector of the TLS crate that you use
//!     .build()?;
//! # let _ = pool;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | you have | write | a failover is noticed by |
//! |---|---|---|
//! | Flexible Server with high availability | its one name | the name, which is resolved for each connection and follows the primary |
//! | a primary and replicas | all of their names | a look at each of them every 250 ms, until one takes writes |
//! | read replicas | the same | [`read`](crate::azure::postgres::PgPool::read), which goes to them first |
//!
//! # The table
//!
//! By SQLSTATE. What *leaves open* ends the connection, or tells nobody what became of the
//! statement. [`Handling`](crate::azure::database::Handling) says what each handling means.
//!
//! | SQLSTATE | name | handling | leaves open |
//! |---|---|---|---|
//! | `08000` | `connection_exception` | reconnect | yes |
//! | `08001` | `sqlclient_unable_to_establish_sqlconnection` | reconnect | yes |
//! | `08003` | `connection_does_not_exist` | reconnect | yes |
//! | `08004` | `sqlserver_rejected_establishment_of_sqlconnection` | reconnect | yes |
//! | `08006` | `connection_failure` | reconnect | yes |
//! | `08007` | `transaction_resolution_unknown` | reconnect | yes |
//! | `08P01` | `protocol_violation` | reconnect | yes |
//! | `25006` | `read_only_sql_transaction` | wrong replica: resolve anew, discard | no |
//! | `40001` | `serialization_failure` | re-run at once | no |
//! | `40003` | `statement_completion_unknown` | reconnect | yes |
//! | `40P01` | `deadlock_detected` | re-run at once | no |
//! | `53000` | `insufficient_resources` | back off | no |
//! | `53200` | `out_of_memory` | back off | no |
//! | `53300` | `too_many_connections` | back off | no |
//! | `53400` | `configuration_limit_exceeded` | back off | no |
//! | `57P01` | `admin_shutdown` | reconnect | yes |
//! | `57P02` | `crash_shutdown` | reconnect | yes |
//! | `57P03` | `cannot_connect_now` | reconnect | yes |
//! | `57P05` | `idle_session_timeout` | reconnect | yes |
//! | `58000` | `system_error` | reconnect | no |
//! | `58030` | `io_error` | reconnect | no |
//! | `XX000` | `internal_error` | reconnect | no |
//!
//! No code at all, because the wire was cut or the host can not be reached, or does not take writes:
//! reconnect, and it leaves open what was running. Every other code, and all that is wrong with the
//! caller: never. Among those are a wrong password (28P01), a missing database (3D000), what
//! is wrong in a statement (42…), and constraints (23…): the duplicate key of a call that is
//! repeated says that the first one was executed. A session that its server ends (`FATAL`) leaves
//! open what it was doing, whatever the code.
//!
//! # What is made again
//!
//! | call | its error says: not executed | leaves open | the connection could not be opened |
//! |---|---|---|---|
//! | [`run`](crate::azure::postgres::PgPool::run), idempotent or keyed | again | again | again |
//! | [`run`](crate::azure::postgres::PgPool::run), unsafe | the error | [ambiguous](crate::Error::Ambiguous) | again |
//! | [`read`](crate::azure::postgres::PgPool::read) | again | again, on the primary | on the primary |
//! | [`transaction`](crate::azure::postgres::PgPool::transaction), before its commit | again | again | again |
//! | [`transaction`](crate::azure::postgres::PgPool::transaction), at its commit | again | asks `verify` | |
//!
//! A write is made idempotent by a key that the client makes, once for all of its attempts, and
//! `ON CONFLICT DO NOTHING`. A transaction writes such a key together with what it does, and
//! `verify` looks for it. A server that is still at a commit when its client is cut off, waiting for
//! a standby, is waited for before anybody looks: what is not there then will not come.
//!
//! A statement that an operation gives up by a timeout of its own ends the call with the operation's
//! error. While the server is still at it, that error is ambiguous; a statement that has ended by
//! then can not be told from none, so give such a call a [deadline](crate::context::deadline) and no
//! timeout inside. After any error, the connection is rolled back before another call has it.
//!
//! # How long it waits
//!
//! Azure asks for 5 s before the first repeat, doubling to a minute. With one host that is so: what
//! recovers behind a name is not helped by being asked. With several hosts the waits of a call
//! begin at 250 ms, since the connection itself waits for a host that takes writes: for 30 s, with a
//! look at each host every 250 ms, by one connection of the process for all of them. Both can be
//! [set](crate::azure::postgres::Config).
//!
//! What bounds a call is its [deadline](crate::context::deadline) and
//! [`total_timeout`](crate::azure::database::Settings::total_timeout). What does not fit before
//! that is not begun, and the call ends with its last real error.
//!
//! # What goes wrong elsewhere
//!
//! | trouble | here |
//! |---|---|
//! | a query is dropped, by a timeout or a `select!`, and the next one waits behind it | its connection is closed, and the server told to stop |
//! | a transaction is dropped while a statement runs, and keeps its locks | the same |
//! | connections lead to what has become a standby (25006) | all of them are given up |
//! | a statement fails, the operation goes on, and `COMMIT` rolls back without a word | the commit is an error (25P02) |
//! | an acknowledged write is not on the standby that is promoted | that is up to the server: `synchronous_standby_names`, or Flexible Server's high availability |
//! | a pooler in transaction mode mixes the sessions up | connect past it, or make no use of what is kept in a session |
//!
//! [`PgPool`]: crate::azure::postgres::PgPool
