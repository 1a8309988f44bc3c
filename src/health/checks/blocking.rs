//! Work that may block its thread, one at a time.

use std::thread;

use tokio::sync::oneshot;

use super::super::Finding;
use crate::sync::{Arc, AtomicBool, Ordering};

/// Runs work on threads of its own, and never on two at a time.
///
/// A thread that hangs in the system can not be stopped: a run that was given up leaves its thread
/// behind. So that these do not pile up there is never a second one. They are not the runtime's
/// own, whose end would wait for the one that hangs: just when a process is to be drained.
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
        // Relaxed: the flag alone decides, and publishes nothing.
        if self.busy.swap(true, Ordering::Relaxed) {
            return Err(Finding::down("the earlier run still hangs"));
        }
        let busy = Busy(Arc::clone(&self.busy));
        let (tell, done) = oneshot::channel();
        let work = move || {
            let result = work();
            // Before the result is seen: the next run may follow at once.
            drop(busy);
            // Nobody waits for it any more if the run was given up.
            let _unheard = tell.send(result);
        };
        thread::Builder::new().name("seawall-check".into()).spawn(work).map_err(Finding::down)?;
        done.await.map_err(|_| Finding::down("it panicked"))
    }
}

/// Lets others in when it is dropped: at the end, in a panic, or when there is no thread.
#[derive(Debug)]
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
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn work_that_hangs_keeps_other_work_out_until_it_ends() {
        let blocking = Blocking::new();
        let (release, hangs) = mpsc::channel::<()>();

        let given_up = blocking.run(move || {
            let _released = hangs.recv();
        });
        assert!(given_up.now_or_never().is_none());

        let refused = blocking.run(|| ()).await.unwrap_err();
        assert_eq!(refused, Finding::down("the earlier run still hangs"));

        drop(release);
        until_free(&blocking).await;
        assert_eq!(blocking.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_panics_lets_others_in() {
        let blocking = Blocking::new();

        let panicked = blocking.run(|| panic!("on purpose")).await;

        assert_eq!(panicked, Err::<(), _>(Finding::down("it panicked")));
        until_free(&blocking).await;
        assert_eq!(blocking.run(|| 7).await, Ok(7));
    }

    #[test]
    fn work_that_hangs_does_not_keep_a_runtime_from_its_end() {
        let blocking = Blocking::new();
        let (release, hangs) = mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

        let given_up = runtime.block_on(async {
            let hanging = blocking.run(move || {
                let _released = hangs.recv();
            });
            hanging.now_or_never()
        });
        drop(runtime);

        assert!(given_up.is_none());
        assert!(blocking.busy.load(Ordering::Relaxed), "it hangs still");
        drop(release);
    }

    /// A thread that is done has a few instructions left before it lets others in.
    async fn until_free(blocking: &Blocking) {
        let free = async {
            while blocking.busy.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), free).await.expect("it lets others in");
    }
}
