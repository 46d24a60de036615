//! What a connector says when it cannot be made, or makes no connection.

use std::sync::Arc;
use std::time::Duration;

use framewright::tls::TicketStore;
use framewright::{BuildError, ConnectError, Connector};
use http::Uri;
use tokio::net::TcpListener;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;

use crate::pki::{Authority, provider};
use crate::server::{Server, connect, trusting, uri, whole};

#[tokio::test]
async fn a_silent_server_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let connector = trusting(&Authority::new())
        .handshake_timeout(Duration::from_millis(50))
        .build()
        .expect("a connector");
    let error = connect(&connector, uri(port)).await.expect_err("silence");
    assert!(matches!(error, ConnectError::HandshakeTimeout { .. }));
    assert!(error.is_timeout());
    let stats = connector.stats();
    assert_eq!((stats.connected, stats.failed, stats.timed_out), (0, 1, 1));
    assert_eq!(
        error.to_string(),
        format!("localhost:{port} did not finish the TLS handshake within 50ms")
    );
}

#[tokio::test]
async fn a_server_with_other_protocols_is_named() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let server = Server::start(leaf.server(&["spdy/3"])).await;
    let connector = trusting(&authority).build().expect("a connector");
    let error = connect(&connector, server.uri()).await.expect_err("spdy");
    assert!(matches!(error, ConnectError::NoCommonProtocol { .. }));
    assert!(error.to_string().ends_with("h2, http/1.1"), "{error}");

    // Without ALPN a server speaks HTTP/1.1.
    server.replace(leaf.server(&[]));
    let stream = connect(&connector, server.uri()).await.expect("HTTP/1.1");
    assert!(!stream.handshake().expect("TLS").is_http2());
    let only = trusting(&authority).http2_only().build().expect("built");
    let error = connect(&only, server.uri()).await.expect_err("HTTP/1.1");
    assert!(matches!(error, ConnectError::NoCommonProtocol { .. }));
    server.replace(leaf.server(&["h2"]));
    let only = trusting(&authority).http1_only().build().expect("built");
    let error = connect(&only, server.uri()).await.expect_err("HTTP/2");
    assert!(error.to_string().ends_with("http/1.1"), "{error}");
}

#[tokio::test]
async fn a_clear_text_port_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answering = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("accepted");
        let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut tcp, answer)
            .await
            .expect("written");
        tcp
    });
    let connector = trusting(&Authority::new()).build().expect("a connector");
    let error = connect(&connector, uri(port))
        .await
        .expect_err("clear text");
    assert!(
        matches!(error, ConnectError::NotTls { .. }),
        "{}",
        whole(&error)
    );
    drop(answering.await);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let connector = trusting(&Authority::new()).build().expect("a connector");
    let error = connect(&connector, uri(port)).await.expect_err("hung up");
    assert!(
        matches!(error, ConnectError::Broken { .. }),
        "{}",
        whole(&error)
    );
}

#[tokio::test]
async fn nothing_listens() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let connector = trusting(&Authority::new()).build().expect("a connector");
    let error = connect(&connector, uri(port)).await.expect_err("refused");
    let text = whole(&error);
    assert!(matches!(error, ConnectError::Dial { .. }), "{text}");
    assert!(!error.is_timeout());
    assert!(
        text.starts_with(&format!("no connection to localhost:{port}: ")),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn uris_that_cannot_be_connected_to() {
    let plain = Connector::builder().build().expect("a connector");
    let of = |uri: &'static str| connect(&plain, Uri::from_static(uri));
    let error = of("https://example.test/").await.expect_err("no TLS");
    assert!(matches!(error, ConnectError::NoTls { .. }));
    assert_eq!(
        error.to_string(),
        "cannot connect to https://example.test: this connector was built with no TLS configuration"
    );
    for (uri, why) in [
        (
            "ftp://user:secret@x/?token=secret",
            "neither http nor https",
        ),
        ("/path?token=secret", "no scheme"),
    ] {
        let error = of(uri).await.expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let trusting = trusting(&Authority::new()).build().expect("a connector");
    let odd = Uri::from_static("https://under_score-.test./");
    let error = connect(&trusting, odd).await.expect_err("no such name");
    assert!(matches!(
        error,
        ConnectError::ServerName { .. } | ConnectError::Dial { .. }
    ));
}

#[test]
fn connectors_that_cannot_be_made() {
    let empty = Connector::builder()
        .provider(provider())
        .with_roots(RootCertStore::empty())
        .build();
    let error = empty.expect_err("no roots");
    assert!(matches!(error, BuildError::NoRoots));
    let absent = Connector::builder()
        .provider(provider())
        .with_roots_file("/nowhere/roots.pem")
        .build();
    let error = whole(&absent.expect_err("no such file"));
    assert!(error.contains("/nowhere/roots.pem"), "{error}");
    // Not a single certificate is as good as no file.
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let none = Connector::builder()
        .provider(provider())
        .with_roots_file(manifest)
        .build();
    assert!(matches!(none, Err(BuildError::RootsFile(_))));
    let error = Connector::builder()
        .provider(provider())
        .with_roots(RootCertStore::empty())
        .build()
        .expect_err("no roots");
    assert!(
        error.to_string().starts_with("the root store is empty"),
        "{error}"
    );

    let authority = Authority::new();
    let (one, other) = (
        authority.leaf(&["one.test"]),
        authority.leaf(&["other.test"]),
    );
    let mixed = trusting(&authority)
        .client_certificate(one.chain.clone(), other.key_der())
        .build();
    let error = mixed.expect_err("another's key");
    assert!(matches!(error, BuildError::ClientCertificate(_)), "{error}");

    let unused = Connector::builder().client_certificate(one.chain.clone(), one.key_der());
    assert!(matches!(unused.build(), Err(BuildError::NothingToTrust)));
    let own = crate::pki::stock_client(authority.roots(), &["h2"]);
    let both = Connector::builder()
        .with_tls_config(own)
        .crls([authority.revoking()]);
    assert!(matches!(both.build(), Err(BuildError::Conflict(_))));
}

#[test]
fn settings_that_would_have_no_effect_are_refused() {
    let authority = Authority::new();
    let config = |alpn: &[&str]| crate::pki::stock_client(authority.roots(), alpn);
    let whole = || Connector::builder().with_tls_config(config(&["h2"]));
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(authority.roots()), provider());
    let verifier = verifier.build().expect("a verifier");
    let pinned = || {
        Connector::builder()
            .provider(provider())
            .with_verifier(verifier.clone())
    };
    let one = |alpn| Connector::builder().with_tls_config(config(alpn));
    for conflict in [
        pinned().with_roots(authority.roots()),
        pinned().crls([authority.revoking()]),
        trusting(&authority).with_tls_config(config(&[])),
        whole().ticket_store(&TicketStore::default()),
        whole().verification_lifetime(Duration::ZERO),
        whole().provider(provider()),
        whole().http1_only(),
        one(&["http/1.1"]).http2_only(),
        one(&["h2", "http/1.1"]).http2_only(),
    ] {
        assert!(matches!(conflict.build(), Err(BuildError::Conflict(_))));
    }
    pinned().build().expect("a verifier by itself");
    whole().http2_only().build().expect("they agree");
    one(&["http/1.1"]).http1_only().build().expect("they agree");
    one(&[]).http1_only().build().expect("it is left open");
}

#[tokio::test]
async fn a_timeout_without_end_is_no_panic() {
    let authority = Authority::new();
    let server = Server::start(authority.leaf(&["localhost"]).server(&["h2"])).await;
    let connector = trusting(&authority)
        .connect_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX)
        .build()
        .expect("a connector");
    connect(&connector, server.uri()).await.expect("connected");
}
