//! What a TLS handshake came to.

use std::time::Duration;

use bytes::Bytes;
use tokio_rustls::rustls::crypto::SupportedKxGroup;
use tokio_rustls::rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion};

/// What a TLS handshake came to.
///
/// A [`ConnectionHandle`](crate::ConnectionHandle::handshake) has it; the
/// connector also puts it into the extensions of each response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeInfo {
    /// Whether an earlier session was resumed (RFC 8446, section 2.2; RFC 5077).
    pub resumed: bool,
    /// Whether the server asked for another key share first (RFC 8446, section
    /// 4.1.4), which costs one round trip.
    pub retried: bool,
    /// The version of TLS.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub cipher_suite: CipherSuite,
    /// The group of the key exchange; none in a resumed TLS 1.2 session.
    pub key_exchange: Option<NamedGroup>,
    /// The protocol that ALPN (RFC 7301) chose, such as `h2`.
    pub alpn: Option<Bytes>,
    /// The name that the client asked for (SNI, RFC 6066, section 3), at a
    /// server's end.
    pub server_name: Option<Box<str>>,
    /// How the other end's certificate was verified.
    pub verification: PeerVerification,
    /// From the first octet of the handshake to its end, as this end sees it: a
    /// client counts from when it starts, a server from when the client's first
    /// octet is read. The time that a client is silent before that is not in it.
    pub duration: Duration,
}

/// How the other end's certificate was verified in this handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerVerification {
    /// Not at all: the session was resumed, which rests on the verification of
    /// the one that it goes back to, or a client showed none.
    None,
    /// By the verifier of the configuration.
    Verified,
    /// By a [`CachingVerifier`](crate::tls::CachingVerifier) that had verified
    /// the same chain for the same name lately. The handshake's own signature
    /// was verified, as always.
    Cached,
}

impl HandshakeInfo {
    /// Of a handshake that has ended. `cached` is what the verifier said.
    pub(crate) fn new(
        session: &CommonState,
        server_name: Option<&str>,
        cached: Option<bool>,
        duration: Duration,
    ) -> Option<Self> {
        let kind = session.handshake_kind()?;
        let resumed = kind == HandshakeKind::Resumed;
        let verification = match cached {
            _ if resumed || session.peer_certificates().is_none() => PeerVerification::None,
            Some(true) => PeerVerification::Cached,
            Some(false) | None => PeerVerification::Verified,
        };
        Some(Self {
            resumed,
            retried: kind == HandshakeKind::FullWithHelloRetryRequest,
            version: session.protocol_version()?,
            cipher_suite: session.negotiated_cipher_suite()?.suite(),
            key_exchange: session
                .negotiated_key_exchange_group()
                .map(SupportedKxGroup::name),
            alpn: session.alpn_protocol().map(alpn),
            server_name: server_name.map(Box::from),
            verification,
            duration,
        })
    }

    /// Whether ALPN chose HTTP/2.
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.alpn.as_deref() == Some(b"h2")
    }
}

/// Without an allocation for those that there are.
fn alpn(protocol: &[u8]) -> Bytes {
    match protocol {
        b"h2" => Bytes::from_static(b"h2"),
        b"http/1.1" => Bytes::from_static(b"http/1.1"),
        other => Bytes::copy_from_slice(other),
    }
}
