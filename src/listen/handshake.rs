//! What happens between TCP and the first request, in a task of its own.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{Error as TlsError, InvalidMessage};

use super::stats::{Handshaking, Shared, count};
use super::stream::{ServerStream, Socket};
use crate::config::Config;
use crate::connect::TcpOptions;
use crate::transport::Transport;

/// How connections are set up.
pub(super) struct Setup {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) config: Config,
    pub(super) tcp: TcpOptions,
    pub(super) handshake_timeout: Duration,
    pub(super) preface_timeout: Duration,
}

/// Why there is no connection.
#[derive(Debug)]
enum Failure {
    /// The handshake took too long.
    TimedOut,
    /// The client did not say in time what it speaks.
    PrefaceTimedOut,
    /// The client left.
    Left,
    /// The connection broke after the handshake, or in clear text.
    Broken(io::Error),
    /// The handshake failed.
    Failed(io::Error),
}

impl Failure {
    /// The client left, or else `failure`.
    fn left_or(failure: fn(io::Error) -> Self, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => Self::Left,
            _ => failure(error),
        }
    }
}

/// Sets a connection up. What failed is counted and logged here.
pub(super) async fn run(
    setup: Arc<Setup>,
    shared: Arc<Shared>,
    socket: Socket,
    _handshaking: Handshaking,
) -> Option<ServerStream> {
    let peer = socket.peer;
    if let Err(error) = setup.tcp.apply(&SockRef::from(&socket.tcp)) {
        // Some systems say so if the client is gone already.
        tracing::debug!(%peer, %error, "a TCP option could not be set");
    }
    let failure = match establish(&setup, &shared, socket).await {
        Ok(stream) => return Some(stream),
        Err(failure) => failure,
    };
    match failure {
        Failure::TimedOut => {
            count(&shared.timed_out);
            tracing::debug!(%peer, "the TLS handshake took too long");
        }
        Failure::PrefaceTimedOut => {
            count(&shared.preface_timeouts);
            tracing::debug!(%peer, "the client did not say in time what it speaks");
        }
        Failure::Left => {
            count(&shared.closed_early);
            tracing::trace!(%peer, "the client left before it had said what it speaks");
        }
        Failure::Broken(error) => {
            count(&shared.closed_early);
            tracing::debug!(%peer, %error, "broken before the client had said what it speaks");
        }
        Failure::Failed(error) => {
            count(&shared.failed_handshakes);
            tracing::debug!(%peer, reason = %reason(&error), "the handshake has failed");
        }
    }
    None
}

async fn establish(
    setup: &Setup,
    shared: &Shared,
    socket: Socket,
) -> Result<ServerStream, Failure> {
    let config = setup.config.clone();
    let mut stream = match &setup.tls {
        None => {
            let io = Transport::server(socket, config);
            ServerStream::tcp(io.over_tcp(|socket| Some(&socket.tcp)))
        }
        Some(acceptor) => {
            let accept = Transport::accept_tls(acceptor, socket, config);
            let accepted = timeout(setup.handshake_timeout, accept).await;
            let io = accepted
                .map_err(|_| Failure::TimedOut)?
                .map_err(|error| Failure::left_or(Failure::Failed, error))?;
            let resumed = io.handle().handshake().is_some_and(|info| info.resumed);
            count(match resumed {
                true => &shared.resumed_handshakes,
                false => &shared.full_handshakes,
            });
            ServerStream::tls(io.with_socket(|tls| Some(&tls.get_ref().0.get_ref().tcp)))
        }
    };
    let sniffed = timeout(setup.preface_timeout, stream.sniff()).await;
    // The handshake is done, and counted as such: what goes wrong from here on
    // must not count as one that failed.
    let sniffed = sniffed
        .map_err(|_| Failure::PrefaceTimedOut)?
        .map_err(|error| Failure::left_or(Failure::Broken, error))?;
    match sniffed {
        Some(_) => Ok(stream),
        None => Err(Failure::Left),
    }
}

/// Says what an error of a handshake means to whom reads the log.
fn reason(error: &io::Error) -> Cow<'static, str> {
    let tls = error
        .get_ref()
        .and_then(|source| source.downcast_ref::<TlsError>());
    match tls {
        // What is no TLS record at all is nearly always HTTP.
        Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "the client spoke clear text to a TLS port".into()
        }
        Some(TlsError::NoApplicationProtocol) => {
            "client and server have no ALPN protocol in common".into()
        }
        _ => error.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_what_an_operator_can_act_on() {
        let of = |error| reason(&io::Error::new(io::ErrorKind::InvalidData, error));
        let clear = TlsError::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(of(clear), "the client spoke clear text to a TLS port");
        assert!(of(TlsError::NoApplicationProtocol).contains("ALPN"));
        assert!(of(TlsError::DecryptError).contains("decrypt"));
        assert_eq!(reason(&io::Error::other("else")), "else");
    }

    #[test]
    fn a_client_that_leaves_is_no_failed_handshake() {
        for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset] {
            assert!(matches!(
                Failure::left_or(Failure::Failed, kind.into()),
                Failure::Left
            ));
        }
        let error = io::Error::new(io::ErrorKind::InvalidData, TlsError::DecryptError);
        assert!(matches!(
            Failure::left_or(Failure::Failed, error),
            Failure::Failed(_)
        ));
    }

    #[tokio::test]
    async fn clear_text_on_a_tls_port_is_told_apart() {
        use tokio::io::AsyncWriteExt;
        use tokio_rustls::rustls::crypto::ring;
        use tokio_rustls::rustls::server::{ResolvesServerCertUsingSni, ServerConfig};

        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        for request in [&b"GET / HTTP/1.1\r\n\r\n"[..], crate::proto::frame::PREFACE] {
            let (mut near, far) = tokio::io::duplex(1_000);
            near.write_all(request).await.expect("room");
            let accepted = Transport::accept_tls(&acceptor, far, Config::default()).await;
            let error = accepted.map(|_| ()).expect_err("no TLS");
            assert!(reason(&error).contains("clear text"), "{error}");
        }
    }
}
