//! Many connections, a few requests on each.

use super::{Scenario, in_turn, load, spec};
use crate::{
    Result,
    message::{Load, Role, Side, Spec},
    pair::Bench,
    report::{Metric, Observations},
};

const RATE: &str = "requests/s";

pub(super) struct Conns;

impl Conns {
    fn load(bench: &Bench) -> Load {
        Load {
            connections: if bench.smoke { 10 } else { 100 },
            in_flight: 10,
            ..load(bench)
        }
    }
}

impl Scenario for Conns {
    fn name(&self) -> &'static str {
        "conns"
    }

    fn about(&self) -> &'static str {
        "100 connections, 10 in flight on each, 100-octet bodies"
    }

    fn metrics(&self) -> &'static [Metric] {
        const { &[Metric::higher(RATE)] }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let spec = |side| spec(bench, side, false, Self::load(bench));
        in_turn(bench, observations, spec, |side, outcome, observations| {
            let client = outcome.client;
            observations.add(RATE, side, client.requests as f64 / client.seconds);
        })
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        let spec = spec(bench, side, false, Self::load(bench));
        Some((Role::Server, Role::Client, spec))
    }
}
