//! What TLS is resumed with, and what came of it.

mod caching_verifier;
mod certificate;
mod handshake;
mod sni_resolver;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_server;
mod ticket_keys;
mod ticket_store;
pub(crate) mod verification;
mod watch;

pub use caching_verifier::{CachingVerifier, NoSha256, VerifierStats};
pub use certificate::{
    CertificateError, CertificateNames, certified_key, read_certificates, read_private_key,
};
pub use handshake::{HandshakeInfo, PeerVerification};
pub use sni_resolver::{SniReload, SniResolver, SniResolverBuilder, SniStats, UnknownName};
pub use ticket_keys::{
    TicketBinding, TicketKeyError, TicketKeyStats, TicketKeys, TicketKeysBuilder,
};
pub use ticket_store::{TicketStats, TicketStore};
