//! What is compared. One file a scenario; [`ALL`] is the list.

mod bulk;
mod connector;
mod conns;
mod cost;
pub(crate) mod handshake;
pub(crate) mod idle;
mod latency;
pub(crate) mod priority;
#[cfg(feature = "aws-lc-rs")]
mod providers;
mod small;
pub(crate) mod window;

use std::time::Duration;

use crate::{
    Result,
    message::{Flow, Load, Role, Side, Spec},
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

    /// Starts the processes of stock, framewright and the limit, measures them
    /// in turn, a slice at a time, and adds what it observed under the names of
    /// its metrics.
    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()>;

    /// The processes of one side, for `--profile`, if it is a simple pair.
    fn pair(&self, _bench: &Bench, _side: Side) -> Option<(Role, Role, Spec)> {
        None
    }
}

/// Every scenario, in the order in which they run.
pub(crate) const ALL: &[&dyn Scenario] = &[
    &bulk::Bulk::H2C,
    &bulk::Bulk::TLS,
    &bulk::Bulk::SIDE_BY_SIDE,
    &small::Small { tls: false },
    &small::Small { tls: true },
    &latency::Latency { tls: false },
    &latency::Latency { tls: true },
    &conns::Conns,
    &idle::Idle,
    &priority::Priority,
    &cost::Cost::SCHEDULING,
    &window::Window,
    &cost::Cost::FLOW_CONTROL,
    &handshake::Handshake,
    &connector::Through,
    #[cfg(feature = "aws-lc-rs")]
    &providers::Providers,
];

pub(crate) fn find(name: &str) -> Option<&'static dyn Scenario> {
    ALL.iter().copied().find(|scenario| scenario.name() == name)
}

/// A load of 100-octet responses on one connection, one in flight; scenarios
/// change what is theirs.
fn load(bench: &Bench) -> Load {
    let (warm_up, measured) = if bench.smoke { (20, 100) } else { (300, 250) };
    Load {
        octets: 100,
        connections: 1,
        in_flight: 1,
        flow: Flow::Default,
        warm_up,
        measured,
    }
}

fn spec(bench: &Bench, side: Side, tls: bool, load: Load) -> Spec {
    Spec {
        side,
        tls: tls.then(|| bench.identity.clone()),
        load,
        through: false,
        reconnects: None,
        wire: None,
        downloads: 0,
        schedule: true,
        prioritized: false,
        server: None,
    }
}

/// Slices a round: stock, framewright, stock, framewright ... with the processes
/// of both alive, those that are not measured asleep.
///
/// On a shared machine the time that others take drifts within seconds. Short
/// slices side by side meet the same drift; together they make a second and a
/// half a side.
fn slices(bench: &Bench) -> usize {
    if bench.smoke { 1 } else { 6 }
}

/// One round of both sides with fresh processes; `observe` sees every slice.
fn in_turn(
    bench: &Bench,
    observations: &mut Observations,
    spec: impl Fn(Side) -> Spec,
    observe: impl Fn(Side, &Outcome, &mut Observations),
) -> Result<()> {
    let start = |side| Pair::start(bench, Role::Server, Role::Client, spec(side));
    let mut stock = start(Side::Stock)?;
    let mut framewright = start(Side::Framewright)?;
    for _ in 0..slices(bench) {
        observe(Side::Stock, &stock.measure(Duration::ZERO)?, observations);
        observe(
            Side::Framewright,
            &framewright.measure(Duration::ZERO)?,
            observations,
        );
        observations.end_slice(bench.disturbance.take());
    }
    Ok(())
}
