//! Asks a primary that has failed whether it is back.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use azure_core::http::{AsyncRawResponse, StatusCode};
use tokio::runtime::Handle;
use tower_service::Service;

use super::account::Account;
use crate::azure::policy::{Next, PolicyCall};
use crate::sync::Ordering;
use crate::time::{Clock, Timer};

/// Probes the primary of `account` in the background until reads go back to it, or the last client
/// is dropped. One task per account.
pub(super) fn begin(account: &Arc<Account>) {
    let Ok(runtime) = Handle::try_current() else { return };
    if account.is_probing.swap(true, Ordering::Relaxed) {
        return;
    }
    let account = Arc::downgrade(account);
    drop(runtime.spawn(async move {
        while let Some(held) = account.upgrade() {
            let Some(accounts) = held.accounts.upgrade() else { return };
            if !held.is_away() {
                held.is_probing.store(false, Ordering::Relaxed);
                // Between the look and the store it may have gone away again.
                if !held.is_away() || held.is_probing.swap(true, Ordering::Relaxed) {
                    return;
                }
            }
            if let Some(call) = held.probe() {
                let sent = accounts.clock.now();
                let is_well = answers(call, accounts.settings.probe_timeout, &accounts.clock).await;
                held.probed(&accounts, is_well, sent);
            }
            let (interval, clock) = (accounts.settings.probe_interval, accounts.clock.clone());
            // Nothing is held while it waits, so that what nobody uses any more can go.
            drop((held, accounts));
            wait(interval, &clock).await;
        }
    }));
}

/// Whether a request is answered in time, by a server that is well: what it thinks of the request
/// does not matter.
async fn answers(call: PolicyCall, within: Duration, clock: &Clock) -> bool {
    let answer = bounded(call, within, clock).await;
    answer.is_some_and(|answer| {
        let status = answer.status();
        !status.is_server_error() && status != StatusCode::TooManyRequests
    })
}

/// The answer to `call`, past all policies of ours, if it comes in time.
pub(super) async fn bounded(
    call: PolicyCall,
    within: Duration,
    clock: &Clock,
) -> Option<AsyncRawResponse> {
    let mut timer = Timer::idle();
    let mut answer = Next::new().call(call);
    let end = clock.now() + within;
    poll_fn(|cx| {
        if let Poll::Ready(answer) = Pin::new(&mut answer).poll(cx) {
            return Poll::Ready(answer.ok());
        }
        timer.poll_until(end, clock, cx).map(|()| None)
    })
    .await
}

async fn wait(time: Duration, clock: &Clock) {
    let mut timer = Timer::idle();
    let until = clock.now() + time;
    poll_fn(|cx| timer.poll_until(until, clock, cx)).await;
}
