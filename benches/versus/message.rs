//! What parent and children say to each other, one JSON object a line.

use std::{fmt, net::SocketAddr};

use clap::ValueEnum;
use framewright::{Config, FlowControl};
use serde::{Deserialize, Serialize};

use crate::usage::Usage;

/// What a child process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Answers `GET /N` with a body of N octets.
    Server,
    /// Sends requests as its load says, for as long as it says.
    Client,
    /// Opens connections, sends a burst on each, and holds them.
    Holder,
    /// Shakes hands, says one octet and waits for the end.
    Greeter,
    /// Connects to a greeter again and again.
    Reconnector,
    /// Requests something small and urgent beside its downloads.
    Hurrier,
    /// Downloads on fresh connections, and then on the last of them.
    Downloader,
    /// Reads many bodies at once, each slowly.
    Dawdler,
    /// Writes to a socket as fast as it takes it.
    RawWriter,
    /// Reads from a socket as fast as it gives.
    RawReader,
}

/// Whose transport lies between hyper and the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Side {
    Stock,
    Framewright,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Stock, Self::Framewright];
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stock => "stock",
            Self::Framewright => "framewright",
        })
    }
}

/// The first line to a child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) side: Side,
    pub(crate) tls: Option<Identity>,
    pub(crate) load: Load,
    /// Whether framewright's ends are its connector and its listener, and not a
    /// transport that was put round the socket by hand.
    pub(crate) through: bool,
    pub(crate) reconnects: Option<Reconnects>,
    /// What lies between client and server, if not loopback alone.
    pub(crate) wire: Option<Wire>,
    /// That a hurrier keeps going.
    pub(crate) downloads: usize,
    /// Whether framewright's ends schedule streams.
    pub(crate) schedule: bool,
    /// Whether the server's application reads priorities, if its side can.
    pub(crate) prioritized: bool,
    /// Where the server listens, or the link to it; for clients.
    pub(crate) server: Option<SocketAddr>,
}

impl Spec {
    /// Of framewright's ends.
    pub(crate) fn config(&self) -> Config {
        let config = Config::default().schedule(self.schedule);
        match self.load.flow {
            Flow::Managed(windows) => config
                .flow_control(FlowControl::default().ceilings(windows.stream, windows.connection))
                .stream_handles(true),
            _ => config,
        }
    }
}

/// A certificate chain of three with the key of its leaf, PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) root: String,
    /// Leaf and intermediate.
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) provider: Provider,
}

/// Whose cryptography TLS uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Provider {
    Ring,
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
}

/// How a client connects again and again.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Reconnects {
    /// Names of the server that are asked for in turn.
    pub(crate) names: usize,
    /// Whether the server gives tickets out.
    pub(crate) tickets: bool,
    /// Whether the client remembers what it has verified, if it can.
    pub(crate) remembers: bool,
}

/// What the client asks of the server.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    /// Octets a response body.
    pub(crate) octets: u64,
    pub(crate) connections: usize,
    /// Requests in flight a connection.
    pub(crate) in_flight: usize,
    /// Of the client, which receives.
    pub(crate) flow: Flow,
    /// Milliseconds of the same load before the measured phase.
    pub(crate) warm_up: u64,
    /// Milliseconds of the measured phase.
    pub(crate) measured: u64,
}

/// How receive windows behave.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Flow {
    /// As hyper has them.
    Default,
    /// Those of the client's hyper are these.
    Fixed(Windows),
    /// The client's hyper adapts them.
    Adaptive,
    /// framewright manages them up to these, at the server's end too.
    Managed(Windows),
}

/// Receive windows in octets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Windows {
    pub(crate) stream: u32,
    pub(crate) connection: u32,
}

impl Windows {
    /// What framewright lets windows grow to if nothing else is said.
    pub(crate) fn ceilings() -> Self {
        let flow = FlowControl::default();
        Self {
            stream: flow.stream_ceiling(),
            connection: flow.connection_ceiling(),
        }
    }
}

/// A simulated link.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Wire {
    /// Bits a second, each way.
    pub(crate) rate: u64,
    /// Milliseconds one way.
    pub(crate) delay: u64,
    /// The largest segment in octets; loopback's own where `None`.
    pub(crate) segment: Option<u32>,
}

/// A later line to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Usage counts from here.
    Mark,
    /// Run the measured phase (clients).
    Measure,
    /// Say what was used since the mark.
    Report,
}

/// A line from a child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// A server is bound.
    Listening(SocketAddr),
    /// A client has connected and warmed up.
    Ready,
    Marked,
    Measured(Measured),
    Used(Usage),
    Failed(String),
}

/// What a client saw in the measured phase.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) requests: u64,
    /// Connections whose TLS session was resumed; by a reconnector.
    pub(crate) resumed: u64,
    /// Octets of response bodies; of a hurrier's downloads alone.
    pub(crate) octets: u64,
    /// Octets that had come and that the application had not taken, at most; by a
    /// dawdler.
    pub(crate) unconsumed: u64,
    pub(crate) seconds: f64,
    /// Microseconds from the request to the end of its response.
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) used: Usage,
}
