//! What TLS is resumed with, and what came of it.

mod handshake;
pub(crate) mod verification;

pub use handshake::{HandshakeInfo, PeerVerification};
