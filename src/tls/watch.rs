//! Files that may change under a running process, and the thread that looks.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

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

/// Why a file was not read.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    /// It is a directory, a pipe, a device or a socket.
    NoFile,
    TooLong,
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The contents of a regular file of `most` octets or fewer: what is put in its
/// place, such as a pipe or an endless device, holds nobody up. They may be
/// secret.
pub(super) fn read(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // Before it is opened: to open a pipe is to wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NoFile);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NoFile);
    }
    let octets = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if octets > most {
        return Err(ReadError::TooLong);
    }
    // With room for all, and one more to see the end: a buffer that grows would
    // leave copies of secrets behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(octets + 1));
    file.take(most as u64 + 1).read_to_end(&mut contents)?;
    if contents.len() > most {
        return Err(ReadError::TooLong);
    }
    Ok(contents)
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
    /// Starts a thread that calls `work` every `period`, and `panicked` if that
    /// panics: then it goes on, since nobody would learn that it has ended.
    /// Nobody need join it.
    pub(super) fn start<T: Send + Sync + 'static>(
        name: &str,
        period: Duration,
        target: Weak<T>,
        work: fn(&T),
        panicked: fn(&T),
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (hold, dropped) = mpsc::channel();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            while dropped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                let Some(target) = target.upgrade() else {
                    break;
                };
                if catch_unwind(AssertUnwindSafe(|| work(&target))).is_err() {
                    tracing::error!(
                        thread = thread::current().name(),
                        "reloading files has panicked: what was loaded stays, and they are \
                         looked at again; the panic's message tells what to mend",
                    );
                    panicked(&target);
                }
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
            Ticker::start("test", Duration::from_millis(1), weak, work, |_| {}).unwrap();
        eventually(|| count.load(Relaxed) > 2);
        drop(count);
        eventually(|| thread.is_finished());
    }

    #[test]
    fn a_thread_goes_on_after_a_panic() {
        #[derive(Default)]
        struct Counts {
            worked: AtomicU32,
            panicked: AtomicU32,
        }
        let counts = Arc::new(Counts::default());
        let work = |counts: &Counts| {
            assert!(counts.worked.fetch_add(1, Relaxed) >= 2, "told to");
        };
        let panicked = |counts: &Counts| {
            counts.panicked.fetch_add(1, Relaxed);
        };
        let weak = Arc::downgrade(&counts);
        let (_ticker, thread) =
            Ticker::start("test", Duration::from_millis(1), weak, work, panicked).unwrap();
        eventually(|| counts.worked.load(Relaxed) > 4);
        assert_eq!(counts.panicked.load(Relaxed), 2);
        drop(counts);
        eventually(|| thread.is_finished());
    }

    #[test]
    fn only_files_of_a_bounded_length_are_read() {
        let directory = Directory::new();
        let path = directory.write("file", "12345678");
        assert_eq!(read(&path, 8).unwrap()[..], *b"12345678");
        assert!(matches!(read(&path, 7), Err(ReadError::TooLong)));
        let none = read(&directory.path(""), 8);
        assert!(matches!(none, Err(ReadError::NoFile)));
        let none = read(&directory.path("absent"), 8);
        assert!(matches!(none, Err(ReadError::Io(_))));
    }

    /// What says that it has no octets, and has some.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_longer_than_it_says_is_bounded_too() {
        let path = Path::new("/proc/self/status");
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        assert!(read(path, 1 << 20).unwrap().len() > 100);
        assert!(matches!(read(path, 100), Err(ReadError::TooLong)));
        let device = read(Path::new("/dev/zero"), 100);
        assert!(matches!(device, Err(ReadError::NoFile)));
    }

    #[test]
    fn a_thread_that_sleeps_long_ends_at_once() {
        let target = Arc::new(());
        let weak = Arc::downgrade(&target);
        let (ticker, thread) =
            Ticker::start("test", Duration::from_secs(3600), weak, |_| {}, |_| {}).unwrap();
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
        let file = File::options().append(true).open(&other).unwrap();
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
