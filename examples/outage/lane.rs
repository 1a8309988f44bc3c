//! A client and its server, each on a thread of its own, and the record of both.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::client::{self, Client};
use crate::event::{Event, Run};
use crate::record::{Breaker, Record};
use crate::server::Server;

/// One of the two races of the run: neither takes anything from the other but processor time.
pub(crate) struct Lane {
    record: Record,
    events: Receiver<Event>,
    breaker: Box<dyn Fn() -> Option<Breaker>>,
    client: JoinHandle<()>,
    /// Hands over the error that ended the server. Dropped, it ends the server.
    server: oneshot::Receiver<io::Error>,
}

impl Lane {
    /// Starts a server, and a client that `make` builds, which tells of what it sends.
    pub(crate) fn start<C: Client>(
        name: &'static str,
        run: Run,
        arrivals: &Arc<[Duration]>,
        make: impl FnOnce(Run, Sender<Event>) -> C,
    ) -> io::Result<Self> {
        let (sender, events) = mpsc::channel();

        let runtime = runtime()?;
        let server = {
            let _guard = runtime.enter();
            Server::new()?
        };
        let address = server.address();
        let (mut failure, failed) = oneshot::channel();
        let server_events = sender.clone();
        thread::Builder::new().name(format!("{name}-server")).spawn(move || {
            runtime.block_on(async {
                let error = tokio::select! {
                    Err(error) = server.serve(run, server_events) => error,
                    () = failure.closed() => return,
                };
                // If nobody waits for it, the run is over anyway.
                let _ = failure.send(error);
            });
        })?;

        let runtime = self::runtime()?;
        let client = make(run, sender.clone());
        let (driven, arrivals_of_client) = (client.clone(), Arc::clone(arrivals));
        let client_thread =
            thread::Builder::new().name(format!("{name}-client")).spawn(move || {
                runtime.block_on(client::drive(driven, address, arrivals_of_client, run, sender));
            })?;

        Ok(Self {
            record: Record::new(name, arrivals),
            events,
            breaker: Box::new(move || client.breaker()),
            client: client_thread,
            server: failed,
        })
    }

    /// Whether calls may still be under way.
    pub(crate) fn is_running(&self) -> bool {
        !self.client.is_finished()
    }

    /// Notes what has happened since the last time.
    ///
    /// # Errors
    ///
    /// The server's, if it could not go on.
    pub(crate) fn take_in(&mut self, now: Duration) -> io::Result<()> {
        for event in self.events.try_iter() {
            self.record.note(event);
        }
        if let Some(state) = (self.breaker)() {
            self.record.note_breaker(now, state);
        }
        match self.server.try_recv() {
            Ok(error) => Err(error),
            Err(oneshot::error::TryRecvError::Empty) => Ok(()),
            Err(oneshot::error::TryRecvError::Closed) => {
                Err(io::Error::other("a server's thread has ended before the run"))
            }
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn into_record(self) -> Record {
        self.record
    }
}

/// A runtime that lives on the thread that it is given to.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
