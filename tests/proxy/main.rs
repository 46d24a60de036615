//! The example proxy as a program: started, asked, and ended from outside, by a
//! client and against upstreams on stock hyper and bare sockets.

mod bodies;
mod certificates;
mod child;
mod client;
mod drain;
mod failures;
mod files;
mod gateway;
mod resumption;
mod routes;
mod startup;
mod stats;
mod upstream;
mod windows;

// The pure parts of the proxy, for the sake of the tests beside them: cargo
// does not run those of an example.
#[allow(dead_code)]
#[path = "../../examples/proxy/fields.rs"]
mod fields;
#[allow(dead_code)]
#[path = "../../examples/proxy/target.rs"]
mod target;

use std::time::Duration;

/// Nothing here takes long; what hangs fails.
async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), test)
        .await
        .expect("the test hangs")
}
