//! The keys that are in use at one time.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::tls13::HkdfExpander;

use super::Now;
use super::seal::{Crypto, Epoch};

/// The keys that are in use at one time.
pub(super) struct Ring {
    /// The one that makes tickets comes first, as most have that.
    accepted: Vec<Arc<Epoch>>,
    /// From this uptime on another one makes them: its index.
    then: Option<(Duration, usize)>,
}

impl Ring {
    pub(super) fn new(accepted: Vec<Arc<Epoch>>, then: Option<(Duration, usize)>) -> Self {
        debug_assert!(!accepted.is_empty());
        debug_assert!(then.is_none_or(|(_, index)| index < accepted.len()));
        Self { accepted, then }
    }

    pub(super) fn accepted(&self) -> &[Arc<Epoch>] {
        &self.accepted
    }

    pub(super) fn encrypting(&self, now: Now) -> &Arc<Epoch> {
        match self.then {
            Some((at, index)) if now.uptime >= at => &self.accepted[index],
            _ => &self.accepted[0],
        }
    }
}

/// Keys that are derived from one secret, each for a rotation of Unix time.
pub(super) struct DerivedKeys {
    secret: Box<dyn HkdfExpander>,
    /// Seconds.
    rotation: u64,
}

impl DerivedKeys {
    pub(super) fn new(secret: &[u8; 32], rotation: u64, crypto: &Crypto) -> Self {
        Self {
            secret: crypto.extract(b"framewright ticket secret 1", secret),
            rotation,
        }
    }

    pub(super) fn is_current(&self, ring: &Ring, now: Now) -> bool {
        ring.accepted[0].number == now.unix / self.rotation
    }

    /// The keys for `now`, of which those in `old` are kept as they are.
    pub(super) fn ring(&self, now: Now, old: Option<&Ring>, crypto: &Crypto) -> Ring {
        let current = now.unix / self.rotation;
        let accepted = [
            Some(current),
            current.checked_sub(1),
            current.checked_add(1),
        ]
        .into_iter()
        .flatten()
        .map(|number| {
            old.and_then(|old| old.accepted.iter().find(|epoch| epoch.number == number))
                .cloned()
                .unwrap_or_else(|| Arc::new(self.epoch(number, crypto)))
        })
        .collect();
        Ring::new(accepted, None)
    }

    fn epoch(&self, number: u64, crypto: &Crypto) -> Epoch {
        // Instances that rotate otherwise count otherwise: they share no keys.
        let info: [&[u8]; 3] = [
            b"epoch",
            &self.rotation.to_be_bytes(),
            &number.to_be_bytes(),
        ];
        Epoch::new(number, crypto.derive(&*self.secret, &info))
    }
}
