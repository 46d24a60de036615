//! How a transport behaves.

use crate::flow_control::FlowControl;
use crate::pool::BufferPool;
use crate::proto::frame::DEFAULT_MAX_FRAME_SIZE;
use crate::proto::head::Head;

/// How a [`Transport`](crate::Transport) behaves.
///
/// The defaults suit servers and clients, on TCP and on TLS. Values out of
/// range are moved to the nearest one in range.
///
/// ```
/// use framewright::{BufferPool, Config};
///
/// let config = Config::default()
///     .pool(BufferPool::default())
///     .read_ahead(16 * 1024, 64 * 1024);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) pool: BufferPool,
    pub(crate) stack_frame_size: u32,
    pub(crate) read_min: usize,
    pub(crate) read_max: usize,
    pub(crate) batch_min: usize,
    pub(crate) batch_max: usize,
    pub(crate) defer_flush: bool,
    pub(crate) turn: u32,
    pub(crate) no_rfc7540_priorities: bool,
    pub(crate) schedule: bool,
    pub(crate) stream_queue: u32,
    pub(crate) connection_queue: usize,
    pub(crate) stream_handles: bool,
    pub(crate) flow_control: Option<FlowControl>,
    /// The IO below is TLS: it is given whole records, and reads ahead itself.
    pub(crate) tls_records: bool,
}

/// The least that a buffer or a batch may be.
const LEAST: usize = 1024;

/// The most that a buffer or a batch may be.
const MOST: usize = 16 << 20;

impl Config {
    /// The configuration with every value at its default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pool: BufferPool::default(),
            stack_frame_size: 256 * 1024,
            read_min: 16 * 1024,
            read_max: 256 * 1024,
            batch_min: 64 * 1024,
            batch_max: 256 * 1024,
            defer_flush: true,
            turn: 32,
            no_rfc7540_priorities: true,
            schedule: true,
            stream_queue: 64 * 1024,
            connection_queue: 4 << 20,
            stream_handles: false,
            flow_control: None,
            tls_records: false,
        }
    }

    /// Takes buffers from `pool`.
    ///
    /// # Default
    ///
    /// [`BufferPool::default`], the one that the whole process shares.
    #[must_use]
    pub fn pool(mut self, pool: BufferPool) -> Self {
        self.pool = pool;
        self
    }

    /// The frame size that the HTTP/2 stack is told that the peer takes, in
    /// octets, if the peer itself takes less. The stack then hands over large
    /// DATA frames, which are cut to the peer's real `SETTINGS_MAX_FRAME_SIZE`
    /// (RFC 9113, section 6.5.2) on their way.
    ///
    /// # Default
    ///
    /// 256 KiB. From 16,384, which leaves the peer's SETTINGS as they are, to
    /// 2^24 - 1.
    #[must_use]
    pub fn stack_frame_size(mut self, octets: u32) -> Self {
        self.stack_frame_size = octets.clamp(DEFAULT_MAX_FRAME_SIZE, Head::MAX_LENGTH);
        self
    }

    /// Octets to read from the socket at a time: starts at `min` and grows to
    /// `max` while reads fill the buffer.
    ///
    /// # Default
    ///
    /// From 16 KiB to 256 KiB. From 1 KiB to 16 MiB.
    #[must_use]
    pub fn read_ahead(mut self, min: usize, max: usize) -> Self {
        self.read_min = min.clamp(LEAST, MOST);
        self.read_max = max.clamp(self.read_min, MOST);
        self
    }

    /// Octets to gather before a write: starts at `min` and grows to `max` while
    /// batches fill. What is gathered is copied, at most `max` octets a
    /// connection; what fills a batch is written from where it is.
    ///
    /// # Default
    ///
    /// From 64 KiB to 256 KiB. From 1 KiB to 16 MiB.
    #[must_use]
    pub fn batch(mut self, min: usize, max: usize) -> Self {
        self.batch_min = min.clamp(LEAST, MOST);
        self.batch_max = max.clamp(self.batch_min, MOST);
        self
    }

    /// Header blocks that the stack gets before it acts on them. Of a longer
    /// burst it gets so many, then there is one pause in which it handles them,
    /// and then the rest: the first answers are on their way while the last are
    /// worked on. Without it two peers with many requests in flight wait for each
    /// other in turn. It costs one write call and one poll a burst.
    ///
    /// Whatever this is, there is a pause in each thousand frames that come without a
    /// break, and in each 4 MiB, so that a flood does not keep other tasks from
    /// their turn.
    ///
    /// # Default
    ///
    /// 32. At least 1; `u32::MAX` for no pause.
    #[must_use]
    pub fn turn(mut self, header_blocks: u32) -> Self {
        self.turn = header_blocks.max(1);
        self
    }

    /// Whether a flush may be answered a moment before the octets are written,
    /// so that more of them go out in one call. They go out before the task that
    /// drives the connection sleeps.
    ///
    /// # Default
    ///
    /// Yes.
    #[must_use]
    pub fn defer_flush(mut self, defer: bool) -> Self {
        self.defer_flush = defer;
        self
    }

    /// Whether a server's first SETTINGS frame says
    /// `SETTINGS_NO_RFC7540_PRIORITIES` (RFC 9218, section 2.1), which hyper does
    /// not say: that the priorities of RFC 7540 are ignored here, as hyper does.
    /// Clients then stop sending them, and some send `PRIORITY_UPDATE` only to
    /// servers that say so. It stands before the parameters of the stack, so that
    /// one of its own holds. Nothing is added to a client's SETTINGS.
    ///
    /// # Default
    ///
    /// Yes.
    #[must_use]
    pub fn no_rfc7540_priorities(mut self, announce: bool) -> Self {
        self.no_rfc7540_priorities = announce;
        self
    }

    /// Whether streams are scheduled by their priorities (RFC 9218, section 10):
    /// while the socket is full and two streams or more are open, DATA waits in
    /// a queue for each stream, and the most urgent goes first. The stack is told
    /// of the peer's credit only as these queues have room, so that DATA that
    /// cannot go yet does not stand in the way of what can.
    ///
    /// Without it frames go out in the order in which the stack writes them, and
    /// flow control passes unchanged.
    ///
    /// # Default
    ///
    /// Yes.
    #[must_use]
    pub fn schedule(mut self, schedule: bool) -> Self {
        self.schedule = schedule;
        self
    }

    /// Octets of DATA that may wait to be scheduled: of each stream, and of a
    /// connection in all, its other frames included. Beyond the connection's bound
    /// the stack has to wait. While the socket takes all, a stream's credit grows
    /// with what it has sent, to 2 MiB, so that it seldom waits for more; all of a
    /// connection share 4 MiB of that.
    ///
    /// There is one wait that it could not end: for a peer that takes away the window
    /// of a response that waits, and goes on asking. Header blocks keep their order, so
    /// trailers of such a response hold up all others. Where they hold up half of
    /// what the connection may have, the response is given up: its stream is reset
    /// (`ENHANCE_YOUR_CALM`), towards both ends.
    ///
    /// # Default
    ///
    /// 64 KiB and 4 MiB. From 64 KiB to 16 MiB, and from as much to 1 GiB.
    #[must_use]
    pub fn queue(mut self, stream: u32, connection: usize) -> Self {
        self.stream_queue = stream.clamp(64 << 10, 16 << 20);
        self.connection_queue = connection.clamp(self.stream_queue as usize, 1 << 30);
        self
    }

    /// Whether requests (on a server) and responses (on a client) get a
    /// [`StreamHandle`](crate::StreamHandle) in their extensions. The transport
    /// marks their header blocks with one field, `framewright-stream`, which the
    /// stack above decodes like any other; a [layer](crate::layer) takes it out
    /// again. So turn it on where such a layer is there, or handlers see the
    /// field. The peer never does, unless a handler without the layer sends it on.
    ///
    /// The field counts as 108 octets where the stack bounds the size of a header
    /// list (RFC 9113, section 10.5.1): to hyper's default, 16 KiB, so much is missing.
    ///
    /// # Default
    ///
    /// No.
    #[must_use]
    pub fn stream_handles(mut self, handles: bool) -> Self {
        self.stream_handles = handles;
        self
    }

    /// Manages the windows for DATA that comes in (RFC 9113, section 5.2), instead
    /// of passing on what the stack grants: they start small, grow with what the
    /// connection carries in a round trip, and are held to what the application
    /// consumes, under one budget for many connections. See
    /// [flow control](crate#flow-control).
    ///
    /// It takes three things: this, a [`FlowControlLayer`](crate::layer::FlowControlLayer)
    /// with [`stream_handles`](Self::stream_handles) to say what is consumed, and a
    /// stack that grants as much as windows may grow to ([`FlowControl::apply`]).
    /// Without a layer the windows are replenished as DATA comes. Where there is one
    /// in the process, a stream's are not before that has found the stream, or has
    /// had a turn and has not: a peer waits for it for a few hundred polls of the
    /// connection's task, and for a millisecond at least.
    ///
    /// # Default
    ///
    /// None: what the stack grants is what the peer gets.
    #[must_use]
    pub fn flow_control(mut self, flow: impl Into<Option<FlowControl>>) -> Self {
        self.flow_control = flow.into();
        self
    }

    /// Whether the IO below is TLS.
    #[cfg(any(test, feature = "tls"))]
    pub(crate) fn over_tls(mut self, is_tls: bool) -> Self {
        self.tls_records = is_tls;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
