//! Sessions that are resumed: by clients, and with the upstream.

use std::{net::SocketAddr, sync::Arc};

use hyper::StatusCode;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        HandshakeKind::{self, Full, Resumed},
        ServerConfig,
        crypto::ring,
        pki_types::{PrivatePkcs8KeyDer, ServerName},
        version::{TLS12, TLS13},
    },
};

use crate::{
    bounded,
    child::Running,
    client::{Client, Speak, config, text},
    files::Folder,
    routes::proxy,
    stats, upstream,
};

/// A request over a connection of its own, and the kind of its handshake.
async fn fetch(client: &TlsConnector, address: SocketAddr) -> HandshakeKind {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let io = client.connect(name, tcp).await.unwrap();
    let kind = io.get_ref().1.handshake_kind().unwrap();
    let mut client = Client::over(io, address, "https", Speak::Http1Tls).await;
    let response = client.get("/bytes/1").await;
    assert_eq!(response.status(), StatusCode::OK);
    text(response).await;
    kind
}

/// One for each version: tickets of TLS 1.2 and of 1.3 differ.
fn clients() -> [TlsConnector; 2] {
    [&TLS12, &TLS13].map(|version| Arc::new(config(b"http/1.1", &[version])).into())
}

async fn tls(proxy: &Running) -> serde_json::Value {
    stats::get(proxy.address_after("admin ")).await["tls"].clone()
}

#[tokio::test]
async fn one_process_resumes_its_own_sessions() {
    bounded(async {
        for flags in [&[][..], &["--stock"]] {
            let (first, second) = (proxy(flags), proxy(flags));
            for client in clients() {
                assert_eq!(fetch(&client, first.address).await, Full);
                assert_eq!(fetch(&client, first.address).await, Resumed);
                assert_eq!(fetch(&client, second.address).await, Full);
            }
            let stats = tls(&first).await;
            assert_eq!(stats["clients"]["full"], 2);
            assert_eq!(stats["clients"]["resumed"], 2);
            assert_eq!(stats["clients"]["failed"], 0);
            assert!(stats["tickets"].is_null());
            assert_eq!(stats["certificates"]["certificates"], 1);
        }
    })
    .await;
}

#[tokio::test]
async fn processes_with_one_secret_resume_each_others_sessions() {
    let folder = Folder::new("secrets");
    let ours = folder.write("ours", &"0123456789abcdef".repeat(4));
    let other = folder.write("other", &"fedcba9876543210".repeat(4));
    bounded(async {
        let first = proxy(&["--ticket-secret", &ours]);
        let second = proxy(&["--ticket-secret", &ours]);
        let stock = proxy(&["--ticket-secret", &ours, "--stock"]);
        let stranger = proxy(&["--ticket-secret", &other]);
        for client in clients() {
            assert_eq!(fetch(&client, first.address).await, Full);
            assert_eq!(fetch(&client, second.address).await, Resumed);
            assert_eq!(fetch(&client, stock.address).await, Resumed);
            assert_eq!(fetch(&client, first.address).await, Resumed);
            assert_eq!(fetch(&client, stranger.address).await, Full);
        }
        let stats = tls(&second).await;
        assert_eq!(stats["clients"]["full"], 0);
        assert_eq!(stats["clients"]["resumed"], 2);
        assert_eq!(stats["tickets"]["decrypted"], 2);
        assert!(stats["tickets"]["encrypted"].as_u64() >= Some(2));
        let stats = tls(&stranger).await;
        assert_eq!(stats["clients"]["full"], 2);
        assert_eq!(stats["clients"]["failed"], 0);
        assert_eq!(stats["tickets"]["decrypted"], 0);
        assert!(stats["tickets"]["unknown_key"].as_u64() >= Some(2));
    })
    .await;
}

/// A server that resumes, its certificate in a file, and how it may be changed.
async fn upstream_with(
    folder: &Folder,
    change: impl FnOnce(&mut ServerConfig),
) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.ticketer = ring::Ticketer::new().unwrap();
    change(&mut config);
    let address = upstream::closing(config).await;
    let name = format!("{}.pem", address.port());
    (address, folder.write(&name, &made.cert.pem()))
}

#[tokio::test]
async fn the_upstream_is_connected_to_with_its_tickets() {
    let folder = Folder::new("upstream-tickets");
    bounded(async {
        let (address, ca) = upstream_with(&folder, |_| {}).await;
        let url = format!("https://{address}");
        for flags in [&["--h2c"][..], &["--h2c", "--stock"]] {
            let to = ["--upstream", &url, "--upstream-ca", &ca];
            let proxy = proxy(&[flags, &to].concat());
            let mut client = Client::connect(proxy.address, Speak::Http2).await;
            for _ in 0..3 {
                assert_eq!(text(client.get("/").await).await, "ok");
            }
            let stats = tls(&proxy).await["upstream"].clone();
            assert_eq!(stats["full"], 1);
            assert_eq!(stats["resumed"], 2);
            assert_eq!(stats["tickets"]["hits"], 2);
            assert_eq!(stats["tickets"]["misses"], 1);
            assert_eq!(stats["verifier"]["misses"], 1);
        }
    })
    .await;
}

#[tokio::test]
async fn an_upstream_without_tickets_is_verified_once() {
    let folder = Folder::new("upstream-chains");
    bounded(async {
        let (address, ca) = upstream_with(&folder, |config| config.send_tls13_tickets = 0).await;
        let url = format!("https://{address}");
        let proxy = proxy(&["--h2c", "--upstream", &url, "--upstream-ca", &ca]);
        let mut client = Client::connect(proxy.address, Speak::Http2).await;
        for _ in 0..3 {
            assert_eq!(text(client.get("/").await).await, "ok");
        }
        let stats = tls(&proxy).await["upstream"].clone();
        assert_eq!(stats["full"], 3);
        assert_eq!(stats["resumed"], 0);
        assert_eq!(stats["verified_from_cache"], 2);
        assert_eq!(stats["verifier"]["hits"], 2);
    })
    .await;
}
