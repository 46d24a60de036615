//! The lives of connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use http::Request;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clients::{Dialer, Driver, End};
use crate::common::full;
use crate::random::Random;
use crate::tally::{Fate, Fault};
use crate::work::{Connection, KINDS, Kind, request};
use crate::world::{HANG, Line, World, is_violation, whole};

/// From where to where, and how.
pub(crate) struct Route {
    pub(crate) shares: u64,
    pub(crate) name: &'static str,
    pub(crate) end: End,
    pub(crate) address: SocketAddr,
    /// Links to the same server.
    pub(crate) lines: Vec<Arc<Line>>,
}

pub(crate) struct Routes {
    pub(crate) world: Arc<World>,
    pub(crate) dialer: Dialer,
    pub(crate) all: Vec<Route>,
}

/// Makes one connection after the other.
pub(crate) async fn slot(routes: Arc<Routes>, mut random: Random) {
    let world = &routes.world;
    while !world.stop.load(SeqCst) {
        let guard = world.gate.read().await;
        if world.stop.load(SeqCst) {
            return;
        }
        if let Some(mut life) = Life::begin(&routes, random.fork(), true).await {
            life.traffic().await;
            life.end().await;
        }
        drop(guard);
        sleep(Duration::from_millis(random.below(300))).await;
    }
}

/// Makes a connection that lasts, until it is lost or nothing is to be left.
pub(crate) async fn lasting(routes: Arc<Routes>, mut random: Random) {
    let world = &routes.world;
    while !world.stop.load(SeqCst) {
        let mut guard = Some(world.gate.read().await);
        let Some(mut life) = Life::begin(&routes, random.fork(), false).await else {
            drop(guard);
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        while !life.is_over() && !world.stop.load(SeqCst) {
            life.traffic().await;
            if world.clean.load(SeqCst) {
                break;
            }
            // Open, and idle, in a rest.
            drop(guard.take());
            sleep(Duration::from_millis(10)).await;
            guard = Some(world.gate.read().await);
        }
        life.end().await;
    }
}

struct Life {
    connection: Connection,
    driver: Driver,
    random: Random,
    /// Requests to come.
    left: u64,
    /// What ends it, and when.
    fault: Option<(Fault, u64)>,
}

impl Life {
    /// Connects.
    async fn begin(routes: &Routes, mut random: Random, ends: bool) -> Option<Self> {
        let world = Arc::clone(&routes.world);
        let shares: Vec<_> = routes
            .all
            .iter()
            .map(|route| (route.shares, route))
            .collect();
        let route = random.weigh(&shares);
        let left = if ends {
            random.between(1, 120)
        } else {
            u64::MAX
        };
        let fault = random.weigh(&[
            (40, None),
            (20, Some(Fault::GoAway)),
            (12, Some(Fault::ClientAborts)),
            (10, Some(Fault::ClientResets)),
            (10, Some(Fault::ServerAborts)),
            (8, Some(Fault::ServerResets)),
        ]);
        let fault = fault
            .filter(|_| ends)
            .map(|fault| (fault, random.below(left)));
        let fate = Arc::new(Fate::default());
        let mut address = route.address;
        let mut name = route.name.to_owned();
        if !route.lines.is_empty() && random.percent(50) {
            let line = &route.lines[random.below(route.lines.len() as u64) as usize];
            line.join(&fate);
            address = line.address();
            name += ", a link";
        }
        if let Some((fault, _)) = fault {
            name += &format!(", to end with {fault:?}");
        }
        let resets = matches!(fault, Some((Fault::ClientResets, _)));
        let connecting = routes
            .dialer
            .connect(route.end, address, resets, &mut random);
        let (client, driver) = match timeout(HANG, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => {
                let error = whole(error.as_ref());
                match fate.is_any() {
                    true => world.tally.count("connects that a fault ended"),
                    false => world.tally.fail(format_args!("connect on {name}: {error}")),
                }
                return None;
            }
            Err(_) => {
                world.tally.fail(format_args!("connect on {name} hangs"));
                return None;
            }
        };
        world.tally.connections.fetch_add(1, SeqCst);
        world
            .tally
            .count(format_args!("connection: {}", route.name));
        let connection = Connection {
            world,
            client,
            fate,
            name: name.into(),
        };
        Some(Self {
            connection,
            driver,
            random,
            left,
            fault,
        })
    }

    fn is_over(&self) -> bool {
        self.connection.fate.is_any() || self.driver.is_finished()
    }

    /// Requests, until there is to be a rest or the connection ends.
    async fn traffic(&mut self) {
        let world = Arc::clone(&self.connection.world);
        let width = self.random.between(1, 12) as usize;
        let mut tasks = JoinSet::new();
        while self.left > 0 && !self.is_over() && !world.resting.load(SeqCst) {
            while tasks.len() >= width {
                tasks.join_next().await;
            }
            self.left -= 1;
            if let Some((fault, at)) = self.fault
                && self.left <= at
            {
                self.strike(fault).await;
                break;
            }
            let kind = self.random.weigh(&KINDS);
            let count = match kind {
                Kind::Small => self.random.between(8, 64),
                _ => 1,
            };
            for _ in 0..count {
                let random = self.random.fork();
                tasks.spawn(request(self.connection.clone(), kind, random));
            }
            if self.random.percent(50) {
                sleep(Duration::from_millis(self.random.below(100))).await;
            }
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                world.tally.fail(format_args!("a request's task: {error}"));
            }
        }
    }

    /// Does it, with requests in flight.
    async fn strike(&mut self, fault: Fault) {
        let Connection {
            world,
            client,
            fate,
            ..
        } = &self.connection;
        sleep(Duration::from_millis(self.random.below(100))).await;
        fate.set(fault);
        world.tally.count(format_args!("fault: {fault:?}"));
        let how = match fault {
            Fault::GoAway => 0,
            Fault::ServerAborts => 1,
            Fault::ServerResets => 2,
            Fault::ClientAborts | Fault::ClientResets | Fault::Cut => {
                self.driver.abort();
                return;
            }
        };
        let order = Request::get(format!("http://test/end?how={how}"));
        let order = order.body(full(String::new())).expect("a request");
        match timeout(HANG, client.send(order)).await {
            // It may have ended before it could answer, or been cut.
            Ok(_) => {}
            Err(_) => world.tally.fail(format_args!("{fault:?} hangs")),
        }
    }

    /// Closes the connection.
    async fn end(self) {
        let Connection {
            world,
            client,
            fate,
            name,
        } = self.connection;
        drop(client);
        let mut driver = self.driver;
        match timeout(HANG, &mut driver).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) if fate.is_any() && !is_violation(&error) => {}
            Ok(Ok(Err(error))) => {
                let error = whole(&error);
                world
                    .tally
                    .fail(format_args!("{name}, {fate}, at its end: {error}"));
            }
            Ok(Err(error)) if error.is_cancelled() && fate.is_any() => {}
            Ok(Err(error)) => world.tally.fail(format_args!("{name}, {fate}: {error}")),
            Err(_) => {
                driver.abort();
                world
                    .tally
                    .fail(format_args!("{name}, {fate}: does not end"));
            }
        }
    }
}
