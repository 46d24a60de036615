//! Pairs of files, and how they come, change and go.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::table::Table;
use crate::tls::certificate::{CertificateError, CertificateNames, certified_key};
use crate::tls::watch::{Stamp, all_same};

/// Extensions of certificates beside a `.key`: the first that is there counts.
const CERTIFICATES: [&str; 3] = ["crt", "pem", "cert"];

/// Where one certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PairPath {
    /// Of which the first that exists counts. Never empty.
    certificates: Vec<PathBuf>,
    key: PathBuf,
    /// Whether it is of no use without a DNS name.
    named: bool,
}

impl PairPath {
    pub(super) fn new(certificate: &Path, key: &Path, named: bool) -> Self {
        Self {
            certificates: vec![certificate.into()],
            key: key.into(),
            named,
        }
    }

    fn certificate(&self) -> &Path {
        self.certificates
            .iter()
            .find(|path| path.exists())
            .unwrap_or(&self.certificates[0])
    }

    /// How many of the two files are there.
    fn there(&self) -> usize {
        usize::from(self.certificate().exists()) + usize::from(self.key.exists())
    }

    fn load(
        &self,
        certificate: &Path,
        provider: &CryptoProvider,
    ) -> Result<Pair, CertificateError> {
        let key = certified_key(certificate, &self.key, provider)?;
        let names = CertificateNames::of(&key.cert[0]).map_err(|source| {
            CertificateError::BadCertificate {
                path: certificate.into(),
                source,
            }
        })?;
        if self.named && names.dns.is_empty() {
            return Err(CertificateError::NoName {
                path: certificate.into(),
            });
        }
        Ok(Pair {
            key: Arc::new(key),
            names: names.dns,
        })
    }
}

/// A certificate with its key, and its DNS names.
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) names: Vec<String>,
}

impl Pair {
    fn put(&self, table: &mut Table) {
        table.certificates += 1;
        for name in &self.names {
            table.add(name, &self.key);
        }
    }
}

/// What was made of a pair of files.
#[derive(Clone, Default)]
struct Loaded {
    certificate: PathBuf,
    /// Of the certificate and the key when they were read last, well or not.
    stamps: [Option<Stamp>; 2],
    /// Of those that the last look read in vain, if it did: a fault counts if
    /// the next one finds the same.
    failed: Option<[Option<Stamp>; 2]>,
    /// The last that was good.
    pair: Option<Arc<Pair>>,
    error: Option<String>,
}

/// Where certificates come from.
pub(super) enum Source {
    Pair(PairPath),
    Directory {
        path: PathBuf,
        /// What was in it the last time.
        pairs: Vec<PairPath>,
        /// Whether the last look could not read it: that counts if the next one
        /// cannot either.
        failed: bool,
        error: Option<String>,
    },
}

pub(super) enum DefaultCertificate {
    Files(PairPath),
    Key(Pair),
}

/// What a look at the files is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Whatever changed, once its writer seems to be done.
    Changed,
    /// All, whether they seem to have changed or not.
    All,
}

/// What a look at the files found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) added: usize,
    pub(super) replaced: usize,
    pub(super) removed: usize,
    /// Each with whether it was there at the last look already.
    pub(super) errors: Vec<(CertificateError, bool)>,
}

impl Found {
    pub(super) fn changed(&self) -> bool {
        self.added + self.replaced + self.removed > 0
    }

    fn fault(&mut self, error: CertificateError, last: &mut Option<String>) {
        let text = Some(error.to_string());
        self.errors.push((error, *last == text));
        *last = text;
    }
}

/// All files, with what was made of them.
pub(super) struct Files {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) sources: Vec<Source>,
    pub(super) default: Option<DefaultCertificate>,
    loaded: HashMap<PairPath, Loaded>,
}

impl Files {
    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        sources: Vec<Source>,
        default: Option<DefaultCertificate>,
    ) -> Self {
        Self {
            provider,
            sources,
            default,
            loaded: HashMap::new(),
        }
    }

    /// Reads everything for the first time. What is broken within a directory
    /// is told; anything else is an error.
    pub(super) fn open(&mut self) -> Result<Found, CertificateError> {
        let mut found = self.look(Look::All);
        let fatal = self.fatal().and_then(|fatal| {
            let errors = &found.errors;
            errors
                .iter()
                .position(|(error, _)| error.to_string() == fatal)
        });
        match fatal {
            Some(index) => Err(found.errors.swap_remove(index).0),
            None => Ok(found),
        }
    }

    /// What is wrong with a directory, or with a pair that was named.
    fn fatal(&self) -> Option<String> {
        let of = |pair| self.loaded.get(pair)?.error.clone();
        let source = self.sources.iter().find_map(|source| match source {
            Source::Pair(pair) => of(pair),
            Source::Directory { error, .. } => error.clone(),
        });
        source.or_else(|| match &self.default {
            Some(DefaultCertificate::Files(pair)) => of(pair),
            _ => None,
        })
    }

    /// Whether there is any file that could change.
    pub(super) fn any(&self) -> bool {
        !self.sources.is_empty() || matches!(self.default, Some(DefaultCertificate::Files(_)))
    }

    /// Looks at the files, and takes up what is good of what changed.
    pub(super) fn look(&mut self, what: Look) -> Found {
        let mut found = Found::default();
        for source in &mut self.sources {
            let Source::Directory {
                path,
                pairs,
                failed,
                error,
            } = source
            else {
                continue;
            };
            match list(path) {
                Ok(mut listed) => {
                    // Of a pair that is served, either file may be missing
                    // while it is replaced; other lone files are no pairs.
                    listed.retain(|pair| {
                        let served = self.loaded.get(pair).is_some_and(|old| old.pair.is_some());
                        pair.there() == 2 || served
                    });
                    *pairs = listed;
                    *failed = false;
                    *error = None;
                }
                Err(source) => {
                    let confirmed = std::mem::replace(failed, true);
                    if what == Look::All || confirmed {
                        found.fault(unreadable(path, source), error);
                    }
                }
            }
        }
        // A copy, which counts when all of it is done: a crypto provider may panic
        // on a key.
        let mut old = self.loaded.clone();
        let mut now = HashMap::new();
        for path in self.paths() {
            if !now.contains_key(path) {
                let mut loaded = old.remove(path).unwrap_or_default();
                loaded.look(path, what, &self.provider, &mut found);
                now.insert(path.clone(), loaded);
            }
        }
        found.removed = old.values().filter(|gone| gone.pair.is_some()).count();
        self.loaded = now;
        found
    }

    /// Every pair, in the order of preference.
    fn paths(&self) -> impl Iterator<Item = &PairPath> {
        let sources = self.sources.iter().flat_map(|source| match source {
            Source::Pair(pair) => std::slice::from_ref(pair),
            Source::Directory { pairs, .. } => pairs,
        });
        let default = match &self.default {
            Some(DefaultCertificate::Files(pair)) => Some(pair),
            _ => None,
        };
        sources.chain(default)
    }

    /// The names of what is good.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::default();
        for path in self.paths() {
            if let Some(Loaded {
                pair: Some(pair), ..
            }) = self.loaded.get(path)
            {
                pair.put(&mut table);
            }
        }
        table.default = match &self.default {
            Some(DefaultCertificate::Files(path)) => self
                .loaded
                .get(path)
                .and_then(|loaded| Some(loaded.pair.as_ref()?.key.clone())),
            Some(DefaultCertificate::Key(pair)) => {
                pair.put(&mut table);
                Some(pair.key.clone())
            }
            None => None,
        };
        table
    }

    /// What is wrong now, if anything.
    pub(super) fn error(&self) -> Option<String> {
        self.fatal().or_else(|| {
            self.paths()
                .find_map(|path| self.loaded.get(path)?.error.clone())
        })
    }
}

impl Loaded {
    fn look(&mut self, path: &PairPath, what: Look, provider: &CryptoProvider, found: &mut Found) {
        let certificate = path.certificate();
        let stamps = || [certificate, &path.key].map(|path| Stamp::of(path).ok());
        // Before the files are read: a change meanwhile shows the next time.
        let before = stamps();
        if what == Look::Changed {
            let known = self.pair.is_some() || self.error.is_some();
            let same = known && self.certificate == certificate && all_same(&self.stamps, &before);
            if same || before.iter().flatten().any(|stamp| !stamp.settled()) {
                self.failed = None;
                return;
            }
        }
        let pair = path.load(certificate, provider);
        if what == Look::Changed {
            // A file may have been empty for the moment of the look, or one of
            // them still the old one.
            let last = self.failed.take();
            let confirmed = pair.is_ok() || last.is_some_and(|last| all_same(&last, &before));
            self.failed = pair.is_err().then_some(before);
            if !confirmed || !all_same(&before, &stamps()) {
                return;
            }
        }
        self.certificate = certificate.into();
        self.stamps = before;
        match pair {
            Ok(pair) => {
                self.error = None;
                match &self.pair {
                    // A key that fits it can only be the same key.
                    Some(old) if old.key.cert == pair.key.cert => return,
                    Some(_) => found.replaced += 1,
                    None => found.added += 1,
                }
                self.pair = Some(Arc::new(pair));
            }
            Err(error) => found.fault(error, &mut self.error),
        }
    }
}

fn unreadable(path: &Path, source: io::Error) -> CertificateError {
    CertificateError::Unreadable {
        path: path.into(),
        source,
    }
}

/// What may be pairs in a directory, by their names, whether both files are
/// there or only one.
fn list(directory: &Path) -> io::Result<Vec<PairPath>> {
    let mut pairs: BTreeMap<(OsString, bool), PairPath> = BTreeMap::new();
    pairs.extend(certbot(directory).map(|pair| ((OsString::new(), true), pair)));
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let (Some(name), Some(stem)) = (path.file_name(), path.file_stem()) else {
            continue;
        };
        // What editors, and the volumes of Kubernetes, hide.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            pairs.extend(certbot(&path).map(|pair| ((name.into(), true), pair)));
            continue;
        }
        let known = |extension: &OsStr| {
            extension == "key" || CERTIFICATES.iter().any(|known| extension == *known)
        };
        if path.extension().is_some_and(known) {
            pairs
                .entry((stem.into(), false))
                .or_insert_with(|| beside(directory, stem));
        }
    }
    Ok(pairs.into_values().collect())
}

fn beside(directory: &Path, stem: &OsStr) -> PairPath {
    // Not `with_extension`, which cuts `www.example.com`.
    let file = |extension: &str| {
        let mut name = stem.to_owned();
        name.push(".");
        name.push(extension);
        directory.join(name)
    };
    PairPath {
        certificates: CERTIFICATES.map(file).into(),
        key: file("key"),
        named: true,
    }
}

fn certbot(directory: &Path) -> Option<PairPath> {
    let certificate = directory.join("fullchain.pem");
    let pair = PairPath::new(&certificate, &directory.join("privkey.pem"), true);
    (pair.there() > 0).then_some(pair)
}
