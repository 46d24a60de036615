//! The streams that the layers above have handles on.
//!
//! A layer learns from a field of the message which connection of the process
//! and which stream it came on ([`tag`]). Here it finds both, and what it says
//! of the stream waits here until the connection's task asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool as StaticBool, AtomicU64 as StaticU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::RwLock;

use super::handle::Shared;
use crate::proto::head::StreamId;
use crate::proto::priority::Priority;
use crate::proto::stream_state::{Say, StreamState};
#[cfg(any(test, feature = "layer"))]
use crate::proto::tag;
use crate::proto::tag::Tagger;
use crate::sync::{AtomicBool, Mutex};

/// Parts of the registry, so that connections seldom wait for each other.
const SHARDS: usize = 16;

type Shard = RwLock<BTreeMap<u64, Weak<Shared>>>;

/// The open connections that mark their streams, by number.
static CONNECTIONS: [Shard; SHARDS] = [const { RwLock::new(BTreeMap::new()) }; SHARDS];

/// Whether there is a layer in this process that watches what is consumed.
static WATCHERS: StaticBool = StaticBool::new(false);

/// There is one.
#[cfg(any(test, feature = "layer"))]
pub(crate) fn expect_watchers() {
    WATCHERS.store(true, Ordering::Relaxed);
}

fn shard(connection: u64) -> &'static Shard {
    &CONNECTIONS[connection as usize % SHARDS]
}

/// The random number of this process that its tags hold.
fn nonce() -> u128 {
    static NONCE: OnceLock<u128> = OnceLock::new();
    *NONCE.get_or_init(|| {
        let half = |which: u8| u128::from(RandomState::new().hash_one(which));
        half(0) << 64 | half(1)
    })
}

/// The connection that a tag's value names, if it is open, and the stream.
#[cfg(any(test, feature = "layer"))]
pub(super) fn connection(value: &[u8]) -> Option<(Arc<Shared>, StreamId)> {
    let (connection, stream) = tag::parse(nonce(), value)?;
    let shared = shard(connection).read().get(&connection)?.upgrade()?;
    Some((shared, stream))
}

/// The streams of a connection that marks them.
#[derive(Debug)]
pub(super) struct StreamTable {
    connection: u64,
    /// Whether something was said, so that the connection need not lock to see.
    pending: AtomicBool,
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    open: BTreeMap<StreamId, Stream>,
    /// Those of which something was said that was not asked for: all of them are
    /// open.
    said: BTreeSet<StreamId>,
    /// Those of whose DATA more was consumed, likewise.
    consumed: BTreeSet<StreamId>,
    closed: bool,
}

#[derive(Debug)]
struct Stream {
    state: Arc<StreamState>,
    says: Says,
}

/// What was said of a stream and not yet asked for: the last of each kind.
#[derive(Debug, Default)]
struct Says {
    distrust: bool,
    field: Option<Priority>,
    own: Option<Priority>,
}

impl StreamTable {
    pub(super) fn new() -> Self {
        static NEXT: StaticU64 = StaticU64::new(0);
        Self {
            connection: NEXT.fetch_add(1, Ordering::Relaxed),
            pending: AtomicBool::new(false),
            streams: Mutex::default(),
        }
    }

    /// Lets layers find the connection, which is the one that owns this.
    pub(super) fn register(&self, connection: &Arc<Shared>) {
        let connection = Arc::downgrade(connection);
        shard(self.connection)
            .write()
            .insert(self.connection, connection);
    }

    /// The connection is gone, and its streams with it.
    pub(super) fn close(&self) {
        let mut streams = self.streams.lock();
        if std::mem::replace(&mut streams.closed, true) {
            return;
        }
        streams.said.clear();
        streams.consumed.clear();
        let open = std::mem::take(&mut streams.open);
        self.pending.store(false, Ordering::Release);
        drop(streams);
        self.unregister();
        for stream in open.values() {
            stream.state.close();
        }
    }

    fn unregister(&self) {
        shard(self.connection).write().remove(&self.connection);
    }
}

impl Drop for StreamTable {
    fn drop(&mut self) {
        if !self.streams.get_mut().closed {
            self.unregister();
        }
    }
}

/// For the connection's task.
impl Shared {
    #[cfg(test)]
    pub(super) fn open_streams(&self) -> usize {
        let table = self.streams.as_ref();
        table.map_or(0, |table| table.streams.lock().open.len())
    }

    /// What marks header blocks, if the layers above get handles.
    pub(crate) fn tagger(&self) -> Option<Tagger> {
        self.streams.as_ref().map(|streams| Tagger {
            nonce: nonce(),
            connection: streams.connection,
        })
    }

    /// A stream whose header block is being marked. If it is open already it
    /// stays as it is.
    pub(crate) fn open_stream(&self, stream: StreamId) -> Arc<StreamState> {
        let new = || {
            let state = StreamState::new(Priority::default());
            if WATCHERS.load(Ordering::Relaxed) {
                state.expect();
            }
            Arc::new(state)
        };
        let mut streams = match &self.streams {
            Some(streams) => streams.streams.lock(),
            None => return new(),
        };
        if streams.closed {
            drop(streams);
            let state = new();
            state.close();
            return state;
        }
        let stream = streams.open.entry(stream).or_insert_with(|| Stream {
            state: new(),
            says: Says::default(),
        });
        Arc::clone(&stream.state)
    }

    /// Nothing of the stream is left to be written or to be read. What was said
    /// of it is forgotten.
    pub(crate) fn close_stream(&self, stream: StreamId) {
        let Some(table) = &self.streams else {
            return;
        };
        let mut streams = table.streams.lock();
        let closed = streams.open.remove(&stream);
        if streams.forget(stream) && !streams.is_pending() {
            table.pending.store(false, Ordering::Release);
        }
        drop(streams);
        if let Some(closed) = closed {
            closed.state.close();
        }
    }

    /// Whether [`Shared::next_say`] may have something.
    pub(crate) fn has_says(&self) -> bool {
        let pending = |streams: &StreamTable| streams.pending.load(Ordering::Acquire);
        self.streams.as_ref().is_some_and(pending)
    }

    /// What was said next, of a stream that is open. Of one stream,
    /// [`Say::Distrust`] comes first and [`Say::Own`] last.
    ///
    /// The state shows already what was said, as if it held. So whoever asks puts
    /// into the state what came of it, even if that is what it was before.
    pub(crate) fn next_say(&self) -> Option<(StreamId, Say)> {
        let table = self.streams.as_ref()?;
        let mut streams = table.streams.lock();
        let next = streams.next();
        table.pending.store(streams.is_pending(), Ordering::Release);
        next
    }

    /// A stream of whose DATA more was consumed.
    pub(crate) fn next_consumed(&self) -> Option<StreamId> {
        let table = self.streams.as_ref()?;
        let mut streams = table.streams.lock();
        let next = streams.consumed.pop_first();
        table.pending.store(streams.is_pending(), Ordering::Release);
        next
    }
}

/// For handles and layers.
impl Shared {
    pub(super) fn find_stream(&self, stream: StreamId) -> Option<Arc<StreamState>> {
        let streams = self.streams.as_ref()?.streams.lock();
        let stream = streams.open.get(&stream)?;
        Some(Arc::clone(&stream.state))
    }

    /// Says something of a stream. It replaces what was said before of the same
    /// kind. Returns whether the stream is open; of another nothing can be said.
    ///
    /// Only [`Say::Own`] wakes the connection's task. The others are said before
    /// the stream's response, whose octets bring the task here by themselves.
    pub(super) fn say(&self, stream: StreamId, say: Say) -> bool {
        let Some(table) = &self.streams else {
            return false;
        };
        let mut streams = table.streams.lock();
        let Some(open) = streams.open.get_mut(&stream) else {
            return false;
        };
        open.say(say);
        streams.said.insert(stream);
        table.pending.store(true, Ordering::Release);
        drop(streams);
        if matches!(say, Say::Own(_)) {
            self.wake();
        }
        true
    }
}

impl Shared {
    /// More of the stream's DATA was consumed: wakes the connection's task, as its
    /// peer may be waiting for that.
    #[cfg(any(test, feature = "layer"))]
    pub(super) fn note_consumed(&self, stream: StreamId) {
        let Some(table) = &self.streams else {
            return;
        };
        let mut streams = table.streams.lock();
        if !streams.open.contains_key(&stream) || !streams.consumed.insert(stream) {
            return;
        }
        table.pending.store(true, Ordering::Release);
        drop(streams);
        self.wake();
    }
}

impl Streams {
    fn is_pending(&self) -> bool {
        !self.said.is_empty() || !self.consumed.is_empty()
    }

    /// Whether there was something that was not asked for.
    fn forget(&mut self, stream: StreamId) -> bool {
        self.said.remove(&stream) | self.consumed.remove(&stream)
    }

    fn next(&mut self) -> Option<(StreamId, Say)> {
        let stream = *self.said.first()?;
        let says = &mut self.open.get_mut(&stream)?.says;
        let say = says.next();
        if says.is_empty() {
            self.said.remove(&stream);
        }
        Some((stream, say?))
    }
}

impl Stream {
    /// Also shows it to the stream's handles, who need not wait for the
    /// connection's task to see what they said themselves.
    fn say(&mut self, say: Say) {
        match say {
            Say::Distrust => {
                self.says.distrust = true;
                self.state.set_priority(Priority::default());
            }
            Say::Field(priority) => {
                self.says.field = Some(priority);
                // Else an update has come, which the field does not replace.
                if self.state.priority() == Priority::default() {
                    self.state.set_priority(priority);
                }
            }
            Say::Own(priority) => {
                self.says.own = Some(priority);
                self.state.set_priority(priority);
            }
        }
    }
}

impl Says {
    fn next(&mut self) -> Option<Say> {
        if std::mem::take(&mut self.distrust) {
            return Some(Say::Distrust);
        }
        let field = self.field.take().map(Say::Field);
        field.or_else(|| self.own.take().map(Say::Own))
    }

    fn is_empty(&self) -> bool {
        !self.distrust && self.field.is_none() && self.own.is_none()
    }
}

#[cfg(all(test, framewright_loom))]
mod loom_tests;
#[cfg(test)]
mod tests;
