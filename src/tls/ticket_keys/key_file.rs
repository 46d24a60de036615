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
    state: Mutex<State>,
}

struct State {
    /// Of the file that was read last, broken or not.
    stamp: Option<Stamp>,
    /// Of the one that the last look read in vain: a fault counts if the next
    /// one finds the same.
    failed: Option<Stamp>,
    /// The keys in use, the current one first.
    known: Vec<Known>,
    error: Option<String>,
}

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
        let mut known: Vec<Known> = Vec::new();
        take_up(keys, &mut known, None, crypto);
        let ring = arrange(&known, None, lead, now);
        let file = Self {
            path: path.into(),
            lead,
            state: Mutex::new(State {
                stamp,
                failed: None,
                known,
                error: None,
            }),
        };
        Ok((file, ring))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.state.lock().error.clone()
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
                return (Ok(false), false);
            }
        }
        let keys = read(&self.path).and_then(|contents| parse(&self.path, &contents));
        if !force {
            // It may have been empty for the moment of the look.
            let confirmed = keys.is_ok() || all_same(&[state.failed], &[stamp]);
            state.failed = stamp;
            if !confirmed || !all_same(&[stamp], &[Stamp::of(&self.path).ok()]) {
                return (Ok(false), false);
            }
        }
        state.stamp = stamp;
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => {
                let text = Some(error.to_string());
                let counts = force || state.error != text;
                state.error = text;
                return (Err(error), counts);
            }
        };
        state.error = None;
        if keys.iter().eq(state.known.iter().map(|known| &known.key)) {
            return (Ok(false), false);
        }
        let mut slot = ring.write();
        let encrypting = slot.encrypting(now).clone();
        take_up(keys, &mut state.known, Some(now.uptime), crypto);
        *slot = Arc::new(arrange(&state.known, Some(&encrypting), self.lead, now));
        (Ok(true), false)
    }
}

/// Makes `known` what the file lists; what is in both is kept as it is.
fn take_up(keys: Vec<Key>, known: &mut Vec<Known>, since: Option<Duration>, crypto: &Crypto) {
    let mut old = std::mem::take(known);
    for key in keys {
        let kept = old.iter().position(|known| known.key == key);
        known.push(match kept {
            Some(index) => old.swap_remove(index),
            None => Known {
                epoch: Arc::new(Epoch::new(
                    0,
                    crypto.extract(b"framewright ticket key 1", &key),
                )),
                key,
                since,
            },
        });
    }
}

/// Which key makes tickets: the current one, unless it is too new and the one
/// that did up to now is still listed.
fn arrange(known: &[Known], encrypting: Option<&Arc<Epoch>>, lead: Duration, now: Now) -> Ring {
    let mut epochs: Vec<_> = known.iter().map(|known| known.epoch.clone()).collect();
    let ready = known[0].since.map_or(Duration::ZERO, |since| since + lead);
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
