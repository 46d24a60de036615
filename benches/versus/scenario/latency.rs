//! One small request at a time: what the transport adds to a round trip.

use super::{Scenario, in_turn, load, spec};
use crate::{
    Result,
    message::{Role, Side, Spec},
    pair::Bench,
    report::{Metric, Observations},
};

/// Both in microseconds.
const MIDDLE: &str = "p50";
const TAIL: &str = "p99";

pub(super) struct Latency {
    pub(super) tls: bool,
}

impl Scenario for Latency {
    fn name(&self) -> &'static str {
        if self.tls {
            "latency-tls"
        } else {
            "latency-h2c"
        }
    }

    fn about(&self) -> &'static str {
        "100-octet bodies, one in flight"
    }

    fn metrics(&self) -> &'static [Metric] {
        const { &[Metric::lower(MIDDLE), Metric::lower(TAIL)] }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let spec = |side| spec(bench, side, self.tls, load(bench));
        in_turn(bench, observations, spec, |side, outcome, observations| {
            observations.add(MIDDLE, side, outcome.client.p50);
            observations.add(TAIL, side, outcome.client.p99);
        })
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        let spec = spec(bench, side, self.tls, load(bench));
        Some((Role::Server, Role::Client, spec))
    }
}
