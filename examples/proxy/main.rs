//! A reverse proxy on hyper and framewright.
//!
//! ```text
//! cargo run --release --example proxy
//! curl -k https://127.0.0.1:8443/
//! ```
//!
//! It listens with TLS (HTTP/2 and HTTP/1.1), forwards to an upstream, and streams
//! bodies and trailers both ways. Clients come from `framewright::Listener`, the
//! upstream is reached with `framewright::Connector`; `--stock` runs the same code
//! on bare sockets. `--help` names the flags.
//!
//! Sessions are resumed on both sides: clients by tickets that proxies with the
//! same `--ticket-secret` share, the upstream by those that it hands out.
//! Certificates are reloaded when their files change.
//!
//! Responses are sent by their priorities (RFC 9218): those that the client's
//! `priority` field and `PRIORITY_UPDATE` frames ask for, as the upstream's `priority`
//! field changes them. Both fields are passed on. `--no-priority` leaves it to the
//! order in which hyper writes. `--slow 50` puts a simulated link before it, without
//! which nothing on loopback ever waits, and says what to try then.
//!
//! Receive windows, those that clients upload into and those that the upstream
//! answers into, start small, grow with what each connection carries in a round trip,
//! and open as the other side takes what has come: a slow reader holds one window
//! and no more. What they grow by comes from one budget (`--window-budget`).
//! `--no-flow-control` leaves them as hyper has them.
//!
//! `/stats` shows
//!
//! * `connections`, `requests`, `responses`, `body_octets` and `errors` of clients;
//! * `transport`: what the transports did towards `clients`, the `upstream`, and in
//!   the embedded `origin`; `pool`: their buffers;
//! * `windows`: the `budget` of the receive windows, in octets, and how much is used;
//!   of `clients` and of the `upstream` their round trips, what hyper has granted
//!   and the peer was not told of (`reserve_octets`), what has come and is not
//!   consumed, the `stops` of peers that had used up a window, and the largest
//!   estimate of what a connection carries in a round trip;
//! * `tls`: `full` and `resumed` handshakes of `clients` and with the `upstream`,
//!   whose chains may be `verified_from_cache`; with the upstream's `tickets` and
//!   `verifier`, the `certificates` that are served, and with a secret the `tickets`
//!   that were made and opened.
//!
//! What hyper 1.12 does not do, and so neither does this proxy:
//!
//! * 1xx responses other than `100 Continue` end here: hyper's servers cannot
//!   send them, and its HTTP/2 client does not report them.
//! * `100 Continue` works from an HTTP/1.1 client to an HTTP/1.1 upstream. Over
//!   HTTP/2 hyper cannot send it; such a client sends its body after its own
//!   wait, as RFC 9110, section 10.1.1, has it do.
//! * Trailers to an HTTP/1.1 peer are those that the `trailer` field of the
//!   message announces, and to a client only if it sent `te: trailers`.
//! * Upgrades and tunnels are not forwarded.

mod activity;
mod admin;
mod args;
mod body;
mod dial;
mod drain;
mod expect;
mod fields;
mod files;
mod forward;
#[path = "../../tests/common/link.rs"]
mod link;
mod listen;
mod log;
mod origin;
mod page;
mod serve;
mod start;
mod stats;
mod stock;
mod target;
mod tls;
mod tls_stats;
mod upstream;
mod window_stats;
mod wire;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let ended = runtime.block_on(start::run(args));
    // A name lookup may still hang in a thread; it is not worth waiting for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => failed(&why),
    }
}

fn failed(why: &str) -> ExitCode {
    complain(why);
    ExitCode::FAILURE
}

/// Writes one line to standard error. Unlike `eprintln!` it does not panic when
/// that was closed.
fn complain(why: &str) {
    let _ = writeln!(io::stderr(), "proxy: {}", why.replace('\n', " "));
}
