//! A hyper HTTP/2 server over framewright, in cleartext with prior knowledge.
//!
//! ```text
//! cargo run --release --example hyper_server [ADDRESS]
//! curl --http2-prior-knowledge http://127.0.0.1:3000/
//! ```

use std::{convert::Infallible, env, error::Error};

use bytes::Bytes;
use framewright::{Config, Transport};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

async fn hello(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("Hello over framewright.\n")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening http://{}", listener.local_addr()?);

    loop {
        let (tcp, peer) = listener.accept().await?;
        tcp.set_nodelay(true)?;

        // The line that a hyper user adds: the transport goes round the socket.
        let io = Transport::server(tcp, Config::default());
        let connection = io.handle();

        tokio::spawn(async move {
            let served = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(io), service_fn(hello))
                .await;
            if let Err(error) = served {
                eprintln!("{peer}: {error}");
            }
            let stats = connection.stats();
            println!(
                "{peer}: {} frames in {} write calls",
                stats.outbound_frames.total(),
                stats.write_calls
            );
        });
    }
}
