//! The handle.
use std::{future::Future, time::Duration};

use super::stats::ConnectionStats;
use crate::{Frame, FrameError, FrameType};

/// A handle on a connection.
#[derive(Clone, Debug)]
pub struct ConnectionHandle {}

impl ConnectionHandle {
    /// What has gone over the connection so far.
    #[must_use]
    pub fn stats(&self) -> ConnectionStats {
        ConnectionStats::default()
    }

    /// Sends control and extension frames between those of the HTTP/2 stack.
    ///
    /// # Errors
    ///
    /// See [`HandleError`].
    pub fn send_frames(&self, _frames: impl IntoIterator<Item = Frame>) -> Result<(), HandleError> {
        Ok(())
    }

    /// Sends a PING and returns the round trip.
    ///
    /// # Errors
    ///
    /// See [`HandleError`].
    pub fn ping(&self) -> impl Future<Output = Result<Duration, HandleError>> + Send + 'static {
        async { Err(HandleError::Closed) }
    }
}

/// Why a request to a connection could not be served.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed,
    /// The HTTP/2 stack owns the state behind frames of this type.
    #[error("{0} frames belong to the HTTP/2 stack above")]
    NotAllowed(FrameType),
    /// The frame is malformed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The connection does not speak HTTP/2.
    #[error("the connection does not speak HTTP/2")]
    NotHttp2,
    /// Too many frames wait to be sent.
    #[error("too many frames wait to be sent")]
    Full,
}
