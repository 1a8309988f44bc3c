//! A transport for the SDK that finds every name on this machine.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport};
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error, ResponseFuture};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use seawall::azure::TowerTransport;
use seawall::azure::transport::TransportBody;
use tower_service::Service;

/// The SDK's way to the network.
///
/// It has no time limit of its own, repeats nothing that was sent, follows no redirect, and decompresses nothing.
#[derive(Clone, Debug)]
pub struct Wire {
    transport: TowerTransport,
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
        self.transport.clone().into()
    }

    /// Makes one request, past all of the SDK's policies.
    ///
    /// # Errors
    ///
    /// Of kind `Connection` if nobody was reached, and `Io` for what broke after that.
    pub async fn send(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.transport.execute_request(request).await
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
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { transport: TowerTransport::new(Sending { client, to }) }
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone)]
struct Sending {
    client: Client<HttpsConnector<HttpConnector<Loopback>>, TransportBody>,
    to: Option<SocketAddr>,
}

impl Service<http::Request<TransportBody>> for Sending {
    type Response = http::Response<Incoming>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<TransportBody>) -> ResponseFuture {
        if let Some(address) = self.to {
            let uri = request.uri();
            let host = uri.host().and_then(|host| HeaderValue::from_str(host).ok());
            let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
            let to: Uri = format!("http://{address}{path}").parse().expect("it was one before");
            *request.uri_mut() = to;
            request.headers_mut().extend(host.map(|host| (HOST, host)));
        }
        self.client.request(request)
    }
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
