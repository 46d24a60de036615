//! The server's process: `GET /N` is answered with N octets.

use std::{convert::Infallible, sync::Arc};

use framewright::{Config, Listener, Transport};
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    Result,
    body::Chunks,
    child::{Control, reply},
    counted::Counted,
    message::{Command, Reply, Side, Spec},
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
    tokio::spawn(accept(listener, spec.side, acceptor.map(Arc::new)));

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

async fn accept(listener: TcpListener, side: Side, acceptor: Option<Arc<TlsAcceptor>>) {
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => drop(tokio::spawn(connection(tcp, side, acceptor.clone()))),
            Err(error) => return reply(&Reply::Failed(format!("accept: {error}"))),
        }
    }
}

async fn accept_through(mut listener: Listener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream));
    }
}

/// Clients close without a goodbye, so an error here is no news; one that
/// matters fails the client too.
async fn connection(tcp: TcpStream, side: Side, acceptor: Option<Arc<TlsAcceptor>>) -> Result<()> {
    tcp.set_nodelay(true)?;
    let io = Counted(tcp);
    match (side, acceptor) {
        (Side::Stock, None) => serve(io).await,
        (Side::Framewright, None) => serve(Transport::server(io, Config::default())).await,
        (Side::Stock, Some(acceptor)) => serve(acceptor.accept(io).await?).await,
        (Side::Framewright, Some(acceptor)) => {
            serve(Transport::accept_tls(&acceptor, io, Config::default()).await?).await
        }
    }
}

async fn serve<IO>(io: IO) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(io), service_fn(answer))
        .await?;
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Chunks>, Infallible> {
    let octets = request.uri().path().trim_start_matches('/').parse();
    let mut response = Response::new(Chunks::new(octets.clone().unwrap_or(0)));
    if octets.is_err() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}
