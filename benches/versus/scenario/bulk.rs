//! One large response after another on one connection.
//!
//! 10 MB bodies in chunks of 64 KiB; the client's `SETTINGS_MAX_FRAME_SIZE`
//! stays at 16 KiB, hyper's default. The client's windows are 4 MiB a stream
//! and 8 MiB a connection on both sides: on loopback that is many times the
//! bandwidth-delay product, so that no side ever waits for credit.

use super::{Scenario, load, measure, spec};
use crate::{
    Result,
    message::{Load, Role, Side, Spec, Windows},
    pair::{Bench, Pair},
    report::{Contender, Metric, Observations},
};

const RATE: &str = "MB/s";
const SERVER: &str = "server CPU s/GB";
const CLIENT: &str = "client CPU s/GB";
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
    fn load(bench: &Bench) -> Load {
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
        for side in Side::BOTH {
            let outcome = measure(bench, spec(bench, side, self.tls, Self::load(bench)))?;
            let megaoctets = outcome.client.octets as f64 / 1e6;
            // Nanoseconds an octet are seconds a gigaoctet.
            let octets = outcome.client.octets as f64;
            let mut add = |metric, value| observations.add(metric, side, value);
            add(RATE, megaoctets / outcome.client.seconds);
            add(SERVER, outcome.server.cpu as f64 / octets);
            add(CLIENT, outcome.client.used.cpu as f64 / octets);
            add(WRITES, outcome.server.writes as f64 / megaoctets);
            add(READS, outcome.client.used.reads as f64 / megaoctets);
        }
        // The limit needs no side of its own; it ignores the one it is given.
        let raw = spec(bench, Side::Stock, self.tls, Self::load(bench));
        let raw = Pair::start(bench, Role::RawWriter, Role::RawReader, raw)?.measure_client()?;
        observations.add(
            RATE,
            Contender::Limit,
            raw.octets as f64 / 1e6 / raw.seconds,
        );
        Ok(())
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        let spec = spec(bench, side, self.tls, Self::load(bench));
        Some((Role::Server, Role::Client, spec))
    }
}
