//! hyper-util's pooled client over framewright's connector.
//!
//! ```text
//! cargo run --release --example hyper_util_client [URL [CA-FILE]]
//! ```
//!
//! Without a file of certification authorities (PEM) those of the system are
//! trusted. The URL defaults to where the `axum` example listens. It is fetched
//! three times, on a connection each, to show what resumption does.

use std::{env, error::Error, sync::Arc};

use bytes::Bytes;
use framewright::{ConnectionHandle, Connector, HandshakeInfo};
use http_body_util::{BodyExt, Empty};
use hyper::Uri;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio_rustls::rustls::crypto::ring;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let url = args.next().unwrap_or("https://127.0.0.1:3443/".into());
    let uri: Uri = url.parse()?;

    let builder = Connector::builder().provider(Arc::new(ring::default_provider()));
    let builder = match args.next() {
        None => builder.with_native_roots(),
        Some(file) => builder.with_roots_file(file),
    };
    let connector = builder.build()?;

    // The line that a user of hyper-util changes: the connector. Nothing is
    // pooled here, so that each request has a connection of its own.
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build::<_, Empty<Bytes>>(connector.clone());

    for _ in 0..3 {
        let response = client.get(uri.clone()).await?;
        println!("{:?} {}", response.version(), response.status());
        if let Some(info) = response.extensions().get::<HandshakeInfo>() {
            let how = if info.resumed { "resumed" } else { "full" };
            println!(
                "  {how} handshake, {:?}, {:?}, certificate {:?}, {:?}",
                info.version, info.cipher_suite, info.verification, info.duration
            );
        }
        let handle = response.extensions().get::<ConnectionHandle>().cloned();
        let octets = response.into_body().collect().await?.to_bytes().len();
        println!("  {octets} octets of body");
        if let Some(stats) = handle.map(|handle| handle.stats()) {
            println!(
                "  {} frames in, in {} read calls",
                stats.inbound_frames.total(),
                stats.read_calls
            );
        }
    }
    if let Some(tickets) = connector.tickets() {
        println!("{:?}", tickets.stats());
    }
    Ok(())
}
