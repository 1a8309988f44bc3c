//! Why a server does not start.

use std::error::Error;
use std::{fmt, io};

use crate::error::InvalidConfig;

/// A server that did not start.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use http_body_util::Empty;
/// use seawall::health::Server;
/// use seawall::health::server::ServeError;
/// use tower::service_fn;
///
/// let service = service_fn(|_: Request<()>| async {
///     Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
/// });
///
/// let error = Server::builder().max_connections(0).serve(service).unwrap_err();
///
/// assert!(matches!(error, ServeError::Config(error) if error.field() == "max_connections"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// A setting makes no sense.
    Config(InvalidConfig),
    /// The address can not be listened at, or the listener is of no use.
    Listen(io::Error),
    /// The thread or its runtime does not start.
    Start(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config(_) => "the health server is configured wrongly",
            Self::Listen(_) => "the health server can not listen",
            Self::Start(_) => "the health server's thread does not start",
        })
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Listen(error) | Self::Start(error) => Some(error),
        }
    }
}

impl From<InvalidConfig> for ServeError {
    fn from(error: InvalidConfig) -> Self {
        Self::Config(error)
    }
}
