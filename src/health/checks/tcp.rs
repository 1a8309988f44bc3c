//! Whether a connection is made.

use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::super::{Check, Finding};
use super::target::Target;
use crate::time::Clock;

/// Whether a TCP connection to `address` is made: `host:port`, with an IPv6 address in brackets.
///
/// The connection is closed at once, and nothing is sent. All addresses of a name are tried in
/// turn. What is observed is the time to resolve and to connect, in seconds. It is shared by
/// default.
///
/// # Errors
///
/// `address` that is no such thing is refused when the check is added to a registry.
///
/// # Cancel safety
///
/// Dropping a run closes its connection. A name resolution that hangs keeps its thread until it
/// ends; until then further runs are down and start no other.
///
/// # Example
///
/// ```
/// use seawall::health::{Verdict, checks};
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let database = TcpListener::bind("127.0.0.1:0").await?;
///
/// let mut check = checks::tcp("db", database.local_addr()?.to_string());
///
/// assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
/// # Ok(())
/// # }
/// ```
pub fn tcp(name: impl Into<String>, address: impl AsRef<str>) -> Check {
    let probe = Target::parse(address.as_ref()).map(|target| {
        move || {
            let target = target.clone();
            async move {
                let clock = Clock::default();
                let begin = clock.now();
                match connect(&target).await {
                    Ok(_closed) => {
                        let took = clock.now().since(begin);
                        Finding::healthy().observed(took.as_secs_f64(), "s")
                    }
                    Err(finding) => finding,
                }
            }
        }
    });
    super::check(name.into(), probe)
}

/// A connection to the first address of `target` that takes one.
pub(super) async fn connect(target: &Target) -> Result<TcpStream, Finding> {
    // A socket made without one would panic.
    Handle::try_current().map_err(Finding::down)?;
    let addresses = target.addresses().await?;
    TcpStream::connect(&*addresses).await.map_err(Finding::down)
}
