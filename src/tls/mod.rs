//! What TLS is resumed with, and what came of it.

mod handshake;
#[cfg(test)]
mod testing;
mod ticket_store;
pub(crate) mod verification;

pub use handshake::{HandshakeInfo, PeerVerification};
pub use ticket_store::{TicketStats, TicketStore};
