//! How ticket keys are made, and why they may not be.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use thiserror::Error;
use tokio_rustls::rustls::crypto::CryptoProvider;
use zeroize::Zeroizing;

use super::key_file::{KeyFile, hex};
use super::ring::{DerivedKeys, Ring};
use super::seal::Crypto;
use super::{Clock, Handle, Now, Shared, Source, Tally, TicketKeys};
use crate::tls::watch::{self, ReadError, Ticker, warn_if_public};

/// Octets of a file of secrets, which is for comments, mostly.
const MAX_FILE: usize = 1 << 16;

/// How often a key file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

const ROTATION: Duration = Duration::from_secs(12 * 60 * 60);
const ROTATION_MIN: Duration = Duration::from_secs(2 * 60);
/// RFC 8446, section 4.6.1: "Servers MUST NOT use any value greater than
/// 604800 seconds (7 days)."
const ROTATION_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const LEAD: Duration = Duration::from_secs(60);

/// Why there are no ticket keys, or no new ones.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TicketKeyError {
    /// The crypto provider lacks what tickets are encrypted with.
    #[error(
        "tickets need the cipher suite TLS13_AES_256_GCM_SHA384: give a crypto provider that \
         has it among its `cipher_suites`"
    )]
    NoCipherSuite,
    /// The rotation is too short, or too long.
    #[error("ticket keys cannot rotate every {rotation:?}: 2 minutes to 7 days are possible")]
    Rotation {
        /// What was asked for.
        rotation: Duration,
    },
    /// The lead is too short.
    #[error("a lead of {lead:?} is too short for all instances to learn a key: give 60 s or more")]
    Lead {
        /// What was asked for.
        lead: Duration,
    },
    /// A file cannot be read.
    #[error(
        "cannot read {}: check that it exists and that this process may read it",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is something else than a regular file, such as a pipe or a device.
    /// It is not read, as that might never end.
    #[error("{} is no regular file: put the contents into one", path.display())]
    NoFile {
        /// Where it is.
        path: PathBuf,
    },
    /// A file is longer than any with secrets has to be.
    #[error("{} is longer than {most} octets: is it a file with secrets?", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How long it may be.
        most: usize,
    },
    /// A file holds half a secret: 32 hexadecimal digits, which could pass for 32
    /// random octets.
    #[error(
        "{} holds 32 hexadecimal digits, which are a secret of 128 bits, and 256 are needed: \
         write 64 digits into it, as with `openssl rand -hex 32`",
        path.display()
    )]
    HalfSecret {
        /// The file.
        path: PathBuf,
    },
    /// A file with a secret in it holds something else.
    #[error(
        "{} holds {octets} octets that are no secret: write 32 random octets into it, or 64 \
         hexadecimal digits, as with `openssl rand -hex 32`",
        path.display()
    )]
    NoSecret {
        /// The file.
        path: PathBuf,
        /// The length of its contents.
        octets: usize,
    },
    /// A key file is broken.
    #[error(
        "line {line} of {}: {problem}; write `previous`, `current` or `next`, each at most once, \
         and 64 hexadecimal digits after it",
        path.display()
    )]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong with it. Never has any of a key in it.
        problem: &'static str,
    },
    /// A key file has no key to make tickets with.
    #[error(
        "there is no `current` key in {}: write a line with that word and 64 hexadecimal digits",
        path.display()
    )]
    NoCurrentKey {
        /// The file.
        path: PathBuf,
    },
    /// The thread that looks at the key file cannot be started.
    #[error("cannot start the thread that looks at the key file")]
    Thread(#[source] io::Error),
}

/// Times of [`TicketKeys`], and then what they are made from.
#[must_use]
pub struct TicketKeysBuilder<'a> {
    provider: &'a CryptoProvider,
    rotation: Duration,
    lead: Duration,
    clock: Clock,
}

impl std::fmt::Debug for TicketKeysBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TicketKeysBuilder")
            .field("rotation", &self.rotation)
            .field("lead", &self.lead)
            .finish_non_exhaustive()
    }
}

impl<'a> TicketKeysBuilder<'a> {
    pub(super) fn new(provider: &'a CryptoProvider) -> Self {
        let began = Instant::now();
        Self {
            provider,
            rotation: ROTATION,
            lead: LEAD,
            clock: Box::new(move || Now {
                unix: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| since.as_secs()),
                uptime: began.elapsed(),
            }),
        }
    }

    /// How long a derived key makes tickets: 2 minutes to 7 days, in whole
    /// seconds, the same in all instances. A ticket is opened for at least so
    /// long, and at most twice that. Clients are told this lifetime, with a key
    /// file as well.
    ///
    /// Default: 12 hours.
    pub fn rotation(mut self, rotation: Duration) -> Self {
        self.rotation = rotation;
        self
    }

    /// How long a key must have been in the key file before it makes tickets,
    /// unless nothing else can: 60 seconds or more.
    ///
    /// Default: 60 seconds.
    pub fn lead(mut self, lead: Duration) -> Self {
        self.lead = lead;
        self
    }

    #[cfg(test)]
    pub(super) fn clock(mut self, clock: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// As [`TicketKeys::from_secret`].
    ///
    /// # Errors
    ///
    /// Those, and of times out of their bounds.
    pub fn secret(self, secret: &[u8; 32]) -> Result<TicketKeys, TicketKeyError> {
        let crypto = self.check()?;
        let keys = DerivedKeys::new(secret, self.rotation.as_secs(), &crypto);
        let ring = keys.ring((self.clock)(), None, &crypto);
        let shared = self.shared(crypto, Source::Derived(keys), ring);
        Ok(TicketKeys {
            handle: Arc::new(Handle {
                shared: Arc::new(shared),
                _ticker: None,
            }),
        })
    }

    /// As [`TicketKeys::from_secret_file`].
    ///
    /// # Errors
    ///
    /// Those, and of times out of their bounds.
    pub fn secret_file(self, path: impl AsRef<Path>) -> Result<TicketKeys, TicketKeyError> {
        let path = path.as_ref();
        let contents = read(path)?;
        warn_if_public(path);
        let secret = match <[u8; 32]>::try_from(&contents[..]) {
            // Random octets all look like this once in 10^34 times.
            Ok(raw) if raw.iter().all(u8::is_ascii_hexdigit) => {
                return Err(TicketKeyError::HalfSecret { path: path.into() });
            }
            Ok(raw) => Zeroizing::new(raw),
            Err(_) => hex(contents.trim_ascii()).ok_or_else(|| TicketKeyError::NoSecret {
                path: path.into(),
                octets: contents.len(),
            })?,
        };
        self.secret(&secret)
    }

    /// As [`TicketKeys::from_key_file`].
    ///
    /// # Errors
    ///
    /// Those, and of times out of their bounds.
    pub fn key_file(self, path: impl AsRef<Path>) -> Result<TicketKeys, TicketKeyError> {
        let crypto = self.check()?;
        let path = path.as_ref();
        let (file, ring) = KeyFile::open(path, self.lead, (self.clock)(), &crypto)?;
        warn_if_public(path);
        let shared = Arc::new(self.shared(crypto, Source::File(Box::new(file)), ring));
        let look = |shared: &Shared| {
            // It is logged there.
            let _ = shared.look(false);
        };
        let target = Arc::downgrade(&shared);
        let (ticker, _) =
            Ticker::start("fw-tickets", LOOK_EVERY, target, look, Shared::count_error)
                .map_err(TicketKeyError::Thread)?;
        Ok(TicketKeys {
            handle: Arc::new(Handle {
                shared,
                _ticker: Some(ticker),
            }),
        })
    }

    fn check(&self) -> Result<Crypto, TicketKeyError> {
        let Self { rotation, lead, .. } = *self;
        if !(ROTATION_MIN..=ROTATION_MAX).contains(&rotation) {
            return Err(TicketKeyError::Rotation { rotation });
        }
        if lead < LEAD {
            return Err(TicketKeyError::Lead { lead });
        }
        Crypto::of(self.provider)
    }

    fn shared(self, crypto: Crypto, source: Source, ring: Ring) -> Shared {
        Shared {
            crypto,
            clock: self.clock,
            source,
            ring: RwLock::new(Arc::new(ring)),
            lifetime: self.rotation,
            tally: Tally::default(),
        }
    }
}

/// A file of secrets.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TicketKeyError> {
    watch::read(path, MAX_FILE).map_err(|error| {
        let path = path.into();
        match error {
            ReadError::Io(source) => TicketKeyError::Unreadable { path, source },
            ReadError::NoFile => TicketKeyError::NoFile { path },
            ReadError::TooLong => TicketKeyError::TooLong {
                path,
                most: MAX_FILE,
            },
        }
    })
}
