//! The server's process: `GET /N` is answered with N octets.

use std::{convert::Infallible, sync::Arc};

use framewright::{
    Config, Listener, ServerStream, Transport,
    layer::{FlowControlLayer, PriorityLayer},
};
use http::{Request, Response, StatusCode};
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Result,
    body::Chunks,
    child::{Control, reply},
    counted::Counted,
    function::Function,
    message::{Command, Flow, Reply, Side, Spec},
    tls,
    usage::Usage,
};

pub(crate) async fn run(control: Control, spec: Spec) -> Result<()> {
    let acceptor = match &spec.tls {
        Some(identity) => Some(TlsAcceptor::from(tls::server(identity, false)?)),
        None => None,
    };
    if spec.through {
        let identity = spec.tls.as_ref().ok_or("a listener here has TLS")?;
        let listener = Listener::builder()
            .tls(tls::server(identity, false)?)
            .http2_only()
            .bind("127.0.0.1:0")
            .await?;
        reply(&Reply::Listening(listener.local_addr()?));
        tokio::spawn(accept_through(listener));
        return account(control).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    reply(&Reply::Listening(listener.local_addr()?));
    let mut config = spec.config();
    if spec.prioritized {
        config = config.stream_handles(true);
    }
    let server = Server {
        side: spec.side,
        acceptor,
        flow: spec.load.flow,
        prioritized: spec.prioritized,
        config,
    };
    tokio::spawn(accept(listener, Arc::new(server)));

    account(control).await
}

/// Says what was used, whenever the parent asks.
pub(crate) async fn account(mut control: Control) -> Result<()> {
    let mut mark = Usage::now()?;
    loop {
        match control.next().await? {
            Command::Mark => {
                mark = Usage::now()?;
                reply(&Reply::Marked);
            }
            Command::Report => reply(&Reply::Used(Usage::now()?.since(mark))),
            Command::Measure => return Err("a server has nothing to measure".into()),
        }
    }
}

/// How the connections of a listener are served.
struct Server {
    side: Side,
    acceptor: Option<TlsAcceptor>,
    flow: Flow,
    prioritized: bool,
    config: Config,
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => {
                let server = Arc::clone(&server);
                tokio::spawn(async move { server.connection(tcp).await });
            }
            Err(error) => return reply(&Reply::Failed(format!("accept: {error}"))),
        }
    }
}

async fn accept_through(mut listener: Listener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream));
    }
}

impl Server {
    /// Clients close without a goodbye, so an error here is no news; one that
    /// matters fails the client too.
    async fn connection(&self, tcp: TcpStream) -> Result<()> {
        tcp.set_nodelay(true)?;
        let io = Counted(tcp);
        let config = self.config.clone();
        match (self.side, &self.acceptor) {
            (Side::Stock, None) => self.serve(io).await,
            (Side::Framewright, None) => {
                let io = Transport::server(io, config).with_socket(|io| Some(&io.0));
                self.serve(io).await
            }
            (Side::Stock, Some(acceptor)) => self.serve(acceptor.accept(io).await?).await,
            (Side::Framewright, Some(acceptor)) => {
                let io = Transport::accept_tls(acceptor, io, config).await?;
                let io = io.with_socket(|tls| Some(&tls.get_ref().0.get_ref().0));
                self.serve(io).await
            }
        }
    }

    async fn serve<IO>(&self, io: IO) -> Result<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(io);
        let mut connection = http2::Builder::new(TokioExecutor::new());
        match (self.side, self.flow, self.prioritized) {
            (_, Flow::Managed(windows), _) => {
                let service = service_fn(|request| {
                    FlowControlLayer::new()
                        .layer(Function(answer))
                        .call(request)
                });
                connection
                    .initial_stream_window_size(windows.stream)
                    .initial_connection_window_size(windows.connection)
                    .serve_connection(io, service)
                    .await?;
            }
            (_, _, false) => {
                connection.serve_connection(io, service_fn(answer)).await?;
            }
            (Side::Stock, _, true) => {
                let service = TowerToHyperService::new(Function(answer));
                connection.serve_connection(io, service).await?;
            }
            (Side::Framewright, _, true) => {
                let service = PriorityLayer::new().layer(Function(answer));
                let service = TowerToHyperService::new(service);
                connection.serve_connection(io, service).await?;
            }
        }
        Ok(())
    }
}

/// What comes through a listener.
async fn serve(stream: ServerStream) -> Result<()> {
    http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await?;
    Ok(())
}

async fn answer<B>(request: Request<B>) -> Result<Response<Chunks>, Infallible> {
    let octets = request.uri().path().trim_start_matches('/').parse();
    let mut response = Response::new(Chunks::new(octets.clone().unwrap_or(0)));
    if octets.is_err() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}
