//! Stock hyper against hyper over framewright, in turn, in one run.
//!
//! ```text
//! cargo bench --bench versus -- [SCENARIO ...] [--rounds N] [--json FILE] [--smoke] [--list]
//! ```
//!
//! Every server and every client is a process of its own: this binary again,
//! with a hidden `--role`, a current-thread tokio runtime, and a core to itself
//! where there are two (server on the first, client on the second). A round
//! starts fresh processes for stock, for framewright, and for the limit (raw TCP,
//! or rustls over raw TCP) where a scenario has one, and measures them in turn,
//! a slice of a quarter of a second at a time. What is printed and written are
//! medians over the slices of all rounds.
//!
//! The application is the same code on both sides, over the same counting
//! wrapper around the same `TcpStream` with `TCP_NODELAY`; hyper's builders stand
//! at their defaults except where a scenario says otherwise.
//!
//! Where a scenario wants a slow link, a relay on a thread of the parent, which
//! else only waits, is between client and server (`tests/common/link.rs`).
//!
//! # A machine that is not quiet
//!
//! The kernel says how long each process waited for its core. Slices in which
//! one waited more than 3 % of the time do not count, except that at least the
//! quietest third do; the foot of each table says what was left. Ratios then
//! still hold, since both sides met the same neighbours; absolute numbers do not.
//!
//! # Profiling one side
//!
//! ```text
//! cargo bench --bench versus -- --profile bulk-h2c framewright --seconds 20
//! perf record --call-graph dwarf,16384 -F 499 -p <server pid> -- sleep 5
//! perf report --no-children
//! ```
//!
//! prints the process ids and runs that one side alone for the given time. The
//! bench profile carries line tables. Where there is no hardware counter (most
//! virtual machines) perf needs `-e cpu-clock`.

mod alloc;
mod body;
mod child;
mod cli;
mod client;
mod counted;
mod function;
#[path = "../../tests/common/link.rs"]
mod link;
mod machine;
mod message;
mod pair;
mod process;
mod raw;
mod report;
mod scenario;
mod server;
mod tls;
mod usage;

use std::process::ExitCode;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let cli = cli::parse();
    let done = match cli.role {
        Some(role) => child::run(role),
        None => cli::run(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("versus: {error}");
            ExitCode::FAILURE
        }
    }
}
