//! A small urgent response beside downloads without an end, on one connection.
//!
//! The link has 50 Mbit/s each way and a round trip of 20 ms, and is the only
//! thing that anyone waits for: its queue is the server's (see
//! `tests/common/link.rs`). 1, 8 or 32 downloads with `priority: u=7` keep it full;
//! meanwhile the client asks for 20 KB with `priority: u=0`, and times them from
//! the request to the last octet. Between two such requests it waits until the
//! queue has long been full again, for a time that differs so that it does not
//! keep step with anything. Both ends of the client are stock hyper on both sides:
//! the field is all that it says.
//!
//! The limit is the same request over the same link without downloads: a round
//! trip, 3.3 ms for 20 KB at that rate, and a millisecond or two of timers.
//!
//! # Two settings
//!
//! Stock hyper does not look at the field. Its response waits for the octets that
//! the server's kernel has taken already, and then for three turns of 16 KiB of
//! each download, one for its head and two for its body: h2 lets streams take
//! turns. The turns are 3 x 8 x 16 KiB, 63 ms, behind 8. The rest is up to the
//! size of the kernel's send buffer, and to the client's credit:
//!
//! - The plain names: the segments are loopback's own, of 64 KiB. The kernel
//!   counts its window in segments, so the buffer is as large as Linux lets it grow
//!   by itself (`tcp_wmem`, 4 MB) from the start. A server is there with a large or
//!   fixed send buffer, or with a client at the end of a long and wide road that
//!   has just turned narrow: the buffer grows with the window, and does not shrink
//!   again. The client's windows are hyper's own, 2 MiB a stream and 5 MiB a
//!   connection. That is a bound on what may be in the kernels, and the downloads
//!   are always at it: behind 1 at that of the stream, else at that of the
//!   connection, so that the response waits for credit as well as for the buffer.
//!   With windows as below it was 630 ms in place of 1,000 behind 8.
//! - `ethernet segments`: of 1,448 octets, as on a real link of this rate alone.
//!   The buffer then grows to 1 MB with BBR, 0.25 MB with CUBIC (the head of the
//!   table names which). The client's windows are 4 MiB a stream and the sum of
//!   that over 33 streams for the connection, so that its credit has no part in it.
//!
//! The first is near the worst that a server sees, the second near the best.
//!
//! # What has no part in it
//!
//! - The kernel's options: the server's send buffer is as the system has it, and
//!   grows as it likes.
//! - The cores: both sides at all depths and their links take a fifth of them
//!   together. So all of one setting run at once, rather than in turn, each on a
//!   link of its own; a round has one slice.

use std::{
    cell::Cell,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use http::HeaderValue;
use http_body_util::BodyExt;
use tokio::{task::LocalSet, time::sleep};

use super::{Scenario, load, spec};
use crate::{
    Error, Result,
    child::{Control, reply},
    client::{Body, Dial, Requests, get, uri},
    message::{Command, Flow, Load, Measured, Reply, Role, Side, Spec, Windows, Wire},
    pair::{Bench, Pair},
    report::{self, Contender, Metric, Observations},
    usage::Usage,
};

/// What the link's kernels and the client are like.
struct Setting {
    segment: Option<u32>,
    flow: Flow,
    depths: &'static [Depth],
    /// Milliseconds from the first download to the measured phase: until the
    /// kernel's buffer has grown as far as it will.
    warm_up: u64,
    /// Milliseconds.
    measured: u64,
}

/// So many downloads, and the metrics of what is urgent beside them.
struct Depth {
    downloads: usize,
    /// Milliseconds.
    middle: &'static str,
    /// Milliseconds.
    tail: Option<&'static str>,
    /// Of the downloads.
    rate: Option<&'static str>,
}

const LOOPBACK: Setting = Setting {
    segment: None,
    flow: Flow::Default,
    depths: &[
        Depth {
            downloads: 1,
            middle: "p50 behind 1",
            tail: None,
            rate: None,
        },
        Depth {
            downloads: 8,
            middle: "p50 behind 8",
            tail: Some("p95 behind 8"),
            rate: Some("bulk MB/s"),
        },
        Depth {
            downloads: 32,
            middle: "p50 behind 32",
            tail: None,
            rate: None,
        },
    ],
    warm_up: 2000,
    measured: 9000,
};

const ETHERNET: Setting = Setting {
    segment: Some(1448),
    flow: Flow::Fixed(Windows {
        stream: 4 << 20,
        connection: 33 * (4 << 20),
    }),
    depths: &[
        Depth {
            downloads: 8,
            middle: "p50 behind 8, ethernet segments",
            tail: Some("p95 behind 8, ethernet segments"),
            rate: None,
        },
        Depth {
            downloads: 32,
            middle: "p50 behind 32, ethernet segments",
            tail: None,
            rate: None,
        },
    ],
    warm_up: 1000,
    measured: 4000,
};

const URGENT: HeaderValue = HeaderValue::from_static("u=0");
const BULK: HeaderValue = HeaderValue::from_static("u=7");

/// As long as anything: a day and a half at the link's rate.
const ENDLESS: u64 = 1 << 40;

/// Milliseconds between two urgent requests, and how many more at most.
const PAUSE: u64 = 100;
const SPREAD: u64 = 50;

pub(crate) struct Priority;

impl Setting {
    fn spec(&self, bench: &Bench, side: Side, downloads: usize, measured: u64) -> Spec {
        let load = Load {
            octets: 20_000,
            flow: self.flow,
            // All warm up at the same time: see `settle`.
            warm_up: 0,
            measured: if bench.smoke { measured / 20 } else { measured },
            ..load(bench)
        };
        Spec {
            wire: Some(Wire {
                rate: 50_000_000,
                delay: 10,
                segment: self.segment,
            }),
            downloads,
            prioritized: true,
            ..spec(bench, side, false, load)
        }
    }

    fn start<'a>(
        &self,
        bench: &'a Bench,
        side: Side,
        downloads: usize,
        measured: u64,
    ) -> Result<Pair<'a>> {
        let spec = self.spec(bench, side, downloads, measured);
        Pair::start(bench, Role::Server, Role::Hurrier, spec)
    }

    /// The same without downloads, for the limit.
    fn unloaded<'a>(&self, bench: &'a Bench) -> Result<Pair<'a>> {
        self.start(bench, Side::Stock, 0, 1500)
    }

    fn observe_limit(&self, unloaded: &Measured, observations: &mut Observations) {
        for depth in self.depths {
            let mut add = |metric, value| observations.add(metric, Contender::Limit, value);
            add(depth.middle, unloaded.p50 / 1e3);
            if let Some(tail) = depth.tail {
                add(tail, unloaded.p95 / 1e3);
            }
        }
    }

    /// Both sides at all depths.
    fn measure(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let mut pairs = Vec::new();
        for depth in self.depths {
            for side in Side::BOTH {
                let pair = self.start(bench, side, depth.downloads, self.measured)?;
                pairs.push((depth, side, pair));
            }
        }
        settle(bench, self.warm_up);
        for (_, _, pair) in &mut pairs {
            pair.begin()?;
        }
        for (depth, side, pair) in &mut pairs {
            let client = pair.end(Duration::ZERO)?.client;
            let mut add = |metric, value| observations.add(metric, *side, value);
            add(depth.middle, client.p50 / 1e3);
            if let Some(tail) = depth.tail {
                add(tail, client.p95 / 1e3);
            }
            if let Some(rate) = depth.rate {
                add(rate, client.octets as f64 / 1e6 / client.seconds);
            }
        }
        Ok(())
    }
}

/// Downloads run from a pair's start on.
fn settle(bench: &Bench, milliseconds: u64) {
    let milliseconds = if bench.smoke { 100 } else { milliseconds };
    thread::sleep(Duration::from_millis(milliseconds));
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
                Metric::lower("p50 behind 8"),
                Metric::lower("p95 behind 8"),
                Metric::lower("p50 behind 32"),
                Metric::lower("p50 behind 1"),
                Metric::higher("bulk MB/s"),
                Metric::lower("p50 behind 8, ethernet segments"),
                Metric::lower("p95 behind 8, ethernet segments"),
                Metric::lower("p50 behind 32, ethernet segments"),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let settings = [LOOPBACK, ETHERNET];
        let mut unloaded = Vec::new();
        for setting in &settings {
            unloaded.push(setting.unloaded(bench)?);
        }
        for pair in &mut unloaded {
            pair.begin()?;
        }
        for (setting, mut pair) in settings.iter().zip(unloaded) {
            setting.observe_limit(&pair.end(Duration::ZERO)?.client, observations);
        }
        for setting in &settings {
            setting.measure(bench, observations)?;
        }
        observations.end_slice(bench.disturbance.take());
        Ok(())
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        let spec = LOOPBACK.spec(bench, side, 8, LOOPBACK.measured);
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
        octets: downloaded.get() - before,
        seconds: start.elapsed().as_secs_f64(),
        p50: report::percentile(&mut times, 0.50),
        p95: report::percentile(&mut times, 0.95),
        p99: report::percentile(&mut times, 0.99),
        used: Usage::now()?.since(mark),
        ..Measured::default()
    })
}

/// Requests so many octets with this priority.
async fn ask(requests: &mut Requests, octets: u64, priority: HeaderValue) -> Result<Body> {
    let mut request = get(&uri(octets)?);
    request.headers_mut().insert("priority", priority);
    Ok(requests.send(request).await?.into_body())
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
