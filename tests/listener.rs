//! The listener under axum, tonic and hyper, with hyper's clients.

#![cfg(all(feature = "axum", feature = "tonic"))]

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, Uri, Version};
use axum::routing::get;
use framewright::{
    ConnectionHandle, ConnectionInfo, Listener, ListenerBuilder, ListenerHandle, Protocol,
};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpConnectInfo;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A server's configuration, and a client's that trusts it.
fn tls() -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    // Named, because with all features there is more than one.
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server, client)
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A client's end, over TLS or not, for one protocol.
async fn connect(
    address: SocketAddr,
    tls: Option<&ClientConfig>,
    version: Version,
) -> std::io::Result<Box<dyn Io>> {
    let tcp = TcpStream::connect(address).await?;
    let Some(config) = tls else {
        return Ok(Box::new(tcp));
    };
    let mut config = config.clone();
    config.alpn_protocols = match version {
        Version::HTTP_2 => vec![b"h2".to_vec()],
        _ => vec![b"http/1.1".to_vec()],
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    Ok(Box::new(connector.connect(name, tcp).await?))
}

/// Asks for `/` and returns the answer.
async fn ask(
    address: SocketAddr,
    tls: Option<&ClientConfig>,
    version: Version,
) -> Result<String, BoxError> {
    let io = TokioIo::new(connect(address, tls, version).await?);
    let request = Request::get("http://localhost/").header("host", "localhost");
    let request = request.body(Empty::<Bytes>::new())?;
    let response = if version == Version::HTTP_2 {
        let (mut sender, driver) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(driver);
        sender.send_request(request).await?
    } else {
        let (mut sender, driver) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(driver);
        sender.send_request(request).await?
    };
    assert_eq!(response.status(), 200);
    assert_eq!(response.version(), version);
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec())?)
}

/// Asks over TLS and in clear text, in HTTP/2 and HTTP/1.1, and checks answers
/// of the form `protocol tls`.
async fn ask_all(
    serve: impl Fn(Listener) -> tokio::task::JoinHandle<()>,
    check: impl Fn(&str, Version, bool),
) {
    let (server, client) = tls();
    for tls in [Some(&client), None] {
        let builder = match tls {
            Some(_) => Listener::builder().tls(server.clone()),
            None => Listener::builder(),
        };
        let (address, handle, task) = start(builder, &serve).await;
        for version in [Version::HTTP_2, Version::HTTP_11] {
            let answer = ask(address, tls, version).await.expect("an answer");
            check(&answer, version, tls.is_some());
        }
        let stats = handle.stats();
        assert_eq!(stats.accepted, 2);
        let handshakes = stats.full_handshakes + stats.resumed_handshakes;
        assert_eq!(handshakes, if tls.is_some() { 2 } else { 0 });
        task.abort();
    }
}

async fn start<T>(
    builder: ListenerBuilder,
    serve: impl Fn(Listener) -> T,
) -> (SocketAddr, ListenerHandle, T) {
    let listener = builder.bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let handle = listener.handle();
    (address, handle, serve(listener))
}

#[tokio::test]
async fn axum_serves_it_and_hands_connection_infos_out() {
    async fn answer(ConnectInfo(info): ConnectInfo<ConnectionInfo>) -> String {
        assert!(info.remote_addr.ip().is_loopback());
        format!("{} {}", info.protocol, info.handshake().is_some())
    }
    let serve = |listener| {
        let router = Router::new().route("/", get(answer));
        tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<ConnectionInfo>();
            axum::serve(listener, service).await.expect("never ends");
        })
    };
    ask_all(serve, |answer, version, tls| {
        let protocol = match version {
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        assert_eq!(answer, format!("{protocol} {tls}"));
    })
    .await;
}

#[tokio::test]
async fn axum_hands_connection_handles_out() {
    async fn answer(ConnectInfo(handle): ConnectInfo<ConnectionHandle>) -> String {
        let tls = handle.handshake().is_some();
        format!("{} {tls}", handle.stats().inbound_octets > 0)
    }
    let serve = |listener| {
        let router = Router::new().route("/", get(answer));
        tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<ConnectionHandle>();
            axum::serve(listener, service).await.expect("never ends");
        })
    };
    ask_all(serve, |answer, _, tls| {
        assert_eq!(answer, format!("true {tls}"));
    })
    .await;
}

#[tokio::test]
async fn axum_hands_addresses_out_when_the_listener_is_tapped() {
    use axum::serve::ListenerExt;
    async fn answer(ConnectInfo(address): ConnectInfo<SocketAddr>) -> String {
        address.ip().to_string()
    }
    let serve = |listener: Listener| {
        let router = Router::new().route("/", get(answer));
        tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let served = axum::serve(listener.tap_io(|_| {}), service);
            served.await.expect("never ends");
        })
    };
    ask_all(serve, |answer, _, _| assert_eq!(answer, "127.0.0.1")).await;
}

#[tokio::test]
async fn axum_stops_gracefully() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let listener = Listener::builder().bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(|| async { "here" }));
    let served = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let task = tokio::spawn(served.into_future());
    assert_eq!(ask(address, None, Version::HTTP_2).await.unwrap(), "here");
    stop.send(()).unwrap();
    task.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

async fn serve_one(stream: framewright::ServerStream) {
    let answer = format!("{} {}", stream.protocol(), stream.handshake().is_some());
    let service = hyper::service::service_fn(move |_| {
        let answer = answer.clone();
        async move { Ok::<_, std::convert::Infallible>(hyper::Response::new(answer)) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

fn check_protocol(answer: &str, version: Version, tls: bool) {
    let protocol = match version {
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    };
    assert_eq!(answer, format!("{protocol} {tls}"));
}

#[tokio::test]
async fn a_loop_around_accept_serves_it() {
    let serve = |mut listener: Listener| {
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_one(stream));
            }
        })
    };
    ask_all(serve, check_protocol).await;
}

#[tokio::test]
async fn a_loop_around_the_stream_serves_it() {
    use tokio_stream::StreamExt;
    let serve = |listener: Listener| {
        tokio::spawn(async move {
            let mut incoming = listener.into_stream();
            while let Some(Ok(stream)) = incoming.next().await {
                tokio::spawn(serve_one(stream));
            }
        })
    };
    ask_all(serve, check_protocol).await;
}

/// Connects tonic's channel to one address.
#[derive(Clone)]
struct Connector(SocketAddr, Option<ClientConfig>);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self(address, tls) = self.clone();
        Box::pin(async move {
            let io = connect(address, tls.as_ref(), Version::HTTP_2).await?;
            Ok(TokioIo::new(io))
        })
    }
}

#[tokio::test]
async fn tonic_serves_it_and_hands_connection_infos_out() {
    let (server, client) = tls();
    for tls in [Some(client), None] {
        let builder = match tls {
            Some(_) => Listener::builder().tls(server.clone()),
            None => Listener::builder(),
        };
        let listener = builder.http2_only().bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, mut infos) = tokio::sync::mpsc::unbounded_channel();
        let look = move |mut request: tonic::Request<()>| {
            let info = request.extensions().get::<ConnectionInfo>().cloned();
            let info = info.ok_or_else(|| tonic::Status::internal("no info"))?;
            assert_eq!(request.remote_addr(), None);
            let tcp = TcpConnectInfo::from(&info);
            request.extensions_mut().insert(tcp);
            assert_eq!(request.remote_addr(), Some(info.remote_addr));
            let _ = seen.send(info);
            Ok(request)
        };
        let (_reporter, health) = tonic_health::server::health_reporter();
        let task = tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(InterceptedService::new(health, look))
                .serve_with_incoming(listener.into_stream()),
        );
        let channel = tonic::transport::Endpoint::from_static("http://localhost")
            .connect_with_connector(Connector(address, tls.clone()))
            .await
            .unwrap();
        let mut client = HealthClient::new(channel);
        for _ in 0..3 {
            let request = HealthCheckRequest {
                service: String::new(),
            };
            let response = client.check(request).await.unwrap().into_inner();
            assert_eq!(response.status, 1);
            let info = infos.recv().await.unwrap();
            assert_eq!(info.local_addr, Some(address));
            assert_eq!(info.protocol, Protocol::Http2);
            assert_eq!(info.handshake().is_some(), tls.is_some());
        }
        task.abort();
    }
}
