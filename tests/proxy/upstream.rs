//! Upstreams that a test makes: on stock hyper, and raw.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::client::TestBody;

/// Serves HTTP/1.1 and HTTP/2 in clear, in the background of the test.
pub(crate) async fn serve<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<TestBody>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let handler = handler.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let response = handler(request);
                    async { Ok::<_, Infallible>(response.await) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                // Tests end connections in every way.
                let _ = builder.serve_connection(TokioIo::new(tcp), service).await;
            });
        }
    });
    address
}

/// Hands every connection, once its request head has come, to `answer`.
pub(crate) async fn raw<A, F>(answer: A) -> SocketAddr
where
    A: Fn(String, TcpStream) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let head = read_head(&mut tcp).await;
                answer(head, tcp).await;
            });
        }
    });
    address
}

/// Answers every request over TLS, and closes the connection after it.
pub(crate) async fn closing(config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut io) = acceptor.accept(tcp).await else {
                    return;
                };
                read_head(&mut io).await;
                let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
                let _ = io.write_all(answer.as_bytes()).await;
                let _ = io.shutdown().await;
                let _ = timeout(Duration::from_secs(5), copy(&mut io, &mut sink())).await;
            });
        }
    });
    address
}

/// Reads up to the empty line that ends a head.
pub(crate) async fn read_head(io: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Answers with these octets and closes.
pub(crate) async fn say(mut tcp: TcpStream, octets: &str) {
    // The proxy may have gone away, which is for the test to judge.
    let _ = tcp.write_all(octets.as_bytes()).await;
    let _ = tcp.shutdown().await;
    // A socket that is dropped with octets unread resets the connection, which
    // may overtake the answer.
    let _ = timeout(Duration::from_secs(5), copy(&mut tcp, &mut sink())).await;
}
