//! Keys from a file that something else rotates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use super::Now;
use super::builder::{TicketKeyError, read};
use super::ring::Ring;
use super::seal::{Crypto, Epoch};
use crate::tls::watch::{Stamp, all_same};

type Key = Zeroizing<[u8; 32]>;

pub(super) struct KeyFile {
    path: PathBuf,
    lead: Duration,
    /// Locked while the file is read.
    pub(super) state: Mutex<State>,
    /// What is wrong with it now, locked for a moment only.
    error: Mutex<Option<String>>,
}

pub(super) struct State {
    /// Of the file that was read last, broken or not.
    stamp: Option<Stamp>,
    /// Of the one that the last look read in vain, if it did, or that was
    /// missing: a fault counts if the next one finds the same.
    failed: Option<Option<Stamp>>,
    /// The keys in use, the current one first.
    known: Vec<Known>,
}

#[derive(Clone)]
struct Known {
    key: Key,
    /// The uptime at which it turned up; none if it was there at the start.
    since: Option<Duration>,
    epoch: Arc<Epoch>,
}

impl KeyFile {
    /// Reads the keys for the first time.
    pub(super) fn open(
        path: &Path,
        lead: Duration,
        now: Now,
        crypto: &Crypto,
    ) -> Result<(Self, Ring), TicketKeyError> {
        let stamp = Stamp::of(path).ok();
        let keys = parse(path, &read(path)?)?;
        let known = take_up(keys, &[], None, crypto);
        let ring = arrange(&known, None, lead, now);
        let file = Self {
            path: path.into(),
            lead,
            state: Mutex::new(State {
                stamp,
                failed: None,
                known,
            }),
            error: Mutex::default(),
        };
        Ok((file, ring))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.error.lock().clone()
    }

    /// Reads the file if it changed, and puts its keys into `ring`. Says whether
    /// they are others than before, and whether an error is a new one.
    pub(super) fn look(
        &self,
        now: Now,
        force: bool,
        crypto: &Crypto,
        ring: &RwLock<Arc<Ring>>,
    ) -> (Result<bool, TicketKeyError>, bool) {
        let mut state = self.state.lock();
        // Before the file is read: a change meanwhile shows the next time.
        let stamp = Stamp::of(&self.path).ok();
        if !force && let Some(stamp) = stamp {
            let same = state.stamp.is_some_and(|old| old.same(&stamp));
            // Its writer may not be done.
            if same || !stamp.settled() {
                state.failed = None;
                return (Ok(false), false);
            }
        }
        let keys = read(&self.path).and_then(|contents| parse(&self.path, &contents));
        if !force {
            // It may have been empty for the moment of the look.
            let last = state.failed.take();
            let confirmed = keys.is_ok() || last.is_some_and(|last| all_same(&[last], &[stamp]));
            state.failed = keys.is_err().then_some(stamp);
            if !confirmed || !all_same(&[stamp], &[Stamp::of(&self.path).ok()]) {
                return (Ok(false), false);
            }
        }
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => {
                state.stamp = stamp;
                let text = Some(error.to_string());
                let last = std::mem::replace(&mut *self.error.lock(), text.clone());
                return (Err(error), force || last != text);
            }
        };
        let changed = !keys.iter().eq(state.known.iter().map(|known| &known.key));
        if changed {
            // All of it before any of it counts: what panics in between is tried
            // again.
            let known = take_up(keys, &state.known, Some(now.uptime), crypto);
            let encrypting = ring.read().encrypting(now).clone();
            let new = Arc::new(arrange(&known, Some(&encrypting), self.lead, now));
            state.known = known;
            *ring.write() = new;
        }
        state.stamp = stamp;
        *self.error.lock() = None;
        (Ok(changed), false)
    }
}

/// What the file lists; what is in `old` too is kept as it is.
fn take_up(keys: Vec<Key>, old: &[Known], since: Option<Duration>, crypto: &Crypto) -> Vec<Known> {
    keys.into_iter()
        .map(|key| {
            let kept = old.iter().find(|known| known.key == key);
            kept.cloned().unwrap_or_else(|| Known {
                epoch: Arc::new(Epoch::new(
                    0,
                    crypto.extract(b"framewright ticket key 1", &key),
                )),
                key,
                since,
            })
        })
        .collect()
}

/// Which key makes tickets: the current one, unless it is too new and the one
/// that did up to now is still listed.
fn arrange(known: &[Known], encrypting: Option<&Arc<Epoch>>, lead: Duration, now: Now) -> Ring {
    let mut epochs: Vec<_> = known.iter().map(|known| known.epoch.clone()).collect();
    let ready = known[0]
        .since
        .map_or(Duration::ZERO, |since| since.saturating_add(lead));
    let old = encrypting
        .and_then(|old| epochs.iter().position(|epoch| Arc::ptr_eq(epoch, old)))
        .filter(|index| *index != 0 && now.uptime < ready);
    match old {
        Some(index) => {
            epochs.swap(0, index);
            Ring::new(epochs, Some((ready, index)))
        }
        None => Ring::new(epochs, None),
    }
}

/// The keys of a file, the current one first, each once.
fn parse(path: &Path, contents: &[u8]) -> Result<Vec<Key>, TicketKeyError> {
    const ROLES: [&[u8]; 3] = [b"current", b"next", b"previous"];
    let mut keys: [Option<Key>; 3] = [None, None, None];
    for (number, line) in contents.split(|octet| *octet == b'\n').enumerate() {
        let bad = |problem| TicketKeyError::BadLine {
            path: path.into(),
            line: number + 1,
            problem,
        };
        let text = line
            .split(|octet| *octet == b'#')
            .next()
            .unwrap_or_default();
        let mut words = text
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let Some(role) = words.next() else {
            continue;
        };
        let index = ROLES.iter().position(|known| *known == role);
        let slot = &mut keys[index.ok_or_else(|| bad("its first word is not known"))?];
        let key = words.next().ok_or_else(|| bad("it has no key"))?;
        let key = hex(key).ok_or_else(|| bad("its key is not 64 hexadecimal digits"))?;
        if words.next().is_some() {
            return Err(bad("there is something after the key"));
        }
        if slot.replace(key).is_some() {
            return Err(bad("there was such a line before"));
        }
    }
    if keys[0].is_none() {
        return Err(TicketKeyError::NoCurrentKey { path: path.into() });
    }
    let mut each: Vec<Key> = Vec::with_capacity(keys.len());
    for key in keys.into_iter().flatten() {
        if !each.contains(&key) {
            each.push(key);
        }
    }
    Ok(each)
}

/// The octets of 64 hexadecimal digits.
pub(super) fn hex(digits: &[u8]) -> Option<Key> {
    let mut key = Key::default();
    if digits.len() != 2 * key.len() {
        return None;
    }
    for (octet, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *octet = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(key)
}
