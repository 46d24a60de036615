//! The loop of a listener, as a state machine that keeps what it has when it is
//! given up half way.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, Sleep, sleep_until};

use super::handshake::{self, Setup};
use super::stats::{Handshaking, Shared, Slot, count};
use super::stream::{ServerStream, Socket};

/// A handshake of this age may have to go in favour of a new connection. An
/// honest client is done within two round trips.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Where connections come from.
pub(super) trait Source {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>>;
}

impl Source for TcpListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        Self::poll_accept(self, cx)
    }
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) handshakes: usize,
}

/// Accepts connections and runs their handshakes.
pub(super) struct Acceptor<S> {
    source: S,
    setup: Arc<Setup>,
    limits: Limits,
    shared: Arc<Shared>,
    /// At most as many as the limit says.
    tasks: JoinSet<Option<ServerStream>>,
    /// The tasks, oldest first, and some that have ended.
    in_flight: VecDeque<InFlight>,
    /// Accepted while there was no room but an old handshake to evict. It waits
    /// for that to end.
    in_hand: Option<(TcpStream, SocketAddr)>,
    /// The handshake that was evicted and still takes up its room.
    evicting: Option<Id>,
    backoff: Backoff,
    retry_at: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

struct InFlight {
    began: Instant,
    peer: SocketAddr,
    task: AbortHandle,
}

impl<S: Source> Acceptor<S> {
    pub(super) fn new(source: S, setup: Setup, limits: Limits) -> Self {
        Self {
            source,
            setup: Arc::new(setup),
            limits,
            shared: Arc::default(),
            tasks: JoinSet::new(),
            in_flight: VecDeque::new(),
            in_hand: None,
            evicting: None,
            backoff: Backoff::default(),
            retry_at: None,
            // Not only once it is needed: a runtime without time has to be found out
            // when the listener is made.
            timer: Box::pin(sleep_until(Instant::now())),
        }
    }

    pub(super) fn source(&self) -> &S {
        &self.source
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The next connection whose handshake is done. Never fails: errors of the
    /// socket are waited out.
    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<ServerStream> {
        loop {
            while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next_with_id(cx) {
                if let Some(stream) = self.ended(ended) {
                    return Poll::Ready(stream);
                }
            }
            if self.has_room(cx) {
                if let Some((tcp, peer)) = self.in_hand.take() {
                    self.spawn(tcp, peer);
                    continue;
                }
            } else {
                ready!(self.poll_evictable(cx));
                if self.in_hand.is_some() {
                    self.evict();
                    continue;
                }
            }
            if let Some(at) = self.retry_at {
                ready!(self.poll_timer(at, cx));
                self.retry_at = None;
            }
            match ready!(self.source.poll_accept(cx)) {
                Ok(accepted) => {
                    count(&self.shared.accepted);
                    self.backoff = Backoff::default();
                    self.in_hand = Some(accepted);
                }
                Err(error) if concerns_one(&error) => {
                    tracing::trace!(%error, "a client left before it was accepted");
                }
                Err(error) => {
                    count(&self.shared.accept_errors);
                    let pause = self.backoff.next();
                    tracing::warn!(%error, ?pause, "accept has failed");
                    self.retry_at = Some(Instant::now() + pause);
                }
            }
        }
    }

    fn has_room(&self, cx: &Context<'_>) -> bool {
        self.tasks.len() < self.limits.handshakes
            && self.shared.has_room(self.limits.connections, cx)
    }

    fn spawn(&mut self, tcp: TcpStream, peer: SocketAddr) {
        let socket = Socket {
            tcp,
            peer,
            _slot: Slot::new(&self.shared),
        };
        let handshaking = Handshaking::new(&self.shared);
        let (setup, shared) = (Arc::clone(&self.setup), Arc::clone(&self.shared));
        let task = self
            .tasks
            .spawn(handshake::run(setup, shared, socket, handshaking));
        // A slow one at the front must not keep all that end behind it.
        if self.in_flight.len() > self.tasks.len() + self.tasks.len() / 4 + 32 {
            self.in_flight.retain(|entry| !entry.task.is_finished());
        }
        self.in_flight.push_back(InFlight {
            began: Instant::now(),
            peer,
            task,
        });
    }

    /// A handshake has ended, one way or the other.
    fn ended(
        &mut self,
        ended: Result<(Id, Option<ServerStream>), JoinError>,
    ) -> Option<ServerStream> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        self.evicting = self.evicting.filter(|evicting| *evicting != id);
        match ended {
            Ok((_, stream)) => stream,
            Err(error) if error.is_cancelled() => {
                count(&self.shared.evicted);
                None
            }
            // Of a certificate resolver or a verifier, most likely.
            Err(error) => {
                count(&self.shared.failed_handshakes);
                tracing::error!(%error, "a handshake has panicked");
                None
            }
        }
    }

    /// Waits for a handshake that may be evicted, one at a time.
    fn poll_evictable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.evicting.is_some() {
            return Poll::Pending;
        }
        while self
            .in_flight
            .front()
            .is_some_and(|entry| entry.task.is_finished())
        {
            self.in_flight.pop_front();
        }
        match self.in_flight.front().map(|entry| entry.began + GRACE) {
            Some(ripe) => self.poll_timer(ripe, cx),
            // All are established. One that is dropped wakes the task.
            None => Poll::Pending,
        }
    }

    fn evict(&mut self) {
        if let Some(InFlight { peer, task, .. }) = self.in_flight.pop_front() {
            tracing::debug!(%peer, "the oldest handshake has to go in favour of a new one");
            task.abort();
            self.evicting = Some(task.id());
        }
    }

    fn poll_timer(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
        }
        self.timer.as_mut().poll(cx)
    }
}

/// Whether an error is about one connection that has gone already, and not about
/// the listening socket.
fn concerns_one(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    // Linux hands out what the network said of the connection (accept(2)).
    let of_the_network = error
        .raw_os_error()
        .is_some_and(|code| OF_THE_NETWORK.contains(&code));
    of_the_network
        || matches!(
            error.kind(),
            Kind::ConnectionAborted
                | Kind::ConnectionRefused
                | Kind::ConnectionReset
                | Kind::HostUnreachable
                | Kind::NetworkUnreachable
                | Kind::NetworkDown
                | Kind::TimedOut
                | Kind::Interrupted
        )
}

/// Those that accept(2) names and `ErrorKind` has no name for: `ENONET`, `EPROTO`,
/// `ENOPROTOOPT`, `EOPNOTSUPP` and `EHOSTDOWN`, as nearly all architectures number
/// them. A socket that can never accept would say `EOPNOTSUPP` too, but such a one
/// does not listen, and is refused from the start.
const OF_THE_NETWORK: &[i32] = if cfg!(all(
    target_os = "linux",
    not(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6",
        target_arch = "sparc",
        target_arch = "sparc64",
    ))
)) {
    &[64, 71, 92, 95, 112]
} else {
    &[]
};

/// How long to leave a socket alone that fails. Most likely no file descriptor
/// is free; connections that end free some.
#[derive(Clone, Copy, Debug)]
struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(20);
    const MOST: Duration = Duration::from_secs(1);

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Self::MOST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

#[cfg(test)]
mod tests;
