//! Dialers other than the default.

use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use framewright::{ConnectError, Connector};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

use crate::pki::{Authority, provider};
use crate::server::{Server, trusting, whole};

type Dialing = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

/// Dials as it was told, and wants to be asked whether it is ready first, each
/// clone for itself.
struct Dialer {
    dial: fn(u16) -> Dialing,
    port: u16,
    ready: bool,
}

impl Dialer {
    fn new(port: u16, dial: fn(u16) -> Dialing) -> Self {
        let ready = false;
        Self { dial, port, ready }
    }
}

impl Clone for Dialer {
    fn clone(&self) -> Self {
        Self::new(self.port, self.dial)
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Dialing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Dialing {
        assert!(
            std::mem::take(&mut self.ready),
            "called before it was ready"
        );
        (self.dial)(self.port)
    }
}

/// Waits until it is ready, and calls it.
async fn call(
    connector: &mut Connector<Dialer>,
    uri: &str,
) -> Result<framewright::ClientStream<TokioIo<TcpStream>>, ConnectError> {
    std::future::poll_fn(|cx| connector.poll_ready(cx)).await?;
    connector.call(uri.parse().expect("a URI")).await
}

fn by_port(port: u16) -> Dialing {
    Box::pin(async move {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
        Ok(TokioIo::new(tcp))
    })
}

#[tokio::test]
async fn a_dialer_decides_where_to_and_the_uri_whom_to_trust() {
    let authority = Authority::new();
    let server = Server::start(authority.leaf(&["::1"]).server(&["h2"])).await;
    let dialer = Dialer::new(server.address.port(), by_port);
    let connector = trusting(&authority).dialer(dialer).build();
    let mut connector = connector.expect("a connector").clone();
    let stream = match call(&mut connector, "https://[::1]:443/").await {
        Ok(stream) => stream,
        Err(error) => panic!("{}", whole(&error)),
    };
    assert!(hyper::rt::Write::is_write_vectored(&stream));
    assert!(tokio::io::AsyncWrite::is_write_vectored(&stream));
    assert!(stream.handshake().expect("TLS").is_http2());
    let peer = stream.get_ref().inner().peer_addr().expect("an address");
    assert_eq!(peer, server.address);
}

#[tokio::test]
async fn a_dialer_may_take_too_long() {
    let mut connector = Connector::builder()
        .dialer(Dialer::new(0, |_| Box::pin(std::future::pending())))
        .connect_timeout(Duration::from_millis(20))
        .build()
        .expect("a connector");
    let error = call(&mut connector, "http://user:secret@slow.test:81/").await;
    assert_eq!(
        error.expect_err("never").to_string(),
        "no connection to slow.test:81 within 20ms"
    );
}

/// Never done, though never waiting: as with a proxy whose greeting has no end.
fn skipping(_: u16) -> Dialing {
    Box::pin(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            let mut io = std::net::TcpStream::connect(address).expect("connected");
            while io.write_all(&[b'x'; 1 << 16]).is_ok() {}
        });
        let (mut tcp, _) = listener.accept().await?;
        while tcp.read_u8().await? != b'\n' {}
        Ok(TokioIo::new(tcp))
    })
}

#[tokio::test]
async fn a_dialer_that_is_never_idle_is_given_up_too() {
    let mut connector = Connector::builder()
        .provider(provider())
        .dialer(Dialer::new(0, skipping))
        .connect_timeout(Duration::from_millis(50))
        .build()
        .expect("a connector");
    let dialing = call(&mut connector, "http://host.test/");
    let ended = tokio::time::timeout(Duration::from_secs(20), dialing).await;
    let error = ended.expect("its own timeout").expect_err("no end");
    assert!(matches!(error, ConnectError::DialTimeout { .. }));
}
