//! One large response after another on one connection.
//!
//! 10 MB bodies in chunks of 64 KiB; the client's `SETTINGS_MAX_FRAME_SIZE`
//! stays at 16 KiB, hyper's default. The client's windows are 4 MiB a stream
//! and 8 MiB a connection on both sides: on loopback that is many times the
//! bandwidth-delay product, so that no side ever waits for credit.

use std::time::Duration;

use super::{Scenario, load, slices, spec};
use crate::{
    Result,
    message::{Load, Role, Side, Spec, Windows},
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
    pub(super) tls: bool,
}

impl Bulk {
    pub(super) fn load(bench: &Bench) -> Load {
        Load {
            octets: if bench.smoke { 1_000_000 } else { 10_000_000 },
            windows: Some(WINDOWS),
            ..load(bench)
        }
    }
}

impl Scenario for Bulk {
    fn name(&self) -> &'static str {
        if self.tls { "bulk-tls" } else { "bulk-h2c" }
    }

    fn about(&self) -> &'static str {
        "10 MB bodies in 64 KiB chunks, one at a time"
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
        let spec = |side| spec(bench, side, self.tls, Self::load(bench));
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
        let spec = spec(bench, side, self.tls, Self::load(bench));
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
