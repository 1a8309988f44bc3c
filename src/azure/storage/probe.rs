//! Asks a primary that has failed whether it is back.

use std::sync::{Arc, Weak};
use std::time::SystemTime;

use azure_core::http::AsyncRawResponse;
use tokio::runtime::Handle;
use tower_service::Service;

use super::account::{Account, Accounts};
use crate::azure::policy::Next;
use crate::azure::until::{sleep_until, until};
use crate::outcome::Outcome;
use crate::sync::Ordering;

/// Probes the primary of `account` in the background until reads go back to it, or the last client
/// is dropped. One task per account; if it ends with its runtime, the next call begins another.
pub(super) fn begin(account: &Arc<Account>) {
    let Ok(runtime) = Handle::try_current() else { return };
    if account.is_probing.swap(true, Ordering::SeqCst) {
        return;
    }
    let probing = Probing(Arc::downgrade(account));
    drop(runtime.spawn(async move {
        while let Some(held) = probing.0.upgrade() {
            let Some(accounts) = held.accounts.upgrade() else { return };
            if !held.is_away() {
                return;
            }
            if let Some(call) = held.probe() {
                let sent = accounts.clock.now();
                let end = sent + accounts.settings.probe_timeout;
                let answer = until(&accounts.clock, Some(end), Next::new().call(call)).await;
                let is_well = matches!(&answer, Some(Ok(answer)) if is_well(answer, &accounts));
                held.probed(&accounts, is_well, sent);
            }
            let (interval, clock) = (accounts.settings.probe_interval, accounts.clock.clone());
            // Nothing is held while it waits, so that what nobody uses any more can go.
            drop((held, accounts));
            sleep_until(&clock, clock.now() + interval).await;
        }
    }));
}

/// The task that probes. However it ends, another one may begin.
struct Probing(Weak<Account>);

impl Drop for Probing {
    fn drop(&mut self) {
        if let Some(account) = self.0.upgrade() {
            account.is_probing.store(false, Ordering::SeqCst);
        }
    }
}

/// Whether the service that answered is well: what it thinks of the request does not matter.
fn is_well(answer: &AsyncRawResponse, accounts: &Accounts) -> bool {
    let outcome = accounts.contract.judge(answer.status(), answer.headers(), SystemTime::now());
    matches!(outcome, Outcome::Success | Outcome::Permanent)
}
