//! The connector against TLS servers of all kinds, its own and those of other
//! houses: what is resumed, what is refused, and what errors say.

#[path = "../common/mod.rs"]
mod common;
mod dialers;
mod errors;
mod outside;
#[path = "../common/pki.rs"]
mod pki;
mod reconnects;
mod refusals;
mod server;
