//! Many small responses at a time on one connection.

use super::{Scenario, in_turn, load, spec};
use crate::{
    Result,
    message::{Load, Role, Side, Spec},
    pair::Bench,
    report::{Metric, Observations},
};

pub(super) const RATE: &str = "requests/s";
/// Microseconds.
const TAIL: &str = "p99";
/// Of the server's socket.
const WRITES: &str = "write calls/request";
/// In the server's process, reallocations included.
const ALLOCATIONS: &str = "allocations/request";

pub(super) struct Small {
    pub(super) tls: bool,
}

impl Small {
    pub(super) fn load(bench: &Bench) -> Load {
        Load {
            in_flight: 64,
            ..load(bench)
        }
    }
}

impl Scenario for Small {
    fn name(&self) -> &'static str {
        if self.tls { "small-tls" } else { "small-h2c" }
    }

    fn about(&self) -> &'static str {
        "100-octet bodies, 64 in flight on one connection"
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::higher(RATE),
                Metric::lower(TAIL),
                Metric::lower(WRITES),
                Metric::lower(ALLOCATIONS),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let spec = |side| spec(bench, side, self.tls, Self::load(bench));
        in_turn(bench, observations, spec, |side, outcome, observations| {
            let requests = outcome.client.requests as f64;
            let mut add = |metric, value| observations.add(metric, side, value);
            add(RATE, requests / outcome.client.seconds);
            add(TAIL, outcome.client.p99);
            add(WRITES, outcome.server.writes as f64 / requests);
            add(ALLOCATIONS, outcome.server.allocations as f64 / requests);
        })
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        let spec = spec(bench, side, self.tls, Self::load(bench));
        Some((Role::Server, Role::Client, spec))
    }
}
