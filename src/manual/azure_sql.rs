//! Azure SQL: what each error number means, and what is done about it.
//!
//! What `azure::sql` (feature `azure-sql`) does with a database of Azure SQL, and why.
//!
//! # What a failover looks like
//!
//! The database is moved, upgraded or failed over; most of that is over within a minute. Connections
//! are cut, new ones are refused with 40613 or 4060, and a client that kept a connection to what was
//! the primary is told 3906 when it writes. So a call that failed waits five seconds before it is
//! made again, then ten, twenty, forty; always on a connection opened for the purpose, to a name
//! resolved anew.
//!
//! The wait is a lower bound, and is spread up to a quarter above. It is *not* taken where the call's
//! deadline comes earlier: the caller gets the real error at once, and decides.
//!
//! # The other speeds
//!
//! | what happened | the next attempt |
//! |---|---|
//! | a deadlock, a conflict of snapshots | within a second, the whole transaction, on the connection that is there |
//! | the engine throttles (40501) | no earlier than after ten seconds, and other callers are held back as long |
//! | no worker, no memory, too many operations | after the backoff and five seconds more |
//! | the login, the firewall, the size of the database | none |
//!
//! # What may have been executed
//!
//! A server that refuses a statement has not executed it. Where the connection is lost with the
//! answer, nobody knows: a class of 20 or above, a reset, a timeout of the client (−2). So
//!
//! - a call that is safe to repeat is made again;
//! - one that is not ends as [ambiguous](crate::Error::Ambiguous), with the real error in it;
//! - a transaction is made again while its commit was not sent: what was not committed was not
//!   executed. When the answer to the commit is lost, a hook looks for a row of the transaction on
//!   another connection. That the row is there is believed at once; that it is not, only when the
//!   first backoff has passed, since the commit may have been on its way.
//!
//! A commit that the server is still at shows nothing of its rows to who reads at the snapshot of
//! what is committed, which is Azure SQL's default. So before its commit a transaction takes a lock
//! of the application's (`sp_getapplock`) under a name that no other has, and the look begins when
//! the server grants that lock to another session: then the commit is over, one way or the other.
//! Where it is not granted in time, the call is ambiguous. A server without such locks is not
//! waited for: there, *not executed* can be wrong while the commit is on its way.
//!
//! An error after which the server has rolled the transaction back (1205, 3960 and the other ones
//! that are re-run, but for 1222) ends it even if the operation swallows that error: further
//! statements and the commit fail with it, and the transaction is made again.
//!
//! The safest hook looks for a key that the caller made up before the first attempt, in a column
//! that is unique: should a commit arrive later still, the second one fails on the key.
//!
//! # Where reads go
//!
//! To the secondary first, where there is one: the read-only name of a failover group, or the
//! replica that a tier has (`ApplicationIntent=ReadOnly`). When it can not answer, the primary is
//! asked at once, within the time that is left; a secondary that hangs gets half of it. What it
//! answers may be old: `SqlPool::recovery_point` watches by how much.
//!
//! # The numbers
//!
//! From Microsoft's page on connection errors, the lists of its client for .NET and those of Entity
//! Framework. *Gone* says that the connection is lost with the error. A number that is not here is
//! the call's own fault, unless its class is 20 or above: then the connection is lost, and the call
//! is made again on another one.
//!
//! | numbers | meaning | handling | gone |
//! |---|---|---|---|
//! | 4060 | the database can not be opened: it moves, or its name is wrong | reconnect |  |
//! | 40197 40020 40143 40166 40540 | the service failed while it was upgraded or failed over; 40197 has an inner code | reconnect | yes |
//! | 40613 | the database is not available at the moment | reconnect | yes |
//! | 49802 | the database is unavailable at the moment | reconnect |  |
//! | 42108 42109 | the pool is paused or warms up | reconnect |  |
//! | 615 617 | an identity is stale after a failover | reconnect |  |
//! | 921 926 927 941 952 982 988 | the database recovers, is restored or is in transition | reconnect |  |
//! | 18401 | the server upgrades itself after a failover | reconnect |  |
//! | 64 121 20 203 233 997 10053 10054 10060 | the connection broke | reconnect | yes |
//! | 11001 | the server's name was not found | reconnect | yes |
//! | 0 26 40 | the server was not found or closed the connection | reconnect | yes |
//! | −2 | the command timed out: it may have been executed | reconnect | yes |
//! | 40501 | the engine throttles, and asks for ten seconds | wait 10s at least |  |
//! | 10928 10936 | the database or its pool has no worker left | back off |  |
//! | 10929 10930 | the server is busy, beyond what is guaranteed | back off |  |
//! | 40642 40648 40675 40890 40903 40918 40938 45156 45157 49977 | an operation on the server, the pool, the group or the alias is under way | back off |  |
//! | 49918 49919 49920 | too few resources, or too many operations on the subscription | back off |  |
//! | 40189 | the quota of this window of time is used up | back off |  |
//! | 17197 | the login timed out under load | back off |  |
//! | 1204 8645 8651 | no locks or no memory left for the query | back off |  |
//! | 25740 30085 37327 39108 39110 41823 41840 45161 45182 45319 | a limit of the service tier or of its operations is reached | back off |  |
//! | 1205 | deadlock victim | re-run at once |  |
//! | 1222 | a lock was not granted in time | re-run at once |  |
//! | 3960 3966 | a snapshot's update conflicts | re-run at once |  |
//! | 41301 41302 41305 41325 41839 | transactions on memory-optimised tables conflict | re-run at once |  |
//! | 3906 | the database is read-only: this is not the primary any more | wrong replica: resolve anew, discard |  |
//! | 4221 | the secondary waits for row versions of transactions in flight | read from the primary |  |
//! | 40549 40550 40551 40552 40553 | the session was ended for its locks, log, memory or length: make the transaction smaller | never | yes |
//! | 40544 | the database has reached its size | never |  |
//! | 18456 | the login failed | never |  |
//! | 40531 40615 | the firewall or the name turns the client away | never |  |
//! | 5 | the address or the rights are wrong | never |  |
//! | 539 601 669 1203 1215 1216 1221 1232 1404 1413 1421 1438 1532 1533 1534 1535 1807 2021 2816 3429 3635 3935 3941 3947 3948 3950 3953 3957 3980 4117 4184 5280 5529 6292 7951 8628 9020 9515 9985 10922 11539 14355 14817 14868 14906 16528 16554 16555 17065 17066 17067 17889 18858 19413 19416 19494 20041 21503 22225 22226 22335 22353 22355 22358 22427 22430 22491 22493 22498 22754 22758 22759 22760 22984 25003 25738 30080 33123 35216 35218 35256 35293 37202 39025 39151 39152 40106 40623 40671 41339 41383 41614 41619 41640 41700 41701 42029 45153 45179 45547 47132 47137 47139 49510 49983 | others that Entity Framework takes for transient | reconnect |  |
