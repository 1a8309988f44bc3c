//! PostgreSQL: what a real primary and its standby do to a client, and what is done about it.
#![cfg(unix)]

use std::collections::HashSet;
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use seawall::Error;
use seawall::azure::database::{Loan, Settings};
use seawall::azure::postgres::{Config, Connection, PgPool, Target};
use seawall::backoff::Backoff;
use seawall::health::Verdict;
use seawall::replay::{Safety, Verified};
use seawall_servers::{Cable, Postgres};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_postgres::error::SqlState;

/// The bar: a write every 20 ms, a crash in the middle, a promotion half a second later.
#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_within_two_seconds_of_a_promotion_and_none_is_lost_or_doubled() {
    let Some(mut servers) = Postgres::start() else { return };
    let pool = both(&servers).build().unwrap();
    // Two of one write would leave two effects.
    execute(&pool, "CREATE TABLE writes (id bigint PRIMARY KEY); CREATE TABLE effects (id bigint)")
        .await;
    let sent = Arc::new(AtomicUsize::new(0));
    let writing = tokio::spawn({
        let (pool, sent) = (pool.clone(), Arc::clone(&sent));
        async move {
            let mut writes = JoinSet::new();
            let mut ticks = interval(Duration::from_millis(20));
            for id in 0..250_i64 {
                ticks.tick().await;
                sent.fetch_add(1, Ordering::Relaxed);
                let pool = pool.clone();
                writes.spawn(async move {
                    let begun = Instant::now();
                    let result = pool.run(Safety::Idempotent, |client| write(client, id)).await;
                    (id, begun, Instant::now(), result)
                });
            }
            writes.join_all().await
        }
    });
    while sent.load(Ordering::Relaxed) < 75 {
        sleep(Duration::from_millis(5)).await;
    }

    servers.crash(0);
    let crashed = Instant::now();
    sleep(Duration::from_millis(500)).await;
    let promoted = Instant::now();
    servers.promote(1);
    let took_writes = Instant::now();

    let writes = writing.await.unwrap();
    let failed: Vec<_> = writes.iter().filter(|(.., result)| result.is_err()).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed[0]);
    let next = writes.iter().map(|(.., ended, _)| *ended).filter(|ended| *ended > crashed).min();
    let gap = next.unwrap() - promoted;
    let longest = writes.iter().map(|(_, begun, ended, _)| *ended - *begun).max().unwrap();
    eprintln!(
        "promoted in {:?}, the first write {gap:?} after that was asked for, the slowest {longest:?}",
        took_writes - promoted
    );
    assert!(gap <= Duration::from_secs(2), "writes went on after {gap:?}");
    for table in ["writes", "effects"] {
        let query = format!("SELECT id FROM {table}");
        let rows = pool.run(Safety::Idempotent, |client| {
            let query = query.clone();
            async move { client.query(&query, &[]).await }
        });
        let ids: Vec<i64> = rows.await.unwrap().iter().map(|row| row.get(0)).collect();
        let distinct: HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), distinct.len()), (250, 250), "{table}");
    }
}

async fn write(client: Loan<Connection>, id: i64) -> Result<u64, tokio_postgres::Error> {
    let add = "WITH added AS (INSERT INTO writes VALUES ($1) ON CONFLICT DO NOTHING RETURNING id)
               INSERT INTO effects SELECT id FROM added";
    client.execute(add, &[&id]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_dropped_queries_leave_the_pool_at_its_full_size() {
    let Some(servers) = Postgres::start() else { return };
    let pool = both(&servers).settings(Settings::default().size(5)).build().unwrap();
    let running = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..10_u64 {
        let (pool, running) = (pool.clone(), Arc::clone(&running));
        callers.spawn(async move {
            for n in 0..100 {
                let begun = Notify::new();
                let query = pool.run(Safety::Idempotent, |client| {
                    begun.notify_one();
                    async move { client.query("SELECT pg_sleep(60)", &[]).await }
                });
                let patience = Duration::from_micros((n * 7 + caller) % 20 * 100);
                // Half of them before there is a connection, or while one is opened.
                let give_up = async {
                    if n % 2 == 0 {
                        begun.notified().await;
                        running.fetch_add(1, Ordering::Relaxed);
                    }
                    sleep(patience).await;
                };
                tokio::select! {
                    biased;
                    () = give_up => {}
                    result = query => panic!("nobody sleeps that long: {result:?}"),
                }
            }
        });
    }
    callers.join_all().await;
    assert_eq!(running.load(Ordering::Relaxed), 500);

    // Five at once, of which each waits for the other four.
    execute(&pool, "CREATE TABLE here (id int)").await;
    let mut callers = JoinSet::new();
    for _ in 0..5 {
        let pool = pool.clone();
        callers.spawn(async move {
            pool.run(Safety::Unsafe, |client| async move {
                client.execute("INSERT INTO here VALUES (1)", &[]).await?;
                let count = "SELECT count(*) FROM here";
                while client.query_one(count, &[]).await?.get::<_, i64>(0) < 5 {}
                Ok::<_, tokio_postgres::Error>(())
            })
            .await
        });
    }
    let all = timeout(PATIENCE, callers.join_all()).await.expect("all five have a connection");
    assert!(all.iter().all(Result::is_ok), "{all:?}");

    // The server has been told to stop, and has no session that nobody has.
    until(async || {
        let sessions =
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
        number(&pool, sessions).await <= 5
    })
    .await;
    assert_eq!(
        number(&pool, "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sl'").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction_is_rolled_back_at_once_and_lets_its_locks_go() {
    let Some(servers) = Postgres::start() else { return };
    let pool = both(&servers).build().unwrap();
    execute(&pool, "CREATE TABLE stock (count int); INSERT INTO stock VALUES (7)").await;
    let drop_it = pool.transaction(
        |client| async move {
            client.execute("UPDATE stock SET count = 6", &[]).await?;
            client.execute("SELECT pg_sleep(60)", &[]).await
        },
        unknown,
    );
    assert!(timeout(Duration::from_millis(300), drop_it).await.is_err());

    let begin = Instant::now();
    execute(&pool, "UPDATE stock SET count = count + 10").await;

    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "the lock was held for {:?}",
        begin.elapsed()
    );
    assert_eq!(number(&pool, "SELECT count::bigint FROM stock").await, 17);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_cut_off_is_executed_once_whether_it_arrives_or_not() {
    let Some(servers) = Postgres::start() else { return };
    let cable = Cable::to(servers.port(0)).await;
    let pool = PgPool::builder(hosts(&[cable.port()])).settings(quick()).build().unwrap();
    execute(&pool, "CREATE TABLE orders (key text); CREATE TABLE stock (count int)").await;
    execute(&pool, "INSERT INTO stock VALUES (100)").await;

    for (arrives, key) in [(true, "first"), (false, "second")] {
        let looks = AtomicUsize::new(0);
        cable.cut_at("COMMIT", arrives);
        let left = pool
            .transaction(
                |client| async move {
                    client.execute("INSERT INTO orders VALUES ($1)", &[&key]).await?;
                    let row = client.query_one(TAKE, &[]).await?;
                    row.try_get::<_, i32>(0)
                },
                |client| {
                    looks.fetch_add(1, Ordering::Relaxed);
                    look(client, key)
                },
            )
            .await
            .unwrap();
        // What is not there is looked for once more, after the first wait.
        assert!((1..=2).contains(&looks.load(Ordering::Relaxed)), "{key}");
        let executed = format!("SELECT count(*) FROM orders WHERE key = '{key}'");
        assert_eq!(number(&pool, &executed).await, 1, "{key}");
        assert_eq!(i64::from(left), number(&pool, "SELECT count::bigint FROM stock").await);
    }
    assert_eq!(number(&pool, "SELECT count::bigint FROM stock").await, 98);

    // Who can not tell is told so.
    cable.cut_at("COMMIT", true);
    let lost = pool.transaction(|client| async move { client.execute(TAKE, &[]).await }, unknown);
    let error = lost.await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_a_standby_is_waited_for_before_anybody_looks() {
    let Some(mut servers) = Postgres::start() else { return };
    let cable = Cable::to(servers.port(0)).await;
    let pool = PgPool::builder(hosts(&[cable.port()])).settings(quick()).build().unwrap();
    execute(&pool, "CREATE TABLE orders (key text); CREATE TABLE stock (count int)").await;
    execute(&pool, "INSERT INTO stock VALUES (100)").await;
    // From here on, no commit ends.
    servers.stop(1);
    cable.cut_at("COMMIT", true);

    let order = tokio::spawn({
        let pool = pool.clone();
        async move {
            pool.transaction(
                |client| async move {
                    client.execute("INSERT INTO orders VALUES ('slow')", &[]).await?;
                    client.query_one(TAKE, &[]).await?.try_get::<_, i32>(0)
                },
                |client| look(client, "slow"),
            )
            .await
        }
    });
    // It has been looked for, and was not there: a second one would be begun now.
    until(async || cable.connections() >= 2).await;
    sleep(Duration::from_millis(500)).await;
    assert!(!order.is_finished());
    servers.restart(1);

    assert_eq!(order.await.unwrap().unwrap(), 99);
    assert_eq!(number(&pool, "SELECT count(*) FROM orders").await, 1);
    assert_eq!(number(&pool, "SELECT count::bigint FROM stock").await, 99);
}

const TAKE: &str = "UPDATE stock SET count = count - 1 RETURNING count";

async fn look(client: Loan<Connection>, key: &str) -> Result<Verified<i32>, tokio_postgres::Error> {
    let seen = client.query_opt("SELECT FROM orders WHERE key = $1", &[&key]).await?;
    if seen.is_none() {
        return Ok(Verified::NotExecuted);
    }
    Ok(Verified::Executed(client.query_one("SELECT count FROM stock", &[]).await?.try_get(0)?))
}

async fn unknown<T>(_: Loan<Connection>) -> Result<Verified<T>, tokio_postgres::Error> {
    Ok(Verified::Unknown)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_takes_no_writes_any_more_is_left_for_the_one_that_does() {
    let Some(mut servers) = Postgres::start() else { return };
    let pool = both(&servers).build().unwrap();
    execute(&pool, "CREATE TABLE notes (text text)").await;
    let mut callers = JoinSet::new();
    for _ in 0..5 {
        let pool = pool.clone();
        callers.spawn(async move { execute(&pool, "SELECT pg_sleep(0.1)").await });
    }
    callers.join_all().await;
    assert!(pool.connections() >= 5);
    servers.promote(1);
    // Its sessions stay, and all that they write is refused with 25006.
    execute(&pool, "ALTER SYSTEM SET default_transaction_read_only = on").await;
    execute(&pool, "SELECT pg_reload_conf()").await;
    until(async || {
        let shown = "SELECT (current_setting('transaction_read_only') = 'on')::int::bigint";
        number(&pool, shown).await == 1
    })
    .await;

    let mut callers = JoinSet::new();
    for n in 0..5 {
        let pool = pool.clone();
        callers.spawn(async move {
            pool.run(Safety::Idempotent, |client| async move {
                client.execute("INSERT INTO notes VALUES ($1)", &[&n.to_string()]).await?;
                client.query_one("SELECT current_setting('port')", &[]).await?.try_get(0)
            })
            .await
        });
    }

    for port in callers.join_all().await {
        let port: String = port.unwrap();
        assert_eq!(port, servers.port(1).to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_read_while_the_primary_is_gone_and_the_primary_while_the_standby_is() {
    let Some(mut servers) = Postgres::start() else { return };
    let pool = both(&servers).build().unwrap();
    execute(&pool, "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('x')").await;
    let read = || {
        pool.read(|client| async move {
            let row = client.query_one("SELECT current_setting('port'), count(*) FROM notes", &[]);
            let row = row.await?;
            Ok::<_, tokio_postgres::Error>((row.get::<_, String>(0), row.get::<_, i64>(1)))
        })
    };
    let [primary, standby] = [0, 1].map(|n| servers.port(n).to_string());
    until(async || read().await.is_ok()).await;
    assert_eq!(read().await.unwrap(), (standby.clone(), 1));
    let behind = pool.replicated_until().await.unwrap().elapsed().unwrap_or_default();
    assert!(behind < Duration::from_secs(5), "{behind:?}");

    servers.crash(0);
    for _ in 0..20 {
        assert_eq!(read().await.unwrap(), (standby.clone(), 1));
    }
    servers.restart(0);
    servers.crash(1);
    for _ in 0..20 {
        assert_eq!(read().await.unwrap(), (primary.clone(), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_target_leads_to_its_kind_of_host() {
    let Some(mut servers) = Postgres::start() else { return };
    let config = both(&servers).patience(Duration::ZERO);
    let [primary, standby] = [0, 1].map(|n| servers.port(n).to_string());
    let lead = async |target: Target| {
        let pool = bb8::Pool::builder()
            .retry_connection(false)
            .connection_timeout(Duration::from_secs(5))
            .build_unchecked(config.manager(target).unwrap());
        let mut connection = pool.dedicated_connection().await.ok()?;
        let row = connection
            .run(async |client| client.query_one("SELECT current_setting('port')", &[]).await)
            .await;
        Some(row.unwrap().get::<_, String>(0))
    };
    assert_eq!(lead(Target::ReadWrite).await.as_ref(), Some(&primary));
    assert_eq!(lead(Target::ReadOnly).await.as_ref(), Some(&standby));
    assert_eq!(lead(Target::PreferStandby).await.as_ref(), Some(&standby));
    assert!(lead(Target::Any).await.is_some());

    servers.crash(1);

    assert_eq!(lead(Target::ReadOnly).await, None);
    assert_eq!(lead(Target::PreferStandby).await.as_ref(), Some(&primary));
    assert_eq!(lead(Target::Any).await.as_ref(), Some(&primary));
    servers.crash(0);
    assert_eq!(lead(Target::Any).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_by_itself_is_said_at_once() {
    let Some(servers) = Postgres::start() else { return };
    let pool = both(&servers).build().unwrap();
    execute(&pool, "CREATE USER locked PASSWORD 'right'").await;
    execute(&pool, "CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one VALUES (1)").await;
    let wrong = |change: fn(&mut tokio_postgres::Config)| {
        let mut config = hosts(&[servers.port(0), servers.port(1)]);
        change(&mut config);
        PgPool::builder(config).build().unwrap()
    };
    let cases = [
        (wrong(|config| _ = config.user("locked").password("wrong")), "SELECT 1", "28P01"),
        (wrong(|config| _ = config.dbname("nowhere")), "SELECT 1", "3D000"),
        (pool.clone(), "SELECT nothing", "42703"),
        (pool.clone(), "INSERT INTO one VALUES (1)", "23505"),
    ];
    for (pool, query, code) in cases {
        let begin = Instant::now();
        let error = pool
            .run(Safety::Idempotent, |client| async move { client.execute(query, &[]).await })
            .await
            .unwrap_err();
        let Error::Service(error) = error else { panic!("{code}: {error}") };
        assert_eq!(error.code().map(SqlState::code), Some(code), "{error:?}");
        assert!(begin.elapsed() < Duration::from_secs(3), "{code} took {:?}", begin.elapsed());
    }
    let state = pool.circuit_breaker().unwrap().state();
    assert_eq!(state, seawall::circuit_breaker::State::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_failure_is_kept_back_is_not_committed_in_silence() {
    let Some(servers) = Postgres::start() else { return };
    let pool = both(&servers).build().unwrap();
    execute(&pool, "CREATE TABLE one (id int PRIMARY KEY)").await;

    let error = pool
        .transaction(
            |client| async move {
                client.execute("INSERT INTO one VALUES (1)", &[]).await?;
                let _kept_back = client.execute("INSERT INTO one VALUES (1)", &[]).await;
                Ok::<_, tokio_postgres::Error>(())
            },
            unknown,
        )
        .await
        .unwrap_err();

    let Error::Service(error) = error else { panic!("{error}") };
    assert_eq!(error.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    assert_eq!(number(&pool, "SELECT count(*) FROM one").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_lock_each_other_out_are_both_made() {
    let Some(servers) = Postgres::start() else { return };
    let pool = both(&servers).build().unwrap();
    execute(&pool, "CREATE TABLE stock (id int, count int)").await;
    execute(&pool, "INSERT INTO stock VALUES (1, 0), (2, 0)").await;
    let meet = Arc::new(tokio::sync::Barrier::new(2));
    let attempts = Arc::new(AtomicUsize::new(0));

    let mut callers = JoinSet::new();
    for rows in [[1, 2], [2, 1]] {
        let (pool, meet, attempts) = (pool.clone(), Arc::clone(&meet), Arc::clone(&attempts));
        callers.spawn(async move {
            pool.transaction(
                |client| {
                    let (meet, attempts) = (Arc::clone(&meet), Arc::clone(&attempts));
                    async move {
                        let add = "UPDATE stock SET count = count + 1 WHERE id = $1";
                        client.execute(add, &[&rows[0]]).await?;
                        // Each has a row now; the first time, that is.
                        if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
                            meet.wait().await;
                        }
                        client.execute(add, &[&rows[1]]).await
                    }
                },
                unknown,
            )
            .await
        });
    }

    for result in timeout(PATIENCE, callers.join_all()).await.expect("neither waits for ever") {
        result.unwrap();
    }
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
    assert_eq!(number(&pool, "SELECT sum(count) FROM stock").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_database() {
    let Some(mut servers) = Postgres::start() else { return };
    let pool = both(&servers).patience(Duration::ZERO).settings(quick()).build().unwrap();
    let [mut primary, mut replica] = <[_; 2]>::try_from(pool.health()).unwrap();
    let mut lag = pool.recovery_point(Duration::from_secs(60));
    assert_eq!(primary.run_once().await.verdict(), Verdict::Healthy);
    until(async || replica.run_once().await.verdict() == Verdict::Healthy).await;
    assert_eq!(lag.run_once().await.verdict(), Verdict::Healthy);

    servers.crash(0);
    assert_eq!(primary.run_once().await.verdict(), Verdict::Down);
    assert_eq!(replica.run_once().await.verdict(), Verdict::Healthy);

    servers.crash(1);
    assert_ne!(replica.run_once().await.verdict(), Verdict::Healthy);
    assert_eq!(lag.run_once().await.verdict(), Verdict::Down);
}

/// Not a test: what [`servers_die_with_a_test_that_is_killed`] kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is started by another one"]
async fn hold_servers() {
    let Some(servers) = Postgres::start() else { return };
    println!("ports {} {}", servers.port(0), servers.port(1));
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_die_with_a_test_that_is_killed() {
    let mut test = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "hold_servers"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ports = lines.find_map(|line| line.split_once("ports ").map(|(_, ports)| ports.to_owned()));
    let Some(ports) = ports else {
        assert!(test.wait().unwrap().success(), "it ends well if there is no PostgreSQL");
        return;
    };
    let ports: Vec<u16> = ports.split(' ').map(|port| port.parse().unwrap()).collect();
    assert_eq!(ports.iter().filter(|port| listens(**port)).count(), 2);

    test.kill().unwrap();
    test.wait().unwrap();

    let begin = Instant::now();
    while ports.iter().any(|port| listens(*port)) {
        assert!(begin.elapsed() < PATIENCE, "a server outlives its test");
        sleep(Duration::from_millis(10)).await;
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A pool that looks for the primary among both.
fn both(servers: &Postgres) -> Config {
    PgPool::builder(hosts(&[servers.port(0), servers.port(1)]))
}

fn hosts(ports: &[u16]) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config.user("seawall").dbname("postgres");
    for port in ports {
        config.host("127.0.0.1").port(*port);
    }
    config
}

/// For a server that does not move: waits of milliseconds.
fn quick() -> Settings {
    Settings::default().backoff(Backoff::exponential(Duration::from_millis(20)))
}

async fn execute(pool: &PgPool, statements: &'static str) {
    let execute =
        pool.run(Safety::Unsafe, |client| async move { client.batch_execute(statements).await });
    execute.await.expect("it is executed");
}

async fn number(pool: &PgPool, query: &str) -> i64 {
    let row =
        pool.run(Safety::Idempotent, |client| async move { client.query_one(query, &[]).await });
    row.await.expect("there is one").get(0)
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !condition().await {
        assert!(begin.elapsed() < PATIENCE, "it did not happen");
        sleep(Duration::from_millis(10)).await;
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
