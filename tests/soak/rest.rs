//! Rests between the traffic, and what is there in them.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use crate::memory::{live, resident};
use crate::tally::say;
use crate::world::{HANG, World};

/// Traffic between two rests: so many rests in all, but no shorter, and no longer.
const RESTS: u32 = 20;
const SHORTEST: Duration = Duration::from_secs(4);
const LONGEST: Duration = Duration::from_secs(30);

/// Rests in a run for which no connection is left.
const CLEAN: u32 = 8;

/// What there is at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) resident: u64,
    /// Octets of the heap, without what the pool keeps for later.
    pub(crate) live: u64,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    pub(crate) outstanding: u64,
    pub(crate) budget: u64,
    pub(crate) requests: u64,
    pub(crate) octets: u64,
    pub(crate) tasks: usize,
}

impl Sample {
    fn take(world: &World) -> Self {
        let (tally, pool) = (&world.tally, world.pool.stats());
        Self {
            seconds: tally.seconds(),
            resident: resident(),
            live: live().saturating_sub(pool.retained_octets),
            connections: tally.served.load(SeqCst),
            in_flight: tally.in_flight.load(SeqCst),
            outstanding: pool.outstanding,
            budget: world.budget.used(),
            requests: tally.requests.load(SeqCst),
            octets: tally.octets.load(SeqCst),
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Under load, each second.
    pub(crate) busy: Vec<Sample>,
    /// In each rest.
    pub(crate) rests: Vec<Sample>,
}

/// Lets traffic be, but for rests; the last of them begins when `time` is over, and
/// all is to stop then.
pub(crate) async fn rests(world: &World, time: Duration) -> Samples {
    let end = Instant::now() + time;
    let round = (time / RESTS).clamp(SHORTEST, LONGEST);
    let each = (time.div_duration_f64(round) as u32 / CLEAN).max(2);
    let seconds = time.as_secs() as usize;
    let mut samples = Samples {
        // So that what is measured does not grow by the measuring.
        busy: Vec::with_capacity(2 * seconds + 600),
        rests: Vec::with_capacity(seconds / 4 + 100),
    };
    loop {
        let until = (Instant::now() + round).min(end);
        while Instant::now() < until {
            sleep(Duration::from_secs(1).min(until - Instant::now())).await;
            samples.busy.push(Sample::take(world));
        }
        let is_clean = (samples.rests.len() as u32 + 1).is_multiple_of(each);
        world.clean.store(is_clean, SeqCst);
        world.resting.store(true, SeqCst);
        // Each request has its own limit, and some may wait for one another.
        let Ok(rest) = timeout(2 * HANG, world.gate.write()).await else {
            let sample = Sample::take(world);
            world
                .tally
                .fail(format_args!("traffic does not come to rest: {sample:?}"));
            world.stop.store(true, SeqCst);
            return samples;
        };
        let idle = world.tally.dialed.load(SeqCst);
        samples.rests.push(left_over(world, idle, 1).await);
        world.tally.forget_handled();
        let is_last = Instant::now() >= end;
        world.stop.store(is_last, SeqCst);
        world.clean.store(false, SeqCst);
        world.resting.store(false, SeqCst);
        drop(rest);
        if is_last {
            return samples;
        }
    }
}

/// Waits until nothing is left of what has ended, with so many connections idle, and
/// tasks at will if `tasks` is not 0.
pub(crate) async fn left_over(world: &World, idle: usize, tasks: usize) -> Sample {
    let is_over = |sample: &Sample| {
        sample.in_flight == 0
            && sample.outstanding == 0
            && sample.budget == 0
            && sample.connections <= idle
            && (tasks > 0 || sample.tasks == 0)
    };
    let begun = Instant::now();
    loop {
        let sample = Sample::take(world);
        if is_over(&sample) {
            break;
        }
        if begun.elapsed() > HANG / 4 {
            world.tally.fail(format_args!(
                "left over in a rest with {idle} idle: {sample:?}"
            ));
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    world.pool.trim();
    let sample = Sample::take(world);
    say(format_args!("{}", Line(&sample)));
    sample
}

struct Line<'a>(&'a Sample);

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Sample {
            seconds,
            resident,
            live,
            connections,
            requests,
            octets,
            tasks,
            ..
        } = self.0;
        let (resident, live) = (*resident as f64 / 1048576.0, live / 1024);
        let octets = octets / 1_000_000;
        write!(
            f,
            "{seconds:7.1} s: {requests} requests, {octets} MB; at rest {resident:.1} MiB \
             resident, {live} KiB allocated, {connections} connections, {tasks} tasks"
        )
    }
}
