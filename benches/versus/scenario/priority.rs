//! A small urgent response beside downloads without an end, on one connection.
//!
//! The link has 50 Mbit/s each way and a round trip of 20 ms, and is the only
//! thing that anyone waits for: its queue is the server's (see
//! `tests/common/link.rs`). 8 or 32 downloads with `priority: u=7` keep it full;
//! meanwhile the client asks for 20 KB with `priority: u=0`, and times them from
//! the request to the last octet. Between two such requests it waits until the
//! queue has long been full again, for a time that differs so that it does not
//! keep step with anything. Stock hyper does not look at the field: behind 8 the
//! response waits for the octets in the kernel's buffer, and then for three turns
//! of 8 frames of 16 KiB, one for its head and two for its body.
//!
//! The limit is the same request over the same link without downloads: a round
//! trip, 3.3 ms for 20 KB at that rate, and a millisecond or two of timers.
//!
//! # What has no part in it
//!
//! - The client's credit: its windows are 4 MiB a stream and the sum of that over
//!   33 streams for the connection. It takes what arrives at once, and gives the
//!   credit back by halves of a window; 2 MiB are 4 times what a stream's share
//!   of the kernel's largest send buffer (4 MiB) and of the link can be.
//! - The kernel's options: the server's send buffer is as the system has it, and
//!   grows as it likes: to 1 MB with BBR, 0.25 MB with CUBIC (the head of the table
//!   names which). Only the segment size differs from loopback's, as the link
//!   says.
//! - The cores: both sides at both depths and their four links take a tenth of
//!   them together. So all run at once, rather than in turn, each on a link of
//!   its own; a round has one slice.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tokio::{task::LocalSet, time::sleep};

use super::{Scenario, load, spec};
use crate::{
    Error, Result,
    child::{Control, reply},
    client::{Dial, Requests, uri},
    message::{Command, Load, Measured, Reply, Role, Side, Spec, Windows, Wire},
    pair::{Bench, Pair},
    report::{self, Contender, Metric, Observations},
    usage::Usage,
};

/// Milliseconds.
const MIDDLE: &str = "p50 behind 8";
const TAIL: &str = "p95 behind 8";
const DEEP: &str = "p50 behind 32";
/// Of the 8.
const RATE: &str = "bulk MB/s";

const WIRE: Wire = Wire {
    rate: 50_000_000,
    delay: 10,
};

const STREAM_WINDOW: u32 = 4 << 20;
const WINDOWS: Windows = Windows {
    stream: STREAM_WINDOW,
    connection: 33 * STREAM_WINDOW,
};

const URGENT: HeaderValue = HeaderValue::from_static("u=0");
const BULK: HeaderValue = HeaderValue::from_static("u=7");

/// As long as anything: a day and a half at the link's rate.
const ENDLESS: u64 = 1 << 40;

/// Milliseconds between two urgent requests, and how many more at most.
const PAUSE: u64 = 100;
const SPREAD: u64 = 50;

pub(crate) struct Priority;

impl Priority {
    fn load(bench: &Bench, measured: u64) -> Load {
        Load {
            octets: 20_000,
            windows: Some(WINDOWS),
            // Until the kernel's buffer has grown as far as it will.
            warm_up: if bench.smoke { 100 } else { 1000 },
            measured: if bench.smoke { measured / 20 } else { measured },
            ..load(bench)
        }
    }

    fn spec(bench: &Bench, side: Side, downloads: usize, measured: u64) -> Spec {
        Spec {
            wire: Some(WIRE),
            downloads,
            ..spec(bench, side, false, Self::load(bench, measured))
        }
    }
}

impl Scenario for Priority {
    fn name(&self) -> &'static str {
        "priority"
    }

    fn about(&self) -> &'static str {
        "20 KB at u=0 under downloads at u=7, 50 Mbit/s, 20 ms"
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::lower(MIDDLE),
                Metric::lower(TAIL),
                Metric::lower(DEEP),
                Metric::higher(RATE),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let start = |side, downloads, measured| {
            let spec = Self::spec(bench, side, downloads, measured);
            Pair::start(bench, Role::Server, Role::Hurrier, spec)
        };
        let unloaded = start(Side::Stock, 0, 2000)?.measure(Duration::ZERO)?.client;
        for (metric, value) in [
            (MIDDLE, unloaded.p50),
            (TAIL, unloaded.p95),
            (DEEP, unloaded.p50),
        ] {
            observations.add(metric, Contender::Limit, value / 1e3);
        }

        let mut pairs = Vec::new();
        for downloads in [8, 32] {
            for side in Side::BOTH {
                pairs.push((side, downloads, start(side, downloads, 12_000)?));
            }
        }
        for (_, _, pair) in &mut pairs {
            pair.begin()?;
        }
        for (side, downloads, pair) in &mut pairs {
            let client = pair.end(Duration::ZERO)?.client;
            let mut add = |metric, value| observations.add(metric, *side, value);
            if *downloads == 8 {
                add(MIDDLE, client.p50 / 1e3);
                add(TAIL, client.p95 / 1e3);
                add(RATE, client.octets as f64 / 1e6 / client.seconds);
            } else {
                add(DEEP, client.p50 / 1e3);
            }
        }
        observations.end_slice(bench.disturbance.take());
        Ok(())
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        let spec = Self::spec(bench, side, 8, 12_000);
        Some((Role::Server, Role::Hurrier, spec))
    }
}

/// The client: keeps its downloads going, and is in a hurry for something else
/// now and then.
pub(crate) async fn hurry(control: Control, spec: Spec) -> Result<()> {
    LocalSet::new().run_until(local(control, spec)).await
}

async fn local(mut control: Control, spec: Spec) -> Result<()> {
    let mut requests = Dial::new(&spec)?.open().await?;
    let downloaded = Rc::new(Cell::new(0));
    for _ in 0..spec.downloads {
        tokio::task::spawn_local(download(requests.clone(), Rc::clone(&downloaded)));
    }
    sleep(Duration::from_millis(spec.load.warm_up)).await;
    reply(&Reply::Ready);
    loop {
        match control.next().await? {
            Command::Measure => {
                let measured = measure(&mut requests, &spec.load, &downloaded).await?;
                reply(&Reply::Measured(measured));
            }
            other => return Err(format!("a hurrier does not take {other:?}").into()),
        }
    }
}

/// Urgent requests, and how much of the downloads arrived beside them.
async fn measure(requests: &mut Requests, load: &Load, downloaded: &Cell<u64>) -> Result<Measured> {
    let mark = Usage::now()?;
    let before = downloaded.get();
    let start = Instant::now();
    let end = start + Duration::from_millis(load.measured);
    let mut times = Vec::new();
    while times.is_empty() || Instant::now() < end {
        let turn = times.len() as u64;
        sleep(Duration::from_millis(PAUSE + turn * 17 % SPREAD)).await;
        let asked = Instant::now();
        let mut body = ask(requests, load.octets, URGENT).await?;
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            received += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        if received != load.octets {
            return Err(format!("{received} urgent octets").into());
        }
        times.push(asked.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Measured {
        requests: times.len() as u64,
        resumed: 0,
        octets: downloaded.get() - before,
        seconds: start.elapsed().as_secs_f64(),
        p50: report::percentile(&mut times, 0.50),
        p95: report::percentile(&mut times, 0.95),
        p99: report::percentile(&mut times, 0.99),
        used: Usage::now()?.since(mark),
    })
}

/// Requests so many octets with this priority.
async fn ask(requests: &mut Requests, octets: u64, priority: HeaderValue) -> Result<Incoming> {
    let request = Request::get(uri(octets)?)
        .header("priority", priority)
        .body(Empty::new())?;
    requests.ready().await?;
    let response = requests.send_request(request).await?;
    if !response.status().is_success() {
        return Err(format!("{} for {octets} octets", response.status()).into());
    }
    Ok(response.into_body())
}

/// Asks for a body without an end, and counts what arrives of it.
async fn download(mut requests: Requests, downloaded: Rc<Cell<u64>>) {
    let ended = async {
        let mut body = ask(&mut requests, ENDLESS, BULK).await?;
        while let Some(frame) = body.frame().await {
            let octets = frame?.data_ref().map_or(0, |data| data.len() as u64);
            downloaded.set(downloaded.get() + octets);
        }
        Err::<(), Error>("it has an end".into())
    };
    if let Err(error) = ended.await {
        reply(&Reply::Failed(format!("a download: {error}")));
    }
}
