//! Azure SQL through its real client, against a server that fails as it is told.

#![expect(clippy::unwrap_used, reason = "clippy sees tests only where they are marked as such")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall::azure::database::{Loan, Settings};
use seawall::azure::sql::{Config, Connection, Manager, SqlPool};
use seawall::context::Context;
use seawall::health::Verdict;
use seawall::replay::{Safety, Verified};
use seawall::telemetry::{Environment, Event, EventKind};
use seawall::time::Clock;
use seawall::{Error, Reason};
use seawall_servers::tds::{Login, Reply, Tds};
use tiberius::AuthMethod;
use tokio::time::timeout;

type Fault = tiberius::error::Error;
type Sql = Loan<Connection>;

#[tokio::test]
async fn queries_of_every_kind_are_answered() {
    let (server, pool, _) = start().await;

    let answer = pool.run(Safety::Idempotent, async |mut sql: Sql| {
        let one: Option<i32> =
            sql.query("SELECT id FROM t WHERE n = @P1", &[&"x"]).await?[0].get(0);
        let all = sql.simple_query("SELECT id FROM t").await?;
        let mut rows = sql.stream("SELECT id FROM t", &[]).await?;
        let mut count = 0;
        while rows.next().await?.is_some() {
            count += 1;
        }
        drop(rows);
        let changed = sql.execute("INSERT INTO t VALUES (@P1)", &[&1]).await?.total();
        let mut raw = sql.raw()?;
        raw.simple_query("SELECT 1").await?.into_row().await?;
        raw.finish();
        assert!(!sql.is_broken());
        Ok::<_, Fault>((one, all[0].len(), count, changed))
    });

    assert_eq!(answer.await.unwrap(), (Some(1), 1, 1, 1));
    assert_eq!((server.rows(), server.connected()), (1, 1));
}

#[tokio::test]
async fn each_class_of_errors_is_waited_for_as_it_should_be() {
    let five = Duration::from_secs(5);
    // The number; the least wait and the most; whether the connection is kept.
    let cases = [
        (Reply::Error(40613), five, five * 5 / 4, false),
        (Reply::Error(4060), five, five * 5 / 4, false),
        (Reply::Fatal(40197, "Error code 40143.".into()), five, five * 5 / 4, false),
        (Reply::Fatal(7, "unknown".into()), five, five * 5 / 4, false),
        (Reply::Drop, five, five * 5 / 4, false),
        (Reply::Error(40501), 2 * five, 2 * five * 5 / 4, true),
        (Reply::Error(10928), 2 * five, 2 * five * 5 / 4, true),
        (Reply::Error(49918), 2 * five, 2 * five * 5 / 4, true),
        (Reply::Error(1205), Duration::from_millis(25), Duration::from_millis(50), true),
        (Reply::Error(41302), Duration::from_millis(25), Duration::from_millis(50), true),
    ];
    for (reply, least, most, keeps) in cases {
        let (server, pool, waits) = start().await;
        server.commands([reply.clone()]);

        let connection = pool.run(Safety::Idempotent, number).await;

        assert_eq!(connection, Ok(if keeps { 1 } else { 2 }), "{reply:?}");
        let waits = waits.seen();
        assert_eq!(waits.len(), 1, "{reply:?}");
        assert!(waits[0] >= least && waits[0] <= most, "{reply:?}: {waits:?}");
    }
}

#[tokio::test]
async fn errors_that_do_not_pass_come_back_at_once() {
    for code in [18456, 40615, 40544, 102, 2627] {
        let (server, pool, waits) = start().await;
        server.commands([Reply::Error(code)]);

        let error = pool.run(Safety::Idempotent, number).await.unwrap_err();

        assert_eq!(error.into_service().unwrap().code(), Some(code));
        assert!(waits.seen().is_empty());
        assert_eq!(pool.run(Safety::Idempotent, number).await, Ok(1), "the connection is kept");
    }
    let (server, pool, _) = start().await;
    server.logins([Login::Error(18456)]);
    let error = pool.run(Safety::Idempotent, number).await.unwrap_err();
    assert_eq!(error.into_service().unwrap().code(), Some(18456));
}

#[tokio::test]
async fn logins_that_fail_are_repeated_whatever_the_call_is() {
    let (server, pool, waits) = start().await;
    server.logins([Login::Error(40613), Login::Drop, Login::Error(40501)]);

    assert_eq!(pool.run(Safety::Unsafe, number).await, Ok(1));

    let waits = waits.seen();
    let least = [5, 10, 25].map(Duration::from_secs);
    assert!(waits.iter().zip(least).all(|(wait, least)| *wait >= least), "{waits:?}");
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_write_that_may_have_been_executed_is_never_sent_twice() {
    for reply in [Reply::ExecuteAndDrop, Reply::Drop, Reply::Fatal(40197, String::new())] {
        let (server, pool, _) = start().await;
        server.commands([reply]);

        let error = pool.run(Safety::Unsafe, insert).await.unwrap_err();

        assert!(error.is_ambiguous() && error.service().is_some(), "{error:?}");
        assert_eq!(server.connected(), 1);
    }
    let (server, pool, _) = start().await;
    server.commands([Reply::Error(40501)]);
    let error = pool.run(Safety::Unsafe, insert).await.unwrap_err();
    assert!(matches!(error, Error::Service(_)), "what was refused is known");
    assert_eq!(server.rows(), 0);
}

#[tokio::test]
async fn a_command_that_times_out_is_ambiguous_and_costs_its_connection() {
    let (server, pool, waits) = start_with(
        |config| config.command_timeout(Some(Duration::from_millis(100))),
        |config| config,
    )
    .await;
    server.commands([Reply::Stall, Reply::Stall]);

    let error = pool.run(Safety::Unsafe, insert).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error:?}");
    assert_eq!(pool.run(Safety::Idempotent, number).await, Ok(3));

    assert_eq!(waits.seen().len(), 1);
}

#[tokio::test]
async fn redirections_are_followed_and_not_for_ever() {
    let (gateway, pool, _) = start().await;
    let node = Tds::start().await.unwrap();
    gateway.logins([Login::Routing("127.0.0.1".into(), node.port())]);
    assert_eq!(pool.run(Safety::Idempotent, number).await, Ok(1));
    assert_eq!((gateway.connected(), node.connected()), (0, 1));

    let (circle, pool, _) =
        start_with(|_| {}, |config| config.settings(Settings::default().max_attempts(1))).await;
    circle.logins(vec![Login::Routing("127.0.0.1".into(), circle.port()); 20]);
    let error = pool.run(Safety::Idempotent, number).await.unwrap_err();
    assert!(matches!(error, Error::Service(Fault::Routing { .. })), "{error:?}");
    assert_eq!(circle.seen().len(), 4, "the first, and three redirections");
}

#[tokio::test]
async fn a_server_that_hangs_at_login_costs_no_more_than_the_time_to_connect() {
    let server = Tds::start().await.unwrap();
    server.logins([Login::Stall]);
    let manager = Manager::new(config(&server)).connect_timeout(Duration::from_millis(100));

    let open = bb8::ManageConnection::connect(&manager);
    let error = timeout(Duration::from_secs(10), open).await.unwrap().unwrap_err();

    let Fault::Io { kind, .. } = error else { panic!("{error:?}") };
    assert_eq!(kind, std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_thousand_dropped_queries_leave_a_pool_of_full_size() {
    let size = 8;
    let (server, pool, _) = start_with(
        |_| {},
        |config| config.settings(Settings::default().size(size).circuit_breaker(None)),
    )
    .await;
    let mut dropped = 0;
    while dropped < 1_000 {
        // Dropped at each stage: at once, when some log in, and when all wait for an answer.
        for requests in [0, 1, size as usize, 2 * size as usize] {
            server.commands(vec![Reply::Stall; size as usize]);
            let calls: Vec<_> = (0..size)
                .map(|_| {
                    let pool = pool.clone();
                    tokio::spawn(async move { pool.run(Safety::Idempotent, number).await })
                })
                .collect();
            timeout(Duration::from_secs(10), server.has_seen(requests)).await.unwrap();
            calls.iter().for_each(tokio::task::JoinHandle::abort);
            for call in calls {
                assert!(call.await.unwrap_err().is_cancelled());
                dropped += 1;
            }
            server.forget();
        }
    }

    let all_at_once = Arc::new(tokio::sync::Barrier::new(size as usize));
    let calls: Vec<_> = (0..size)
        .map(|_| {
            let (pool, all_at_once) = (pool.clone(), Arc::clone(&all_at_once));
            tokio::spawn(async move {
                pool.run(Safety::Idempotent, |mut sql: Sql| {
                    let all_at_once = Arc::clone(&all_at_once);
                    async move {
                        all_at_once.wait().await;
                        sql.query("SELECT id FROM t", &[])
                            .await
                            .map(|rows| rows[0].get::<i32, _>(0))
                    }
                })
                .await
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for call in calls {
        numbers.push(timeout(Duration::from_secs(10), call).await.unwrap().unwrap().unwrap());
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), size as usize, "as many connections at once as before");
}

#[tokio::test]
async fn a_query_that_is_dropped_within_an_operation_poisons_nothing() {
    let (server, pool, _) = start().await;
    server.commands([Reply::Stall]);
    let server = &server;

    let again = pool
        .run(Safety::Idempotent, |mut sql: Sql| async move {
            drop_when(server, 2, sql.query("SELECT id FROM t", &[])).await;
            assert!(sql.is_broken());
            // It fails, where tiberius' own client would wait for ever.
            Ok::<_, Fault>(sql.query("SELECT id FROM t", &[]).await.is_err())
        })
        .await;
    assert_eq!(again, Ok(true));

    assert_eq!(pool.run(Safety::Idempotent, number).await, Ok(2));
}

#[tokio::test]
async fn tiberius_own_client_hangs_after_a_dropped_query() {
    let server = Tds::start().await.unwrap();
    server.commands([Reply::Stall]);
    let mut config = config(&server);
    config.command_timeout(Some(Duration::from_millis(25)));
    let manager = Manager::new(config);
    let mut connection = bb8::ManageConnection::connect(&manager).await.unwrap();
    let mut raw = connection.raw().unwrap();
    drop_when(&server, 2, raw.query("SELECT 1", &[])).await;

    // Not even the timeout for commands ends it.
    assert!(timeout(Duration::from_millis(300), raw.query("SELECT 1", &[])).await.is_err());
}

#[tokio::test]
async fn rows_that_were_not_read_to_their_end_cost_the_connection() {
    let (_server, pool, _) = start().await;
    let read = pool.run(Safety::Idempotent, |mut sql: Sql| async move {
        drop(sql.stream("SELECT id FROM t", &[]).await?);
        Ok::<_, Fault>(sql.is_broken())
    });
    assert_eq!(read.await, Ok(true));

    assert_eq!(pool.run(Safety::Idempotent, number).await, Ok(2));
}

#[tokio::test]
async fn a_transaction_is_made_again_as_a_whole() {
    for reply in [Reply::Error(1205), Reply::Drop, Reply::Error(40613), Reply::Error(40501)] {
        let (server, pool, _) = start().await;
        server.commands([Reply::Works, reply]);

        let done = pool.transaction(insert_twice, |_| async { panic!("nothing to look for") });

        assert_eq!(done.await, Ok(2));
        assert_eq!(server.rows(), 2);
    }
}

#[tokio::test]
async fn a_deadlock_that_an_operation_swallows_ends_its_transaction() {
    let (server, pool, _) = start().await;
    server.commands([Reply::Works, Reply::Error(1205)]);
    let stubborn = |mut sql: Sql| async move {
        for _ in 0..2 {
            sql.execute("INSERT INTO t VALUES (1)", &[]).await?;
            drop(sql.execute("INSERT INTO t VALUES (2)", &[]).await);
        }
        Ok::<_, Fault>(())
    };

    let done = pool.transaction(stubborn, |_| async { panic!("nothing to look for") });

    assert_eq!(done.await, Ok(()));
    assert_eq!(server.rows(), 4, "all of the second time, and nothing of the first");

    // Swallowed in the last statement, it comes up at the commit.
    let (server, pool, _) = start().await;
    server.commands([Reply::Error(3960)]);
    let swallow = |mut sql: Sql| async move {
        drop(sql.execute("INSERT INTO t VALUES (1)", &[]).await);
        Ok::<_, Fault>(())
    };
    let done = pool.transaction(swallow, |_| async { panic!("nothing to look for") });
    assert_eq!(done.await, Ok(()));
    assert_eq!(server.rows(), 1);
    assert_eq!(server.seen().iter().filter(|seen| *seen == "commit").count(), 1);
}

#[tokio::test]
async fn an_error_of_the_applications_own_rolls_back() {
    #[derive(Debug)]
    enum Trouble {
        SoldOut,
        Sql,
    }

    impl From<Fault> for Trouble {
        fn from(_: Fault) -> Self {
            Self::Sql
        }
    }

    impl seawall::azure::database::Holds<Fault> for Trouble {
        fn held(&self) -> Option<&Fault> {
            None
        }
    }

    let (server, pool, _) = start().await;
    let sold_out = pool.transaction(
        |mut sql: Sql| async move {
            sql.execute("INSERT INTO t VALUES (1)", &[]).await?;
            Err::<(), _>(Trouble::SoldOut)
        },
        |_| async { Ok(Verified::Unknown) },
    );

    assert!(matches!(sold_out.await, Err(Error::Service(Trouble::SoldOut))));
    assert_eq!(server.rows(), 0);
    assert!(server.seen().last().unwrap().contains("ROLLBACK"));
    assert_eq!(pool.run(Safety::Idempotent, number).await, Ok(1), "the connection is kept");
}

#[tokio::test]
async fn after_a_commit_that_was_lost_the_hook_decides() {
    // The server had executed it.
    let (server, pool, waits) = start().await;
    let looks = |sql| look(sql, waits.clock.clone());
    server.commits([Reply::ExecuteAndDrop]);
    assert_eq!(pool.transaction(insert_twice, looks).await, Ok(72));
    assert_eq!(server.rows(), 2);

    // It had not.
    let (server, pool, waits) = start().await;
    let looks = |sql| look(sql, waits.clock.clone());
    server.commits([Reply::Drop]);
    assert_eq!(pool.transaction(insert_twice, looks).await, Ok(2));
    assert_eq!(server.rows(), 2);

    // Nobody knows.
    let (server, pool, _) = start().await;
    server.commits([Reply::ExecuteAndDrop]);
    let error = pool.transaction(insert_twice, |_| async { Ok(Verified::Unknown) }).await;
    let error = error.unwrap_err();
    assert!(error.is_ambiguous() && error.service().is_some(), "{error:?}");
    assert_eq!(server.rows(), 2, "and not four");

    // The server says no: it is known.
    let (server, pool, _) = start().await;
    server.commits([Reply::Error(3960), Reply::Error(3902)]);
    let error = pool.transaction(insert_twice, |_| async { panic!("nothing to look for") }).await;
    assert_eq!(error.unwrap_err().into_service().unwrap().code(), Some(3902));
    assert_eq!(server.rows(), 0);
}

#[tokio::test]
async fn nobody_looks_while_the_server_is_at_the_commit() {
    let look = |mut sql: Sql| async move {
        let rows = sql.query("SELECT COUNT(*) FROM t", &[]).await?;
        Ok(Verified::Executed(70 + rows[0].get::<i32, _>(0).unwrap()))
    };
    // Twice, then the lock is granted.
    let (server, pool, _) = start().await;
    server.commits([Reply::ExecuteAndDrop]);
    server.locks([-1, -1, 1]);
    assert_eq!(pool.transaction(insert_twice, look).await, Ok(72));
    let seen = server.seen();
    let asked: Vec<_> = seen.iter().filter(|text| text.contains("'Session'")).collect();
    assert_eq!(asked.len(), 3);
    assert!(asked[0].contains("N'6F9619FF-8B86-D011-B42D-00C04FC964FF'"), "{}", asked[0]);

    // Never: nobody knows.
    let (server, pool, _) = start().await;
    server.commits([Reply::ExecuteAndDrop]);
    server.locks([-3]);
    let error = pool.transaction(insert_twice, look).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error:?}");
}

#[tokio::test]
async fn a_commit_that_hangs_is_ambiguous_at_the_deadline() {
    let server = Tds::start().await.unwrap();
    let pool = SqlPool::builder(config(&server)).build().unwrap();
    server.commits([Reply::Stall]);

    let deadline = Clock::default().now() + Duration::from_millis(200);
    let call = pool.transaction(insert_twice, |_| async { Ok(Verified::Unknown) });
    let error = Context::new().deadline(deadline).scope(call).await.unwrap_err();

    let Error::Rejected(rejection) = error else { panic!("{error:?}") };
    assert_eq!((rejection.reason(), rejection.is_ambiguous()), (Reason::TimedOut, true));
}

#[tokio::test]
async fn a_wrong_replica_costs_all_connections_and_the_write_goes_to_the_new_primary() {
    let (server, pool, waits) = start().await;
    assert_eq!(pool.run(Safety::Idempotent, number).await, Ok(1));
    server.read_only(true);
    let mut attempts = 0;

    let done = pool
        .transaction(
            |sql: Sql| {
                attempts += 1;
                // By then the name leads to the new primary.
                server.read_only(attempts == 1);
                insert_twice(sql)
            },
            |_| async { Ok(Verified::Unknown) },
        )
        .await;

    assert_eq!(done, Ok(2));
    assert_eq!((server.rows(), server.connected()), (2, 2));
    assert!(waits.seen()[0] >= Duration::from_secs(5));
}

#[tokio::test]
async fn reads_go_to_the_secondary_and_fall_back_at_once() {
    let secondary = Tds::start().await.unwrap();
    let mut replica = config(&secondary);
    replica.readonly(true);
    let (primary, pool, waits) = start_with(|_| {}, |config| config.read_from(replica)).await;
    assert_eq!(pool.read(number).await, Ok(1));
    assert_eq!(secondary.seen()[0], "login read-only");
    assert_eq!(primary.connected(), 0);

    for reply in [Reply::Error(4221), Reply::Drop] {
        secondary.commands([reply]);
        assert_eq!(pool.read(number).await, Ok(1));
        assert_eq!(primary.connected(), 1, "each read that failed there was answered here");
    }
    let asked = primary.seen().len();
    secondary.logins([Login::Error(4221), Login::Drop]);
    for _ in 0..2 {
        assert_eq!(pool.read(number).await, Ok(1));
    }
    assert_eq!(primary.seen().len(), asked + 2);
    assert_eq!(pool.read(number).await, Ok(3), "from the secondary again, which works");
    secondary.commands([Reply::Error(40501)]);
    // The query, and what cleans up after it.
    let asked = secondary.seen().len() + 2;
    for _ in 0..3 {
        assert_eq!(pool.read(number).await, Ok(1));
    }
    assert_eq!(secondary.seen().len(), asked, "left alone for ten seconds");
    assert!(waits.seen().is_empty(), "nobody waited");
    assert_eq!(primary.seen()[0], "login");
}

#[tokio::test]
async fn the_intent_to_read_is_declared_where_the_name_is_the_same() {
    let (server, pool, _) = start_with(|_| {}, Config::read_scale_out).await;

    pool.read(number).await.unwrap();
    pool.run(Safety::Unsafe, insert).await.unwrap();

    let logins: Vec<_> =
        server.seen().into_iter().filter(|seen| seen.starts_with("login")).collect();
    assert_eq!(logins, ["login read-only", "login"]);
}

#[tokio::test]
async fn checks_tell_the_role_and_the_lag() {
    let (server, pool, _) = start_with(|_| {}, Config::read_scale_out).await;
    let mut checks = pool.health();
    assert_eq!(checks.len(), 2);
    for check in &mut checks {
        assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
    }
    server.read_only(true);
    assert_eq!(checks[0].run_once().await.verdict(), Verdict::Degraded);
    assert_eq!(checks[1].run_once().await.verdict(), Verdict::Healthy);

    let mut lag = pool.recovery_point(Duration::from_secs(60));
    assert_eq!(lag.run_once().await.verdict(), Verdict::Down, "nothing is replicated");
    server.lag(7);
    assert_eq!(pool.replication_lag().await, Ok(Some(Duration::from_secs(7))));
    assert_eq!(lag.run_once().await.verdict(), Verdict::Healthy);
    server.lag(61);
    assert_eq!(lag.run_once().await.verdict(), Verdict::Down);

    server.commands(vec![Reply::Drop; 2]);
    let finding = checks[0].run_once().await;
    assert_eq!(finding.verdict(), Verdict::Down);
}

#[tokio::test]
async fn a_token_is_asked_for_before_each_connection() {
    let tokens = Arc::new(Mutex::new(0));
    let asked = Arc::clone(&tokens);
    let (server, pool, _) = start_with(
        |_| {},
        |config| {
            config.authenticate(move || {
                *asked.lock().unwrap() += 1;
                async { Ok(AuthMethod::aad_token("token")) }
            })
        },
    )
    .await;
    server.commands([Reply::Drop]);

    assert_eq!(pool.run(Safety::Idempotent, number).await, Ok(2));
    assert_eq!(*tokens.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_pool_of_bb8s_own_takes_no_broken_connection_back() {
    let server = Tds::start().await.unwrap();
    let pool = bb8::Pool::builder().max_size(2).build(Manager::new(config(&server))).await.unwrap();
    for _ in 0..10 {
        server.forget();
        // What bb8 asks of a connection before it gives it out, and the query.
        server.commands([Reply::Works, Reply::Stall]);
        let mut connection = pool.get().await.unwrap();
        let seen = server.seen().len();
        drop_when(&server, seen + 1, connection.query("SELECT id FROM t", &[])).await;
    }

    let (mut one, mut two) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    assert!(one.query("SELECT id FROM t", &[]).await.is_ok());
    assert!(two.query("SELECT id FROM t", &[]).await.is_ok());
}

async fn number(mut sql: Sql) -> Result<i32, Fault> {
    Ok(sql.query("SELECT id FROM t", &[]).await?[0].get(0).unwrap())
}

async fn insert(mut sql: Sql) -> Result<u64, Fault> {
    Ok(sql.execute("INSERT INTO t VALUES (@P1)", &[&1]).await?.total())
}

async fn insert_twice(mut sql: Sql) -> Result<i32, Fault> {
    for _ in 0..2 {
        sql.execute("INSERT INTO t VALUES (@P1)", &[&1]).await?;
    }
    Ok(2)
}

/// Looks whether the rows are there, and lets the first backoff pass.
async fn look(mut sql: Sql, clock: Clock) -> Result<Verified<i32>, Fault> {
    let rows = sql.query("SELECT COUNT(*) FROM t", &[]).await?;
    clock.advance(Duration::from_secs(6));
    let count: i32 = rows[0].get(0).unwrap();
    Ok(if count == 0 { Verified::NotExecuted } else { Verified::Executed(70 + count) })
}

/// Drops `query` when the server has seen so many requests.
async fn drop_when(server: &Tds, requests: usize, query: impl Future) {
    let seen = timeout(Duration::from_secs(10), server.has_seen(requests));
    tokio::select! {
        biased;
        _ = query => panic!("it is not answered"),
        seen = seen => seen.unwrap(),
    }
}

/// The waits before repeats, and the clock by which they are over.
struct Waits {
    seen: Arc<Mutex<Vec<Duration>>>,
    clock: Clock,
}

impl Waits {
    fn seen(&self) -> Vec<Duration> {
        self.seen.lock().unwrap().clone()
    }
}

async fn start() -> (Tds, SqlPool, Waits) {
    start_with(|_| {}, |config| config).await
}

/// A pool whose waits before repeats take no time, and are kept.
async fn start_with(
    change: impl FnOnce(&mut tiberius::Config),
    set: impl FnOnce(Config) -> Config,
) -> (Tds, SqlPool, Waits) {
    let server = Tds::start().await.unwrap();
    let mut config = config(&server);
    change(&mut config);
    let waits = Waits { seen: Arc::default(), clock: Clock::manual() };
    let environment = Environment::new().clock(waits.clock.clone()).seed(7).observer({
        let (seen, clock) = (Arc::clone(&waits.seen), waits.clock.clone());
        move |event: &Event| {
            if let EventKind::Retry { after, .. } = *event.kind() {
                seen.lock().unwrap().push(after);
                clock.advance(after);
            }
        }
    });
    let pool = set(SqlPool::builder(config)).build_in(&environment).unwrap();
    (server, pool, waits)
}

fn config(server: &Tds) -> tiberius::Config {
    let mut config = tiberius::Config::new();
    config.host("127.0.0.1");
    config.port(server.port());
    config.authentication(AuthMethod::sql_server("app", "secret"));
    config
}
