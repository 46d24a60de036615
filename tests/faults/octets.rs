//! The socket fails at every octet, in every way: the end whose socket it is says
//! what hyper says without the transport, and nothing is left behind.

use std::collections::BTreeSet;
use std::io;

use crate::ends::{Outcome, Setup, World};
use crate::runs::{Outcomes, Plan, Run, Trouble, run};
use crate::wire::{Extent, Fault, Kind, Shape, Side, report};

pub(crate) const BROKEN_PIPE: Outcome = Outcome::Io(io::ErrorKind::BrokenPipe);

/// What comes of a fault, wherever it may be.
#[derive(Default)]
struct Profile {
    /// What the end says whose socket has failed.
    own: BTreeSet<Outcomes>,
    /// What the other end's connection says. How its requests fare is up to where in
    /// a frame that was.
    other: BTreeSet<Outcome>,
}

/// Runs with a fault at each of so many places, and counts them.
fn profile(
    world: &World,
    plan: Plan<'_>,
    step: u64,
    side: Side,
    kind: Kind,
    runs: &mut u64,
) -> Profile {
    let extent = clean(world, plan);
    let mut profile = Profile::default();
    let last = extent.of(side, kind);
    // The first and the last octets are worth more than a sample.
    let is_near_an_end = |at: u64| at < 40 || last - at < 20;
    for at in (0..=last).filter(|at| at % step == 0 || is_near_an_end(*at)) {
        let Run {
            outcomes, fired, ..
        } = run(world, plan, Trouble::Fault(Fault { side, kind, at }));
        *runs += 1;
        if fired {
            let (mut own, other) = split(side, outcomes);
            if step > 1 || plan.shape == Shape::Choppy {
                // A sample need not have hit every request, and which of two requests
                // is faster is up to chance.
                own.requests
                    .retain(|o| !matches!(o, Outcome::Fine | Outcome::Gone));
                own.requests.dedup();
            }
            profile.own.insert(own);
            profile.other.insert(other);
        }
    }
    profile
}

/// Runs with no fault.
fn clean(world: &World, plan: Plan<'_>) -> Extent {
    let Run {
        outcomes, extent, ..
    } = run(world, plan, Trouble::None);
    let mut all = outcomes.requests.iter();
    assert!(all.all(|step| *step == Outcome::Fine), "{outcomes:?}");
    assert_eq!(outcomes.driver, Outcome::Fine);
    // TLS says goodbye to a client that is gone.
    let is_late = plan.tls.is_some() && outcomes.server == BROKEN_PIPE;
    assert!(is_late || outcomes.server == Outcome::Fine, "{outcomes:?}");
    extent
}

fn split(side: Side, outcomes: Outcomes) -> (Outcomes, Outcome) {
    let nothing = Outcome::Fine;
    match side {
        Side::Client => {
            let other = outcomes.server;
            let server = nothing;
            (Outcomes { server, ..outcomes }, other)
        }
        Side::Server => {
            let (other, server) = (outcomes.driver, outcomes.server);
            let (driver, requests) = (nothing, Vec::new());
            let own = Outcomes {
                requests,
                driver,
                server,
            };
            (own, other)
        }
    }
}

/// Whether hyper has passed on another error than the socket's own, because the
/// socket tells it once, and hyper's client asks twice while it starts.
fn lost_the_error(outcomes: &Outcomes) -> bool {
    outcomes.driver == BROKEN_PIPE
}

/// Whether it is the socket's own error, all over.
fn has_the_error(outcomes: &Outcomes) -> bool {
    let own = [Outcome::Marked, Outcome::Io(io::ErrorKind::WriteZero)];
    let closed = |step: &Outcome| matches!(step, Outcome::Fine | Outcome::Gone);
    let mut requests = outcomes.requests.iter();
    own.contains(&outcomes.driver) && requests.all(|step| closed(step) || *step == outcomes.driver)
}

pub(crate) fn compare(plan: Plan<'_>, step: u64, kinds: &[Kind], name: &str) {
    let [bare, default, loaded] = [Setup::Bare, Setup::Default, Setup::Loaded].map(World::new);
    let mut runs = 0;
    for side in Side::BOTH {
        for kind in kinds.iter().copied() {
            let expected = profile(&bare, plan, step, side, kind, &mut runs);
            for world in [&default, &loaded] {
                let about = format!("{:?}, {plan:?}, {side:?}, {kind:?}", world.setup);
                let seen = profile(world, plan, step, side, kind, &mut runs);
                for new in seen.own.difference(&expected.own) {
                    let is_better = expected.own.iter().any(lost_the_error) && has_the_error(new);
                    assert!(is_better, "hyper alone has not: {new:?}, {about}");
                }
                for lost in expected.own.difference(&seen.own) {
                    assert!(lost_the_error(lost), "hyper alone has: {lost:?}, {about}");
                }
                for new in seen.other.difference(&expected.other) {
                    // Somebody writes on, or nobody does.
                    let is_usual = *new == BROKEN_PIPE;
                    assert!(is_usual, "at the other end: {new:?}, {about}");
                }
            }
        }
    }
    let (budget, congestions) = *loaded.stakes.lock();
    assert!(budget > 0, "no window has grown");
    if plan.shape == Shape::Narrow {
        assert!(congestions > 0, "no streams have competed");
    }
    assert!(loaded.pool.stats().misses > 0, "no buffer was taken");
    report(name, runs);
}

pub(crate) const SHORT: u64 = 300;
const LONG: u64 = 40_000;

#[test]
fn a_fault_at_every_octet() {
    let shape = Shape::Roomy;
    compare(Plan::new(shape, SHORT), 1, &Kind::ALL, "every octet");
}

#[test]
fn a_fault_at_every_octet_of_a_wire_that_is_full() {
    let shape = Shape::Narrow;
    compare(
        Plan::new(shape, SHORT),
        1,
        &Kind::ALL,
        "every octet, full wire",
    );
}

#[test]
fn a_fault_at_every_octet_of_a_wire_that_hesitates() {
    let shape = Shape::Choppy;
    compare(
        Plan::new(shape, SHORT),
        1,
        &Kind::ALL,
        "every octet, choppy wire",
    );
}

#[test]
fn a_fault_somewhere_in_large_bodies() {
    compare(
        Plan::new(Shape::Roomy, LONG),
        2_999,
        &Kind::ALL,
        "large bodies",
    );
}

#[test]
fn a_fault_somewhere_in_large_bodies_on_a_wire_that_hesitates() {
    compare(
        Plan::new(Shape::Choppy, LONG / 4),
        1_999,
        &Kind::ALL,
        "large bodies, choppy wire",
    );
}
