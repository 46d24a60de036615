//! The servers, ours and hyper's own.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use framewright::{ConnectionHandle, FlowControlLayer, Listener, PriorityLayer, Transport};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ServerConfig;
use tower_layer::Layer;

use crate::common::BoxError;
use crate::random::Random;
use crate::service::{Handler, Order};
use crate::tally::Counted;
use crate::world::{World, is_violation, whole};

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<()>,
}

/// Our listener, over TLS or in clear text.
pub(crate) async fn listener(world: &Arc<World>, tls: Option<ServerConfig>) -> Server {
    let mut builder = Listener::builder().config(world.config());
    if let Some(tls) = tls {
        builder = builder.tls(tls);
    }
    let mut listener = builder.bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let world = Arc::clone(world);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = Some(stream.handle());
            let end = End {
                world: Arc::clone(&world),
                connection,
                socket: None,
                layered: true,
                adaptive: false,
            };
            tokio::spawn(end.serve_auto(stream));
        }
    });
    Server { address, task }
}

/// The transport over TCP, each connection with a configuration of its own; or
/// hyper alone.
pub(crate) async fn tcp(world: &Arc<World>, ours: bool, mut random: Random) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let world = Arc::clone(world);
    let task = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // The other end may have gone.
            let _ = tcp.set_nodelay(true);
            let mut end = End {
                world: Arc::clone(&world),
                connection: None,
                socket: SockRef::from(&tcp).try_clone().ok(),
                layered: ours,
                adaptive: !ours && random.percent(50),
            };
            if ours {
                let io = Transport::server(tcp, world.some_config(&mut random));
                end.connection = Some(io.handle());
                tokio::spawn(end.serve_http2(io));
            } else {
                tokio::spawn(end.serve_http2(tcp));
            }
        }
    });
    Server { address, task }
}

/// The server's end of a connection.
struct End {
    world: Arc<World>,
    connection: Option<ConnectionHandle>,
    /// To reset it.
    socket: Option<Socket>,
    layered: bool,
    adaptive: bool,
}

macro_rules! drive {
    ($end:ident, $builder:ident, $io:ident) => {{
        let _served = Counted::new(&$end.world.tally.served);
        let (orders, mut told) = mpsc::unbounded_channel();
        let handler = Handler {
            world: Arc::clone(&$end.world),
            orders,
            connection: $end.connection,
        };
        let io = TokioIo::new($io);
        macro_rules! with {
                        ($service:expr) => {{
                            let service = TowerToHyperService::new($service);
                            let mut connection = pin!($builder.serve_connection(io, service));
                            loop {
                                tokio::select! {
                                    ended = connection.as_mut() => {
                                        if let Err(error) = ended {
                                            let error: BoxError = error.into();
             note(&$end.world, &*error);
                                        }
                                        break;
                                    }
                                    Some(order) = told.recv() => match order {
                                        Order::ShutDown => connection.as_mut().graceful_shutdown(),
                                        Order::Abort => break,
                                        Order::Reset => {
                                            if let Some(socket) = &$end.socket {
                                                let _ = socket.set_linger(Some(Duration::ZERO));
                                            }
                                            break;
                                        }
                                    },
                                }
                            }
                        }};
                    }
        if $end.layered {
            with!(PriorityLayer::new().layer(FlowControlLayer::new().layer(handler)))
        } else {
            with!(handler)
        }
    }};
}

macro_rules! limits {
    ($builder:expr) => {
        $builder
            .max_concurrent_streams(1_000)
            .max_pending_accept_reset_streams(10_000)
            .max_local_error_reset_streams(None)
    };
}

impl End {
    async fn serve_auto<IO>(self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        limits!(builder.http2());
        self.world.flow().apply(&mut builder);
        drive!(self, builder, io);
    }

    async fn serve_http2<IO>(self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        limits!(builder);
        if self.layered {
            self.world.flow().apply(&mut builder);
        } else if self.adaptive {
            builder.adaptive_window(true);
        }
        drive!(self, builder, io);
    }
}

/// How connections break is the clients' to judge, but for this.
fn note(world: &World, error: &(dyn std::error::Error + 'static)) {
    if is_violation(error) {
        let what = whole(error);
        world.tally.fail(format_args!("a server's end: {what}"));
    }
    world.tally.count("server's ends with an error");
}
