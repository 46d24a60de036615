//! What something of framewright's costs where there is nothing for it to do:
//! framewright without it (as `stock`) and with it, under the loads of other
//! scenarios.
//!
//! A pair of each side for each load lives through a round; a slice measures them
//! all, the two sides of a load one right after the other.
//!
//! Flow control is managed at both ends, with a layer at each. Requests have no
//! bodies here, so what the server's costs is its looking at frames and heads. The
//! client's windows without it are those of the other scenario: hyper's own, or in
//! bulk fixed ones, many times the bandwidth-delay product.

use std::time::Duration;

use super::{Scenario, bulk::Bulk, load, slices, small::Small, spec};
use crate::{
    Result,
    message::{Flow, Load, Role, Side, Spec, Windows},
    pair::{Bench, Outcome, Pair},
    report::{Metric, Observations},
};

pub(super) struct Cost {
    name: &'static str,
    about: &'static str,
    /// Whether it is there.
    switch: fn(&mut Spec, bool),
}

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

impl Cost {
    pub(super) const SCHEDULING: Self = Self {
        name: "scheduling",
        about: "framewright without scheduling (as stock), and with it but nothing to schedule",
        switch: |spec, on| spec.schedule = on,
    };
    pub(super) const FLOW_CONTROL: Self = Self {
        name: "flow-control",
        about: "framewright without flow control (as stock), and with it but nothing to gain",
        switch: |spec, on| {
            if on {
                spec.load.flow = Flow::Managed(Windows::ceilings());
            }
        },
    };

    fn spec(&self, of: &Of, bench: &Bench, side: Side) -> Spec {
        let load = (of.load)(bench);
        let mut spec = spec(bench, Side::Framewright, of.tls, load);
        (self.switch)(&mut spec, side == Side::Framewright);
        spec
    }
}

impl Scenario for Cost {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
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
                let spec = self.spec(of, bench, side);
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
