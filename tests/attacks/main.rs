//! Peers that mean harm, against hyper as it is and against hyper behind the
//! transport: how the connection ends, what it takes of memory and of the
//! processor, and what others notice of it. Behind the transport it is to be no
//! worse, within what `Config` says, and nothing may be left afterwards.
//!
//! The victim is a process of its own. This prints a table of all figures, bare,
//! behind the transport with layers and managed windows, and behind the transport
//! as it is by default:
//!
//! ```sh
//! cargo test --release --test attacks -- --nocapture --test-threads 1 2>&1 | grep '^|'
//! ```
//!
//! Nothing that is asserted depends on how long something takes, but for a generous
//! bound of the time on a processor.
#![cfg(target_os = "linux")]

#[allow(dead_code)]
#[path = "../priority/raw.rs"]
mod raw;

mod attacker;
mod bystander;
mod child;
mod clients;
mod floods;
mod headers;
mod slow;
mod streams;
mod trial;
mod victim;
mod windows;

/// The process that is attacked, started by the tests.
#[test]
#[ignore = "does nothing unless a test starts it"]
fn victim() {
    victim::run();
}
