use std::sync::atomic::AtomicU32;

use tokio_postgres::config::Host;

use super::*;
use crate::azure::postgres::PgPool;
use crate::azure::postgres::connection::{Boxed, drive};
use crate::azure::postgres::fake::{failed_with, session};
use crate::telemetry::Environment;

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_promoted_is_found_within_one_interval() {
    let world = World::new([Is::Gone, Is::Standby, Is::Hanging]);
    let manager = world.manager(Target::ReadWrite);
    let promotion = async {
        sleep(&world, 10_000).await;
        world.set(1, Is::Primary);
        world.clock.now()
    };

    let (found, promoted) = tokio::join!(manager.find(), promotion);

    found.unwrap();
    let gap = world.clock.now().since(promoted);
    assert!(gap <= Duration::from_millis(250 * 5 / 4), "{gap:?}");
    // The next one knows.
    let asked = world.asked();
    manager.find().await.unwrap();
    assert_eq!(world.asked() - asked, 1);
}

#[tokio::test(start_paused = true)]
async fn many_connections_look_as_often_as_one() {
    let world = World::new([Is::Gone, Is::Standby]);
    let manager = world.manager(Target::ReadWrite);
    let all = futures_util::future::join_all((0..50).map(|_| manager.find()));
    let promotion = async {
        sleep(&world, 10_000).await;
        let asked = world.asked();
        world.set(0, Is::Primary);
        asked
    };

    let (found, asked) = tokio::join!(all, promotion);

    assert!(found.iter().all(Result::is_ok));
    // 50 first looks, then 10 s of two hosts at four a second, a quarter more at most.
    assert!((50 + 64..=50 + 108).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn the_look_ends_with_the_patience_and_with_a_real_error() {
    let world = World::new([Is::Gone, Is::Standby]);
    let manager = world.manager(Target::ReadWrite);
    let start = world.clock.now();

    let (one, other) = tokio::join!(manager.find(), manager.find());

    let waited = world.clock.now().since(start);
    assert!(one.is_err() && other.is_err());
    let patience = Duration::from_secs(30);
    assert!((patience..patience + Duration::from_millis(700)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn one_host_is_asked_once() {
    let world = World::new([Is::Gone]);
    let manager = world.manager(Target::ReadWrite);
    let start = world.clock.now();

    assert!(manager.find().await.is_err());

    assert_eq!((world.asked(), world.clock.now().since(start)), (1, Duration::ZERO));
    // And hangs for as long as a handshake may take.
    world.set(0, Is::Hanging);
    let error = manager.find().await.err().unwrap();
    assert_eq!(judge(&error).handling, Handling::Reconnect);
    assert_eq!(world.clock.now().since(start), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_does_not_look_further() {
    let world = World::new([Is::Locked, Is::Gone]);
    let manager = world.manager(Target::ReadWrite);
    let start = world.clock.now();

    let error = manager.find().await.err().unwrap();

    assert_eq!(error.code().unwrap().code(), "28P01");
    assert_eq!((world.asked(), world.clock.now().since(start)), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn reads_are_spread_over_the_standbys_and_look_only_once() {
    let world = World::new([Is::Primary, Is::Standby, Is::Standby]);
    let manager = world.manager(Target::ReadOnly);
    for _ in 0..9 {
        manager.find().await.unwrap();
    }
    assert!(world.connected(1) >= 3 && world.connected(2) >= 3);
    assert_eq!(world.connected(0), 0);

    world.set(1, Is::Gone);
    world.set(2, Is::Gone);
    let start = world.clock.now();
    assert!(manager.find().await.is_err());
    assert_eq!(world.clock.now().since(start), Duration::ZERO);
    // What prefers a standby takes the primary then.
    let manager = world.manager(Target::PreferStandby);
    manager.find().await.unwrap();
    assert_eq!(world.connected(0), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_standby_costs_one_read_its_time_and_is_found_again() {
    let world = World::new([Is::Hanging, Is::Standby, Is::Standby]);
    let manager = world.manager(Target::ReadOnly);
    let seconds = Duration::from_secs;
    let start = world.clock.now();
    for _ in 0..6 {
        manager.find().await.unwrap();
    }
    assert_eq!(world.clock.now().since(start), seconds(10), "the first one only");

    // Nobody else is left: it is asked, but not for long.
    world.set(1, Is::Primary);
    world.set(2, Is::Primary);
    let start = world.clock.now();
    assert!(manager.find().await.is_err());
    assert_eq!(world.clock.now().since(start), seconds(1));

    // In half a minute it has its turn again.
    world.set(0, Is::Standby);
    world.set(1, Is::Standby);
    sleep(&world, 30_000).await;
    for _ in 0..3 {
        manager.find().await.unwrap();
    }
    assert!(world.connected(0) >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_dropped_leaves_the_next_one_free() {
    let world = World::new([Is::Gone, Is::Standby]);
    let manager = world.manager(Target::ReadWrite);
    let end = world.clock.now() + Duration::from_secs(3);
    assert!(until(&world.clock, Some(end), manager.find()).await.is_none());

    world.set(0, Is::Primary);

    manager.find().await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_a_connection_that_no_pool_uses_again() {
    use bb8::ManageConnection;

    let world = World::new([Is::Primary]);
    let manager = world.manager(Target::ReadWrite);
    let mut connection = manager.find().await.unwrap();
    assert!(!manager.has_broken(&mut connection));
    assert!(connection.run(async |_| Ok::<_, ()>(())).await.is_ok());
    assert!(!manager.has_broken(&mut connection));

    let hangs = connection.run(async |client| client.batch_execute("SELECT pg_sleep(60)").await);
    let now = world.clock.now();
    assert!(until(&world.clock, Some(now), hangs).await.is_none());

    assert!(manager.has_broken(&mut connection));
}

/// Hosts of which each is what a test says.
struct World {
    hosts: Arc<[Host_]>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Host_ {
    is: AtomicU32,
    asked: AtomicU32,
    connected: AtomicU32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
enum Is {
    Gone,
    Hanging,
    Locked,
    Primary,
    Standby,
}

impl World {
    fn new<const N: usize>(all: [Is; N]) -> Self {
        let hosts: Arc<[Host_]> = all.iter().map(|_| Host_::default()).collect();
        let world = Self { hosts, clock: Clock::tokio() };
        for (host, is) in all.into_iter().enumerate() {
            world.set(host, is);
        }
        world
    }

    fn manager(&self, target: Target) -> Manager {
        let mut database = tokio_postgres::Config::new();
        for n in 0..self.hosts.len() {
            database.host(n.to_string());
        }
        let environment = Environment::new().clock(self.clock.clone());
        let manager = PgPool::builder(database).manager_in(target, &environment).unwrap();
        Manager { connect: Arc::new(Fakes(Arc::clone(&self.hosts))), ..manager }
    }

    fn set(&self, host: usize, is: Is) {
        self.hosts[host].is.store(is as u32, Ordering::Relaxed);
    }

    fn asked(&self) -> u32 {
        self.hosts.iter().map(|host| host.asked.load(Ordering::Relaxed)).sum()
    }

    fn connected(&self, host: usize) -> u32 {
        self.hosts[host].connected.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Fakes(Arc<[Host_]>);

impl Connect for Fakes {
    fn connect<'a>(
        &'a self,
        config: &'a tokio_postgres::Config,
        begin: &'static str,
        exits: &'a Exits,
    ) -> Boxed<'a, Result<Connection, Error>> {
        let [Host::Tcp(name)] = config.get_hosts() else { panic!("one host") };
        let host = &self.0[name.parse::<usize>().unwrap()];
        let kind = config.get_target_session_attrs();
        Box::pin(async move {
            host.asked.fetch_add(1, Ordering::Relaxed);
            let is = host.is.load(Ordering::Relaxed);
            let fits = match kind {
                TargetSessionAttrs::ReadWrite => is == Is::Primary as u32,
                TargetSessionAttrs::ReadOnly => is == Is::Standby as u32,
                _ => is == Is::Primary as u32 || is == Is::Standby as u32,
            };
            if fits {
                host.connected.fetch_add(1, Ordering::Relaxed);
                let (client, connection, server) = session().await;
                let driver = Box::pin(async move {
                    let _server = server;
                    let _ = connection.await;
                });
                return Ok(drive(client, driver, async {}, begin, exits.clone()));
            }
            if is == Is::Hanging as u32 {
                pending::<()>().await;
            }
            if is == Is::Locked as u32 {
                return Err(failed_with("FATAL", "28P01").await);
            }
            Err(timed_out().await)
        })
    }
}

async fn sleep(world: &World, millis: u64) {
    let end: Instant = world.clock.now() + Duration::from_millis(millis);
    until(&world.clock, Some(end), pending::<()>()).await;
}
