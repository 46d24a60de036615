//! Why a connector could not be made, or made no connection.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio_rustls::rustls::{self, AlertDescription, InvalidMessage};

use crate::tls::CertificateError;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a [`Connector`](crate::Connector) could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no certification authority to trust, so every server would be
    /// refused.
    #[error(
        "the root store is empty: no server could be verified; add certification authorities, \
         or leave TLS out"
    )]
    NoRoots,
    /// The system's certification authorities could not be read.
    #[error("no certification authority of the system could be read: {0}")]
    NativeRoots(String),
    /// The file of certification authorities cannot be used.
    #[error("the file of certification authorities cannot be used")]
    RootsFile(#[source] CertificateError),
    /// The file holds certificates, but none that can be trusted as a root.
    #[error("no certificate in {} can be a root", path.display())]
    NoRootsInFile {
        /// The file.
        path: PathBuf,
    },
    /// No crypto provider was given, none is installed for the process, and
    /// neither of the features `ring` and `aws-lc-rs` is on.
    #[error(
        "no crypto provider for TLS: turn on the feature `ring` or `aws-lc-rs`, install one for \
         the process, or hand one to the builder"
    )]
    NoProvider,
    /// The client certificate cannot be used with its key.
    #[error("the client certificate cannot be used with its key")]
    ClientCertificate(#[source] rustls::Error),
    /// The certificate revocation lists cannot be used.
    #[error("the verifier cannot be made of these roots and revocation lists")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// The crypto provider lacks what TLS needs.
    #[error("the crypto provider does not suit")]
    Provider(#[source] BoxError),
    /// A client certificate or revocation lists were given, but no roots.
    #[error("a client certificate or revocation lists were given, but no roots to trust")]
    NothingToTrust,
    /// Two settings contradict one another, so that one of them would have no
    /// effect.
    #[error("{0}")]
    Conflict(&'static str),
}

/// Why a [`Connector`](crate::Connector) made no connection. Each says at which
/// host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URI is not one that can be connected to. The caller's fault.
    #[error("cannot connect to {target}: {why}")]
    Uri {
        /// Scheme, host and port, as far as it has them. Not the rest of it,
        /// which may hold passwords.
        target: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An `https` URI, and the connector was made without TLS. The caller's
    /// fault.
    #[error("cannot connect to https://{host}: this connector was built with no TLS configuration")]
    NoTls {
        /// The host.
        host: String,
    },
    /// The host cannot be in a certificate. The caller's fault.
    #[error("{host:?} is neither a DNS name nor an IP address that a certificate can hold")]
    ServerName {
        /// The host.
        host: String,
    },
    /// The dialer made no connection: the name is unknown, or the host does not
    /// answer there.
    #[error("no connection to {host}")]
    Dial {
        /// Host and port.
        host: String,
        /// The dialer's own error.
        #[source]
        source: BoxError,
    },
    /// The dialer made no connection in time.
    #[error("no connection to {host} within {limit:?}")]
    DialTimeout {
        /// Host and port.
        host: String,
        /// The time that it had.
        limit: Duration,
    },
    /// The server did not finish its TLS handshake in time. It, or the network
    /// between, is slow or silent.
    #[error("{host} did not finish the TLS handshake within {limit:?}")]
    HandshakeTimeout {
        /// Host and port.
        host: String,
        /// The time that it had.
        limit: Duration,
    },
    /// The server's certificate was refused: the server's fault, or a root that
    /// the client lacks.
    #[error("the certificate of {host} was refused")]
    Certificate {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// Client and server have no protocol in common (ALPN, RFC 7301).
    #[error("{host} speaks none of the protocols offered to it by ALPN: {offered}")]
    NoCommonProtocol {
        /// Host and port.
        host: String,
        /// What was offered, comma-separated.
        offered: String,
    },
    /// What came back was not TLS: most likely a clear-text port.
    #[error("{host} does not speak TLS at this port")]
    NotTls {
        /// Host and port.
        host: String,
        /// What rustls made of it.
        #[source]
        source: rustls::Error,
    },
    /// The server refused the handshake with an alert.
    #[error("{host} refused the TLS handshake")]
    Refused {
        /// Host and port.
        host: String,
        /// The alert.
        #[source]
        source: rustls::Error,
    },
    /// The handshake failed in another way that TLS knows.
    #[error("the TLS handshake with {host} failed")]
    Tls {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The connection broke during the handshake.
    #[error("the connection to {host} broke during the TLS handshake")]
    Broken {
        /// Host and port.
        host: String,
        /// How.
        #[source]
        source: io::Error,
    },
}

impl ConnectError {
    /// Whether there was no answer in time, as against a refusal: from this
    /// connector's own limits, or from the operating system's.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        let mut source = match self {
            Self::DialTimeout { .. } | Self::HandshakeTimeout { .. } => return true,
            error => error.source(),
        };
        while let Some(error) = source {
            let io = error.downcast_ref::<io::Error>();
            if io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
                return true;
            }
            source = error.source();
        }
        false
    }

    /// Of a handshake that failed with `error`, and had offered these protocols.
    pub(super) fn handshake(host: String, error: io::Error, offered: &[Vec<u8>]) -> Self {
        let source = match rustls_error(error) {
            Ok(source) => source,
            Err(source) => return Self::Broken { host, source },
        };
        match source {
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                Self::Certificate { host, source }
            }
            rustls::Error::NoApplicationProtocol
            | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                Self::no_common_protocol(host, offered)
            }
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                Self::NotTls { host, source }
            }
            rustls::Error::AlertReceived(_) => Self::Refused { host, source },
            source => Self::Tls { host, source },
        }
    }

    pub(super) fn no_common_protocol(host: String, offered: &[Vec<u8>]) -> Self {
        let offered: Vec<_> = offered.iter().map(|p| String::from_utf8_lossy(p)).collect();
        let offered = offered.join(", ");
        Self::NoCommonProtocol { host, offered }
    }
}

/// The error of rustls that tokio-rustls has put into one of IO, if it is one.
fn rustls_error(error: io::Error) -> Result<rustls::Error, io::Error> {
    match error.get_ref().and_then(|e| e.downcast_ref()) {
        Some(inner) => Ok(rustls::Error::clone(inner)),
        None => Err(error),
    }
}
