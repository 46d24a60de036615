//! One large response after another on one connection, or eight side by side.
//!
//! 10 MB bodies in chunks of 64 KiB; the client's `SETTINGS_MAX_FRAME_SIZE`
//! stays at 16 KiB, hyper's default.
//!
//! One at a time: the client's windows are 4 MiB a stream and 8 MiB a connection
//! on both sides. On loopback that is many times the bandwidth-delay product, so
//! that no side ever waits for credit.
//!
//! Eight at a time, where a transport that schedules streams has something to
//! choose from, though all are alike: the windows are hyper's own, 2 MiB and 5 MiB.
//! hyper's client reads all that its windows allow before a body is asked for its
//! octets. With eight bodies that is a connection's window full of them, if the
//! server is fast enough to fill it: more than a core's cache holds. So larger
//! windows make a fast server slow: stock, which does not fill them, has the same
//! 1.9 to 2.0 GB/s with 8 MiB and with 36 MiB for the connection, while framewright
//! falls from 3.3 to 1.5 and 1.0.

use std::time::Duration;

use super::{Scenario, load, slices, spec};
use crate::{
    Result,
    message::{Flow, Load, Role, Side, Spec, Windows},
    pair::{Bench, Outcome, Pair},
    report::{Contender, Metric, Observations},
};

pub(super) const RATE: &str = "MB/s";
pub(super) const SERVER: &str = "server CPU s/GB";
pub(super) const CLIENT: &str = "client CPU s/GB";
/// Of the server's socket.
const WRITES: &str = "write calls/MB";
/// Of the client's socket.
const READS: &str = "read calls/MB";

const WINDOWS: Windows = Windows {
    stream: 4 << 20,
    connection: 8 << 20,
};

pub(super) struct Bulk {
    name: &'static str,
    about: &'static str,
    tls: bool,
    streams: usize,
    flow: Flow,
}

impl Bulk {
    pub(super) const H2C: Self = Self {
        name: "bulk-h2c",
        about: "10 MB bodies in 64 KiB chunks, one at a time",
        tls: false,
        streams: 1,
        flow: Flow::Fixed(WINDOWS),
    };
    pub(super) const TLS: Self = Self {
        name: "bulk-tls",
        tls: true,
        ..Self::H2C
    };
    pub(super) const SIDE_BY_SIDE: Self = Self {
        name: "bulk-8-h2c",
        about: "10 MB bodies in 64 KiB chunks, 8 at a time on one connection",
        streams: 8,
        flow: Flow::Default,
        ..Self::H2C
    };

    pub(super) fn load(&self, bench: &Bench) -> Load {
        Load {
            octets: if bench.smoke { 1_000_000 } else { 10_000_000 },
            in_flight: self.streams,
            flow: self.flow,
            ..load(bench)
        }
    }
}

impl Scenario for Bulk {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::higher(RATE),
                Metric::lower(SERVER),
                Metric::lower(CLIENT),
                Metric::lower(WRITES),
                Metric::lower(READS),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let spec = |side| spec(bench, side, self.tls, self.load(bench));
        let start = |server, client, side| Pair::start(bench, server, client, spec(side));
        let mut stock = start(Role::Server, Role::Client, Side::Stock)?;
        let mut framewright = start(Role::Server, Role::Client, Side::Framewright)?;
        // The limit has no transport; the side that it is given means nothing.
        let mut raw = start(Role::RawWriter, Role::RawReader, Side::Stock)?;
        for _ in 0..slices(bench) {
            observe(Side::Stock, &stock.measure(Duration::ZERO)?, observations);
            let outcome = framewright.measure(Duration::ZERO)?;
            observe(Side::Framewright, &outcome, observations);
            let limit = raw.measure_client()?;
            let rate = limit.octets as f64 / 1e6 / limit.seconds;
            observations.add(RATE, Contender::Limit, rate);
            observations.end_slice(bench.disturbance.take());
        }
        Ok(())
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        let spec = spec(bench, side, self.tls, self.load(bench));
        Some((Role::Server, Role::Client, spec))
    }
}

fn observe(side: Side, outcome: &Outcome, observations: &mut Observations) {
    let (client, server) = (&outcome.client, &outcome.server);
    let octets = client.octets as f64;
    let megaoctets = octets / 1e6;
    observe_speed(side, outcome, observations);
    let mut add = |metric, value| observations.add(metric, side, value);
    add(WRITES, server.writes as f64 / megaoctets);
    add(READS, client.used.reads as f64 / megaoctets);
}

/// What does not take a count of calls.
pub(super) fn observe_speed(side: Side, outcome: &Outcome, observations: &mut Observations) {
    let (client, server) = (&outcome.client, &outcome.server);
    let octets = client.octets as f64;
    observations.add(RATE, side, octets / 1e6 / client.seconds);
    // Nanoseconds an octet are seconds a gigaoctet.
    observations.add(SERVER, side, server.cpu as f64 / octets);
    observations.add(CLIENT, side, client.used.cpu as f64 / octets);
}
