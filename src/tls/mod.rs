//! What TLS is resumed with, and what came of it.

mod caching_verifier;
mod handshake;
#[cfg(test)]
mod testing;
mod ticket_store;
pub(crate) mod verification;

pub use caching_verifier::{CachingVerifier, NoSha256, VerifierStats};
pub use handshake::{HandshakeInfo, PeerVerification};
pub use ticket_store::{TicketStats, TicketStore};
