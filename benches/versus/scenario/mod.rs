//! What is compared. One file a scenario; [`ALL`] is the list.

mod bulk;
mod conns;
pub(crate) mod idle;
mod latency;
mod small;

use crate::{
    Result,
    message::{Load, Role, Side, Spec},
    pair::{Bench, Outcome, Pair},
    report::{Metric, Observations},
};

/// Work for both sides, and what is observed of it.
pub(crate) trait Scenario: Sync {
    fn name(&self) -> &'static str;

    /// One line for `--list`.
    fn about(&self) -> &'static str;

    /// In the order of the table.
    fn metrics(&self) -> &'static [Metric];

    /// Runs stock, framewright and the limit once each, in this order, and adds
    /// what it observed under the names of its metrics.
    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()>;

    /// The processes of one side, for `--profile`, if it is a simple pair.
    fn pair(&self, _bench: &Bench, _side: Side) -> Option<(Role, Role, Spec)> {
        None
    }
}

/// Every scenario, in the order in which they run.
pub(crate) const ALL: &[&dyn Scenario] = &[
    &bulk::Bulk { tls: false },
    &bulk::Bulk { tls: true },
    &small::Small { tls: false },
    &small::Small { tls: true },
    &latency::Latency { tls: false },
    &latency::Latency { tls: true },
    &conns::Conns,
    &idle::Idle,
];

pub(crate) fn find(name: &str) -> Option<&'static dyn Scenario> {
    ALL.iter().copied().find(|scenario| scenario.name() == name)
}

/// A load of 100-octet responses on one connection, one in flight; scenarios
/// change what is theirs.
fn load(bench: &Bench) -> Load {
    let (warm_up, measured) = if bench.smoke { (20, 100) } else { (300, 1500) };
    Load {
        octets: 100,
        connections: 1,
        in_flight: 1,
        windows: None,
        warm_up,
        measured,
    }
}

fn spec(bench: &Bench, side: Side, tls: bool, load: Load) -> Spec {
    Spec {
        side,
        tls: tls.then(|| bench.identity.clone()),
        load,
        server: None,
    }
}

/// One round of one side: fresh processes, warm-up, measured phase.
fn measure(bench: &Bench, spec: Spec) -> Result<Outcome> {
    Pair::start(bench, Role::Server, Role::Client, spec)?.measure(std::time::Duration::ZERO)
}
