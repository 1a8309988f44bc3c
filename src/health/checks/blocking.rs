//! Work that may block its thread, one at a time.

use tokio::runtime::Handle;

use super::super::Finding;
use crate::sync::{Arc, AtomicBool, Ordering};

/// Runs work on tokio's blocking threads, and none while earlier work still runs.
///
/// A thread that hangs in the system can not be stopped: a run that was given up leaves its thread
/// behind. So that these do not pile up there is never a second one.
#[derive(Clone, Debug)]
pub(super) struct Blocking {
    busy: Arc<AtomicBool>,
}

impl Blocking {
    pub(super) fn new() -> Self {
        Self { busy: Arc::new(AtomicBool::new(false)) }
    }

    /// Does `work`, or says why it is not done.
    ///
    /// # Cancel safety
    ///
    /// Work that has begun goes on, and keeps others out until it ends.
    pub(super) async fn run<T>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Finding>
    where
        T: Send + 'static,
    {
        let runtime = Handle::try_current().map_err(Finding::down)?;
        // Relaxed: the flag alone decides, and publishes nothing.
        if self.busy.swap(true, Ordering::Relaxed) {
            return Err(Finding::down("the earlier run still hangs"));
        }
        let busy = Busy(Arc::clone(&self.busy));
        let done = runtime.spawn_blocking(move || {
            let _busy = busy;
            work()
        });
        done.await.map_err(|_| Finding::down("it panicked"))
    }
}

/// Lets others in when it is dropped: at the end, in a panic, or with a runtime that ends.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        // Relaxed: see `run`.
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn work_that_hangs_keeps_other_work_out_until_it_ends() {
        let blocking = Blocking::new();
        let (release, hangs) = mpsc::channel::<()>();
        let (ended, end) = tokio::sync::oneshot::channel::<()>();

        let given_up = blocking.run(move || {
            let _gone = hangs.recv();
            drop(ended);
        });
        assert!(given_up.now_or_never().is_none());

        let refused = blocking.run(|| ()).await.unwrap_err();
        assert_eq!(refused, Finding::down("the earlier run still hangs"));

        drop(release);
        let _closed = end.await;
        // The thread has a few instructions left before it lets others in.
        while blocking.busy.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        assert_eq!(blocking.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_panics_lets_others_in() {
        let blocking = Blocking::new();

        let panicked = blocking.run(|| panic!("on purpose")).await;

        assert_eq!(panicked, Err::<(), _>(Finding::down("it panicked")));
        assert_eq!(blocking.run(|| 7).await, Ok(7));
    }

    #[test]
    fn without_a_runtime_it_says_so() {
        let found = Blocking::new().run(|| 7).now_or_never().unwrap();

        assert_eq!(found.unwrap_err().verdict(), crate::health::Verdict::Down);
    }
}
