//! Certificates that must be refused, on a cold cache and on a warm one.

use framewright::{ConnectError, Connector};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::pki::{Authority, Leaf, Valid};
use crate::server::{Server, connect, trusting, whole};

/// Connects twice, and wants the certificate refused both times for `why`.
async fn refused(connector: &Connector, server: &Server, why: &str) {
    for _ in 0..2 {
        let error = connect(connector, server.uri()).await.expect_err(why);
        let text = whole(&error);
        assert!(matches!(error, ConnectError::Certificate { .. }), "{text}");
        assert!(text.contains("localhost:"), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn bad_certificates_are_refused_after_good_ones_too() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let own = rcgen::generate_simple_self_signed([String::from("localhost")]).expect("a key");
    let own = Leaf {
        chain: vec![own.cert.der().clone()],
        pem: own.cert.pem(),
        key: own.signing_key,
    };
    let good = || authority.leaf(&["localhost", "other.test"]).server(&["h2"]);
    let bad = [
        (authority.leaf_valid(&["localhost"], Valid::Past), "expired"),
        (
            authority.leaf_valid(&["localhost"], Valid::Future),
            "not valid yet",
        ),
        (authority.leaf(&["other.test"]), "not valid for"),
        (stranger.leaf(&["localhost"]), "UnknownIssuer"),
        (own, "UnknownIssuer"),
    ];
    let server = Server::start(good()).await;
    let warm = trusting(&authority).build().expect("a connector");
    for (leaf, why) in bad {
        let cold = trusting(&authority).build().expect("a connector");
        server.replace(leaf.server(&["h2"]));
        refused(&cold, &server, why).await;
        server.replace(good());
        connect(&warm, server.uri())
            .await
            .expect("a good certificate");
        server.replace(leaf.server(&["h2"]));
        refused(&warm, &server, why).await;
    }
    let stats = warm.verifier().expect("TLS").stats();
    assert_eq!(stats.failures, 10, "{stats:?}");
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let authority = Authority::new();
    let server = Server::start(authority.leaf(&["localhost"]).server(&["h2"])).await;
    let trusts = trusting(&authority).build().expect("a connector");
    connect(&trusts, server.uri()).await.expect("not revoked");
    let lists = trusting(&authority).crls([authority.revoking()]);
    let lists = lists.build().expect("a connector");
    refused(&lists, &server, "Revoked").await;
    connect(&trusts, server.uri()).await.expect("not revoked");
}

#[tokio::test]
async fn a_success_for_one_name_says_nothing_of_another() {
    let authority = Authority::new();
    let server = Server::start(authority.leaf(&["localhost"]).server(&["h2"])).await;
    let right = trusting(&authority).build().expect("a connector");
    connect(&right, server.uri()).await.expect("the right name");
    let name = ServerName::try_from("other.test").expect("a name");
    let wrong = trusting(&authority).server_name(name);
    refused(
        &wrong.build().expect("a connector"),
        &server,
        "not valid for",
    )
    .await;

    // One connector, two names for one server.
    let by_address = format!("https://127.0.0.1:{}/", server.address.port());
    let error = connect(&right, by_address.parse().expect("a URI")).await;
    let text = whole(&error.expect_err("the certificate has no address"));
    assert!(text.contains("127.0.0.1:"), "{text}");
}

#[tokio::test]
async fn a_root_that_is_taken_away_takes_effect() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start(authority.leaf(&["localhost"]).server(&["h2"])).await;
    let before = trusting(&authority).with_roots(other.roots()).build();
    let before = before.expect("a connector");
    connect(&before, server.uri()).await.expect("trusted");
    let after = trusting(&other).ticket_store(before.tickets().expect("TLS"));
    refused(
        &after.build().expect("a connector"),
        &server,
        "UnknownIssuer",
    )
    .await;
}
