//! What reqwest can take of framewright: resumption and verification.
//!
//! ```text
//! cargo run --release --example reqwest [URL [CA-FILE]]
//! ```
//!
//! reqwest 0.13 makes its connections itself and lets nobody replace its
//! connector, so the transport cannot go under it. It takes a whole rustls
//! configuration, though: here that of a framewright connector, with its bounded
//! ticket store and its verification cache, and what they count.

use std::{env, error::Error, sync::Arc};

use framewright::Connector;
use tokio_rustls::rustls::{ClientConfig, crypto::ring};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let url = args.next().unwrap_or("https://127.0.0.1:3443/".into());

    let builder = Connector::builder().provider(Arc::new(ring::default_provider()));
    let builder = match args.next() {
        None => builder.with_native_roots(),
        Some(file) => builder.with_roots_file(file),
    };
    let connector = builder.build()?;
    let config = connector.tls_config().expect("there are roots");

    let client = reqwest::Client::builder()
        // By value, or reqwest does not know it.
        .tls_backend_preconfigured(ClientConfig::clone(config))
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()?;
    for _ in 0..3 {
        let response = client.get(&url).send().await?;
        let (version, status) = (response.version(), response.status());
        let octets = response.bytes().await?.len();
        println!("{version:?} {status}, {octets} octets of body");
    }
    if let (Some(tickets), Some(verifier)) = (connector.tickets(), connector.verifier()) {
        println!("{:?}", tickets.stats());
        println!("{:?}", verifier.stats());
    }
    Ok(())
}
