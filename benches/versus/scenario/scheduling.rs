//! What scheduling costs where there is nothing to schedule: framewright without
//! it (as `stock`) and with it, under the loads of other scenarios.
//!
//! A pair of each side for each load lives through a round; a slice measures them
//! all, the two sides of a load one right after the other.

use std::time::Duration;

use super::{Scenario, bulk::Bulk, load, slices, small::Small, spec};
use crate::{
    Result,
    message::{Load, Role, Side, Spec},
    pair::{Bench, Outcome, Pair},
    report::{Metric, Observations},
};

pub(super) struct Scheduling;

/// A load, and the one thing that is observed of it.
struct Of {
    metric: &'static str,
    tls: bool,
    load: fn(&Bench) -> Load,
    observe: fn(&Outcome) -> f64,
}

const BULK: Of = Of {
    metric: "bulk-h2c MB/s",
    tls: false,
    load: |bench| Bulk::H2C.load(bench),
    observe: |outcome| outcome.client.octets as f64 / 1e6 / outcome.client.seconds,
};

const SMALL: Of = Of {
    metric: "small-h2c requests/s",
    tls: false,
    load: Small::load,
    observe: |outcome| outcome.client.requests as f64 / outcome.client.seconds,
};

/// Microseconds.
const LATENCY: Of = Of {
    metric: "latency-h2c p50",
    tls: false,
    load,
    observe: |outcome| outcome.client.p50,
};

const LOADS: [Of; 6] = [
    BULK,
    Of {
        metric: "bulk-tls MB/s",
        tls: true,
        ..BULK
    },
    SMALL,
    Of {
        metric: "small-tls requests/s",
        tls: true,
        ..SMALL
    },
    LATENCY,
    Of {
        metric: "latency-tls p50",
        tls: true,
        ..LATENCY
    },
];

impl Of {
    fn spec(&self, bench: &Bench, side: Side) -> Spec {
        Spec {
            schedule: side == Side::Framewright,
            ..spec(bench, Side::Framewright, self.tls, (self.load)(bench))
        }
    }
}

impl Scenario for Scheduling {
    fn name(&self) -> &'static str {
        "scheduling"
    }

    fn about(&self) -> &'static str {
        "framewright without scheduling (as stock), and with it but nothing to schedule"
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::higher(LOADS[0].metric),
                Metric::higher(LOADS[1].metric),
                Metric::higher(LOADS[2].metric),
                Metric::higher(LOADS[3].metric),
                Metric::lower(LOADS[4].metric),
                Metric::lower(LOADS[5].metric),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let mut pairs = Vec::new();
        for of in &LOADS {
            for side in Side::BOTH {
                let spec = of.spec(bench, side);
                let pair = Pair::start(bench, Role::Server, Role::Client, spec)?;
                pairs.push((of, side, pair));
            }
        }
        for _ in 0..slices(bench) {
            for (of, side, pair) in &mut pairs {
                let outcome = pair.measure(Duration::ZERO)?;
                observations.add(of.metric, *side, (of.observe)(&outcome));
            }
            observations.end_slice(bench.disturbance.take());
        }
        Ok(())
    }
}
