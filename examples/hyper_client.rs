//! A hyper HTTP/2 client over framewright, in cleartext with prior knowledge.
//!
//! ```text
//! cargo run --release --example hyper_client [URL]
//! ```
//!
//! The URL defaults to where the `hyper_server` example listens.

use std::{env, error::Error};

use bytes::Bytes;
use framewright::{Config, Transport};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Uri, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args()
        .nth(1)
        .unwrap_or("http://127.0.0.1:3000/".into());
    let uri: Uri = url.parse()?;
    if uri.scheme_str() != Some("http") {
        return Err("this example speaks cleartext HTTP/2 only: give an http:// URL".into());
    }
    let host = uri.host().ok_or("the URL names no host")?;
    let port = uri.port_u16().unwrap_or(80);
    let tcp = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    tcp.set_nodelay(true)?;

    // The line that a hyper user adds: the transport goes round the socket.
    let io = Transport::client(tcp, Config::default());
    let connection = io.handle();

    let (mut sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
    tokio::spawn(driver);

    let request = Request::get(uri).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    println!("status: {}", response.status());

    let mut octets = 0;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        octets += frame?.data_ref().map_or(0, Bytes::len);
    }
    println!("body:   {octets} octets");

    let stats = connection.stats();
    println!(
        "sent:   {} frames in {} write calls",
        stats.outbound_frames.total(),
        stats.write_calls
    );
    println!(
        "read:   {} frames in {} read calls",
        stats.inbound_frames.total(),
        stats.read_calls
    );
    Ok(())
}
