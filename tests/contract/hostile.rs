//! A service that keeps tower's contract to the letter and does nothing beyond it.

#![expect(clippy::disallowed_types, reason = "plain state of a test")]

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use seawall::error::BoxError;
use tower::Service;

/// What `poll_ready` does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readiness {
    Ready,
    Pending,
    Dead,
    Panic,
}

/// What a call does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// Answers with the request.
    Answer,
    /// Fails.
    Fail,
    /// Is pending until it is told to go on, and answers then.
    Wait,
    PanicInCall,
    PanicInPoll,
    /// Waits, and panics when it is dropped before its end.
    PanicInDrop,
}

/// What all clones of a hostile service share.
#[derive(Debug)]
pub(crate) struct Script {
    readiness: Mutex<Readiness>,
    manner: Mutex<Manner>,
    /// Who waits: one waker per pending call, and the latest for readiness, as tower asks for.
    waiting: Mutex<Vec<(usize, Waker)>>,
    pub(crate) calls: AtomicU32,
    pub(crate) polls: AtomicU32,
    /// Calls whose future exists.
    pub(crate) alive: AtomicU32,
    /// Calls of an instance that had not been polled ready.
    pub(crate) unready_calls: AtomicU32,
}

impl Script {
    pub(crate) fn set(&self, readiness: Readiness, manner: Manner) {
        *self.readiness.lock().unwrap() = readiness;
        *self.manner.lock().unwrap() = manner;
        self.wake();
    }

    /// Wakes who waits.
    pub(crate) fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap());
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    fn wait(&self, who: usize, waker: &Waker) {
        let mut waiting = self.waiting.lock().unwrap();
        waiting.retain(|(waits, _)| *waits != who);
        waiting.push((who, waker.clone()));
    }

    fn forget(&self, who: usize) {
        self.waiting.lock().unwrap().retain(|(waits, _)| *waits != who);
    }

    pub(crate) fn count(&self, counter: impl Fn(&Self) -> &AtomicU32) -> u32 {
        counter(self).load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct Hostile {
    pub(crate) script: Arc<Script>,
    ready: bool,
}

impl Hostile {
    pub(crate) fn new() -> Self {
        let script = Script {
            readiness: Mutex::new(Readiness::Ready),
            manner: Mutex::new(Manner::Answer),
            waiting: Mutex::default(),
            calls: AtomicU32::new(0),
            polls: AtomicU32::new(0),
            alive: AtomicU32::new(0),
            unready_calls: AtomicU32::new(0),
        };
        Self { script: Arc::new(script), ready: false }
    }
}

impl Clone for Hostile {
    fn clone(&self) -> Self {
        Self { script: Arc::clone(&self.script), ready: false }
    }
}

impl Service<u32> for Hostile {
    type Response = u32;
    type Error = BoxError;
    type Future = Call;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let readiness = *self.script.readiness.lock().unwrap();
        match readiness {
            // Who was ready stays ready, as a reserved permit does.
            _ if self.ready => Poll::Ready(Ok(())),
            Readiness::Ready => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
            Readiness::Pending => {
                self.script.wait(std::ptr::from_ref(self).addr(), cx.waker());
                Poll::Pending
            }
            Readiness::Dead => Poll::Ready(Err("dead".into())),
            // Not `panic!`: the hook would print each of them.
            Readiness::Panic => resume_unwind(Box::new("hostile")),
        }
    }

    fn call(&mut self, request: u32) -> Call {
        let script = &self.script;
        if !std::mem::take(&mut self.ready) {
            script.unready_calls.fetch_add(1, Ordering::Relaxed);
            resume_unwind(Box::new("called without being ready"));
        }
        let number = script.calls.fetch_add(1, Ordering::Relaxed);
        let manner = *script.manner.lock().unwrap();
        if manner == Manner::PanicInCall {
            resume_unwind(Box::new("hostile"));
        }
        script.alive.fetch_add(1, Ordering::Relaxed);
        Call { script: Arc::clone(script), request, number, manner, ended: false }
    }
}

pub(crate) struct Call {
    script: Arc<Script>,
    request: u32,
    number: u32,
    manner: Manner,
    ended: bool,
}

impl Call {
    fn who(&self) -> usize {
        // Odd, and so no address of a service that waits for readiness.
        2 * self.number as usize + 1
    }
}

impl Future for Call {
    type Output = Result<u32, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.script.polls.fetch_add(1, Ordering::Relaxed);
        assert!(!self.ended, "a call was polled after its end");
        if matches!(self.manner, Manner::Wait | Manner::PanicInDrop) {
            let now = *self.script.manner.lock().unwrap();
            if now == self.manner {
                self.script.wait(self.who(), cx.waker());
                return Poll::Pending;
            }
            self.manner = now;
        }
        if self.manner == Manner::PanicInPoll {
            resume_unwind(Box::new("hostile"));
        }
        self.ended = true;
        Poll::Ready(if self.manner == Manner::Fail {
            Err("failed".into())
        } else {
            Ok(self.request)
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.script.forget(self.who());
        self.script.alive.fetch_sub(1, Ordering::Relaxed);
        if self.manner == Manner::PanicInDrop && !self.ended && !std::thread::panicking() {
            resume_unwind(Box::new("hostile"));
        }
    }
}
