//! What goes wrong below, above and around a connection: sockets that fail at any
//! octet, tasks that are dropped at any await, runtimes that go away, code that
//! panics. hyper has to see the same as without the transport, and nothing may be
//! left behind.

mod cancelled;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod executor;
mod half_close;
mod octets;
mod panics;
#[path = "../common/pki.rs"]
mod pki;
mod runs;
mod runtimes;
mod sockets;
mod tls;
mod wire;
