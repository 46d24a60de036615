//! How a listener is set up, and what can be wrong with that.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, ToSocketAddrs, lookup_host};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::acceptor::{Acceptor, Limits};
use super::handshake::Setup;
use super::{Listener, Protocol};
use crate::config::Config;
use crate::connect::TcpOptions;

/// How a [`Listener`] is set up.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `bind` or `listen`"]
pub struct ListenerBuilder {
    tls: Option<Arc<ServerConfig>>,
    config: Config,
    tcp: TcpOptions,
    protocols: Vec<Protocol>,
    max_connections: usize,
    max_handshakes: usize,
    handshake_timeout: Duration,
    preface_timeout: Duration,
    backlog: u32,
    reuse_port: bool,
}

impl ListenerBuilder {
    pub(super) fn new() -> Self {
        Self {
            tls: None,
            config: Config::default(),
            tcp: TcpOptions::default(),
            protocols: vec![Protocol::Http2, Protocol::Http1],
            max_connections: 10_000,
            max_handshakes: 4_096,
            handshake_timeout: Duration::from_secs(10),
            preface_timeout: Duration::from_secs(30),
            backlog: 1_024,
            reuse_port: false,
        }
    }

    /// Speaks TLS. If `config` has no ALPN protocols, it gets those that are
    /// served, HTTP/2 first (RFC 7301; RFC 9113, section 3.2). Other protocols
    /// than HTTP/2 and HTTP/1.1 in it are left alone.
    ///
    /// # Default
    ///
    /// Clear text: HTTP/1.1, and HTTP/2 with prior knowledge (RFC 9113, section
    /// 3.3).
    pub fn tls(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// How the transports behave. Default: [`Config::default`].
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// What TCP is told. The sizes of buffers are set before the socket listens,
    /// all else on each connection. Default: [`TcpOptions::default`].
    pub fn tcp(mut self, options: TcpOptions) -> Self {
        self.tcp = options;
        self
    }

    /// What the server above serves. It is what ALPN offers; a client that
    /// speaks something else in clear text is handed over all the same, because
    /// the server's refusal says more than a connection that is closed.
    ///
    /// # Default
    ///
    /// HTTP/2 and HTTP/1.1, in this order of preference.
    pub fn protocols(mut self, protocols: impl IntoIterator<Item = Protocol>) -> Self {
        self.protocols = protocols.into_iter().collect();
        self
    }

    /// The server above serves HTTP/1.1 only.
    pub fn http1_only(self) -> Self {
        self.protocols([Protocol::Http1])
    }

    /// The server above serves HTTP/2 only, as gRPC servers do.
    pub fn http2_only(self) -> Self {
        self.protocols([Protocol::Http2])
    }

    /// Connections that may be open, those in their handshakes included; each
    /// counts until its [`ServerStream`](crate::ServerStream) is dropped. More
    /// wait in the kernel's backlog, unless an old handshake can go in their
    /// favour.
    ///
    /// Each takes a file descriptor. One more than this may be taken: the new
    /// connection is accepted before the old handshake goes, and until then only
    /// [`accepted`](crate::ListenerStats::accepted) counts it. The listening socket
    /// takes one as well, and so does all else that the process has open.
    ///
    /// # Default
    ///
    /// 10,000. At least 1.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Connections that may be in their handshakes, or may not have said yet
    /// what they speak. Once there are so many, a new one takes the place of the
    /// oldest, if that has taken more than a second, or waits until it has.
    ///
    /// # Default
    ///
    /// 4,096. At least 1.
    pub fn max_handshakes(mut self, handshakes: usize) -> Self {
        self.max_handshakes = handshakes.max(1);
        self
    }

    /// How long a TLS handshake may take, from when the connection is accepted: a
    /// client that says nothing has no longer than others. Default: 10 seconds.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long a client may take, after TLS or else after TCP, to say what it
    /// speaks: the whole preface of HTTP/2 (RFC 9113, section 3.4), or the first
    /// octet that differs from it. Default: 30 seconds.
    pub fn preface_timeout(mut self, timeout: Duration) -> Self {
        self.preface_timeout = timeout;
        self
    }

    /// Connections that the kernel keeps until they are accepted; it may have a
    /// lower limit of its own. Default: 1,024.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether other sockets may listen on the same address, so that the kernel
    /// spreads connections over them (`SO_REUSEPORT`, Unix only). Default: no.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Listens on `address`. Of several, the first that can be bound.
    ///
    /// # Errors
    ///
    /// See [`ListenError`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with IO and time.
    pub async fn bind(self, address: impl ToSocketAddrs) -> Result<Listener, ListenError> {
        let acceptor = self.acceptor()?;
        let addresses = lookup_host(address)
            .await
            .map_err(|source| ListenError::Resolve { source })?;
        let mut last = ListenError::NoAddress;
        for address in addresses {
            match self.open(address) {
                Ok(listener) => return Ok(self.finish(listener, acceptor)),
                Err(source) => last = ListenError::Bind { address, source },
            }
        }
        Err(last)
    }

    /// Listens on a socket of tokio or of the standard library that is bound
    /// already, such as one that was inherited. [`ListenerBuilder::backlog`] and
    /// [`ListenerBuilder::reuse_port`] have no effect on it.
    ///
    /// # Errors
    ///
    /// See [`ListenError`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with IO and time.
    pub async fn listen(self, listener: impl IntoTcpListener) -> Result<Listener, ListenError> {
        let acceptor = self.acceptor()?;
        let ready = listener.into_tcp_listener().and_then(|listener| {
            let socket = SockRef::from(&listener);
            is_listening(&socket)?;
            self.tcp.apply_before(&socket)?;
            Ok(listener)
        });
        let listener = ready.map_err(|source| ListenError::Socket { source })?;
        Ok(self.finish(listener, acceptor))
    }

    fn open(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        // Elsewhere it would let two programs have the same port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        self.tcp.apply_before(&SockRef::from(&socket))?;
        socket.bind(&address.into())?;
        socket.listen(self.backlog.try_into().unwrap_or(i32::MAX))?;
        TcpListener::from_std(socket.into())
    }

    fn finish(self, listener: TcpListener, tls: Option<TlsAcceptor>) -> Listener {
        let setup = Setup {
            tls,
            config: self.config,
            tcp: self.tcp,
            handshake_timeout: self.handshake_timeout,
            preface_timeout: self.preface_timeout,
        };
        let limits = Limits {
            connections: self.max_connections,
            handshakes: self.max_handshakes,
        };
        Listener {
            acceptor: Acceptor::new(listener, setup, limits),
        }
    }

    /// What of TLS is right, or what is wrong with it.
    fn acceptor(&self) -> Result<Option<TlsAcceptor>, ListenError> {
        let serves = |protocol| self.protocols.contains(&protocol);
        if self.protocols.is_empty() {
            return Err(ListenError::NoProtocol);
        }
        let Some(config) = &self.tls else {
            return Ok(None);
        };
        if config.max_early_data_size > 0 {
            return Err(ListenError::EarlyData);
        }
        if config.alpn_protocols.is_empty() {
            let mut config = ServerConfig::clone(config);
            config.alpn_protocols = [Protocol::Http2, Protocol::Http1]
                .into_iter()
                .filter(|protocol| serves(*protocol))
                .map(|protocol| protocol.alpn().to_vec())
                .collect();
            return Ok(Some(Arc::new(config).into()));
        }
        for protocol in [Protocol::Http2, Protocol::Http1] {
            let offered = config.alpn_protocols.iter().any(|id| id == protocol.alpn());
            if offered && !serves(protocol) {
                return Err(ListenError::OfferedNotServed { protocol });
            }
            if !offered && protocol == Protocol::Http2 && !serves(Protocol::Http1) {
                return Err(ListenError::ServedNotOffered { protocol });
            }
        }
        Ok(Some(Arc::clone(config).into()))
    }
}

/// To accept on a socket that does not listen fails each time, and would only be
/// seen in the log.
#[cfg(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "fuchsia",
    target_os = "linux"
))]
fn is_listening(socket: &SockRef<'_>) -> io::Result<()> {
    match socket.is_listener()? {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket does not listen",
        )),
    }
}

/// The operating system does not say.
#[cfg(not(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "fuchsia",
    target_os = "linux"
)))]
fn is_listening(_: &SockRef<'_>) -> io::Result<()> {
    Ok(())
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address could not be resolved.
    #[error("cannot resolve the address to listen on")]
    Resolve {
        /// What the resolver said.
        source: io::Error,
    },
    /// The name has no address.
    #[error("the name to listen on has no address: give an IP address")]
    NoAddress,
    /// The address cannot be bound.
    #[error("cannot listen on {address}: is it free, one of this machine's, and allowed?")]
    Bind {
        /// The address; of several, the last.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The socket that was handed in cannot be used.
    #[error("cannot use the socket that was handed in: it has to be a listening TCP socket")]
    Socket {
        /// What the operating system said, or that the socket does not listen.
        source: io::Error,
    },
    /// No protocol is served.
    #[error("no protocol is served: name at least one in `protocols`")]
    NoProtocol,
    /// Clients would choose a protocol that the server above does not speak.
    #[error(
        "the TLS configuration offers {protocol} in ALPN, which is not served: \
         take it out of `alpn_protocols`, or serve it"
    )]
    OfferedNotServed {
        /// The protocol.
        protocol: Protocol,
    },
    /// No client would choose the only protocol that the server above speaks.
    #[error(
        "only {protocol} is served, which the TLS configuration does not offer in ALPN: \
         add it to `alpn_protocols`, or leave those empty"
    )]
    ServedNotOffered {
        /// The protocol.
        protocol: Protocol,
    },
    /// Whoever records early data can replay it (RFC 8446, section 8), and
    /// nothing above could tell such a request from others (RFC 8470).
    #[error(
        "the TLS configuration accepts early data (0-RTT), which can be replayed: \
         set `max_early_data_size` to 0"
    )]
    EarlyData,
}

/// A bound TCP socket: that of tokio, or that of the standard library.
pub trait IntoTcpListener: sealed::Sealed {
    #[doc(hidden)]
    fn into_tcp_listener(self) -> io::Result<TcpListener>;
}

impl IntoTcpListener for TcpListener {
    fn into_tcp_listener(self) -> io::Result<TcpListener> {
        Ok(self)
    }
}

impl IntoTcpListener for std::net::TcpListener {
    fn into_tcp_listener(self) -> io::Result<TcpListener> {
        // One that was inherited may block.
        self.set_nonblocking(true)?;
        TcpListener::from_std(self)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for tokio::net::TcpListener {}
    impl Sealed for std::net::TcpListener {}
}
