//! What a check's task shares with the registry: whether it is to run, and whose turn it is.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::quiet::{Quiet, quietly};
use crate::health::check::Probe;
use crate::sync::Mutex;
use crate::time::Instant;

/// Starts and stops one task, of which there is one at most.
///
/// Between tasks it keeps what the next one needs.
pub(in crate::health) struct Control {
    state: Mutex<State>,
}

struct State {
    is_wanted: bool,
    is_running: bool,
    probe: Option<Quiet<Box<dyn Probe>>>,
    waker: Option<Waker>,
}

impl Control {
    pub(in crate::health) fn new(probe: Option<Box<dyn Probe>>) -> Arc<Self> {
        let probe = probe.map(Quiet::new);
        let state = State { is_wanted: false, is_running: false, probe, waker: None };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Wants a task. True if the caller has to spawn it, for there is none.
    pub(in crate::health) fn start(&self) -> bool {
        let mut state = self.state.lock();
        state.is_wanted = true;
        !std::mem::replace(&mut state.is_running, true)
    }

    /// Wants none any more: the one that is there ends as soon as it is polled.
    pub(in crate::health) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_wanted = false;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    /// Whether the task is to go on. If so, its waker is kept for when it is not.
    pub(in crate::health) fn goes_on(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        if !state.is_wanted {
            return false;
        }
        let is_same = state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        let old = if is_same { None } else { state.waker.replace(cx.waker().clone()) };
        drop(state);
        drop(old);
        true
    }

    /// Takes out what the task asks with.
    pub(in crate::health) fn probe(&self) -> Option<Quiet<Box<dyn Probe>>> {
        self.state.lock().probe.take()
    }

    /// The task ends because it is not wanted, unless it is wanted again: then it gets the probe
    /// back and goes on.
    pub(in crate::health) fn leave(
        &self,
        probe: Option<Quiet<Box<dyn Probe>>>,
    ) -> Result<(), Option<Quiet<Box<dyn Probe>>>> {
        let mut state = self.state.lock();
        if state.is_wanted {
            return Err(probe);
        }
        state.is_running = false;
        state.probe = probe;
        Ok(())
    }

    /// The task has been dropped by who ran it.
    pub(in crate::health) fn lose(&self, probe: Option<Quiet<Box<dyn Probe>>>) {
        let mut state = self.state.lock();
        state.is_running = false;
        state.probe = probe;
        let waker = state.waker.take();
        drop(state);
        drop(waker);
    }
}

/// The turn of all checks that ever had one name: one run at a time, and one per interval, also
/// where a check is taken out and put in again.
#[derive(Default)]
pub(in crate::health) struct Lane {
    turn: Mutex<Turn>,
}

#[derive(Default)]
struct Turn {
    is_taken: bool,
    last: Option<Instant>,
    waiting: Vec<Waker>,
}

/// Why it is not a task's turn.
pub(in crate::health) enum NotYet {
    /// A run is under way. The task is woken at its end.
    Taken,
    /// The interval since the last start is not over.
    Until(Instant),
}

impl Lane {
    pub(in crate::health) fn take(
        &self,
        now: Instant,
        interval: Duration,
        cx: &Context<'_>,
    ) -> Result<(), NotYet> {
        let mut turn = self.turn.lock();
        if turn.is_taken {
            turn.waiting.push(cx.waker().clone());
            return Err(NotYet::Taken);
        }
        match turn.last {
            Some(last) if now < last + interval => Err(NotYet::Until(last + interval)),
            _ => {
                turn.is_taken = true;
                turn.last = Some(now);
                Ok(())
            }
        }
    }

    pub(in crate::health) fn free(&self) {
        let mut turn = self.turn.lock();
        turn.is_taken = false;
        let waiting = std::mem::take(&mut turn.waiting);
        drop(turn);
        waiting.into_iter().for_each(wake);
    }

    /// Whether it matters no more to a check of that name that is put in `now`.
    pub(in crate::health) fn is_forgotten(&self, now: Instant, longest: Duration) -> bool {
        let turn = self.turn.lock();
        !turn.is_taken && turn.last.is_none_or(|last| now >= last + longest)
    }
}

/// Wakers are the executor's: what they do is nothing that a check's end hangs on.
fn wake(waker: Waker) {
    let _panicked = quietly(|| waker.wake());
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use loom::thread;

    use super::*;

    /// Whoever starts it anew is either told to spawn it, or it goes on: never both, never
    /// neither.
    #[test]
    fn loom_a_task_that_is_stopped_and_started_is_there_once() {
        loom::model(|| {
            let control = Control::new(None);
            assert!(control.start());
            let task = {
                let control = Arc::clone(&control);
                thread::spawn(move || {
                    let cx = Context::from_waker(Waker::noop());
                    loop {
                        if control.goes_on(&cx) {
                            return true;
                        }
                        if control.leave(None).is_ok() {
                            return false;
                        }
                    }
                })
            };

            control.stop();
            let is_to_be_spawned = control.start();

            assert_eq!(task.join().unwrap(), !is_to_be_spawned);
        });
    }
}
