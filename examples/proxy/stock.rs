//! `--stock`: servers and upstream on bare sockets, within the same limits.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ClientConfig, HandshakeKind, RootCertStore},
};

use crate::{
    complain,
    serve::{Handler, Peer, Server},
    stats::Endpoint,
    tls::{self, Tls},
};

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bare listener.
pub(crate) struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    pub(crate) async fn bind(address: &str, tls: Option<&Tls>) -> io::Result<Self> {
        Ok(Self {
            tcp: TcpListener::bind(address).await?,
            tls: tls.map(|tls| Arc::clone(&tls.config).into()),
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    async fn accept(
        &self,
        slots: &Arc<Semaphore>,
    ) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let slot = Arc::clone(slots).acquire_owned().await;
        let slot = slot.map_err(io::Error::other)?;
        let (tcp, address) = self.tcp.accept().await?;
        Ok((tcp, address, slot))
    }
}

impl<H: Handler> Server<H> {
    /// As [`Server::run`].
    pub(crate) async fn run_stock(self, listener: Listener, mut draining: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.limits.connections as usize));
        loop {
            let accepted = tokio::select! {
                biased;
                _ = draining.wait_for(|draining| *draining) => return,
                accepted = listener.accept(&slots) => accepted,
            };
            match accepted {
                Ok((tcp, address, slot)) => {
                    let server = self.clone();
                    let (tls, draining) = (listener.tls.clone(), draining.clone());
                    tokio::spawn(async move {
                        server.stock_connection(tcp, address, tls, draining).await;
                        drop(slot);
                    });
                }
                // Most likely no file descriptor is free; connections that end
                // free some.
                Err(error) => {
                    self.endpoint.bare(|stats| stats.accept_errors += 1);
                    complain(&format!("accept: {error}"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn stock_connection(
        self,
        tcp: TcpStream,
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        mut draining: watch::Receiver<bool>,
    ) {
        let _open = Open::new(&self.endpoint);
        // Fails where the client is gone already, which shows soon.
        let _ = tcp.set_nodelay(true);
        let Some(tls) = tls else {
            let peer = Peer::new(address, false);
            return self.exchange(tcp, peer, draining).await;
        };
        let handshake = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => return,
            handshake = timeout(self.limits.handshake, tls.accept(tcp)) => handshake,
        };
        let endpoint = Arc::clone(&self.endpoint);
        match handshake {
            Ok(Ok(io)) => {
                let resumed = io.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
                endpoint.bare(|stats| match resumed {
                    true => stats.resumed_handshakes += 1,
                    false => stats.full_handshakes += 1,
                });
                let peer = Peer::new(address, true);
                self.exchange(io, peer, draining).await;
            }
            Ok(Err(_)) => endpoint.bare(|stats| stats.failed_handshakes += 1),
            Err(_) => endpoint.bare(|stats| stats.timed_out += 1),
        }
    }
}

/// A connection that is counted while it lives.
struct Open(Arc<Endpoint>);

impl Open {
    fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.bare(|stats| {
            stats.accepted += 1;
            stats.open += 1;
        });
        Self(Arc::clone(endpoint))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.bare(|stats| stats.open -= 1);
    }
}

/// Bare connections to the upstream, with TLS as framewright's connector has it.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

pub(crate) fn connector(tls: Option<&Arc<ClientConfig>>) -> Result<Connector, String> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let tls = match tls {
        Some(tls) => Arc::clone(tls),
        // For an http:// upstream, so that nobody is trusted with anything.
        None => ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
            .into(),
    };
    Ok((http, tls).into())
}
