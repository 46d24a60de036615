//! Files that may change under a running process, and the thread that looks.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// A file that was changed this lately may be changed again without its times
/// telling, and its writer may not be done.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// What tells one state of a file from another, without reading it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    octets: u64,
    /// Device, inode, and the seconds and nanoseconds of the last change of
    /// either: the last two tell a copy that kept the time of modification.
    identity: [u64; 4],
    settled: bool,
}

impl Stamp {
    /// Of the file that `path` leads to, through symbolic links. Take it before
    /// reading the file: a change meanwhile then shows the next time.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let modified = metadata.modified().ok();
        let settled = modified.is_none_or(|modified| {
            let now = SystemTime::now();
            let apart = now
                .duration_since(modified)
                .unwrap_or_else(|ahead| ahead.duration());
            apart >= SETTLED_AFTER
        });
        Ok(Self {
            modified,
            octets: metadata.len(),
            identity: identity(&metadata),
            settled,
        })
    }

    /// Whether the last change of the file is a while ago.
    pub(super) fn settled(&self) -> bool {
        self.settled
    }

    /// Whether a file with this stamp, when it was read, is the same now.
    pub(super) fn same(&self, now: &Self) -> bool {
        self.settled
            && (self.modified, self.octets, self.identity)
                == (now.modified, now.octets, now.identity)
    }
}

/// Whether files with the stamps in `old`, when they were read, are the same
/// now; files that are missing stay the same.
pub(super) fn all_same(old: &[Option<Stamp>], now: &[Option<Stamp>]) -> bool {
    old.iter().zip(now).all(|pair| match pair {
        (Some(old), Some(now)) => old.same(now),
        (old, now) => old.is_none() && now.is_none(),
    })
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> [u64; 4] {
    use std::os::unix::fs::MetadataExt;
    [
        metadata.dev(),
        metadata.ino(),
        metadata.ctime() as u64,
        metadata.ctime_nsec() as u64,
    ]
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> [u64; 4] {
    [0; 4]
}

/// Warns if everyone on this machine may read a file with a secret in it.
pub(super) fn warn_if_public(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0) {
            tracing::warn!(
                path = %path.display(),
                "a file with secret keys is readable by every user of this machine: chmod o= it",
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// A thread that works for a value every so often, and ends once the value or
/// this is dropped: at once, not at the next turn.
#[derive(Debug)]
pub(super) struct Ticker {
    /// Nothing is ever sent: the thread sleeps on the other end.
    _hold: mpsc::Sender<()>,
}

impl Ticker {
    /// Starts a thread that calls `work` every `period`. Nobody need join it.
    pub(super) fn start<T: Send + Sync + 'static>(
        name: &str,
        period: Duration,
        target: Weak<T>,
        work: fn(&T),
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (hold, dropped) = mpsc::channel();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            while dropped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                let Some(target) = target.upgrade() else {
                    break;
                };
                work(&target);
            }
        })?;
        Ok((Self { _hold: hold }, thread))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Instant;

    use super::super::testing_server::{Directory, age, eventually};
    use super::*;

    #[test]
    fn a_thread_works_until_what_it_works_for_is_dropped() {
        let count = Arc::new(AtomicU32::new(0));
        let work = |count: &AtomicU32| {
            count.fetch_add(1, Relaxed);
        };
        let weak = Arc::downgrade(&count);
        let (_ticker, thread) =
            Ticker::start("test", Duration::from_millis(1), weak, work).unwrap();
        eventually(|| count.load(Relaxed) > 2);
        drop(count);
        eventually(|| thread.is_finished());
    }

    #[test]
    fn a_thread_that_sleeps_long_ends_at_once() {
        let target = Arc::new(());
        let weak = Arc::downgrade(&target);
        let (ticker, thread) =
            Ticker::start("test", Duration::from_secs(3600), weak, |_| {}).unwrap();
        let began = Instant::now();
        drop(ticker);
        thread.join().unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_stamp_tells_a_change_and_trusts_no_fresh_file() {
        let directory = Directory::new();
        let path = directory.write("file", "one");
        let fresh = Stamp::of(&path).unwrap();
        assert!(!fresh.settled());
        assert!(!fresh.same(&Stamp::of(&path).unwrap()));

        age(&path);
        let old = Stamp::of(&path).unwrap();
        assert!(old.settled());
        assert!(old.same(&Stamp::of(&path).unwrap()));

        // Another file of the same length and time in its place.
        let other = directory.write("other", "two");
        let file = fs::File::options().append(true).open(&other).unwrap();
        file.set_modified(old.modified.unwrap()).unwrap();
        fs::rename(&other, &path).unwrap();
        let now = Stamp::of(&path).unwrap();
        assert_eq!((now.modified, now.octets), (old.modified, old.octets));
        if cfg!(unix) {
            assert!(!old.same(&now));
        }
        directory.write("file", "longer");
        assert!(!old.same(&Stamp::of(&path).unwrap()));
    }
}
