//! What the process holds, and whether that grows.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Octets that were allocated and are not freed.
pub(crate) fn live() -> u64 {
    let stats = HEAP.stats();
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated) as u64
}

/// Resident octets of the process; 0 where the system does not say.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        let rest = line.strip_prefix("VmRSS:")?;
        rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    kib.unwrap_or(0) << 10
}

/// How a figure went, over the second half of its samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trend {
    pub(crate) samples: usize,
    pub(crate) mean: f64,
    /// Of the least squares, a second.
    pub(crate) slope: f64,
    /// By how much that comes to, in the time of these samples.
    pub(crate) growth: f64,
}

impl Trend {
    /// Of samples of seconds and octets; none for fewer than three.
    pub(crate) fn of(samples: &[(f64, u64)]) -> Option<Self> {
        let half = &samples[samples.len() / 2..];
        if half.len() < 3 {
            return None;
        }
        let n = half.len() as f64;
        let mean_of = |f: &dyn Fn(&(f64, u64)) -> f64| half.iter().map(f).sum::<f64>() / n;
        let (at, mean) = (mean_of(&|s| s.0), mean_of(&|s| s.1 as f64));
        let both: f64 = half.iter().map(|s| (s.0 - at) * (s.1 as f64 - mean)).sum();
        let square: f64 = half.iter().map(|s| (s.0 - at).powi(2)).sum();
        let slope = both / square;
        Some(Self {
            samples: half.len(),
            mean,
            slope,
            growth: slope * (half[half.len() - 1].0 - half[0].0),
        })
    }

    pub(crate) fn kib_per_minute(&self) -> f64 {
        self.slope * 60.0 / 1024.0
    }
}

#[test]
fn a_trend_is_that_of_the_second_half() {
    let samples: Vec<_> = (0..100_u32)
        .map(|i| (f64::from(i), u64::from(i.max(50) * 7)))
        .collect();
    let trend = Trend::of(&samples).expect("enough");
    assert_eq!(trend.samples, 50);
    assert!((trend.slope - 7.0).abs() < 1e-9, "{trend:?}");
    assert!((trend.growth - 7.0 * 49.0).abs() < 1e-6, "{trend:?}");
}
