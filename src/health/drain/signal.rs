//! The signals that end a process.

use std::io;

use super::{Cause, Drain};

impl Drain {
    /// Waits for SIGTERM or SIGINT (on Windows for the closing of the console, its shutdown or
    /// Ctrl+C), starts to leave for [`Cause::Termination`], and ends.
    ///
    /// From its first poll on the process does not end by these signals any more, also not by a
    /// second one: end it when [`closed`](Self::closed) says so.
    ///
    /// # Errors
    ///
    /// The system's, when it can not be listened for the signals.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO enabled.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time. A signal that comes while nobody waits is lost.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use seawall::health::drain::{Drain, Product};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let drain = Drain::for_products([Product::kubernetes()]).build()?;
    ///
    /// drain.on_sigterm().await?;
    /// drain.closed().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn on_sigterm(&self) -> io::Result<()> {
        wait().await?;
        self.start(Cause::Termination);
        Ok(())
    }
}

#[cfg(unix)]
async fn wait() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(windows)]
async fn wait() -> io::Result<()> {
    use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_shutdown};

    let (mut interrupt, mut close, mut shutdown) = (ctrl_c()?, ctrl_close()?, ctrl_shutdown()?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = close.recv() => {}
        _ = shutdown.recv() => {}
    }
    Ok(())
}
