//! What all connections of a run share.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use framewright::{BufferPool, Config, FlowControl, PoolConfig, WindowBudget};
use parking_lot::Mutex;
use tokio::sync::{RwLock, Semaphore};

use crate::link::Link;
use crate::random::Random;
use crate::tally::{Fate, Fault, Tally};

/// What is waited for this long hangs.
pub(crate) const HANG: Duration = Duration::from_secs(120);

/// Octets that all windows of a run may grow by.
const BUDGET: u64 = 64 << 20;

/// Large bodies at a time.
const LARGE: usize = 8;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tally: Tally,
    pub(crate) pool: BufferPool,
    pub(crate) budget: WindowBudget,
    /// Whether nothing new is to be begun before a rest.
    pub(crate) resting: AtomicBool,
    /// Whether connections that last are to end for that, too.
    pub(crate) clean: AtomicBool,
    /// Whether all is to end.
    pub(crate) stop: AtomicBool,
    /// Whoever makes traffic has this for reading, and a rest for writing.
    pub(crate) gate: RwLock<()>,
    pub(crate) large: Arc<Semaphore>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            tally: Tally::new(),
            pool: BufferPool::new(PoolConfig::default()),
            budget: WindowBudget::new(BUDGET),
            resting: AtomicBool::new(false),
            clean: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            gate: RwLock::new(()),
            large: Arc::new(Semaphore::new(LARGE)),
        }
    }

    pub(crate) fn flow(&self) -> FlowControl {
        FlowControl::default().budget(self.budget.clone())
    }

    /// Everything on.
    pub(crate) fn config(&self) -> Config {
        Config::default()
            .pool(self.pool.clone())
            .stream_handles(true)
            .flow_control(self.flow())
    }

    /// With other sizes, and some of it off.
    pub(crate) fn some_config(&self, random: &mut Random) -> Config {
        let mut config = self.config();
        if random.percent(30) {
            config = config
                .batch(1 << random.between(10, 16), 1 << random.between(16, 19))
                .read_ahead(1 << random.between(10, 14), 1 << random.between(14, 19));
        }
        if random.percent(20) {
            config = config.stack_frame_size(16_384);
        }
        if random.percent(20) {
            config = config.flow_control(None);
        }
        config
            .schedule(random.percent(80))
            .defer_flush(random.percent(80))
    }
}

/// A link, and the connections on it.
#[derive(Debug)]
pub(crate) struct Line {
    link: Link,
    on_it: Mutex<Vec<Weak<Fate>>>,
}

impl Line {
    pub(crate) fn new(server: SocketAddr, rate: u64, delay: u64) -> io::Result<Self> {
        let link = Link::builder()
            .rate(rate)
            .delay(Duration::from_millis(delay))
            .to(server)
            .start()?;
        let on_it = Mutex::default();
        Ok(Self { link, on_it })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.link.address
    }

    /// A connection that is about to be dialed.
    pub(crate) fn join(&self, fate: &Arc<Fate>) {
        let mut on_it = self.on_it.lock();
        on_it.retain(|fate| fate.strong_count() > 0);
        on_it.push(Arc::downgrade(fate));
    }

    /// Loses all connections.
    pub(crate) fn cut(&self, world: &World) {
        let on_it = self.on_it.lock();
        for fate in on_it.iter().filter_map(Weak::upgrade) {
            fate.set(Fault::Cut);
            world.tally.count("fault: cut");
        }
        self.link.break_connections();
    }
}

/// An error and its sources.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Whether an error says that one end broke the protocol, which no fault of this
/// test explains.
pub(crate) fn is_violation(error: &(dyn Error + 'static)) -> bool {
    use h2::Reason;

    let mut errors = chain(error).filter_map(|error| error.downcast_ref::<h2::Error>());
    errors.any(|error| {
        matches!(
            error.reason(),
            Some(
                Reason::PROTOCOL_ERROR
                    | Reason::FLOW_CONTROL_ERROR
                    | Reason::SETTINGS_TIMEOUT
                    | Reason::STREAM_CLOSED
                    | Reason::FRAME_SIZE_ERROR
                    | Reason::COMPRESSION_ERROR
                    | Reason::ENHANCE_YOUR_CALM
            )
        )
    })
}

/// Whether TCP was reset.
pub(crate) fn is_reset(error: &(dyn Error + 'static)) -> bool {
    let reset = |kind| {
        matches!(
            kind,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        )
    };
    chain(error).any(|error| {
        let of_h2 = error
            .downcast_ref::<h2::Error>()
            .and_then(h2::Error::get_io);
        let io = error.downcast_ref::<io::Error>().or(of_h2);
        io.is_some_and(|error| reset(error.kind()))
    })
}

/// An error with its sources.
pub(crate) fn whole(error: &(dyn Error + 'static)) -> String {
    let errors: Vec<_> = chain(error).map(ToString::to_string).collect();
    errors.join(": ")
}
