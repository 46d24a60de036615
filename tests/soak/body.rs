//! Bodies of a pattern that are made as they go, and readers that check them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use framewright::{Priority, StreamHandle};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep};

use crate::common::{BoxError, part};
use crate::random::Random;

/// h2 takes many smaller frames, before they are read, for an attack. So only the last
/// chunk of a body may be one.
const SMALL: u64 = 256;

/// A body of the pattern in chunks of random sizes, with a trailer or an error at
/// its end.
pub(crate) struct Chunks {
    seed: u64,
    at: u64,
    len: u64,
    /// The largest chunk.
    largest: u64,
    trailer: bool,
    /// Fails there.
    fail_at: Option<u64>,
    random: Random,
    /// Pauses that may come yet.
    pauses: u32,
    pause: Option<Pin<Box<Sleep>>>,
    /// Whose priority changes on the way.
    stream: Option<StreamHandle>,
}

impl Chunks {
    pub(crate) fn new(seed: u64, len: u64, largest: u64) -> Self {
        Self {
            seed,
            at: 0,
            len,
            largest: largest.max(SMALL),
            trailer: false,
            fail_at: None,
            random: Random::new(seed ^ len),
            pauses: 0,
            pause: None,
            stream: None,
        }
    }

    pub(crate) fn trailer(mut self, trailer: bool) -> Self {
        self.trailer = trailer;
        self
    }

    pub(crate) fn fail_at(mut self, at: Option<u64>) -> Self {
        self.fail_at = at;
        self
    }

    pub(crate) fn pauses(mut self, pauses: u32) -> Self {
        self.pauses = pauses;
        self
    }

    pub(crate) fn stream(mut self, stream: Option<StreamHandle>) -> Self {
        self.stream = stream;
        self
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.fail_at.is_some_and(|at| self.at >= at) {
            return Poll::Ready(Some(Err("this body was made to fail".into())));
        }
        if self.at < self.len {
            let most = self.largest.min(self.len - self.at);
            // Small ones are the more frequent.
            let most = most.min((most >> self.random.below(4)).max(SMALL));
            let n = self.random.between(most.min(SMALL), most);
            let chunk = part(self.seed, self.at, n);
            self.at += n;
            if self.pauses > 0 && self.random.percent(20) {
                self.pauses -= 1;
                let pause = Duration::from_millis(self.random.between(1, 300));
                self.pause = Some(Box::pin(sleep(pause)));
            }
            if self.random.percent(5)
                && let Some(stream) = self.stream.clone()
            {
                // It may have been reset.
                let _ = stream.set_priority(priority(&mut self.random));
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk.into()))));
        }
        if std::mem::take(&mut self.trailer) {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-trailer", HeaderValue::from_static("here"));
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.len && !self.trailer && self.fail_at.is_none()
    }
}

pub(crate) fn priority(random: &mut Random) -> Priority {
    Priority::new(random.below(8) as u8).incremental(random.percent(50))
}

/// How a reader goes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    AsItComes,
    /// Pauses again and again.
    Slowly,
    /// Stops in the middle, for so long.
    Stalls(Duration),
}

impl Pace {
    pub(crate) fn choose(random: &mut Random) -> Self {
        match random.below(10) {
            0 => Self::Slowly,
            1 => Self::Stalls(Duration::from_millis(random.between(200, 4_000))),
            _ => Self::AsItComes,
        }
    }
}

/// What a reader has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) octets: u64,
    pub(crate) trailers: bool,
    /// The first octet that was not the pattern's.
    pub(crate) wrong_at: Option<u64>,
    /// The body has ended, with no error.
    pub(crate) whole: bool,
    pub(crate) error: Option<BoxError>,
}

/// Reads a body, as far as `stop_at`, and compares each octet with the pattern.
pub(crate) async fn read<B>(
    body: B,
    seed: u64,
    pace: Pace,
    stop_at: Option<u64>,
    stream: Option<StreamHandle>,
    random: &mut Random,
) -> Seen
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut seen = Seen::default();
    let mut pauses = 100;
    let stall_at = random.below(300_000);
    let mut stalls = true;
    let mut body = body.map_err(Into::into);
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                let right = part(seed, seen.octets, data.len() as u64);
                if seen.wrong_at.is_none() && data != right {
                    let at = right.iter().zip(&data).position(|(a, b)| a != b);
                    seen.wrong_at = Some(seen.octets + at.unwrap_or(0) as u64);
                }
                seen.octets += data.len() as u64;
            }
            Ok(Err(_)) => seen.trailers = true,
            Err(error) => {
                seen.error = Some(error);
                return seen;
            }
        }
        if stop_at.is_some_and(|at| seen.octets >= at) {
            return seen;
        }
        match pace {
            Pace::Slowly if pauses > 0 => {
                pauses -= 1;
                sleep(Duration::from_millis(random.between(1, 60))).await;
            }
            Pace::Stalls(time) if stalls && seen.octets >= stall_at => {
                stalls = false;
                sleep(time).await;
            }
            _ => {}
        }
        if let Some(stream) = &stream
            && random.percent(3)
        {
            // The stream may have ended, and its connection have much to send.
            let _ = stream.set_priority(priority(random));
        }
    }
    seen.whole = true;
    seen
}
