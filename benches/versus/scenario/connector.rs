//! What the connector and the listener cost: `bulk-tls` of framewright with the
//! transport put round the socket by hand (as `stock`), and through the two.

use super::{
    Scenario,
    bulk::{Bulk, CLIENT, RATE, SERVER, observe_speed},
    in_turn, spec,
};
use crate::{
    Result,
    message::{Role, Side, Spec},
    pair::Bench,
    report::{Metric, Observations},
};

pub(super) struct Through;

impl Through {
    fn spec(bench: &Bench, side: Side) -> Spec {
        Spec {
            through: side == Side::Framewright,
            ..spec(bench, Side::Framewright, true, Bulk::TLS.load(bench))
        }
    }
}

impl Scenario for Through {
    fn name(&self) -> &'static str {
        "connector"
    }

    fn about(&self) -> &'static str {
        "bulk-tls: the transport by hand (as stock), and through connector and listener"
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::higher(RATE),
                Metric::lower(SERVER),
                Metric::lower(CLIENT),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let spec = |side| Self::spec(bench, side);
        in_turn(bench, observations, spec, observe_speed)
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        Some((Role::Server, Role::Client, Self::spec(bench, side)))
    }
}
