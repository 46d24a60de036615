//! RFC 9218 through real sockets: who goes first over a slow link, and what a
//! hostile, a thrifty or an older peer sees of it.
//!
//! Nothing here measures time. What is compared is the order in which octets
//! come over a link whose only queue is the server's.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/link.rs"]
mod link;

mod early;
mod hostile;
mod http1;
mod order;
mod queues;
mod raw;
mod resets;
mod server;
mod streams;
mod windows;

#[cfg(feature = "layer")]
mod layered;

use std::time::Duration;

/// Nothing here takes long; what hangs fails.
async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(50), test)
        .await
        .expect("the test hangs")
}
