//! hyper as a client: the victim of a server, or one that means no harm.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewright::{ClientFlowControlLayer, ClientPriorityLayer, Transport};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower_layer::Layer;
use tower_service::Service;

use super::{Count, Kind, flow};

type Sent = Full<Bytes>;

/// hyper's client as a tower service.
#[derive(Clone)]
struct Dispatch(SendRequest<Sent>);

impl Service<Request<Sent>> for Dispatch {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Sent>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// A connection of a client.
pub(crate) struct Friend {
    kind: Kind,
    sender: SendRequest<Sent>,
}

/// Connects to a server on this machine.
pub(crate) async fn befriend(kind: Kind, port: u16) -> Friend {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await;
    let tcp = tcp.expect("a connection");
    tcp.set_nodelay(true).expect("open");
    let mut builder = Builder::new(TokioExecutor::new());
    flow().apply(&mut builder);
    // Held for as long as the connection lives.
    macro_rules! drive {
        ($io:expr) => {{
            let (sender, driver) = builder.handshake(TokioIo::new($io)).await.expect("open");
            tokio::spawn(async move {
                let _held = Count::Connections.hold();
                let _ = driver.await;
            });
            sender
        }};
    }
    let sender = match kind.config() {
        Some(config) => drive!(Transport::client(tcp, config)),
        None => drive!(tcp),
    };
    Friend { kind, sender }
}

impl Friend {
    /// One request: how many octets its response had.
    pub(crate) async fn ask(&self, path: &str, body: &'static [u8]) -> Option<u64> {
        let request = Request::post(format!("http://test{path}"));
        let request = request.body(Full::from(body)).expect("good");
        let mut sender = Dispatch(self.sender.clone());
        std::future::poll_fn(|cx| sender.poll_ready(cx))
            .await
            .ok()?;
        if self.kind == Kind::Loaded {
            let client = ClientFlowControlLayer::new().layer(sender);
            let mut client = ClientPriorityLayer::new().layer(client);
            let response = client.call(request).await.ok()?;
            read(response.into_body()).await
        } else {
            let response = sender.call(request).await.ok()?;
            read(response.into_body()).await
        }
    }
}

async fn read<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Option<u64> {
    let mut octets = 0;
    while let Some(frame) = body.frame().await {
        octets += frame.ok()?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Some(octets)
}

/// Asks a server on this port for one thing, and takes what comes.
pub(super) fn meet(kind: Kind, port: u16) {
    tokio::spawn(async move {
        let friend = befriend(kind, port).await;
        let _ = friend.ask("/bytes", b"body").await;
        // The connection stays, whatever came of that.
        while !friend.sender.is_closed() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Makes requests to a server that means no harm until it goes away.
pub(super) fn bystand(kind: Kind, port: u16) {
    tokio::spawn(async move {
        let friend = befriend(kind, port).await;
        loop {
            let began = Instant::now();
            let got = friend.ask("/bytes?20000", b"body").await;
            if friend.sender.is_closed() {
                return;
            }
            Count::Requests.add(1);
            Count::Failures.add(u64::from(got != Some(20_000)));
            Count::SlowestMicros.max(began.elapsed().as_micros() as u64);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
}
