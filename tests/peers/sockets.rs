//! Pairs of connected sockets, and connections over them.

use framewright::{Config, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::common::{Sender, client, serve, serve_http2};

/// The ends of a connection that have the transport.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ends {
    Both,
    ServerOnly,
    ClientOnly,
    /// Neither: what the tests expect of hyper itself.
    Neither,
}

/// A connected pair on loopback: the client's end and the server's.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, (far, _)) = (near.expect("connected"), far.expect("accepted"));
    near.set_nodelay(true).expect("an open socket");
    far.set_nodelay(true).expect("an open socket");
    (near, far)
}

pub(crate) async fn connect(
    (near, far): (TcpStream, TcpStream),
    ends: Ends,
    config: Config,
) -> (Sender, JoinHandle<hyper::Result<()>>) {
    match ends {
        Ends::Both => {
            tokio::spawn(serve_http2(Transport::server(far, config.clone())));
            client(Transport::client(near, config)).await
        }
        Ends::ServerOnly => {
            tokio::spawn(serve(Transport::server(far, config)));
            client(near).await
        }
        Ends::Neither => {
            tokio::spawn(serve_http2(far));
            client(near).await
        }
        Ends::ClientOnly => {
            tokio::spawn(serve_http2(far));
            client(Transport::client(near, config)).await
        }
    }
}

#[cfg(feature = "tls")]
pub(crate) async fn connect_tls(
    (near, far): (TcpStream, TcpStream),
    config: Config,
) -> (Sender, JoinHandle<hyper::Result<()>>) {
    use std::sync::Arc;

    use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).expect("a key");
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    // Named, because with all features there is more than one.
    let provider = Arc::new(ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .expect("a key that fits");
    server.alpn_protocols = vec![b"h2".to_vec()];
    let mut trusting = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    trusting.alpn_protocols = vec![b"h2".to_vec()];

    let acceptor = TlsAcceptor::from(Arc::new(server));
    let connector = TlsConnector::from(Arc::new(trusting));
    let name = ServerName::try_from("localhost").expect("a name");
    let (near, far) = tokio::join!(
        Transport::connect_tls(&connector, name, near, config.clone()),
        Transport::accept_tls(&acceptor, far, config),
    );
    let (near, far) = (near.expect("handshake"), far.expect("handshake"));
    assert_eq!(near.get_ref().get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    tokio::spawn(serve(far));
    client(near).await
}
