//! TLS before HTTP.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio_rustls::{Accept, TlsAcceptor};

/// What is held of bytes that are not yet sent or read, each way.
const BUFFER: usize = 16 * 1024;

/// How a connection is encrypted.
#[derive(Clone)]
pub(super) struct Tls(Arc<ServerConfig>);

impl Tls {
    pub(super) fn new(mut config: Arc<ServerConfig>) -> Self {
        // A client that asks for HTTP/2 as well gets HTTP/1.1; one that asks for HTTP/2 alone gets a
        // clear alert.
        Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(config)
    }

    pub(super) fn accept<T>(&self, transport: T) -> Accept<T>
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        TlsAcceptor::from(Arc::clone(&self.0))
            .accept_with(transport, |session| session.set_buffer_limit(Some(BUFFER)))
    }
}

/// Without the keys that a configuration may hold.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Two are equal when they are one.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
