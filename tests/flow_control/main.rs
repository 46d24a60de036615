//! Receive windows that the transport manages, through real sockets: with hyper
//! at both ends, with peers that write their own frames and check what they are
//! told, and with peers of other houses.
//!
//! Nothing here measures time.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/link.rs"]
mod link;
#[path = "../common/pki.rs"]
mod pki;
#[allow(dead_code)]
#[path = "../priority/raw.rs"]
mod raw;

mod audit;
mod bodies;
mod ends;
mod goaway;
mod hints;
mod ignored;
mod many;
mod outside;
mod overrun;
mod pings;
mod resets;
mod sender;
mod stalled;
mod transfers;
mod windows;

use std::time::Duration;

/// Nothing here takes long on a machine of its own; what hangs fails.
async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), test)
        .await
        .expect("the test hangs")
}
