//! An HTTP client for the SDK that finds every name on this machine.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, Transport};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::Uri;
use http::header::HOST;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

/// The SDK's way to the network.
///
/// It has no time limit of its own, repeats nothing that was sent, follows no redirect, and decompresses nothing.
#[derive(Clone, Debug)]
pub struct Wire {
    client: Client<HttpsConnector<HttpConnector<Loopback>>, UnsyncBoxBody<Bytes, Error>>,
    to: Option<SocketAddr>,
}

impl Wire {
    /// Goes where the address says, by name or by number, but never off this machine.
    #[must_use]
    pub fn new() -> Self {
        Self::over(RootCertStore::empty(), None)
    }

    /// The same, over TLS with who shows the certificate in `pem`.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn trusting(pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        roots.add(certificate).expect("it can be trusted");
        Self::over(roots, None)
    }

    /// Sends everything to `address` in the clear, whatever the URL says, with the URL's own host in the header.
    ///
    /// So the SDK may insist on `https` and on the names of its cloud, or on an address that is no machine's, and needs no
    /// certificate.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self::over(RootCertStore::empty(), Some(address))
    }

    /// As the SDK's options take it.
    #[must_use]
    pub fn transport(&self) -> Transport {
        Transport::new(Arc::new(self.clone()))
    }

    fn over(roots: RootCertStore, to: Option<SocketAddr>) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Loopback);
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), to }
    }

    fn request(&self, from: &Request) -> Result<http::Request<UnsyncBoxBody<Bytes, Error>>, Error> {
        let mut to = http::Request::builder().method(from.method().as_ref());
        let url = from.url();
        to = match self.to {
            Some(address) => {
                let uri = Uri::builder().scheme("http").authority(address.to_string());
                let uri = uri.path_and_query(from.path_and_query()).build();
                to.uri(uri.map_err(|error| Error::new(ErrorKind::Other, error))?)
                    .header(HOST, url.host_str().unwrap_or_default())
            }
            None => to.uri(url.as_str()),
        };
        for (name, value) in from.headers().iter() {
            to = to.header(name.as_str(), value.as_str());
        }
        let body = match from.body().clone() {
            Body::Bytes(bytes) => Full::new(bytes).map_err(never).boxed_unsync(),
            Body::SeekableStream(stream) => {
                StreamBody::new(stream.map_ok(Frame::data)).boxed_unsync()
            }
        };
        to.body(body).map_err(|error| Error::new(ErrorKind::Other, error))
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.client.request(self.request(request)?).await.map_err(|error| {
            let kind = if error.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
            Error::new(kind, error)
        })?;
        let (head, body) = answer.into_parts();
        let mut headers = Headers::new();
        for (name, value) in &head.headers {
            if let Ok(value) = value.to_str() {
                let name = HeaderName::from(name.as_str().to_owned());
                headers.insert(name, HeaderValue::from(value.to_owned()));
            }
        }
        let body = BodyStream::new(body).filter_map(|frame| {
            ready(match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(Error::new(ErrorKind::Io, error))),
            })
        });
        Ok(AsyncRawResponse::new(head.status.as_u16().into(), headers, Box::pin(body)))
    }
}

fn never(never: Infallible) -> Error {
    match never {}
}

/// Every name is this machine.
#[derive(Clone, Debug)]
struct Loopback;

impl Service<Name> for Loopback {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))].into_iter()))
    }
}
