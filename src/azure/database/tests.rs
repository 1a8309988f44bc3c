use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::azure::until::until;
use crate::context::Context;
use crate::error::{Error, Reason, Rejection};
use crate::replay::{Safety, Verified};
use crate::sync::{Arc, Mutex};
use crate::telemetry::Environment;
use crate::time::Clock;
use crate::{budget, circuit_breaker};

#[tokio::test(start_paused = true)]
async fn a_call_that_lost_its_connection_is_made_again_five_seconds_later_on_a_fresh_one() {
    let world = World::new([Step::Fails(Fault::Lost), Step::Works]);
    let (driver, server) = world.pool(Settings::default());
    let start = world.clock.now();

    let answer = driver.run([&server], Safety::Idempotent, query).await;

    let waited = world.clock.now().since(start);
    assert_eq!(answer, Ok(2), "the second connection");
    assert!(waited >= seconds(5) && waited < seconds(7), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_works_is_used_again() {
    let world = World::new([]);
    let (driver, server) = world.pool(Settings::default());

    for _ in 0..5 {
        let answer = driver.run([&server], Safety::Unsafe, query).await;
        assert_eq!(answer, Ok(1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_not_run_twice_is_made_again_only_if_it_was_not_begun() {
    let world = World::new([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default());
    let lost = driver.run([&server], Safety::Unsafe, query).await;
    assert_eq!(lost, Err(Error::Ambiguous(Fault::Lost)));

    for fault in [Fault::Full, Fault::Deadlock, Fault::ReadOnly] {
        let world = World::new([Step::Fails(fault)]);
        let (driver, server) = world.pool(Settings::default());
        let refused = driver.run([&server], Safety::Unsafe, query).await;
        assert_eq!(refused, Err(Error::Service(fault)));
        assert_eq!(world.ran().iter().filter(|step| **step == "query").count(), 1);
    }

    let world = World::new([]);
    world.connects([Step::Fails(Fault::Lost), Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default());
    let answer = driver.run([&server], Safety::Unsafe, query).await;
    assert_eq!(answer, Ok(3));
    assert_eq!(world.ran(), ["connect", "connect", "connect", "query"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_made_again() {
    let world = World::new([Step::Fails(Fault::Syntax)]);
    let (driver, server) = world.pool(Settings::default());

    let answer = driver.run([&server], Safety::Idempotent, query).await;

    assert_eq!(answer, Err(Error::Service(Fault::Syntax)));
    assert_eq!(world.ran(), ["connect", "query", "rollback"]);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_a_failed_call_has_begun_itself_is_not_met_by_the_next_one() {
    for fault in [Fault::Syntax, Fault::Deadlock, Fault::Own] {
        let world = World::new([Step::Works, Step::Fails(fault)]);
        let (driver, server) = world.pool(Settings::default());

        let failed = driver
            .run([&server], Safety::Unsafe, async |mut c: Lent| {
                c.query().await?;
                c.query().await
            })
            .await;
        let next = driver.run([&server], Safety::Unsafe, query).await;

        assert_eq!((failed, next), (Err(Error::Service(fault)), Ok(1)));
        assert_eq!(world.ran(), ["connect", "query", "query", "rollback", "query"]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_that_does_not_fit_and_the_real_error_comes_at_once() {
    let world = World::new([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default());
    let start = world.clock.now();

    let call = driver.run([&server], Safety::Idempotent, query);
    let answer = Context::new().deadline(start + seconds(4)).scope(call).await;

    assert_eq!(answer, Err(Error::Service(Fault::Lost)));
    assert_eq!(world.clock.now(), start);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_hangs_ends_at_the_deadline_with_the_failure_before_it() {
    let world = World::new([Step::Fails(Fault::Lost), Step::Hangs]);
    let (driver, server) = world.pool(Settings::default());
    let start = world.clock.now();

    let call = driver.run([&server], Safety::Idempotent, query);
    let answer = Context::new().deadline(start + seconds(20)).scope(call).await;

    assert_eq!(answer, Err(Error::Service(Fault::Lost)));
    assert_eq!(world.clock.now(), start + seconds(20));
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_an_operation_gives_up_itself_may_have_run() {
    for (safety, is_ambiguous) in [(Safety::Idempotent, false), (Safety::Unsafe, true)] {
        // Left in the middle of its answer.
        let world = World::new([Step::Hangs]);
        let (driver, server) = world.pool(Settings::default());
        let answer = driver.run([&server], safety, async |mut c: Lent| {
            let end = world.clock.now() + seconds(1);
            until(&world.clock, Some(end), c.query()).await.unwrap_or(Err(Fault::Own))
        });
        let error = answer.await.unwrap_err();
        assert_eq!(error.is_ambiguous(), is_ambiguous);
        assert_eq!(error.into_service(), Some(Fault::Own));

        // Still at it, as only the cleaning finds out, which must not take long.
        let world = World::new([]);
        world.rollbacks([Step::Hangs]);
        let (driver, server) = world.pool(Settings::default());
        let start = world.clock.now();
        let answer = driver.run([&server], safety, async |_: Lent| Err::<(), _>(Fault::Own));
        assert_eq!(answer.await.unwrap_err().is_ambiguous(), is_ambiguous);
        assert_eq!(world.clock.now(), start + seconds(1));

        // Not given back.
        let world = World::new([]);
        let (driver, server) = world.pool(Settings::default());
        let mut kept = Vec::new();
        let answer = driver.run([&server], safety, |c: Lent| {
            kept.push(c);
            async { Err::<(), _>(Fault::Own) }
        });
        assert_eq!(answer.await.unwrap_err().is_ambiguous(), is_ambiguous);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_cut_and_may_have_run() {
    for (safety, is_ambiguous) in [(Safety::Idempotent, false), (Safety::Unsafe, true)] {
        let world = World::new([Step::Hangs]);
        let (driver, server) = world.pool(Settings::default().total_timeout(seconds(3)));

        let answer = driver.run([&server], safety, query).await;

        let Err(Error::Rejected(rejection)) = answer else { panic!("{answer:?}") };
        assert_eq!(rejection.reason(), Reason::TimedOut);
        assert_eq!(rejection.is_ambiguous(), is_ambiguous);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_server_is_left_alone_by_all_callers() {
    let world = World::new([Step::Fails(Fault::Full), Step::Works]);
    let (driver, server) = world.pool(Settings::default());
    let start = world.clock.now();

    let first = driver.run([&server], Safety::Idempotent, query);
    let second = async {
        tokio::time::sleep(seconds(3)).await;
        driver.run([&server], Safety::Idempotent, query).await
    };
    let (first, second) = tokio::join!(first, second);

    assert_eq!(first, Ok(1));
    assert!(world.clock.now().since(start) >= seconds(10));
    let Err(Error::Rejected(rejection)) = second else { panic!("{second:?}") };
    assert_eq!(rejection.reason(), Reason::Paused);
}

#[tokio::test(start_paused = true)]
async fn who_lost_against_another_transaction_is_back_within_a_second_on_the_same_connection() {
    let world = World::new([Step::Fails(Fault::Deadlock), Step::Works]);
    let (driver, server) = world.pool(Settings::default());
    let start = world.clock.now();

    let answer = driver.transaction(&server, query, unknown).await;

    assert_eq!(answer, Ok(1), "the same connection");
    assert!(world.clock.now().since(start) <= seconds(1));
    assert_eq!(world.ran(), ["connect", "begin", "query", "rollback", "begin", "query", "commit"]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_takes_no_writes_costs_all_connections() {
    let world = World::new([]);
    let (driver, server) = world.pool(Settings::default());
    // Two connections, both idle.
    let held = driver.run([&server], Safety::Idempotent, async |mut c: Lent| {
        driver.run([&server], Safety::Idempotent, query).await.unwrap();
        c.query().await
    });
    assert_eq!(held.await, Ok(1));
    world.next([Step::Fails(Fault::ReadOnly), Step::Works, Step::Works]);

    let answer = driver.transaction(&server, query, unknown).await;

    assert_eq!(answer, Ok(3), "neither of the two");
}

#[tokio::test(start_paused = true)]
async fn three_losses_of_one_kind_cost_the_connections_that_are_idle() {
    let world = World::new([]);
    let (driver, server) = world.pool(Settings::default().circuit_breaker(None));
    nest(&driver, &server, 4).await;
    assert_eq!(world.opened(), 4);
    world.next(std::iter::repeat_n(Step::Fails(Fault::Lost), 3));

    for _ in 0..3 {
        let lost = driver.run([&server], Safety::Unsafe, query).await;
        assert_eq!(lost, Err(Error::Ambiguous(Fault::Lost)));
    }
    let answer = driver.run([&server], Safety::Unsafe, query).await;

    assert_eq!(answer, Ok(5), "the fourth is given up with the others");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_replaced_at_the_end_of_its_life_and_asked_after_a_rest() {
    let world = World::new([]);
    let (driver, server) = world.pool(Settings::default());
    let call = async || driver.run([&server], Safety::Unsafe, query).await;
    assert_eq!(call().await, Ok(1));

    tokio::time::sleep(seconds(31)).await;
    assert_eq!(call().await, Ok(1));
    assert_eq!(world.ran(), ["connect", "query", "ping", "query"]);

    for _ in 0..9 {
        tokio::time::sleep(seconds(29)).await;
        assert_eq!(call().await, Ok(1));
    }
    tokio::time::sleep(seconds(29)).await;
    assert_eq!(call().await, Ok(2), "five minutes have passed");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_does_not_answer_costs_no_attempt() {
    for step in [Step::Fails(Fault::Lost), Step::Hangs] {
        let world = World::new([]);
        let (driver, server) = world.pool(Settings::default());
        let call = async || driver.run([&server], Safety::Unsafe, query).await;
        assert_eq!(call().await, Ok(1));
        tokio::time::sleep(seconds(60)).await;
        world.pings([step]);

        assert_eq!(call().await, Ok(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_the_unit_that_is_made_again() {
    let world = World::new([Step::Works, Step::Fails(Fault::Lost), Step::Works, Step::Works]);
    let (driver, server) = world.pool(Settings::default());

    let answer = driver
        .transaction(
            &server,
            async |mut c: Lent| {
                c.query().await?;
                c.query().await
            },
            unknown,
        )
        .await;

    assert_eq!(answer, Ok(2));
    assert_eq!(
        world.ran(),
        ["connect", "begin", "query", "query", "connect", "begin", "query", "query", "commit"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_operations_own_rolls_back_and_says_nothing_of_the_server() {
    let world = World::new([]);
    let (driver, server) = world.pool(Settings::default());

    let sold_out: Result<(), _> = driver
        .transaction(
            &server,
            async |mut c: Lent| {
                c.query().await?;
                Err(Fault::Own)
            },
            async |_: Lent| Ok(Verified::Unknown),
        )
        .await;

    assert_eq!(sold_out, Err(Error::Service(Fault::Own)));
    assert_eq!(world.ran(), ["connect", "begin", "query", "rollback"]);
    assert_eq!(server.breaker().unwrap().snapshot().calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_a_commit_that_was_lost_the_hook_decides() {
    // Executed: its answer is the call's.
    let world = World::new([]);
    world.commits([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default());
    let start = world.clock.now();
    let answer =
        driver.transaction(&server, query, async |_: Lent| Ok(Verified::Executed(77))).await;
    assert_eq!(answer, Ok(77));
    assert_eq!(world.clock.now(), start, "what was executed can be seen at once");

    // Not executed: made again, but not before a commit on its way would have arrived.
    let world = World::new([]);
    world.commits([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default());
    let start = world.clock.now();
    let mut looks = Vec::new();
    let answer = driver
        .transaction(&server, query, |_: Lent| {
            looks.push(world.clock.now().since(start));
            async { Ok(Verified::NotExecuted) }
        })
        .await;
    assert_eq!(answer, Ok(2));
    assert_eq!(looks, [seconds(0), seconds(5)]);

    // Unknown: ambiguous, with the real error.
    let world = World::new([]);
    world.commits([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default());
    let answer = driver.transaction(&server, query, unknown).await;
    assert_eq!(answer, Err(Error::Ambiguous(Fault::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_repeated_and_one_that_never_works_leaves_the_call_ambiguous() {
    let world = World::new([Step::Works, Step::Fails(Fault::Lost), Step::Works]);
    world.commits([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default());
    let answer = driver
        .transaction(&server, query, async |mut c: Lent| c.query().await.map(Verified::Executed))
        .await;
    assert_eq!(answer, Ok(3));

    let world = World::new([Step::Works]);
    world.commits([Step::Fails(Fault::Lost)]);
    world.connects([Step::Works].into_iter().chain([Step::Fails(Fault::Lost); 9]));
    let (driver, server) = world.pool(Settings::default());
    let answer = driver
        .transaction(&server, query, async |mut c: Lent| c.query().await.map(Verified::Executed))
        .await;
    assert_eq!(answer, Err(Error::Ambiguous(Fault::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_at_a_lost_commit_delays_the_look_and_does_not_end_it() {
    let breaker = circuit_breaker::Config::default()
        .min_calls(None)
        .consecutive_failures(1)
        .open_for(seconds(5));
    let world = World::new([]);
    world.commits([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default().circuit_breaker(breaker.clone()));
    let start = world.clock.now();
    let verify = async |_: Lent| Ok(Verified::Executed(77));
    assert_eq!(driver.transaction(&server, query, verify).await, Ok(77));
    let waited = world.clock.now().since(start);
    assert!(waited >= seconds(3) && waited < seconds(7), "{waited:?}");

    // Not where there is no time for it.
    let world = World::new([]);
    world.commits([Step::Fails(Fault::Lost)]);
    let settings = Settings::default().circuit_breaker(breaker).total_timeout(seconds(2));
    let (driver, server) = world.pool(settings);
    let start = world.clock.now();
    let answer = driver.transaction(&server, query, verify).await;
    assert_eq!(answer, Err(Error::Ambiguous(Fault::Lost)));
    assert_eq!(world.clock.now(), start);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_while_a_call_waits_delays_its_repeat_and_does_not_end_it() {
    let breaker = circuit_breaker::Config::default()
        .min_calls(None)
        .consecutive_failures(1)
        .open_for(seconds(20));
    let world = World::new([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default().circuit_breaker(breaker));
    let start = world.clock.now();

    let answer = driver.run([&server], Safety::Idempotent, query).await;

    assert_eq!(answer, Ok(2));
    let waited = world.clock.now().since(start);
    assert!(waited >= seconds(10) && waited < seconds(27), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_look_waits_for_a_place_as_long_as_there_is_time() {
    let world = World::new([Step::Works, Step::Fails(Fault::Lost), Step::Hangs]);
    world.commits([Step::Fails(Fault::Lost)]);
    let (driver, server) = world.pool(Settings::default().size(1));
    let hanging = async {
        // Gets the place when the first look has failed, and keeps it until 12 s have passed.
        let call = driver.run([&server], Safety::Idempotent, query);
        until(&world.clock, Some(world.clock.now() + seconds(12)), call).await
    };
    let start = world.clock.now();
    let transaction = driver
        .transaction(&server, query, async |mut c: Lent| c.query().await.map(Verified::Executed));

    let (answer, cut) = tokio::join!(biased; transaction, hanging);

    assert_eq!((answer, cut), (Ok(4), None));
    assert_eq!(world.clock.now(), start + seconds(12));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_server_refused_was_not_executed() {
    let world = World::new([]);
    world.commits([Step::Fails(Fault::Deadlock), Step::Fails(Fault::Syntax)]);
    let (driver, server) = world.pool(Settings::default());

    let answer =
        driver.transaction(&server, query, async |_: Lent| panic!("nothing to look for")).await;

    assert_eq!(answer, Err::<u32, _>(Error::Service(Fault::Syntax)));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_cut_is_ambiguous_and_an_operation_that_is_cut_is_not() {
    let world = World::new([]);
    world.commits([Step::Hangs]);
    let (driver, server) = world.pool(Settings::default().total_timeout(seconds(3)));
    let answer = driver.transaction(&server, query, unknown).await;
    assert!(answer.unwrap_err().is_ambiguous());

    let world = World::new([Step::Hangs]);
    let (driver, server) = world.pool(Settings::default().total_timeout(seconds(3)));
    let answer = driver.transaction(&server, query, unknown).await;
    assert!(!answer.unwrap_err().is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_hangs_leaves_half_of_the_time_for_the_look() {
    let world = World::new([]);
    world.commits([Step::Hangs]);
    let (driver, server) = world.pool(Settings::default().total_timeout(seconds(60)));
    let start = world.clock.now();
    let executed = async |_: Lent| Ok(Verified::Executed(77));
    assert_eq!(driver.transaction(&server, query, executed).await, Ok(77));
    assert_eq!(world.clock.now(), start + seconds(30));

    // Not executed: it is made again in what is left.
    let world = World::new([]);
    world.commits([Step::Hangs]);
    let (driver, server) = world.pool(Settings::default().total_timeout(seconds(60)));
    let not = async |_: Lent| Ok(Verified::NotExecuted);
    assert_eq!(driver.transaction(&server, query, not).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_read_falls_back_at_once_and_one_that_hangs_leaves_time_for_it() {
    for fault in [Fault::Lost, Fault::Secondary, Fault::ReadOnly] {
        let (replica, primary) = (World::new([Step::Fails(fault)]), World::new([]));
        let (driver, first) = replica.pool(Settings::default());
        let (_, second) = primary.pool(Settings::default());
        let start = replica.clock.now();

        let answer = driver.run([&first, &second], Safety::Idempotent, query).await;

        assert_eq!(answer, Ok(1));
        assert_eq!(replica.clock.now(), start);
        assert_eq!(primary.ran(), ["connect", "query"]);
    }
    let (replica, primary) = (World::new([Step::Hangs]), World::new([]));
    let (driver, first) = replica.pool(Settings::default());
    let (_, second) = primary.pool(Settings::default());
    let start = replica.clock.now();

    let call = driver.run([&first, &second], Safety::Idempotent, query);
    let answer = Context::new().deadline(start + seconds(4)).scope(call).await;

    assert_eq!(answer, Ok(1));
    assert_eq!(replica.clock.now(), start + seconds(2));
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_both_servers_fail_is_made_again_on_both() {
    let steps = || [Step::Fails(Fault::Lost), Step::Fails(Fault::Lost)];
    let (replica, primary) = (World::new(steps()), World::new(steps()));
    let (driver, first) = replica.pool(Settings::default());
    let (_, second) = primary.pool(Settings::default());

    let answer = driver.run([&first, &second], Safety::Idempotent, query).await;

    assert_eq!(answer, Ok(3));
    assert_eq!(primary.ran().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_failed_on_the_secondary_is_not_ended_by_the_primarys_breaker() {
    let (replica, primary) = (World::new([Step::Fails(Fault::Lost)]), World::new([]));
    let (driver, first) = replica.pool(Settings::default());
    let (_, second) = primary.pool(Settings::default());
    second.breaker().unwrap().isolate();

    let answer = driver.run([&first, &second], Safety::Idempotent, query).await;

    assert_eq!(answer, Ok(2), "from the secondary, later");
    assert!(primary.ran().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_in_time_is_turned_away() {
    let world = World::new([Step::Hangs]);
    let (driver, server) = world.pool(Settings::default().size(1));
    let hanging = driver.run([&server], Safety::Idempotent, query);
    let waiting = driver.run([&server], Safety::Idempotent, query);

    let answer = tokio::select! {
        biased;
        _ = hanging => unreachable!("it hangs"),
        answer = waiting => answer,
    };

    let rejection = Rejection::new("orders", Reason::QueueTimedOut);
    assert_eq!(answer, Err(Error::Rejected(rejection)));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_dropped_calls_cost_no_place_and_none_is_met_again() {
    let world = World::new(std::iter::repeat_n(Step::Hangs, 1_000));
    let (driver, server) = world.pool(Settings::default().size(4).circuit_breaker(None));
    for _ in 0..1_000 {
        let call = driver.run([&server], Safety::Idempotent, query);
        assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    }
    assert_eq!(world.opened(), 1_000);

    assert_eq!(nest(&driver, &server, 4).await, 4);
    assert_eq!(world.opened(), 1_004);
    assert_eq!(server.places(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_outage_opens_the_breaker_and_the_budget_bounds_the_repeats() {
    let breaker = circuit_breaker::Config::default().min_calls(None).consecutive_failures(2);
    let world = World::new([]);
    world.connects(std::iter::repeat_n(Step::Fails(Fault::Lost), 100));
    let (driver, server) = world.pool(Settings::default().circuit_breaker(breaker));
    let call = async || driver.run([&server], Safety::Idempotent, query).await;
    let (first, second) = tokio::join!(call(), call());
    let lost = Err(Error::Service(Fault::Lost));
    assert_eq!((&first, &second), (&lost, &lost), "and not what the breaker says");
    let made = world.opened();
    let Err(Error::Rejected(rejection)) = call().await else { panic!("the circuit is open") };
    assert_eq!(rejection.reason(), Reason::CircuitOpen);
    assert_eq!(world.opened(), made);

    let settings = Settings::default()
        .circuit_breaker(None)
        .budget(budget::Config::default().ratio(0.0).per_second(0.1));
    let world = World::new([]);
    world.connects(std::iter::repeat_n(Step::Fails(Fault::Lost), 100));
    let (driver, server) = world.pool(settings);
    let call = async || driver.run([&server], Safety::Idempotent, query).await;
    drop(tokio::join!(call(), call(), call(), call()));
    assert_eq!(world.opened(), 4 + 1, "one repeat for all of them");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_keeps_its_connection_commits_nothing_and_costs_no_place() {
    let world = World::new([]);
    let (driver, server) = world.pool(Settings::default().size(1));
    let mut kept = Vec::new();

    let answer = driver
        .transaction(
            &server,
            |c| {
                kept.push(c);
                async { Ok(1) }
            },
            unknown,
        )
        .await;

    let rejection = Rejection::new("orders", Reason::TimedOut);
    assert_eq!(answer, Err::<u32, Error<Fault>>(Error::Rejected(rejection)));
    assert_eq!(driver.run([&server], Safety::Unsafe, query).await, Ok(2));
    assert!(!world.ran().contains(&"commit"));
}

#[test]
fn the_future_of_a_call_is_small() {
    let world = World::new([]);
    let (driver, server) = world.pool(Settings::default());
    let huge = async |_: Lent| {
        let bytes = [1_u8; 10_000];
        std::future::ready(()).await;
        Ok::<_, Fault>(u32::from(bytes[7]))
    };

    let call = driver.transaction(&server, huge, unknown);

    assert!(size_of_val(&call) < 2_000, "{} bytes", size_of_val(&call));
}

#[tokio::test]
async fn calls_can_be_spawned() {
    let world = World::new([]);
    let (driver, server) = world.pool(Settings::default());
    let text = String::from("borrowed");

    let answer = tokio::spawn(async move {
        let text = &text;
        driver
            .transaction(
                &server,
                |mut c: Lent| async move {
                    assert!(!text.is_empty());
                    c.query().await
                },
                |_| async { Ok(Verified::Unknown) },
            )
            .await
    });

    assert_eq!(answer.await.unwrap(), Ok(1));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let day = Duration::from_secs(86_400);
    let refused = [
        (Settings::default().size(0), "size"),
        (Settings::default().size(100_001), "size"),
        (Settings::default().acquire_timeout(Duration::ZERO), "acquire_timeout"),
        (Settings::default().max_lifetime(Duration::ZERO), "max_lifetime"),
        (Settings::default().validate_after(day * 2), "validate_after"),
        (Settings::default().max_attempts(0), "max_attempts"),
        (Settings::default().total_timeout(Duration::ZERO), "total_timeout"),
        (
            Settings::default().backoff(crate::backoff::Backoff::default().factor(0.1)),
            "backoff.factor",
        ),
        (Settings::default().rerun(crate::backoff::Backoff::default().factor(0.1)), "rerun.factor"),
        (Settings::default().budget(budget::Config::default().ratio(-1.0)), "budget.ratio"),
    ];
    for (settings, field) in refused {
        let error = Driver::new("orders", &settings, &Environment::new()).unwrap_err();
        assert_eq!(error.field(), field);
    }
    let breaker = circuit_breaker::Config::default().probes(0);
    let driver =
        Driver::new("o", &Settings::default().circuit_breaker(breaker), &Environment::new());
    let error = driver.unwrap().server("o", World::new([])).unwrap_err();
    assert_eq!(error.field(), "circuit_breaker.probes");
}

/// Holds so many connections at once, and says how many that were.
async fn nest(driver: &Driver, server: &Server<World>, calls: u32) -> u32 {
    if calls == 0 {
        return 0;
    }
    let call = driver.run([server], Safety::Idempotent, async |mut c: Lent| {
        c.query().await?;
        Ok::<_, Fault>(1 + Box::pin(nest(driver, server, calls - 1)).await)
    });
    call.await.unwrap()
}

type Lent = Loan<Connection>;

async fn query(mut connection: Lent) -> Result<u32, Fault> {
    connection.query().await
}

async fn unknown(_: Lent) -> Result<Verified<u32>, Fault> {
    Ok(Verified::Unknown)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What is to happen next. When nothing is said, all works.
#[derive(Clone, Copy, Debug)]
enum Step {
    Works,
    Hangs,
    Fails(Fault),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Lost,
    Full,
    Deadlock,
    ReadOnly,
    Secondary,
    Syntax,
    /// The operation's own.
    Own,
}

impl Holds<Self> for Fault {
    fn held(&self) -> Option<&Self> {
        (*self != Self::Own).then_some(self)
    }
}

/// A database that does what it is told.
#[derive(Clone, Debug)]
struct World {
    script: Arc<Mutex<Script>>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Script {
    connects: VecDeque<Step>,
    queries: VecDeque<Step>,
    commits: VecDeque<Step>,
    pings: VecDeque<Step>,
    rollbacks: VecDeque<Step>,
    ran: Vec<&'static str>,
    opened: u32,
}

/// Answers each query with its number.
#[derive(Debug)]
struct Connection {
    world: World,
    number: u32,
    busy: bool,
}

impl World {
    fn new(queries: impl IntoIterator<Item = Step>) -> Self {
        let script = Script { queries: queries.into_iter().collect(), ..Script::default() };
        Self { script: Arc::new(Mutex::new(script)), clock: Clock::tokio() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "each test makes its own")]
    fn pool(&self, settings: Settings) -> (Driver, Server<Self>) {
        let environment = Environment::new().clock(self.clock.clone()).seed(7);
        let driver = Driver::new("orders", &settings, &environment).unwrap();
        let server = driver.server("orders", self.clone()).unwrap();
        (driver, server)
    }

    fn next(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().queries.extend(steps);
    }

    fn connects(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().connects.extend(steps);
    }

    fn commits(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().commits.extend(steps);
    }

    fn pings(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().pings.extend(steps);
    }

    fn rollbacks(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().rollbacks.extend(steps);
    }

    fn ran(&self) -> Vec<&'static str> {
        self.script.lock().ran.clone()
    }

    fn opened(&self) -> u32 {
        self.script.lock().opened
    }

    async fn step(
        &self,
        name: &'static str,
        steps: impl Fn(&mut Script) -> &mut VecDeque<Step>,
    ) -> Result<(), Fault> {
        let step = {
            let mut script = self.script.lock();
            script.ran.push(name);
            steps(&mut script).pop_front()
        };
        match step.unwrap_or(Step::Works) {
            Step::Works => Ok(()),
            Step::Fails(fault) => Err(fault),
            Step::Hangs => std::future::pending().await,
        }
    }
}

impl Connection {
    async fn query(&mut self) -> Result<u32, Fault> {
        assert!(!self.busy, "a connection with half an answer in it is used again");
        self.busy = true;
        let answer = self.world.step("query", |script| &mut script.queries).await;
        self.busy = answer == Err(Fault::Lost);
        answer.map(|()| self.number)
    }
}

impl Database for World {
    type Connection = Connection;
    type Error = Fault;

    async fn connect(&self) -> Result<Connection, Fault> {
        let number = {
            let mut script = self.script.lock();
            script.opened += 1;
            script.opened
        };
        self.step("connect", |script| &mut script.connects).await?;
        Ok(Connection { world: self.clone(), number, busy: false })
    }

    async fn ping(connection: &mut Connection) -> Result<(), Fault> {
        connection.world.step("ping", |script| &mut script.pings).await
    }

    async fn begin(connection: &mut Connection) -> Result<(), Fault> {
        connection.world.step("begin", |script| &mut script.pings).await
    }

    async fn commit(connection: &mut Connection) -> Result<(), Fault> {
        connection.world.step("commit", |script| &mut script.commits).await
    }

    async fn rollback(connection: &mut Connection) -> Result<(), Fault> {
        connection.world.step("rollback", |script| &mut script.rollbacks).await
    }

    fn is_broken(connection: &Connection) -> bool {
        connection.busy
    }

    fn judge(error: &Fault) -> Meaning {
        let (handling, gone) = match error {
            Fault::Lost => (Handling::Reconnect, true),
            Fault::Full => (Handling::Throttled { wait: seconds(10) }, false),
            Fault::Deadlock => (Handling::Rerun, false),
            Fault::ReadOnly => (Handling::WrongReplica, false),
            Fault::Secondary => (Handling::Primary, false),
            Fault::Syntax | Fault::Own => (Handling::Never, false),
        };
        Meaning { handling, gone, kind: *error as u32 }
    }
}
