//! Timers and runtimes: a binary of its own, in which no test makes time follow tokio's.

use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use seawall::Error;
use seawall::timeout::Timeout;

#[test]
fn a_call_outlives_the_runtime_that_it_began_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let timeout = Timeout::new(Duration::from_millis(50)).unwrap();
    let mut call = Box::pin(async move { timeout.run(pending::<Result<(), ()>>).await });
    let first = runtime();
    first.block_on(async {
        assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    });
    drop(first);

    let answer = runtime().block_on(call);

    assert!(matches!(answer, Err(Error::Rejected(_))));
}
