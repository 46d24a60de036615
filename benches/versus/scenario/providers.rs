//! Which crypto provider to take: framewright over ring (as `stock`) and over
//! aws-lc-rs (as `framewright`). Records in bulk, and connects.

use std::time::Duration;

use super::{
    Scenario,
    bulk::{Bulk, RATE, observe_speed},
    handshake::{self, FRESH, RESUMABLE},
    slices, spec,
};
use crate::{
    Result,
    message::{Provider, Reconnects, Role, Side, Spec},
    pair::{Bench, Pair},
    report::{Metric, Observations},
};

pub(super) struct Providers;

impl Scenario for Providers {
    fn name(&self) -> &'static str {
        "providers"
    }

    fn about(&self) -> &'static str {
        "framewright with TLS over ring (as stock), and over aws-lc-rs"
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::higher(RATE),
                Metric::higher(handshake::FULL),
                Metric::higher(handshake::RESUMED),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let mut bulk = Vec::new();
        let mut first = Vec::new();
        let mut resumed = Vec::new();
        for side in Side::BOTH {
            let load = spec(bench, Side::Framewright, true, Bulk::TLS.load(bench));
            let load = with_provider(load, side);
            bulk.push(Pair::start(bench, Role::Server, Role::Client, load)?);
            let reconnect = |reconnects| {
                let spec = handshake::spec_of(bench, Side::Framewright, reconnects);
                let spec = with_provider(spec, side);
                Pair::start(bench, Role::Greeter, Role::Reconnector, spec)
            };
            first.push(reconnect(Reconnects {
                remembers: false,
                ..FRESH
            })?);
            resumed.push(reconnect(RESUMABLE)?);
        }
        for _ in 0..slices(bench) {
            for (n, side) in Side::BOTH.into_iter().enumerate() {
                observe_speed(side, &bulk[n].measure(Duration::ZERO)?, observations);
            }
            for (metric, pairs) in [
                (handshake::FULL, &mut first),
                (handshake::RESUMED, &mut resumed),
            ] {
                for (n, side) in Side::BOTH.into_iter().enumerate() {
                    let outcome = pairs[n].measure(Duration::ZERO)?;
                    observations.add(metric, side, handshake::rate(&outcome));
                }
            }
            observations.end_slice(bench.disturbance.take());
        }
        Ok(())
    }
}

fn with_provider(mut spec: Spec, side: Side) -> Spec {
    if let (Side::Framewright, Some(identity)) = (side, &mut spec.tls) {
        identity.provider = Provider::AwsLcRs;
    }
    spec
}
