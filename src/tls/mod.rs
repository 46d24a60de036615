//! What TLS is resumed with, and what came of it.
//!
//! At a client's end a bounded [`TicketStore`] and a [`CachingVerifier`]; at a
//! server's end [`TicketKeys`] that a fleet shares and a [`SniResolver`] that
//! follows its files. Each implements a trait of rustls, so it goes into any
//! configuration of rustls, with the rest of this crate or without.

mod caching_verifier;
mod certificate;
mod handshake;
mod provider;
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
pub(crate) use provider::default_provider;
pub use sni_resolver::{SniReload, SniResolver, SniResolverBuilder, SniStats, UnknownName};
pub use ticket_keys::{
    TicketBinding, TicketKeyError, TicketKeyStats, TicketKeys, TicketKeysBuilder,
};
pub use ticket_store::{TicketStats, TicketStore};
