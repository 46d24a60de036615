//! What the run stands on: cores, pinning, limits.

use std::{fs, process::Command};

use crate::Result;

/// Which core each end of a pair gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

/// Two cores that this process may use, or why children will not be pinned.
///
/// `taskset` rather than an affinity crate: it needs no `unsafe`, and it runs
/// before the child's first instruction.
pub(crate) fn cores() -> Result<Cores, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .map(|list| parse_list(list.trim()))
        .unwrap_or_default();
    let &[server, client, ..] = allowed.as_slice() else {
        return Err("fewer than two cores".to_owned());
    };
    match Command::new("taskset").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(Cores { server, client }),
        _ => Err("no taskset".to_owned()),
    }
}

/// The kernel's notation of a set of cores: `0-3,8`.
fn parse_list(list: &str) -> Vec<usize> {
    list.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .collect()
}

/// How many files a process may have open.
pub(crate) fn open_files() -> Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("limits do not name open files")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}

/// One line for the head of the table.
pub(crate) fn describe(cores: &Result<Cores, String>) -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    // Some pace what they send even on loopback, which shows in bulk.
    let congestion = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
    let congestion = congestion.as_deref().map_or("?", str::trim);
    let pinning = match cores {
        Ok(cores) => format!(
            "server on core {}, client on {}",
            cores.server, cores.client
        ),
        Err(why) => format!("not pinned ({why})"),
    };
    format!(
        "{model}, {count} cores, load {load}, TCP {congestion}; {pinning}; \
         one current-thread runtime a process"
    )
}
