//! The standard stack around an HTTP client.

use tower_layer::Layer;

use super::{BareStackLayer, Parts, StackLayer, StackService};
use crate::http::{ByStatus, CallHeaders, Edge, EdgeLayer, Idempotency, Transport, TransportLayer};
use crate::telemetry::Environment;

/// A service in a standard stack for HTTP.
pub type HttpStackService<S> = Edge<StackService<Transport<S>, ByStatus, Idempotency>>;

/// Puts an HTTP client into a standard stack.
///
/// Made by [`Stack::http_layer`](super::Stack::http_layer). On top of what a
/// [`StackLayer`] does it
///
/// - judges answers [by their status](ByStatus), with the hints of the `Retry-After` family;
/// - repeats what is idempotent by its method or its `Idempotency-Key`, see [`Idempotency`];
/// - records bodies up to 64 KiB, so that they can be sent again; what is larger is sent once;
/// - bounds headers *and* body of the answer by the total timeout;
/// - tells the server the time that is left and the number of the attempt, see [`CallHeaders`].
///
/// It works around everything that is a tower service from `http::Request<ReplayBody<B>>` to
/// `http::Response`: hyper-util's client, and [`Client`](crate::http::client::Client).
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use seawall::error::BoxError;
/// use seawall::http::ReplayBody;
/// use seawall::stack::Stack;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// // Stands for hyper-util's client; it fails once.
/// let server = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
///     let is_first = !request.headers().contains_key("retry-attempt");
///     let status = if is_first { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
///     Ok::<_, std::io::Error>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
/// });
///
/// let stack = Stack::builder().name("orders").build()?;
/// let orders = ServiceBuilder::new().layer(stack.http_layer()).service(server);
///
/// let response = orders.oneshot(Request::get("http://orders/7").body(Full::default())?).await?;
/// assert_eq!(response.status(), StatusCode::OK);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpStackLayer {
    edge: EdgeLayer,
    stack: BareStackLayer<ByStatus, Idempotency>,
    transport: TransportLayer,
}

impl HttpStackLayer {
    pub(super) fn new(name: &str, parts: Parts, environment: &Environment) -> Self {
        let clock = environment.clock.clone();
        Self {
            edge: EdgeLayer::new().name(name).follow(&parts.total).clock(clock.clone()),
            transport: TransportLayer::new().clock(clock),
            stack: StackLayer::new(parts)
                .classify(ByStatus::new())
                .replay(Idempotency::new())
                .bare(),
        }
    }

    /// Judges answers with `by_status`.
    ///
    /// Default: [`ByStatus::new`].
    #[must_use]
    pub fn classify(self, by_status: ByStatus) -> Self {
        Self { stack: self.stack.classify(by_status), ..self }
    }

    /// Tells by `idempotency` which requests may be repeated.
    ///
    /// Default: [`Idempotency::new`].
    #[must_use]
    pub fn idempotency(self, idempotency: Idempotency) -> Self {
        Self { stack: self.stack.replay(idempotency), ..self }
    }

    /// Tells the server `headers` of each call.
    ///
    /// Default: [`CallHeaders::new`].
    #[must_use]
    pub fn headers(self, headers: CallHeaders) -> Self {
        Self { transport: self.transport.headers(headers), ..self }
    }

    /// The size up to which a request's body is recorded for another attempt, in bytes.
    ///
    /// Default: 65,536.
    #[must_use]
    pub fn replay_cap(self, bytes: usize) -> Self {
        Self { edge: self.edge.replay_cap(bytes), ..self }
    }

    /// Whether the body of the answer ends with the total timeout. `false` for downloads that may
    /// take longer.
    ///
    /// Default: `true`.
    #[must_use]
    pub fn body_deadline(self, body_deadline: bool) -> Self {
        Self { edge: self.edge.body_deadline(body_deadline), ..self }
    }
}

impl<S> Layer<S> for HttpStackLayer {
    type Service = HttpStackService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.edge.layer(self.stack.layer(self.transport.layer(inner)))
    }
}
