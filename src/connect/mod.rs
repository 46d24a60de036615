//! Towards the peer: what goes below TLS, and what dials.

#[cfg(feature = "connector")]
mod builder;
#[cfg(feature = "connector")]
mod connector;
#[cfg(feature = "connector")]
mod error;
mod read_ahead;
#[cfg(feature = "connector")]
mod stats;
#[cfg(feature = "connector")]
mod stream;
#[cfg(any(feature = "connector", feature = "listener"))]
mod tcp_options;

#[cfg(feature = "connector")]
pub use builder::ConnectorBuilder;
#[cfg(feature = "connector")]
pub use connector::Connector;
#[cfg(feature = "connector")]
pub use error::{BuildError, ConnectError};
pub use read_ahead::ReadAhead;
#[cfg(feature = "connector")]
pub use stats::ConnectorStats;
#[cfg(feature = "connector")]
pub use stream::ClientStream;
#[cfg(any(feature = "connector", feature = "listener"))]
pub use tcp_options::TcpOptions;
