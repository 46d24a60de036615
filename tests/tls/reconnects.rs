//! Reconnects, one after the other.

use std::collections::HashSet;

use framewright::HandshakeInfo;
use framewright::tls::PeerVerification;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio_rustls::rustls::{ProtocolVersion, version};

use crate::pki::{Authority, provider};
use crate::server::{Server, trusting};

/// A request on a connection of its own; what the response says of it.
async fn fetch(connector: &framewright::Connector, uri: http::Uri) -> HandshakeInfo {
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build::<_, Empty<Bytes>>(connector.clone());
    let request = Request::get(uri).body(Empty::new()).expect("a request");
    let response = client.request(request).await.expect("a response");
    assert_eq!(response.version(), http::Version::HTTP_2);
    let extensions = response.extensions();
    let info = extensions.get::<HandshakeInfo>().cloned().expect("TLS");
    let handle = extensions.get::<framewright::ConnectionHandle>();
    assert_eq!(handle.expect("a handle").handshake(), Some(&info));
    let remote = extensions.get::<hyper_util::client::legacy::connect::HttpInfo>();
    assert!(remote.is_some(), "what the dialer says is kept");
    // Reading on is what takes the tickets in.
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes().len(), 5000);
    info
}

async fn hundred_reconnects(version: &'static tokio_rustls::rustls::SupportedProtocolVersion) {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let mut config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(leaf.chain.clone(), leaf.key_der())
        .expect("a key that fits");
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.ticketer = tokio_rustls::rustls::crypto::ring::Ticketer::new().expect("a ticketer");
    let server = Server::start(config).await;

    let connector = trusting(&authority).build().expect("a connector");
    let mut resumed = 0;
    for i in 0..101 {
        let info = fetch(&connector, server.uri()).await;
        assert_eq!(info.version, version.version);
        assert!(info.is_http2());
        if info.resumed {
            resumed += 1;
            assert_eq!(info.verification, PeerVerification::None);
        } else if i == 0 {
            assert_eq!(info.verification, PeerVerification::Verified);
        } else {
            assert_eq!(info.verification, PeerVerification::Cached);
        }
    }
    assert!(resumed >= 95, "{resumed} of 100");
    let stats = connector.tickets().expect("TLS").stats();
    assert_eq!(stats.hits, resumed);
    assert!(stats.misses >= 1, "{stats:?}");
    let stats = connector.stats();
    assert_eq!((stats.connected, stats.resumed_handshakes), (101, resumed));
    assert_eq!(stats.full_handshakes, 101 - resumed);
    assert_eq!(stats.cached_verifications, 101 - resumed - 1);
}

#[tokio::test]
async fn a_hundred_reconnects_with_tls_1_3_are_resumed() {
    hundred_reconnects(&version::TLS13).await;
}

#[tokio::test]
async fn a_hundred_reconnects_with_tls_1_2_are_resumed() {
    hundred_reconnects(&version::TLS12).await;
}

#[tokio::test]
async fn each_ticket_is_used_once() {
    let authority = Authority::new();
    let mut config = authority.leaf(&["localhost"]).server(&["h2"]);
    let seen = std::sync::Arc::new(Seen::new(config.ticketer.clone()));
    config.ticketer = seen.clone();
    let server = Server::start(config).await;
    let connector = trusting(&authority).build().expect("a connector");
    for _ in 0..20 {
        fetch(&connector, server.uri()).await;
    }
    let tickets = seen.tickets.lock();
    let distinct: HashSet<_> = tickets.iter().collect();
    assert!(tickets.len() >= 19, "{}", tickets.len());
    assert_eq!(distinct.len(), tickets.len());
}

/// Remembers the tickets that clients show.
#[derive(Debug)]
struct Seen {
    inner: std::sync::Arc<dyn tokio_rustls::rustls::server::ProducesTickets>,
    tickets: parking_lot::Mutex<Vec<Vec<u8>>>,
}

impl Seen {
    fn new(inner: std::sync::Arc<dyn tokio_rustls::rustls::server::ProducesTickets>) -> Self {
        let tickets = parking_lot::Mutex::default();
        Self { inner, tickets }
    }
}

impl tokio_rustls::rustls::server::ProducesTickets for Seen {
    fn enabled(&self) -> bool {
        self.inner.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.inner.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.inner.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.tickets.lock().push(cipher.to_vec());
        self.inner.decrypt(cipher)
    }
}

#[tokio::test]
async fn clones_share_tickets_and_builders_do_not() {
    let authority = Authority::new();
    let server = Server::start(authority.leaf(&["localhost"]).server(&["h2"])).await;
    let store = framewright::tls::TicketStore::default();
    let one = trusting(&authority)
        .ticket_store(&store)
        .build()
        .expect("built");
    let other = trusting(&authority)
        .ticket_store(&store)
        .build()
        .expect("built");
    assert!(!fetch(&one, server.uri()).await.resumed);
    assert!(fetch(&one.clone(), server.uri()).await.resumed);
    let info = fetch(&other, server.uri()).await;
    assert!(!info.resumed);
    assert_eq!(info.verification, PeerVerification::Verified);
    assert!(fetch(&other, server.uri()).await.resumed);
    // The other was not even shown the tickets of the one.
    let stats = store.stats();
    assert_eq!((stats.hits, stats.misses), (2, 2));
}

#[tokio::test]
async fn a_server_that_swaps_its_certificate_is_verified_anew() {
    let authority = Authority::new();
    let server = Server::start(authority.leaf(&["localhost"]).server(&["h2"])).await;
    let connector = trusting(&authority).build().expect("a connector");
    let first = fetch(&connector, server.uri()).await;
    assert_eq!(first.verification, PeerVerification::Verified);
    // With another ticketer, so that the tickets of the first are worthless.
    server.replace(authority.leaf(&["localhost"]).server(&["h2"]));
    let second = fetch(&connector, server.uri()).await;
    assert!(!second.resumed);
    assert_eq!(second.verification, PeerVerification::Verified);
    assert_eq!(second.version, ProtocolVersion::TLSv1_3);
}

#[tokio::test]
async fn a_configuration_of_the_callers_is_used_as_it_is() {
    let authority = Authority::new();
    let server = Server::start(authority.leaf(&["localhost"]).server(&["h2"])).await;
    let own = crate::pki::stock_client(authority.roots(), &[]);
    let connector = framewright::Connector::builder()
        .with_tls_config(own)
        .build()
        .expect("a connector");
    assert!(connector.tickets().is_none());
    let first = fetch(&connector, server.uri()).await;
    assert_eq!(first.verification, PeerVerification::Verified);
    assert!(fetch(&connector, server.uri()).await.resumed);
    // But for what can be replayed.
    let mut early = crate::pki::stock_client(authority.roots(), &["h2"]);
    early.enable_early_data = true;
    let connector = framewright::Connector::builder().with_tls_config(early);
    let connector = connector.build().expect("a connector");
    assert!(!connector.tls_config().expect("TLS").enable_early_data);
}
