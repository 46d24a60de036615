//! Large bodies over a wide and long link, where the receiver's window is what
//! bounds the rate; and what the same windows let pile up before slow readers.
//!
//! # Downloads
//!
//! The link has 1 Gbit/s each way and a round trip of 10, 50 or 100 ms. The client
//! downloads 50 MB, one body after the other, on one connection.
//!
//! - Stock is hyper as it is: 2 MiB a stream, 5 MiB a connection. Over 100 ms that
//!   would be 21 MB/s, were it returned as it is taken. h2 returns half a window at
//!   a time, so it is 15.
//! - framewright manages its windows, with a layer that tells what the application
//!   has taken. The windows start at 256 KiB and may come to 16 MiB a stream and
//!   24 MiB a connection, which is what hyper is told.
//! - The limit is stock hyper with 16 MiB and 24 MiB from the start. The link holds
//!   1.25, 6.25 and 12.5 MB. For the last of them 16 MiB that are returned by halves
//!   are a little too few: it has 92 MB/s of 100.
//! - `over adaptive` has stock hyper with `adaptive_window(true)` as stock.
//!
//! A transfer takes a round trip until its first octet and 0.4 s at the link's
//! rate, so that the most there is to have is 122, 111 and 100 MB/s. `first` is the
//! first transfer of a fresh connection, from its request on, the median of three;
//! the others are three transfers after that one.
//!
//! # Slow readers
//!
//! 64 bodies without an end on one connection over loopback alone. Each reader
//! takes 64 KiB every 0.66 s, as players of films do, and not at the same moment. Both sides
//! may open 16 MiB for each stream and the sum of that for the connection, which is
//! what a stock client needs that wants the rates above for any one of them.
//! `unconsumed` is what the client's process has read from its socket, less what
//! its readers have taken, at its most in three seconds (after two in which windows
//! fill): octets in the transport, in h2 and in TLS if there were any. The heads of
//! frames count as not taken, half an octet in a thousand.
//!
//! # What has no part in it
//!
//! - TCP's own window: the relay of the link is a kernel away from either end (see
//!   `tests/common/link.rs`), so neither slow start nor the receive buffer waits for
//!   the link's delay. What is left to wait for is HTTP/2's credit.
//! - Connecting: what a fresh connection is timed from is its request.
//! - Segments: they are loopback's own, so that 1 Gbit/s is little work.
//! - The cores: 125 MB/s are a small part of them on either side. Contenders
//!   still take turns, since the relay's thread has no core to itself; a round has
//!   one slice.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use tokio::{
    task::LocalSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{Scenario, load, spec};
use crate::{
    Error, Result,
    child::{Control, reply},
    client::{Dial, Requests, fetch, get, uri},
    counted,
    message::{Command, Flow, Load, Measured, Reply, Role, Side, Spec, Windows, Wire},
    pair::{Bench, Pair},
    report::{self, Contender, Metric, Observations},
    usage::Usage,
};

/// A link, and the metrics of downloads over it, in MB/s.
struct Road {
    /// Milliseconds one way.
    delay: u64,
    first: &'static str,
    later: &'static str,
}

const ROADS: [Road; 3] = [
    Road {
        delay: 5,
        first: "10 ms first MB/s",
        later: "10 ms MB/s",
    },
    Road {
        delay: 25,
        first: "50 ms first MB/s",
        later: "50 ms MB/s",
    },
    LONGEST,
];

const LONGEST: Road = Road {
    delay: 50,
    first: "100 ms first MB/s",
    later: "100 ms MB/s",
};

const OVER_ADAPTIVE: &str = "100 ms MB/s over adaptive";
const FIRST_OVER_ADAPTIVE: &str = "100 ms first MB/s over adaptive";

/// Octets.
const UNCONSUMED: &str = "slow readers unconsumed";

/// Transfers after the first.
const LATER: usize = 3;

/// What a slow reader takes at once, and how often: 100 KB/s.
const TAKEN: u64 = 64 << 10;
const PERIOD: Duration = Duration::from_micros(TAKEN * 10);

/// As long as anything.
const ENDLESS: u64 = 1 << 40;

pub(crate) struct Window;

impl Road {
    fn spec(&self, bench: &Bench, side: Side, flow: Flow) -> Spec {
        let load = Load {
            octets: if bench.smoke { 1_000_000 } else { 50_000_000 },
            connections: if bench.smoke { 1 } else { 3 },
            flow,
            ..load(bench)
        };
        Spec {
            wire: Some(Wire {
                rate: 1_000_000_000,
                delay: self.delay,
                segment: None,
            }),
            ..spec(bench, side, false, load)
        }
    }

    /// MB/s of the first transfers and of the later ones.
    fn measure(&self, bench: &Bench, side: Side, flow: Flow) -> Result<(f64, f64)> {
        let spec = self.spec(bench, side, flow);
        let octets = spec.load.octets as f64;
        let mut pair = Pair::start(bench, Role::Server, Role::Downloader, spec)?;
        let first = pair.measure(Duration::ZERO)?.client;
        let later = pair.measure(Duration::ZERO)?.client;
        // Octets a microsecond are megaoctets a second.
        Ok((
            octets / first.p50,
            later.octets as f64 / 1e6 / later.seconds,
        ))
    }
}

/// How each contender's windows behave in downloads.
fn contenders() -> [(Contender, Side, Flow); 3] {
    let ceilings = Windows::ceilings();
    [
        (Contender::Stock, Side::Stock, Flow::Default),
        (
            Contender::Framewright,
            Side::Framewright,
            Flow::Managed(ceilings),
        ),
        (Contender::Limit, Side::Stock, Flow::Fixed(ceilings)),
    ]
}

fn observe_downloads(bench: &Bench, observations: &mut Observations) -> Result<()> {
    for road in &ROADS {
        for (contender, side, flow) in contenders() {
            let (first, later) = road.measure(bench, side, flow)?;
            observations.add(road.first, contender, first);
            observations.add(road.later, contender, later);
            if road.delay == LONGEST.delay && contender == Contender::Framewright {
                observations.add(OVER_ADAPTIVE, contender, later);
                observations.add(FIRST_OVER_ADAPTIVE, contender, first);
            }
        }
    }
    let (first, later) = LONGEST.measure(bench, Side::Stock, Flow::Adaptive)?;
    observations.add(OVER_ADAPTIVE, Side::Stock, later);
    observations.add(FIRST_OVER_ADAPTIVE, Side::Stock, first);
    Ok(())
}

fn slow_readers(bench: &Bench, side: Side) -> Spec {
    let streams: u8 = if bench.smoke { 4 } else { 64 };
    let stream = Windows::ceilings().stream;
    let windows = Windows {
        stream,
        connection: u32::from(streams) * stream,
    };
    let (warm_up, measured) = if bench.smoke {
        (200, 300)
    } else {
        (2000, 3000)
    };
    let load = Load {
        octets: ENDLESS,
        in_flight: streams.into(),
        flow: match side {
            Side::Stock => Flow::Fixed(windows),
            Side::Framewright => Flow::Managed(windows),
        },
        warm_up,
        measured,
        ..load(bench)
    };
    spec(bench, side, false, load)
}

fn observe_slow_readers(bench: &Bench, observations: &mut Observations) -> Result<()> {
    for side in Side::BOTH {
        let spec = slow_readers(bench, side);
        let mut pair = Pair::start(bench, Role::Server, Role::Dawdler, spec)?;
        let unconsumed = pair.measure(Duration::ZERO)?.client.unconsumed;
        observations.add(UNCONSUMED, side, unconsumed as f64);
    }
    Ok(())
}

impl Scenario for Window {
    fn name(&self) -> &'static str {
        "window"
    }

    fn about(&self) -> &'static str {
        "50 MB bodies, one at a time, 1 Gbit/s, 10 to 100 ms; 64 slow readers"
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::higher(ROADS[0].later),
                Metric::higher(ROADS[1].later),
                Metric::higher(ROADS[2].later),
                Metric::higher(ROADS[0].first),
                Metric::higher(ROADS[1].first),
                Metric::higher(ROADS[2].first),
                Metric::higher(OVER_ADAPTIVE),
                Metric::higher(FIRST_OVER_ADAPTIVE),
                Metric::lower(UNCONSUMED),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        observe_downloads(bench, observations)?;
        // Slow readers have time to wait for their core.
        let disturbance = bench.disturbance.take();
        observe_slow_readers(bench, observations)?;
        bench.disturbance.take();
        observations.end_slice(disturbance);
        Ok(())
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        let (_, _, flow) = contenders().into_iter().find(|(_, of, _)| *of == side)?;
        let spec = LONGEST.spec(bench, side, flow);
        let load = Load {
            connections: 1,
            ..spec.load
        };
        Some((Role::Server, Role::Client, Spec { load, ..spec }))
    }
}

/// The client of downloads: what it measures first are the first transfers of
/// fresh connections, and from then on those that follow on the last of them.
pub(crate) async fn download(mut control: Control, spec: Spec) -> Result<()> {
    let dial = Dial::new(&spec)?;
    let mut last = None;
    reply(&Reply::Ready);
    loop {
        match control.next().await? {
            Command::Measure => {
                let mark = Usage::now()?;
                let start = Instant::now();
                let mut times = match &mut last {
                    None => firsts(&dial, &spec.load, &mut last).await?,
                    Some(requests) => transfers(requests, &spec.load, LATER).await?,
                };
                reply(&Reply::Measured(Measured {
                    requests: times.len() as u64,
                    octets: times.len() as u64 * spec.load.octets,
                    seconds: start.elapsed().as_secs_f64(),
                    p50: report::percentile(&mut times, 0.50),
                    used: Usage::now()?.since(mark),
                    ..Measured::default()
                }));
            }
            other => return Err(format!("a downloader does not take {other:?}").into()),
        }
    }
}

/// The first transfer of each connection, one after the other; the microseconds
/// that they took.
async fn firsts(dial: &Dial, load: &Load, last: &mut Option<Requests>) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..load.connections {
        let requests = last.insert(dial.open().await?);
        times.extend(transfers(requests, load, 1).await?);
    }
    Ok(times)
}

async fn transfers(requests: &mut Requests, load: &Load, count: usize) -> Result<Vec<f64>> {
    let uri = uri(load.octets)?;
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        fetch(requests, &uri, load.octets).await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}

/// What has come and was not taken.
#[derive(Debug, Default)]
struct Backlog {
    taken: Cell<u64>,
    most: Cell<u64>,
}

impl Backlog {
    /// It is never more than just before something is taken.
    fn take(&self, octets: u64) {
        self.look();
        self.taken.set(self.taken.get() + octets);
    }

    fn look(&self) {
        let now = counted::received().saturating_sub(self.taken.get());
        self.most.set(self.most.get().max(now));
    }
}

/// The client of slow readers.
pub(crate) async fn dawdle(control: Control, spec: Spec) -> Result<()> {
    LocalSet::new().run_until(local(control, spec)).await
}

async fn local(mut control: Control, spec: Spec) -> Result<()> {
    let load = &spec.load;
    let requests = Dial::new(&spec)?.open().await?;
    let backlog = Rc::new(Backlog::default());
    for reader in 0..load.in_flight {
        // They do not read in step.
        let wait = PERIOD.mul_f64(reader as f64 / load.in_flight as f64);
        let body = slowly(requests.clone(), load.octets, wait, Rc::clone(&backlog));
        tokio::task::spawn_local(body);
    }
    sleep(Duration::from_millis(load.warm_up)).await;
    reply(&Reply::Ready);
    loop {
        match control.next().await? {
            Command::Measure => {
                reply(&Reply::Measured(watch(load, &backlog).await?));
            }
            other => return Err(format!("a dawdler does not take {other:?}").into()),
        }
    }
}

async fn watch(load: &Load, backlog: &Backlog) -> Result<Measured> {
    let mark = Usage::now()?;
    let (start, before) = (Instant::now(), backlog.taken.get());
    backlog.most.set(0);
    sleep(Duration::from_millis(load.measured)).await;
    backlog.look();
    Ok(Measured {
        requests: load.in_flight as u64,
        octets: backlog.taken.get() - before,
        unconsumed: backlog.most.get(),
        seconds: start.elapsed().as_secs_f64(),
        used: Usage::now()?.since(mark),
        ..Measured::default()
    })
}

/// Takes [`TAKEN`] of one body each [`PERIOD`].
async fn slowly(mut requests: Requests, octets: u64, wait: Duration, backlog: Rc<Backlog>) {
    let ended = async {
        let mut body = requests.send(get(&uri(octets)?)).await?.into_body();
        sleep(wait).await;
        let mut period = interval(PERIOD);
        // One that was late does not read faster.
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            period.tick().await;
            let mut taken = 0;
            while taken < TAKEN {
                let frame = body.frame().await.ok_or("it has an end")??;
                let octets = frame.data_ref().map_or(0, |data| data.len() as u64);
                backlog.take(octets);
                taken += octets;
            }
        }
        #[expect(unreachable_code, reason = "for its type")]
        Ok::<(), Error>(())
    };
    if let Err(error) = ended.await {
        reply(&Reply::Failed(format!("a slow body: {error}")));
    }
}
