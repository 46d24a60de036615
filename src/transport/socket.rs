//! The TCP socket below a transport.

use std::any::Any;
use std::fmt;

#[cfg(any(target_os = "android", target_os = "linux"))]
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Transport;
use crate::connect::ReadAhead;

/// Octets that may wait unsent in the kernel while streams compete
/// (`TCP_NOTSENT_LOWAT`). What is in there can no longer be overtaken.
#[cfg_attr(
    not(any(target_os = "android", target_os = "linux")),
    expect(dead_code, reason = "the option cannot be set there")
)]
pub(super) const COMPETING_LOWAT: u32 = 16 * 1024;

/// Where the TCP socket is in an IO object.
pub(super) type Find<IO> = fn(&IO) -> Option<&TcpStream>;

/// What is known of the socket at the bottom of an IO object.
///
/// The socket is looked for anew each time, which is a few comparisons at most,
/// so nothing of it is held here.
pub(super) struct Socket<IO> {
    find: Find<IO>,
    /// Whether the IO keeps nothing of a write that was `Pending`.
    may_change_offer: bool,
    lowat: Lowat,
}

/// What became of the socket's `TCP_NOTSENT_LOWAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lowat {
    /// It is what the program made it.
    AsItWas,
    /// It is short, and goes back to `before`.
    #[cfg_attr(
        not(any(target_os = "android", target_os = "linux")),
        expect(dead_code, reason = "the option cannot be set there")
    )]
    Short { before: u32 },
    /// There is no TCP socket, or it has refused. It is not asked again.
    OutOfReach,
}

impl<IO: 'static> Socket<IO> {
    /// Of an IO object that is looked into, if it is of a type that is known
    /// here: TCP, TLS by tokio-rustls, and what this crate puts below and above
    /// it. All of these pass a write on, or refuse it whole.
    pub(super) fn of(io: &IO) -> Self {
        Self {
            find: find_known,
            may_change_offer: find_known(io).is_some(),
            lowat: Lowat::AsItWas,
        }
    }
}

impl<IO> Socket<IO> {
    /// Of TLS by tokio-rustls, whatever is below: a write of it that is
    /// `Pending` took no plaintext, and all that it took before is its own.
    #[cfg(feature = "tls")]
    pub(super) fn of_tls(find: Find<IO>) -> Self {
        Self {
            find,
            may_change_offer: true,
            lowat: Lowat::AsItWas,
        }
    }

    /// The TCP socket, if there is one and it is known where.
    pub(super) fn tcp<'a>(&self, io: &'a IO) -> Option<&'a TcpStream> {
        (self.find)(io)
    }

    /// Whether the octets that a `Pending` write was offered may be others the
    /// next time.
    pub(super) fn may_change_offer(&self) -> bool {
        self.may_change_offer
    }

    /// Streams compete from now on: keeps what the kernel has and has not sent
    /// short, so that what is urgent does not wait behind it.
    pub(super) fn compete(&mut self, io: &IO) {
        if self.lowat == Lowat::AsItWas {
            self.lowat = self.tcp(io).map_or(Lowat::OutOfReach, shorten);
        }
    }

    /// Streams compete no longer: the option is what it was before.
    pub(super) fn restore(&mut self, io: &IO) {
        if let Lowat::Short { before } = self.lowat {
            self.lowat = self
                .tcp(io)
                .map_or(Lowat::OutOfReach, |tcp| put_back(tcp, before));
        }
    }
}

impl<IO> fmt::Debug for Socket<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("may_change_offer", &self.may_change_offer)
            .field("lowat", &self.lowat)
            .finish_non_exhaustive()
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn shorten(tcp: &TcpStream) -> Lowat {
    let socket = SockRef::from(tcp);
    let done = socket.tcp_notsent_lowat().and_then(|before| {
        // 0 is what the whole system has. What is shorter already stays.
        if before == 0 || before > COMPETING_LOWAT {
            socket.set_tcp_notsent_lowat(COMPETING_LOWAT)?;
        }
        Ok(Lowat::Short { before })
    });
    done.unwrap_or_else(refused)
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn put_back(tcp: &TcpStream, before: u32) -> Lowat {
    let done = SockRef::from(tcp).set_tcp_notsent_lowat(before);
    done.map_or_else(refused, |()| Lowat::AsItWas)
}

#[cfg(any(target_os = "android", target_os = "linux"))]
#[expect(clippy::needless_pass_by_value, reason = "as errors are handed over")]
fn refused(error: std::io::Error) -> Lowat {
    tracing::debug!(%error, "TCP_NOTSENT_LOWAT cannot be set");
    Lowat::OutOfReach
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn shorten(_: &TcpStream) -> Lowat {
    Lowat::OutOfReach
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn put_back(_: &TcpStream, _: u32) -> Lowat {
    Lowat::OutOfReach
}

/// The TCP socket in an IO object, if it is of a type that is known here.
pub(super) fn find_known<IO: 'static>(io: &IO) -> Option<&TcpStream> {
    let io: &dyn Any = io;
    let bare = find_under::<TcpStream>(io, |tcp| Some(tcp));
    #[cfg(feature = "connector")]
    let bare = bare.or_else(|| {
        use hyper_util::rt::TokioIo;
        // The inner one is what hyper-util's connector makes.
        find_under::<TokioIo<TokioIo<TcpStream>>>(io, |io| Some(io.inner().inner()))
    });
    bare
}

/// The TCP socket in an `IO`, with read-ahead and TLS above it or without.
fn find_under<IO: 'static>(io: &dyn Any, find: Find<IO>) -> Option<&TcpStream> {
    if let Some(io) = in_tls::<IO>(io).or_else(|| io.downcast_ref()) {
        return find(io);
    }
    let ahead = in_tls::<ReadAhead<IO>>(io).or_else(|| io.downcast_ref());
    ahead.and_then(|io| find(io.get_ref()))
}

/// The `IO` below TLS by tokio-rustls.
#[cfg(feature = "tls")]
fn in_tls<IO: 'static>(io: &dyn Any) -> Option<&IO> {
    use tokio_rustls::{TlsStream, client, server};

    if let Some(tls) = io.downcast_ref::<server::TlsStream<IO>>() {
        Some(tls.get_ref().0)
    } else if let Some(tls) = io.downcast_ref::<client::TlsStream<IO>>() {
        Some(tls.get_ref().0)
    } else {
        io.downcast_ref::<TlsStream<IO>>()
            .map(|tls| tls.get_ref().0)
    }
}

#[cfg(not(feature = "tls"))]
fn in_tls<IO: 'static>(_: &dyn Any) -> Option<&IO> {
    None
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<IO> {
    /// Says where the TCP socket is in an IO object of a type of your own.
    ///
    /// While streams compete for the connection, the transport keeps what the
    /// kernel has taken and not sent short (`TCP_NOTSENT_LOWAT`, Linux and
    /// Android), so that what is urgent does not wait behind the rest. It sets
    /// nothing else, and puts that back afterwards. `None` leaves the socket
    /// alone.
    ///
    /// # Default
    ///
    /// The socket is found in a tokio `TcpStream`; below TLS by tokio-rustls;
    /// below a [`ReadAhead`]; in what hyper-util's `HttpConnector` makes; and in
    /// what [`Listener`](crate::Listener) and [`Connector`](crate::Connector)
    /// put together of these.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::{io, pin::Pin, task::{Context, Poll}};
    /// # use tokio::{io::{AsyncRead, AsyncWrite, ReadBuf}, net::TcpStream};
    /// use framewright::{Config, Transport};
    ///
    /// struct Counted {
    ///     tcp: TcpStream,
    ///     octets: u64,
    /// }
    /// # impl AsyncRead for Counted {
    /// #     fn poll_read(
    /// #         self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>,
    /// #     ) -> Poll<io::Result<()>> {
    /// #         unimplemented!()
    /// #     }
    /// # }
    /// # impl AsyncWrite for Counted {
    /// #     fn poll_write(
    /// #         self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8],
    /// #     ) -> Poll<io::Result<usize>> {
    /// #         unimplemented!()
    /// #     }
    /// #     fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
    /// #         unimplemented!()
    /// #     }
    /// #     fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
    /// #         unimplemented!()
    /// #     }
    /// # }
    ///
    /// # fn of(io: Counted) {
    /// let transport = Transport::server(io, Config::default()).with_socket(|io| Some(&io.tcp));
    /// # }
    /// ```
    #[must_use]
    pub fn with_socket(mut self, find: fn(&IO) -> Option<&TcpStream>) -> Self {
        let inner = &mut *self.inner;
        inner.socket.restore(&inner.io);
        inner.socket.find = find;
        inner.socket.lowat = Lowat::AsItWas;
        self
    }

    /// [`with_socket`](Self::with_socket) of an IO object that does nothing to
    /// writes but to pass them on to TCP.
    #[cfg(any(test, feature = "listener"))]
    pub(crate) fn over_tcp(self, find: Find<IO>) -> Self {
        let mut me = self.with_socket(find);
        me.inner.socket.may_change_offer = true;
        me
    }

    /// The TCP socket, as it is found, if a `Pending` write leaves nothing
    /// behind.
    #[cfg(test)]
    pub(crate) fn tcp_below(&self) -> Option<&TcpStream> {
        let socket = &self.inner.socket;
        socket
            .tcp(&self.inner.io)
            .filter(|_| socket.may_change_offer)
    }
}
