//! A hyper server over framewright, behind a slow link or on plain loopback.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use framewright::{Config, Transport};
use http::{Request, Uri};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

use crate::common;
use crate::link::{Builder, Link};

/// 20 Mbit/s: a frame of 16 KiB takes 6.5 ms.
pub(crate) fn slow() -> Builder {
    Link::builder()
        .rate(20_000_000)
        .delay(std::time::Duration::from_millis(2))
}

/// A running server.
pub(crate) struct Server {
    /// Where to connect: its own address, or the link's.
    pub(crate) address: SocketAddr,
    _link: Option<Link>,
}

impl Server {
    /// Serves as [`common::service`] does. Requests for `/gated` are answered as
    /// those for `/bytes`, but not before `gated` of them have come.
    pub(crate) async fn start(config: Config, link: Option<Builder>, gated: usize) -> Self {
        let gate = Arc::new(Barrier::new(gated.max(1)));
        Self::accept(link, move |tcp| {
            let (config, gate) = (config.clone(), Arc::clone(&gate));
            async move { serve(Transport::server(tcp, config), gate).await }
        })
        .await
    }

    /// Serves each connection as `serve` does.
    pub(crate) async fn accept<F>(
        link: Option<Builder>,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let link = link.map(|link| link.to(address).start().expect("a link"));
        let is_slow = link.is_some();
        let address = link.as_ref().map_or(address, |link| link.address);
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                tcp.set_nodelay(true).expect("open");
                if is_slow {
                    // The queue is to be the transport's, not the kernel's.
                    let socket = SockRef::from(&tcp);
                    socket.set_send_buffer_size(16 << 10).expect("open");
                }
                tokio::spawn(serve(tcp));
            }
        });
        Self {
            address,
            _link: link,
        }
    }
}

/// Clients here go away without a goodbye, so how it ends is no news.
async fn serve(io: Transport<TcpStream>, gate: Arc<Barrier>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&gate)));
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(1_000)
        .max_pending_accept_reset_streams(1_000)
        .serve_connection(TokioIo::new(io), service)
        .await;
}

async fn answer(
    mut request: Request<Incoming>,
    gate: Arc<Barrier>,
) -> Result<http::Response<common::ServiceBody>, Infallible> {
    wait(&mut request, &gate).await;
    common::service(request).await
}

/// Waits at the gate, if this request has to.
pub(crate) async fn wait<B>(request: &mut Request<B>, gate: &Barrier) {
    if let Some(rest) = request.uri().to_string().split("/gated").nth(1) {
        *request.uri_mut() = format!("/bytes{rest}").parse::<Uri>().expect("a path");
        gate.wait().await;
    }
}
