//! A cable between a client and its server, which can be cut at a word.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Leads from a port of its own to that of a server, byte by byte.
#[derive(Debug)]
pub struct Cable {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    cut: Mutex<Option<Cut>>,
    connections: AtomicUsize,
}

/// What is to happen when a client says `word`.
#[derive(Clone, Debug)]
struct Cut {
    word: &'static str,
    arrives: bool,
}

impl Cable {
    /// Lays one.
    ///
    /// # Panics
    ///
    /// If there is no loopback port.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(lead(client, server, Arc::clone(&shared)));
                }
            }
        });
        Self { port, shared, accepting }
    }

    /// The port that clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Cuts the next connection over which a client sends `word`: after the server has it, or before. Of the
    /// answer, the client gets nothing.
    pub fn cut_at(&self, word: &'static str, arrives: bool) {
        *self.shared.cut.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Cut { word, arrives });
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn lead(mut client: TcpStream, server: u16, shared: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    let (mut from_client, mut from_server) = ([0; 16_384], [0; 16_384]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                let said = &from_client[..length];
                let cut = {
                    let mut cut = shared.cut.lock().unwrap_or_else(PoisonError::into_inner);
                    cut.take_if(|cut| {
                        said.windows(cut.word.len()).any(|part| part == cut.word.as_bytes())
                    })
                };
                let arrives = cut.as_ref().is_none_or(|cut| cut.arrives);
                if arrives && server.write_all(said).await.is_err() {
                    return;
                }
                if cut.is_some() {
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&from_server[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
