//! The multi-frame writer, for people who write HTTP/2 themselves.

mod config;
mod data;
mod flush;
mod queue;
mod ready;
mod report;
mod shared;
mod source;
#[cfg(any(test, fuzzing))]
pub(crate) mod tests;

pub use config::FrameWriterConfig;
pub use flush::Flush;
pub use ready::Ready;
pub use report::{FlushError, FlushReport};
pub use source::DataSource;

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::sync::Mutex;
use crate::{BufferPool, EndStream, Frame, FrameError, Padding, Priority, StreamId};
use data::Data;
use shared::Shared;

/// Gathers HTTP/2 frames from any number of tasks, and writes them in batches.
///
/// Tasks push frames through `&self`; one task at a time flushes. DATA is cut
/// to the peer's frame size and merged up to it, header blocks are cut into
/// HEADERS and CONTINUATION, and frames go out many to a write call. DATA that
/// is pushed as [`Bytes`] is never copied: the write calls get the frame heads
/// and slices of it, in turn.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::Bytes;
/// use framewright::{BufferPool, EndStream, Frame, FrameWriter, Padding, Priority, StreamId};
///
/// let writer = FrameWriter::new(BufferPool::default());
/// let stream = StreamId::try_from(1)?;
/// let block = Bytes::from_static(&[0x88]); // HPACK for ":status: 200"
/// let body = Bytes::from(vec![7; 40_000]);
///
/// writer.push(Frame::ping([0; 8]))?;
/// writer.push_headers(stream, block, EndStream::No)?;
/// writer.set_priority(stream, Priority::new(1));
/// writer.push_data(stream, [body.slice(..100), body.slice(100..300)], EndStream::No)?;
/// writer.push_data_region(stream, &body, 300, 39_700, Padding::None, EndStream::Yes)?;
///
/// let mut io = Vec::new(); // any tokio AsyncWrite
/// let report = writer.flush_to(&mut io).await?;
/// assert_eq!(report.frames, 5); // PING, HEADERS and three of DATA
/// assert_eq!(report.octets, io.len() as u64);
/// # Ok(())
/// # }
/// ```
///
/// # What the writer does not do
///
/// It knows frames, not connections. The client's preface, HPACK, which stream
/// may be used when, and flow control stay with the caller: DATA that is pushed
/// is taken to have its credit.
///
/// # Order
///
/// A frame is chosen when a batch is filled, right before the write call.
///
/// - Within a stream, header blocks and DATA keep their order.
/// - Header blocks keep their order across streams, and nothing goes between a
///   HEADERS frame and its CONTINUATION.
/// - Frames that are not DATA go out in the order of the pushes, before all
///   DATA that waits, even that of their own stream. A SETTINGS acknowledgement
///   does so too. If the SETTINGS that it answers lowered
///   `SETTINGS_INITIAL_WINDOW_SIZE`, flush before you push it.
/// - But a header block whose own stream has DATA queued, as trailers have,
///   waits for that DATA, which then goes first of all. What was pushed after
///   such a block waits for it too, because the peer's HPACK decoder, and with
///   it SETTINGS acknowledgements, need their order. PING and the connection's
///   `WINDOW_UPDATE` are tied to nothing, and go around it.
/// - DATA of several streams goes by [`Priority`], as RFC 9218, section 10,
///   recommends: lowest urgency first; of the same urgency, streams that are
///   not incremental in stream order and incremental ones in turn, frame by
///   frame, the two sharing by octets.
/// - `RST_STREAM` and [`cancel`](Self::cancel) drop what is queued of their
///   stream's DATA.
///
/// # Bound
///
/// What waits is bounded, by default to 64 MiB; a push beyond that is
/// [`FrameError::QueueFull`]. See [`FrameWriterConfig::max_queued_octets`] for
/// how it is counted, and [`ready`](Self::ready) to wait for room.
///
/// # Memory
///
/// A writer with nothing queued holds no pooled buffer. Of streams that are
/// done it keeps no more than ranges of their numbers, bounded even if a peer
/// leaves gaps on purpose: after more than 4,096 of those, the end of the
/// lowest streams is forgotten and no longer checked. Of priorities other than
/// the default, 16,384 are kept.
pub struct FrameWriter {
    pool: BufferPool,
    /// Never held across a write call or an await.
    shared: Mutex<Shared>,
}

impl FrameWriter {
    /// A writer that takes its buffers from `pool`, with the defaults of
    /// [`FrameWriterConfig`].
    #[must_use]
    pub fn new(pool: BufferPool) -> Self {
        Self::with_config(pool, &FrameWriterConfig::default()).expect("the defaults are valid")
    }

    /// A writer that takes its buffers from `pool`.
    ///
    /// # Errors
    ///
    /// [`FrameError::MaxFrameSize`] if that of `config` is not from 16,384 to
    /// 2^24 - 1.
    pub fn with_config(pool: BufferPool, config: &FrameWriterConfig) -> Result<Self, FrameError> {
        let shared = Mutex::new(Shared::new(config)?);
        Ok(Self { pool, shared })
    }

    /// The peer's `SETTINGS_MAX_FRAME_SIZE`, in octets.
    #[must_use]
    pub fn max_frame_size(&self) -> u32 {
        self.shared.lock().queue.max_frame_size()
    }

    /// Sets the peer's `SETTINGS_MAX_FRAME_SIZE`, in octets. It holds for what
    /// is not yet cut; call it before the acknowledgement is pushed.
    ///
    /// A queued frame that cannot be cut, such as GOAWAY, keeps the size that
    /// it was accepted with. It goes out before the acknowledgement.
    ///
    /// # Errors
    ///
    /// [`FrameError::MaxFrameSize`] if it is not from 16,384 to 2^24 - 1
    /// (RFC 9113, section 6.5.2). The old one then stays.
    pub fn set_max_frame_size(&self, octets: u32) -> Result<(), FrameError> {
        self.shared.lock().queue.set_max_frame_size(octets)
    }

    /// Queues a frame.
    ///
    /// - DATA is cut, or merged with its neighbours; of its flags only
    ///   `END_STREAM` and PADDED are kept. Padded DATA is never merged. Over the
    ///   limit, its last piece carries the padding, so that flow control counts
    ///   the pieces as it counts the whole (RFC 9113, section 6.1).
    /// - HEADERS and `PUSH_PROMISE` hold a whole header block with
    ///   `END_HEADERS`. Over the limit they are followed by CONTINUATION;
    ///   padding stays on the first.
    /// - `RST_STREAM` drops the stream's queued DATA, as
    ///   [`cancel`](Self::cancel) does, and the stream takes no more DATA or
    ///   header blocks.
    /// - All other frames go out as they are.
    ///
    /// # Errors
    ///
    /// Any [`FrameError`]; nothing of the frame is queued then. A header block
    /// that is refused leaves the peer's HPACK decoder behind, if it changes
    /// the dynamic table: encode it anew, or close the connection.
    pub fn push(&self, frame: Frame) -> Result<(), FrameError> {
        // Whatever becomes of the frame, its octets are not dropped under the
        // lock: that may run code of the user, which may use the writer.
        let _octets = frame.payload().clone();
        self.change(|shared| shared.push(frame))
    }

    /// Queues a frame, and sets its stream's priority for all DATA that waits
    /// or comes, as [`set_priority`](Self::set_priority) does.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push). The priority is then not changed.
    pub fn push_prioritized(&self, frame: Frame, priority: Priority) -> Result<(), FrameError> {
        let stream = frame.stream();
        let _octets = frame.payload().clone();
        self.change(|shared| {
            shared.push(frame)?;
            shared.queue.set_priority(stream, priority);
            Ok(())
        })
    }

    /// Queues a whole HPACK-encoded header block, as HEADERS with the
    /// CONTINUATION that it takes.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push).
    pub fn push_headers(
        &self,
        stream: StreamId,
        block: impl Into<Bytes>,
        end: EndStream,
    ) -> Result<(), FrameError> {
        self.push(Frame::headers(stream, block, end))
    }

    /// Queues DATA of any length, without copying it. No chunks, or only empty
    /// ones, make an empty DATA frame, unless it can be merged.
    ///
    /// A write call takes 128 chunks at most, so chunks of a few octets make
    /// small calls: join those before.
    ///
    /// # Errors
    ///
    /// [`FrameError::NeedsStream`], [`FrameError::StreamEnded`] or
    /// [`FrameError::QueueFull`]; nothing is queued then.
    pub fn push_data(
        &self,
        stream: StreamId,
        chunks: impl IntoIterator<Item = Bytes>,
        end: EndStream,
    ) -> Result<(), FrameError> {
        let chunks = chunks.into_iter().filter(|chunk| !chunk.is_empty());
        self.push_checked(stream, Data::new(chunks.collect(), None, end.is_yes()))
    }

    /// Queues DATA. If it is refused, it is dropped without the lock.
    fn push_checked(&self, stream: StreamId, data: Data) -> Result<(), FrameError> {
        let mut shared = self.shared.lock();
        match shared.queue.check_data(stream, data.flow() as u64) {
            Ok(()) => shared.queue.push_data(stream, data),
            Err(error) => {
                drop(shared);
                drop(data);
                Err(error)
            }
        }
    }

    /// Queues the region of `length` octets at `offset` of a source as DATA.
    /// Slices of [`Bytes`] are not copied; plain memory is copied once.
    ///
    /// Padded DATA over the limit is cut, and its last piece padded.
    ///
    /// # Errors
    ///
    /// Those of [`push_data`](Self::push_data),
    /// [`FrameError::PaddingTooLong`] for padding over 255 octets,
    /// [`FrameError::RegionOutside`] for a region that is not in the source, and
    /// [`FrameError::SourceLength`] for a [`DataSource`] that does not give what
    /// it says. Nothing is queued then.
    pub fn push_data_region<S: DataSource + ?Sized>(
        &self,
        stream: StreamId,
        source: &S,
        offset: u64,
        length: u64,
        padding: Padding,
        end: EndStream,
    ) -> Result<(), FrameError> {
        let padding = zeros(padding)?;
        let size = source.size();
        let outside = FrameError::RegionOutside {
            offset,
            length,
            size,
        };
        let to = offset.checked_add(length).filter(|&to| to <= size);
        let to = to.ok_or(outside)?;
        // A source may have to copy: not for DATA that would be refused.
        let overhead = padding.as_ref().map_or(0, |padding| 1 + padding.len());
        let flow = length.saturating_add(overhead as u64);
        self.shared.lock().queue.check_data(stream, flow)?;
        let (mut chunks, mut given) = (VecDeque::new(), 0);
        if length > 0 {
            source.slices(offset..to, &self.pool, &mut |chunk| {
                given += chunk.len() as u64;
                if !chunk.is_empty() {
                    chunks.push_back(chunk);
                }
            });
        }
        if given != length {
            let asked = length;
            return Err(FrameError::SourceLength { asked, given });
        }
        self.push_checked(stream, Data::new(chunks, padding, end.is_yes()))
    }

    /// Sets a stream's priority, for DATA that waits and DATA that comes. It
    /// may come before the stream's first frame; it is forgotten when the
    /// stream has ended and its DATA is out. Stream 0 has none.
    pub fn set_priority(&self, stream: StreamId, priority: Priority) {
        self.shared.lock().queue.set_priority(stream, priority);
    }

    /// Drops the stream's queued DATA but for a frame that is begun, and
    /// returns how many octets of flow control that gives back. What a write
    /// call has in its hands at this moment counts as begun, and so does what it
    /// was offered when it was last `Pending`: it will be offered the same again.
    ///
    /// If DATA was dropped, the peer would see a body with a hole in it. So the
    /// stream takes no more DATA or header blocks, and trailers that wait are
    /// sent, for HPACK's sake, without `END_STREAM`: reset the stream. (Pushing
    /// a `RST_STREAM` frame by itself does all that this does.) Trailers that
    /// are already in the batch keep the DATA that is there before them.
    pub fn cancel(&self, stream: StreamId) -> u64 {
        self.change(|shared| shared.cancel(stream))
    }

    /// Octets that wait to be written: payloads, and 9 for each frame's head.
    /// DATA that is not yet cut counts one head for what may become several
    /// frames.
    #[must_use]
    pub fn queued_octets(&self) -> u64 {
        self.shared.lock().queue.octets()
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let shared = self.shared.lock();
        shared.queue.is_empty() && shared.queue.in_flight == 0
    }

    /// Waits until at most half of the bound is queued. Another task's push may
    /// take the room first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub fn ready(&self) -> Ready<'_> {
        Ready::new(self)
    }

    /// Writes everything that waits, in as few write calls as the batch size
    /// allows, then flushes `io`.
    ///
    /// What is pushed during the flush is written too. So that tasks that push
    /// without pause do not keep it for ever, a flush takes no more frames once
    /// it has written what waited at first plus the bound of the queue
    /// ([`FrameWriterConfig::max_queued_octets`]); [`is_empty`](Self::is_empty)
    /// tells.
    ///
    /// Batches grow while `io` takes them whole and shrink while it does not
    /// ([`FrameWriterConfig::batch_octets`]). An `io` whose
    /// [`is_write_vectored`](AsyncWrite::is_write_vectored) is false gets small
    /// pieces copied together into a pooled buffer.
    ///
    /// # Errors
    ///
    /// [`FlushError`] with what went out so far: for an error of `io`, which is
    /// its `source()`; for an `io` that takes no octets
    /// ([`WriteZero`](std::io::ErrorKind::WriteZero)); or because another flush
    /// of this writer is under way. The rest stays queued.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next flush goes on at the very
    /// octet, which must be to the same `io`.
    pub fn flush_to<'a, W>(&'a self, io: &'a mut W) -> Flush<'a, W>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        Flush::new(self, io)
    }

    /// [`flush_to`](Self::flush_to) for a caller that polls. The calls up to the
    /// one that is ready are one flush with one report; no other flush may run
    /// during a call.
    ///
    /// # Errors
    ///
    /// Those of [`flush_to`](Self::flush_to).
    pub fn poll_flush_to<W>(
        &self,
        cx: &mut Context<'_>,
        io: &mut W,
    ) -> Poll<Result<FlushReport, FlushError>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        self.poll_flush(cx, Pin::new(io))
    }

    /// Takes back all that waits, as it would have gone over the wire: octets
    /// to be written in this order, which go on where the last flush stopped.
    ///
    /// # Errors
    ///
    /// [`FlushError::is_under_way`] during a write call of a flush.
    pub fn take_queued(&self) -> Result<Vec<Bytes>, FlushError> {
        self.change(|shared| shared.take(&self.pool))
            .map(|mut batch| batch.take())
            .ok_or_else(FlushError::under_way)
    }

    /// Drops all that waits, and returns how many octets that was. The
    /// connection is then of no more use: a frame may have gone out in part,
    /// and the peer misses header blocks.
    ///
    /// # Errors
    ///
    /// [`FlushError::is_under_way`] during a write call of a flush.
    pub fn discard(&self) -> Result<u64, FlushError> {
        let (queued, batch) = self.change(|shared| {
            let queued = shared.queue.octets();
            (queued, shared.take(&self.pool))
        });
        batch.map(|_| queued).ok_or_else(FlushError::under_way)
    }

    /// Changes what is shared, then wakes those who wait for room.
    fn change<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        let mut shared = self.shared.lock();
        let result = change(&mut shared);
        let waiters = shared.take_waiters();
        let garbage = shared.take_garbage();
        drop(shared);
        drop(garbage);
        waiters.into_values().for_each(Waker::wake);
        result
    }
}

impl fmt::Debug for FrameWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameWriter")
            .field("max_frame_size", &self.max_frame_size())
            .field("queued_octets", &self.queued_octets())
            .finish_non_exhaustive()
    }
}

/// The octets of padding.
fn zeros(padding: Padding) -> Result<Option<Bytes>, FrameError> {
    static ZEROS: [u8; 255] = [0; 255];
    match padding {
        Padding::None => Ok(None),
        Padding::Octets(octets) => ZEROS
            .get(..usize::from(octets))
            .map(|zeros| Some(Bytes::from_static(zeros)))
            .ok_or(FrameError::PaddingTooLong(usize::from(octets))),
    }
}
