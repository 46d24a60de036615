//! The end: the first signal drains, the second ends at once.

use std::{future::pending, io, time::Duration};

use tokio::{sync::watch, time::timeout};

/// SIGINT and SIGTERM, caught from when this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ];
        Ok(Self { signals })
    }

    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.signals;
        let received = tokio::select! {
            received = interrupt.recv() => received,
            received = terminate.recv() => received,
        };
        if received.is_none() {
            pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            pending::<()>().await;
        }
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drained {
    /// Every request finished.
    Whole,
    /// The time was up.
    TimedOut,
    /// A second signal came.
    Interrupted,
}

/// Tells every holder of a receiver to finish, and waits until they have.
pub(crate) async fn drain(
    drain: &watch::Sender<bool>,
    signals: &mut Signals,
    limit: Duration,
) -> Drained {
    drain.send_replace(true);
    tokio::select! {
        closed = timeout(limit, drain.closed()) => match closed {
            Ok(()) => Drained::Whole,
            Err(_) => Drained::TimedOut,
        },
        () = signals.next() => Drained::Interrupted,
    }
}
