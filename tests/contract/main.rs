//! Tower's contract, and the crate's laws for services: every layer through the same table of
//! hostile services. A new layer is a line in `subjects.rs`, a new law a function in `laws.rs`.

#![expect(clippy::unwrap_used, reason = "a test that fails is to panic")]

mod bench;
mod hostile;
mod laws;
mod offenders;
mod subjects;
mod task;

use bench::{all_keep, keeps};

#[test]
fn answers_and_errors_pass_unchanged() {
    all_keep(laws::answers_and_errors_pass_unchanged);
}

#[test]
fn only_what_was_polled_is_called() {
    all_keep(laws::only_what_was_polled_is_called);
}

#[test]
fn a_service_that_is_not_ready_is_waited_for() {
    all_keep(laws::a_service_that_is_not_ready_is_waited_for);
}

#[test]
fn a_dead_service_is_reported_as_such() {
    all_keep(laws::a_dead_service_is_reported_as_such);
}

#[test]
fn a_clone_starts_unready() {
    all_keep(laws::a_clone_starts_unready);
}

#[test]
fn readiness_reserves_nothing() {
    all_keep(laws::readiness_reserves_nothing);
}

#[test]
fn a_call_may_be_dropped_at_any_point() {
    all_keep(laws::a_call_may_be_dropped_at_any_point);
}

#[test]
fn a_call_that_waits_is_not_polled_in_circles() {
    all_keep(laws::a_call_that_waits_is_not_polled_in_circles);
}

#[test]
fn who_polled_last_is_woken() {
    all_keep(laws::who_polled_last_is_woken);
}

#[test]
fn a_panic_of_the_service_costs_one_call_and_no_more() {
    all_keep(laws::a_panic_of_the_service_costs_one_call_and_no_more);
}

#[test]
fn a_call_is_over_after_its_end() {
    all_keep(laws::a_call_is_over_after_its_end);
}

#[test]
fn a_call_outlives_its_service_and_layer() {
    all_keep(laws::a_call_outlives_its_service_and_layer);
}

#[test]
fn a_call_moves_between_threads() {
    all_keep(laws::a_call_moves_between_threads);
}

#[test]
fn no_call_is_lost_among_many_that_are_given_up() {
    all_keep(laws::no_call_is_lost_among_many_that_are_given_up);
}

#[test]
fn the_table_catches_who_breaks_it() {
    for (offender, law) in offenders::OFFENDERS {
        assert!(!keeps(offender, *law), "not caught: {}", offender.name);
    }
}
