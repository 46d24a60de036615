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
        Ok(Self {
            cpu: cpu()?,
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
            reads: self.reads - mark.reads,
            writes: self.writes - mark.writes,
            allocations: self.allocations - mark.allocations,
            resident: self.resident - mark.resident,
            buffers_held: self.buffers_held,
        }
    }
}

/// `schedstat` counts nanoseconds where `stat` counts ticks of ten milliseconds.
fn cpu() -> Result<u64> {
    let schedstat = fs::read_to_string("/proc/self/schedstat")?;
    let on_cpu = schedstat
        .split_whitespace()
        .next()
        .ok_or("schedstat is empty")?;
    Ok(on_cpu.parse()?)
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
