//! The victim, as the test sees it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::victim::{Kind, MARK, ROLE, Role};

/// How long anything may take before it counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is attacked. It is killed when this is dropped.
pub(crate) struct Victim {
    kind: Kind,
    child: Child,
    lines: mpsc::Receiver<String>,
}

/// What a process has taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// Octets of memory that are resident, and that were at most.
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    pub(crate) cpu: Duration,
}

impl Victim {
    pub(crate) fn start(role: Role, kind: Kind) -> Self {
        let program = std::env::current_exe().expect("this program");
        let role = format!("{role:?} {kind:?}").replace("Server", "server");
        let mut child = Command::new(program)
            .args(["--exact", "victim", "--nocapture", "--ignored"])
            .args(["--test-threads", "1"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let out = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some((_, line)) = line.split_once(MARK) {
                    let _ = sender.send(line.to_owned());
                }
            }
        });
        Self { kind, child, lines }
    }

    /// The next line that it says.
    pub(crate) fn hears(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.expect("the victim says nothing any more")
    }

    /// The port of a server.
    pub(crate) fn port(&self) -> u16 {
        let line = self.hears();
        let port = line.strip_prefix("port ").expect("its port");
        port.parse().expect("a number")
    }

    pub(crate) fn order(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{line}").expect("the victim has died");
    }

    /// Its own figures.
    pub(crate) fn stats(&mut self) -> BTreeMap<String, u64> {
        self.order("stats");
        let line = self.hears();
        let pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
            .collect()
    }

    /// Its figures, once nothing is left of any connection.
    pub(crate) fn settled(&mut self) -> BTreeMap<String, u64> {
        const GAUGES: [&str; 5] = ["connections", "handlers", "buffers", "octets", "budget"];
        let by = Instant::now() + PATIENCE;
        loop {
            let stats = self.stats();
            if GAUGES.iter().all(|name| stats[*name] == 0) {
                return stats;
            }
            assert!(
                Instant::now() < by,
                "{:?}: something is left: {stats:?}",
                self.kind
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn file(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.child.id());
        fs::read_to_string(path).expect("the victim has died")
    }

    /// The peak counts from here on.
    pub(crate) fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        // Where that is not allowed the peak before counts too: there was none.
        let _ = fs::write(path, "5");
    }

    pub(crate) fn resources(&self) -> Resources {
        let status = self.file("status");
        let octets = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            1024 * number.expect("kB").parse::<u64>().expect("a number")
        };
        Resources {
            resident: octets("VmRSS:"),
            peak: octets("VmHWM:"),
            cpu: self.cpu(),
        }
    }

    /// The time that its threads were on a processor.
    fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks = fs::read_dir(tasks).expect("the victim has died");
        let times = tasks.flatten().map(|task| {
            let line = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let first = line.split(' ').next().and_then(|time| time.parse().ok());
            first.unwrap_or(0)
        });
        Duration::from_nanos(times.sum())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
