//! A TLS server with a port of its own, and connectors to it.

use std::net::SocketAddr;
use std::sync::Arc;

use framewright::{ClientStream, ConnectError, Connector, ConnectorBuilder};
use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower_service::Service;

use crate::common;
use crate::pki::{Authority, provider};

pub(crate) type Stream = ClientStream<TokioIo<TcpStream>>;

/// Serves with bare rustls and hyper: nothing of this crate.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let config = Arc::new(Mutex::new(Arc::new(config)));
        let shared = Arc::clone(&config);
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("accepted");
                let acceptor = TlsAcceptor::from(Arc::clone(&shared.lock()));
                tokio::spawn(async move {
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        let _ = common::serve(tls).await;
                    }
                });
            }
        });
        Self {
            address,
            config,
            task,
        }
    }

    /// Connections from now on meet this configuration.
    pub(crate) fn replace(&self, config: ServerConfig) {
        *self.config.lock() = Arc::new(config);
    }

    pub(crate) fn uri(&self) -> Uri {
        uri(self.address.port())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `localhost` is in every certificate that is to be accepted.
pub(crate) fn uri(port: u16) -> Uri {
    let uri = format!("https://localhost:{port}/bytes?len=5000&seed=1");
    uri.parse().expect("a URI")
}

/// A builder that trusts `authority`.
pub(crate) fn trusting(authority: &Authority) -> ConnectorBuilder {
    Connector::builder()
        .provider(provider())
        .with_roots(authority.roots())
}

pub(crate) async fn connect(connector: &Connector, uri: Uri) -> Result<Stream, ConnectError> {
    let mut connector = connector.clone();
    std::future::poll_fn(|cx| connector.poll_ready(cx)).await?;
    connector.call(uri).await
}

/// The error and its sources, as a user would print them.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
