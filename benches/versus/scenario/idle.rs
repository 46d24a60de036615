//! What connections cost that have had their requests and now do nothing.
//!
//! Every connection gets a burst of requests at the same time as all others:
//! ten of 100 octets, and one of 64 KiB, so that buffers for large frames have
//! been used too. One connection has its burst and ends before the mark, so that
//! what a process pays once is not counted as the connections'.

use std::{thread, time::Duration};

use http::Uri;
use tokio::task::JoinSet;

use super::{Scenario, load, spec};
use crate::{
    Result,
    child::{Control, reply},
    client::{Dial, Requests, fetch, uri},
    machine,
    message::{Command, Load, Measured, Reply, Role, Side, Spec},
    pair::{Bench, Pair},
    report::{Metric, Observations},
};

const RESIDENT: &str = "resident octets/connection";
/// By the server, from the default pool; stock hyper has none.
const HELD: &str = "pooled buffers held";

/// Between the last response and the reading.
const SETTLE: Duration = Duration::from_millis(500);
/// Requests of the load's own octets on each connection.
const SMALL: usize = 10;
const LARGE: u64 = 64 << 10;
/// Files that a process needs besides its connections.
const FILES: usize = 30;

pub(crate) struct Idle;

impl Idle {
    fn load(bench: &Bench) -> Load {
        Load {
            connections: if bench.smoke { 50 } else { 1000 },
            ..load(bench)
        }
    }
}

impl Scenario for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn about(&self) -> &'static str {
        "1,000 idle connections after a burst of requests on each"
    }

    fn metrics(&self) -> &'static [Metric] {
        const { &[Metric::lower(RESIDENT), Metric::lower(HELD)] }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let mut load = Self::load(bench);
        let most = machine::open_files()?.saturating_sub(FILES);
        if most < load.connections {
            eprintln!(
                "idle: {most} connections instead of {} (ulimit -n)",
                load.connections
            );
            load.connections = most;
        }
        for side in Side::BOTH {
            let spec = spec(bench, side, false, load);
            let mut pair = Pair::start(bench, Role::Server, Role::Holder, spec)?;
            // The server has to see the first connection end before the mark.
            thread::sleep(SETTLE / 5);
            let server = pair.measure(SETTLE)?.server;
            let connections = load.connections as f64;
            observations.add(RESIDENT, side, server.resident as f64 / connections);
            observations.add(HELD, side, server.buffers_held as f64);
        }
        observations.end_slice(bench.disturbance.take());
        Ok(())
    }
}

/// The client: opens, bursts, and holds.
pub(crate) async fn hold(mut control: Control, spec: Spec) -> Result<()> {
    let dial = Dial::new(&spec)?;
    let (small, large) = (uri(spec.load.octets)?, uri(LARGE)?);
    let octets = spec.load.octets;
    burst(&[dial.open().await?], &small, octets, &large).await?;
    reply(&Reply::Ready);

    let mut held = Vec::new();
    loop {
        match control.next().await? {
            Command::Measure => {
                while held.len() < spec.load.connections {
                    held.push(dial.open().await?);
                }
                burst(&held, &small, octets, &large).await?;
                reply(&Reply::Measured(Measured::default()));
            }
            other => return Err(format!("a holder does not take {other:?}").into()),
        }
    }
}

async fn burst(connections: &[Requests], small: &Uri, octets: u64, large: &Uri) -> Result<()> {
    let mut tasks = JoinSet::new();
    for connection in connections {
        for n in 0..=SMALL {
            let mut requests = connection.clone();
            let (uri, octets) = match n {
                SMALL => (large.clone(), LARGE),
                _ => (small.clone(), octets),
            };
            tasks.spawn(async move { fetch(&mut requests, &uri, octets).await });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}
