//! What a run has come to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering::SeqCst;

use crate::memory::Trend;
use crate::rest::{Sample, Samples};
use crate::world::World;

const MIB: f64 = 1048576.0;

/// By how much resident memory at rest may grow over the second half of a run: so
/// much, or this share of what there is. Most of it is free, between what is not, as
/// the allocator happened to place things.
const RESIDENT: (f64, f64) = (16.0 * MIB, 0.05);

/// The same for what is allocated while some connections are idle: a stack keeps the
/// room that its streams have once had.
const IDLE: f64 = 4.0 * MIB;

/// And while no connection is open, where there is no such noise.
const CLEAN: f64 = 0.125 * MIB;

#[derive(Debug)]
pub(crate) struct Report {
    samples: Samples,
    last: Sample,
    connections: u64,
    /// The connector's, full and resumed.
    handshakes: (u64, u64),
    counts: BTreeMap<String, u64>,
    failures: u64,
}

impl Report {
    pub(crate) fn new(
        world: &World,
        handshakes: (u64, u64),
        samples: Samples,
        last: Sample,
    ) -> Self {
        Self {
            handshakes,
            samples,
            last,
            connections: world.tally.connections.load(SeqCst),
            counts: world.tally.counts(),
            failures: world.tally.failures(),
        }
    }

    fn trend(of: &[Sample], what: impl Fn(&Sample) -> u64) -> Option<Trend> {
        let samples: Vec<_> = of.iter().map(|s| (s.seconds, what(s))).collect();
        Trend::of(&samples)
    }

    fn resident(&self) -> Option<Trend> {
        Self::trend(&self.samples.rests, |sample| sample.resident)
    }

    fn idle(&self) -> Option<Trend> {
        Self::trend(&self.samples.rests, |sample| sample.live)
    }

    fn clean(&self) -> Option<Trend> {
        let rests = self.samples.rests.iter();
        let clean: Vec<_> = rests
            .filter(|sample| sample.connections == 0)
            .copied()
            .collect();
        Self::trend(&clean, |sample| sample.live)
    }

    /// What is wrong.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.failures > 0 {
            wrong.push(format!("{} failures, see above", self.failures));
        }
        if self.last.requests == 0 {
            wrong.push("no request was answered".into());
        }
        if let Some(trend) = self.resident()
            && trend.growth > (trend.mean * RESIDENT.1).max(RESIDENT.0)
        {
            wrong.push(format!("resident memory grows: {trend:?}"));
        }
        for (trend, most) in [(self.idle(), IDLE), (self.clean(), CLEAN)] {
            if let Some(trend) = trend
                && trend.growth > most
            {
                wrong.push(format!("what is allocated grows: {trend:?}"));
            }
        }
        wrong
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample {
            seconds,
            requests,
            octets,
            ..
        } = self.last;
        writeln!(f, "{:44} {:.1}", "minutes", seconds / 60.0)?;
        writeln!(f, "{:44} {requests}", "requests")?;
        writeln!(f, "{:44} {:.1}", "GB of bodies", octets as f64 / 1e9)?;
        writeln!(f, "{:44} {}", "connections", self.connections)?;
        let (full, resumed) = self.handshakes;
        let handshakes = "TLS handshakes of the connector";
        writeln!(f, "{handshakes:44} {full} full, {resumed} resumed")?;
        for (what, count) in &self.counts {
            writeln!(f, "{what:44} {count}")?;
        }
        writeln!(f, "{:44} {}", "rests", self.samples.rests.len())?;
        let busy = Self::trend(&self.samples.busy, |sample| sample.resident);
        let of = [
            ("resident under load", busy),
            ("resident at rest", self.resident()),
            ("allocated at rest", self.idle()),
            ("allocated with no connection", self.clean()),
        ];
        for (what, trend) in of {
            let what = format!("{what}, second half");
            let Some(trend) = trend else {
                writeln!(f, "{what:44} too few samples to judge")?;
                continue;
            };
            let (mean, slope) = (trend.mean / MIB, trend.kib_per_minute());
            let growth = trend.growth / 1024.0;
            writeln!(
                f,
                "{what:44} {mean:.1} MiB, {slope:+.1} KiB/min, {growth:+.1} KiB"
            )?;
        }
        let most = |what: fn(&Sample) -> u64| self.samples.busy.iter().map(what).max();
        let most = |what| most(what).unwrap_or(0);
        writeln!(f, "{:44} {}", "most buffers held", most(|s| s.outstanding))?;
        let budget = most(|s| s.budget) as f64 / MIB;
        writeln!(f, "{:44} {budget:.1} MiB", "most of the windows' budget")?;
        let connections = most(|s| s.connections as u64);
        writeln!(f, "{:44} {connections}", "most connections")?;
        write!(f, "{:44} {}", "failures", self.failures)
    }
}
