//! One run: both ends on an executor by hand, over a wire that fails somewhere.

use std::time::Duration;

use framewright::{ConnectionHandle, HandleError};

use crate::ends::{self, BoxError, Client, Exec, Outcome, Setup, World};
use crate::executor::{Executor, Join};
use crate::tls::Tls;
use crate::wire::{self, Extent, Fault, Marker, Shape, Wire};

/// What a run has come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outcomes {
    /// Of the client's requests, one after the other.
    pub(crate) requests: Vec<Outcome>,
    pub(crate) driver: Outcome,
    pub(crate) server: Outcome,
}

/// The conversation of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) shape: Shape,
    /// Octets of a body.
    pub(crate) len: u64,
    pub(crate) tls: Option<&'a Tls>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(shape: Shape, len: u64) -> Self {
        let tls = None;
        Self { shape, len, tls }
    }

    pub(crate) fn over_tls(self, tls: &'a Tls) -> Self {
        let tls = Some(tls);
        Self { tls, ..self }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    None,
    Fault(Fault),
    /// A task is dropped after so many polls.
    Task(usize, usize),
    /// A step of the conversation is.
    Step(usize, usize),
}

pub(crate) struct Run {
    pub(crate) outcomes: Outcomes,
    pub(crate) extent: Extent,
    /// The trouble has come about.
    pub(crate) fired: bool,
    /// Tasks that were spawned.
    pub(crate) tasks: usize,
    /// A task of hyper's was dropped, and others wait for it.
    pub(crate) hangs: bool,
}

/// Lets both ends talk. All that they have has to end.
pub(crate) fn run(world: &World, plan: Plan<'_>, trouble: Trouble) -> Run {
    let about = format!("{:?}, {plan:?}, {trouble:?}", world.setup);
    let (executor, fault, cut) = match trouble {
        Trouble::None => (Executor::default(), None, None),
        Trouble::Fault(fault) => (Executor::default(), Some(fault), None),
        Trouble::Task(task, polls) => (Executor::cancelling(task, polls), None, None),
        Trouble::Step(step, polls) => (Executor::default(), None, Some((step, polls))),
    };
    let exec = Exec::Hand(executor.clone());
    let marker = fault.map_or(String::new(), |fault| Marker::text(fault.at));
    let (wire, client_end, server_end) = Wire::new(plan.shape, fault);

    let (of, to, tls) = (world.clone(), exec.clone(), plan.tls.cloned());
    let server = executor.spawn("the server", async move {
        let io = match tls {
            None => of.server_io(server_end),
            Some(tls) => tls.accept(&of, server_end).await?,
        };
        Ok::<_, BoxError>(ends::serve(of, to, io).await?)
    });

    let (of, mark, tasks) = (world.clone(), marker.clone(), executor.clone());
    let tls = plan.tls.cloned();
    let requests = executor.spawn("requests", async move {
        let connecting = async {
            let io = match tls {
                None => of.client_io(client_end),
                Some(tls) => tls.connect(&of, client_end).await?,
            };
            Ok::<_, BoxError>(Client::connect(&of, exec, io).await?)
        };
        match connecting.await {
            Ok((client, driver)) => {
                let driver = tasks.spawn("the driver", driver);
                let outcomes = ends::converse(&client, plan.len, &mark, cut).await;
                Ok((outcomes, driver))
            }
            Err(error) => Err(error),
        }
    });
    // Its handles are there as soon as the ends are.
    let (of, tasks) = (world.clone(), executor.clone());
    let pings = executor.spawn("PINGs", async move { ping(&of, &tasks) });
    executor.run_and(|| world.look());

    let unfinished = executor.unfinished();
    // hyper's tasks wait for each other.
    let may_hang = executor.cancelled_name() == Some("of hyper");
    assert!(
        may_hang || unfinished.is_empty(),
        "{unfinished:?} hang, {about}"
    );
    let hangs = !unfinished.is_empty();
    let outcome = |result| Outcome::of(result, &marker);
    let (requests, driver) = match requests.take() {
        Some(Ok((requests, driver))) => {
            let driver = driver.take().map(|result| Outcome::of(result, &marker));
            (requests, driver)
        }
        Some(Err(error)) => (Vec::new(), Some(outcome(Err(error)))),
        None => (Vec::new(), None),
    };
    let outcomes = Outcomes {
        requests,
        driver: driver.unwrap_or(Outcome::Dropped),
        server: server.take().map_or(Outcome::Dropped, outcome),
    };
    for answer in pings.take().unwrap_or_default() {
        let answer = answer.take();
        let is_known = matches!(answer, None | Some(Ok(_) | Err(HandleError::Closed)));
        assert!(is_known, "{answer:?}, {about}");
        if matches!(trouble, Trouble::None | Trouble::Step(..)) {
            assert!(matches!(answer, Some(Ok(_))), "{answer:?}, {about}");
        }
    }
    let fired = match trouble {
        Trouble::None => false,
        Trouble::Fault(_) => wire.has_fired(),
        Trouble::Task(..) => executor.cancelled_name().is_some(),
        Trouble::Step(step, _) => outcomes.requests[step] == Outcome::Dropped,
    };
    if fired && fault.is_none() {
        wire::count_faults(1);
    }
    let tasks = executor.spawned();
    executor.shut_down();
    assert!(wire.is_released(), "an end is kept, {about}");
    world.check(&about);
    Run {
        outcomes,
        extent: wire.extent(),
        fired,
        tasks,
        hangs,
    }
}

type Answer = Join<Result<Duration, HandleError>>;

/// PINGs by the handles of both ends.
fn ping(world: &World, executor: &Executor) -> Vec<Answer> {
    if world.setup == Setup::Bare {
        return Vec::new();
    }
    let connections = world.connections();
    let ping = |connection: &ConnectionHandle| executor.spawn("a PING", connection.ping());
    connections.iter().map(ping).collect()
}
