//! What this process has used so far.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::{Result, alloc, counted};

/// Use of the machine, so far or between two moments.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Nanoseconds on a core, of the main thread: the runtime is current-thread,
    /// and the only other thread sleeps on stdin.
    pub(crate) cpu: u64,
    /// Nanoseconds that the same thread waited for its core while others had it.
    pub(crate) waited: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) allocations: u64,
    /// Resident octets; may shrink.
    pub(crate) resident: i64,
    /// Buffers held from the default pool: never a difference.
    pub(crate) buffers_held: u64,
}

impl Usage {
    pub(crate) fn now() -> Result<Self> {
        let (cpu, waited) = scheduled()?;
        Ok(Self {
            cpu,
            waited,
            reads: counted::reads(),
            writes: counted::writes(),
            allocations: alloc::count(),
            resident: resident()?,
            buffers_held: framewright::BufferPool::default().stats().outstanding,
        })
    }

    pub(crate) fn since(self, mark: Self) -> Self {
        Self {
            cpu: self.cpu - mark.cpu,
            waited: self.waited - mark.waited,
            reads: self.reads - mark.reads,
            writes: self.writes - mark.writes,
            allocations: self.allocations - mark.allocations,
            resident: self.resident - mark.resident,
            buffers_held: self.buffers_held,
        }
    }
}

/// `schedstat` counts nanoseconds where `stat` counts ticks of ten milliseconds.
fn scheduled() -> Result<(u64, u64)> {
    let schedstat = fs::read_to_string("/proc/self/schedstat")?;
    let mut fields = schedstat.split_whitespace().map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(on_cpu), Some(waited)) => Ok((on_cpu?, waited?)),
        _ => Err("schedstat has too few fields".into()),
    }
}

fn resident() -> Result<i64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibioctets = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("status has no VmRSS")?;
    Ok(kibioctets.parse::<i64>()? * 1024)
}
