//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use framewright::{Config, FlowControl, WindowBudget};

/// A reverse proxy on hyper and framewright.
///
/// With no arguments it starts an origin of its own to have something to
/// forward to, makes a self-signed certificate, and says what to try.
#[derive(Debug, Parser)]
#[command(name = "proxy")]
pub(crate) struct Args {
    /// Where clients connect; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(crate) listen: String,

    /// Where requests go: http:// is HTTP/1.1 in clear, https:// is HTTP/2 or
    /// HTTP/1.1 as ALPN decides [default: an origin inside this process]
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,

    /// Speak HTTP/2 with prior knowledge to an http:// upstream
    #[arg(long, requires = "upstream")]
    pub(crate) upstream_h2c: bool,

    /// Trust these certificates (PEM) for an https:// upstream, in place of
    /// those of the system
    #[arg(long, value_name = "FILE", requires = "upstream")]
    pub(crate) upstream_ca: Option<PathBuf>,

    /// How long the upstream may take to a connection, and then to its TLS
    /// handshake
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) connect_timeout: Duration,

    /// How long the upstream may take to its response head, counted from the
    /// last octet of the request body that moved
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) upstream_timeout: Duration,

    /// The certificate chain to serve with (PEM), whatever name a client asks
    /// for [default: self-signed]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Serve the certificates in this directory to clients that ask for a DNS
    /// name in one: NAME.crt with NAME.key, and fullchain.pem with privkey.pem,
    /// also one level below. Who asks for another name, or for none, is refused
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cert", "key", "h2c"])]
    pub(crate) cert_dir: Option<PathBuf>,

    /// How often to look whether certificates changed; new connections get the
    /// new ones
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) cert_reload: Duration,

    /// Derive the keys of session tickets from this file: 32 octets, or 64
    /// hexadecimal digits as from `openssl rand -hex 32`. Proxies with the same
    /// secret resume each other's sessions [default: keys of this process alone]
    #[arg(long, value_name = "FILE", conflicts_with = "h2c")]
    pub(crate) ticket_secret: Option<PathBuf>,

    /// Where /stats is served; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8444")]
    pub(crate) admin: String,

    /// Serve in clear: HTTP/2 with prior knowledge and HTTP/1.1, no TLS
    #[arg(long, conflicts_with_all = ["cert", "key"])]
    pub(crate) h2c: bool,

    /// Leave the transport out: the same proxy, TLS and all, on bare sockets, for
    /// comparison
    #[arg(long)]
    pub(crate) stock: bool,

    /// Send responses in the order in which hyper writes them, whatever their
    /// priorities
    #[arg(long)]
    pub(crate) no_priority: bool,

    /// What the receive windows of all connections may grow by, in MiB: those that
    /// clients upload into, and those that the upstream answers into
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = budget)]
    pub(crate) window_budget: WindowBudget,

    /// Leave receive windows as hyper has them, for comparison: of one size, and
    /// replenished whatever the network carries
    #[arg(long)]
    pub(crate) no_flow_control: bool,

    /// Put a simulated link of so many Mbit/s, with a round trip of 20 ms, between
    /// clients and this proxy, at a port of its own
    #[arg(long, value_name = "MBITS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) slow: Option<u32>,

    /// Keep what an inbound request says in forwarded and x-forwarded-*, and
    /// add to it, in place of starting anew
    #[arg(long)]
    pub(crate) trust_forwarded: bool,

    /// Connections that are held at once; more wait in the kernel's backlog, or
    /// take the place of one that has said nothing for a second
    #[arg(long, value_name = "N", default_value = "10000", value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    pub(crate) max_connections: u32,

    /// How long a client may take over its TLS handshake or HTTP/1.1 head
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) handshake_timeout: Duration,

    /// Close a connection that had no request for this long
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub(crate) idle_timeout: Duration,

    /// How long requests in flight may take to finish after the first signal
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) drain_timeout: Duration,
}

impl Args {
    /// Whether responses are sent by their priorities: the transport does that.
    pub(crate) fn prioritizes(&self) -> bool {
        !self.no_priority && !self.stock
    }

    /// How the transports manage receive windows, if they do: under one budget.
    pub(crate) fn flow_control(&self) -> Option<FlowControl> {
        let managed = !self.no_flow_control && !self.stock;
        managed.then(|| FlowControl::default().budget(self.window_budget.clone()))
    }

    /// How the transports towards clients and upstream behave.
    pub(crate) fn transport(&self) -> Config {
        let flow = self.flow_control();
        Config::default()
            .schedule(self.prioritizes())
            .stream_handles(flow.is_some())
            .flow_control(flow)
    }

    /// The same of those towards clients, whose priorities a layer reads.
    pub(crate) fn inbound_transport(&self) -> Config {
        let handles = self.prioritizes() || self.flow_control().is_some();
        self.transport().stream_handles(handles)
    }
}

/// Mebibytes, up to 1 TiB.
fn budget(text: &str) -> Result<WindowBudget, String> {
    match text.parse::<u64>() {
        Ok(mebibytes) if mebibytes <= 1 << 20 => Ok(WindowBudget::new(mebibytes << 20)),
        Ok(_) => Err("more than 1048576".into()),
        Err(_) => Err("not a whole number".into()),
    }
}

/// A time such as `30` or `0.5`, above 0 and at most a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if seconds > 0.0 && seconds <= 86_400.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("not between 0 and 86400".into())
    }
}
