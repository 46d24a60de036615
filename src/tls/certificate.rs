//! Certificates and keys from PEM files, and the names in them.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio_rustls::rustls;
use tokio_rustls::rustls::InconsistentKeys;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use zeroize::Zeroizing;

use super::watch::{self, ReadError};

/// Octets of a PEM file: several times those of all roots of an operating
/// system.
const MAX_PEM: usize = 1 << 20;

/// Why certificates or keys cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file or directory cannot be read.
    #[error(
        "cannot read {}: check that it exists and that this process may read it",
        path.display()
    )]
    Unreadable {
        /// The file or directory.
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
    /// A file is longer than any with certificates or keys has to be.
    #[error(
        "{} is longer than {most} octets: is it a file with certificates or a key?",
        path.display()
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How long it may be.
        most: usize,
    },
    /// A file is not PEM (RFC 7468), or is damaged.
    #[error(
        "{} is not PEM: it must hold sections that begin with `-----BEGIN` and end with \
         `-----END`; convert DER with `openssl x509 -inform der` or `openssl pkey -inform der`",
        path.display()
    )]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; none if there is no PEM section at all.
        source: Option<pem::Error>,
    },
    /// A PEM file has no certificate in it.
    #[error(
        "there is no certificate in {}: a `BEGIN CERTIFICATE` section is needed, that of the \
         server first, those of its issuers after it",
        path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A PEM file has no private key in it.
    #[error(
        "there is no private key in {}: a `BEGIN PRIVATE KEY` section is needed (or one of RSA \
         or EC); decrypt an encrypted key first, with `openssl pkey`",
        path.display()
    )]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// The crypto provider takes no such private key.
    #[error(
        "the crypto provider does not support the private key in {}: use ECDSA with P-256 or \
         P-384, Ed25519, or RSA of 2048 to 8192 bits",
        path.display()
    )]
    UnsupportedKey {
        /// The file.
        path: PathBuf,
        /// What the provider says.
        source: rustls::Error,
    },
    /// A certificate cannot be parsed.
    #[error("the first certificate in {} cannot be parsed: ask its issuer for another", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// A private key is not that of the certificate.
    #[error(
        "the private key in {} does not fit the first certificate in {}: were both replaced, \
         and does the server's certificate come first?",
        key.display(),
        certificate.display()
    )]
    KeyDoesNotFit {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// A certificate has no DNS name that a client could ask for.
    #[error(
        "the first certificate in {} has no DNS name among its subject alternative names: clients \
         ask by those (RFC 9525); it can still be the default certificate",
        path.display()
    )]
    NoName {
        /// The file.
        path: PathBuf,
    },
    /// Unknown names are to be served with the default certificate, and there
    /// is none.
    #[error("there is no default certificate for unknown names: set one, or refuse them")]
    NoDefault,
    /// No crypto provider was given, none is installed for the process, and
    /// neither of the features `ring` and `aws-lc-rs` is on.
    #[error(
        "there is no crypto provider: give one, turn on the feature `ring` or `aws-lc-rs`, or \
         install one for the process with `CryptoProvider::install_default`"
    )]
    NoProvider,
    /// The thread that looks for changed files cannot be started.
    #[error("cannot start a thread that reloads every {period:?}")]
    Thread {
        /// How often it would have looked.
        period: Duration,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Every certificate in a PEM file, in its order.
///
/// It must be a regular file, not a pipe, of 1 MiB or less.
///
/// # Errors
///
/// [`CertificateError`] if the file is unreadable or too long, not PEM or
/// damaged, or has no certificate in it. Sections of other kinds are skipped.
pub fn read_certificates(
    path: impl AsRef<Path>,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let path = path.as_ref();
    let contents = read_pem(path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&contents)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(path, Some(error)))?;
    if certificates.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.into() });
    }
    Ok(certificates)
}

/// The first private key in a PEM file: PKCS #8 (RFC 5208), PKCS #1 (RFC 8017)
/// or SEC 1 (RFC 5915), not encrypted.
///
/// It must be a regular file, not a pipe, of 1 MiB or less.
///
/// # Errors
///
/// [`CertificateError`] if the file is unreadable or too long, not PEM or
/// damaged, or has no such key in it. Sections of other kinds are skipped.
pub fn read_private_key(
    path: impl AsRef<Path>,
) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let path = path.as_ref();
    let contents = read_pem(path)?;
    PrivateKeyDer::from_pem_slice(&contents).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoPrivateKey { path: path.into() },
        error => not_pem(path, Some(error)),
    })
}

/// A chain of certificates and the key that fits the first, from two PEM files,
/// which may be the same.
///
/// # Errors
///
/// [`CertificateError`] as [`read_certificates`] and [`read_private_key`] do, or
/// if the provider does not support the key, the certificate cannot be parsed,
/// or the key does not fit.
pub fn certified_key(
    certificate: impl AsRef<Path>,
    key: impl AsRef<Path>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let (certificate, key) = (certificate.as_ref(), key.as_ref());
    let chain = read_certificates(certificate)?;
    let signing = provider
        .key_provider
        .load_private_key(read_private_key(key)?)
        .map_err(|source| CertificateError::UnsupportedKey {
            path: key.into(),
            source,
        })?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        // A key that cannot tell its public half, as one in hardware, is
        // trusted to fit.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::KeyDoesNotFit {
            certificate: certificate.into(),
            key: key.into(),
        }),
        Err(source) => Err(CertificateError::BadCertificate {
            path: certificate.into(),
            source,
        }),
    }
}

/// The names that a certificate is for: its subject alternative names (RFC 5280,
/// section 4.2.1.6). The common name is none (RFC 9525, section 2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateNames {
    /// DNS names in lower case, wildcards such as `*.example.com` among them.
    pub dns: Vec<String>,
    /// IP addresses. No client asks for one in its SNI (RFC 6066, section 3).
    pub ip: Vec<IpAddr>,
}

impl CertificateNames {
    /// Those in a certificate; none of either is no error.
    ///
    /// # Errors
    ///
    /// [`rustls::Error::InvalidCertificate`] if it cannot be parsed.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let bad = |_| rustls::CertificateError::BadEncoding;
        let parsed = x509_cert::Certificate::from_der(certificate).map_err(bad)?;
        let alternatives = parsed
            .tbs_certificate
            .get::<SubjectAltName>()
            .map_err(bad)?;
        let mut names = Self::default();
        for name in alternatives.iter().flat_map(|(_, names)| &names.0) {
            match name {
                GeneralName::DnsName(name) => names.dns.push(name.as_str().to_ascii_lowercase()),
                GeneralName::IpAddress(octets) => names.ip.extend(ip(octets.as_bytes())),
                _ => {}
            }
        }
        Ok(names)
    }
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

/// The contents of a file with at least one PEM section. They may be secret.
fn read_pem(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let contents = watch::read(path, MAX_PEM).map_err(|error| {
        let path = path.into();
        match error {
            ReadError::Io(source) => CertificateError::Unreadable { path, source },
            ReadError::NoFile => CertificateError::NoFile { path },
            ReadError::TooLong => CertificateError::TooLong {
                path,
                most: MAX_PEM,
            },
        }
    })?;
    let begin = b"-----BEGIN ";
    if !contents.windows(begin.len()).any(|window| window == begin) {
        return Err(not_pem(path, None));
    }
    Ok(contents)
}

fn not_pem(path: &Path, source: Option<pem::Error>) -> CertificateError {
    CertificateError::NotPem {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::super::testing_server::{Directory, Pair, provider};
    use super::*;

    #[test]
    fn a_pair_is_read_with_its_names() {
        let directory = Directory::new();
        let pair = Pair::new(&["A.Example", "*.b.example", "192.0.2.1", "2001:db8::1"]);
        let (crt, key) = directory.write_pair("a", &pair);
        let read = certified_key(&crt, &key, &provider()).unwrap();
        assert_eq!(read.cert, [pair.der()]);
        let names = CertificateNames::of(&read.cert[0]).unwrap();
        assert_eq!(names.dns, ["a.example", "*.b.example"]);
        let ips: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(names.ip, ips);
    }

    #[test]
    fn a_file_may_hold_both_and_a_chain() {
        let directory = Directory::new();
        let (pair, issuer) = (Pair::new(&["a.example"]), Pair::new(&["ca.example"]));
        let all = format!(
            "hello\n{}{}{}",
            pair.key, pair.certificate, issuer.certificate
        );
        let path = directory.write("all.pem", &all);
        let read = certified_key(&path, &path, &provider()).unwrap();
        assert_eq!(read.cert, [pair.der(), issuer.der()]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file() {
        let directory = Directory::new();
        let (a, b) = (Pair::new(&["a.example"]), Pair::new(&["b.example"]));
        let (a_crt, a_key) = directory.write_pair("a", &a);
        let (_, b_key) = directory.write_pair("b", &b);
        let cut = &a.certificate[..a.certificate.len() / 2];
        let cut = directory.write("cut.crt", cut);
        let der = directory.write("der.crt", a.der());
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let odd = directory.write("odd.crt", odd);
        let rubbish = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let rubbish = directory.write("rubbish.key", rubbish);
        let absent = directory.path("absent.crt");
        let long = directory.write("long.crt", a.certificate.repeat(MAX_PEM / 500));
        let no_file = directory.path("");

        let fails = |crt: &Path, key: &Path, names: &[&Path], says: &str| {
            let error = certified_key(crt, key, &provider()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(says), "{text}");
            for name in names {
                assert!(text.contains(name.to_str().unwrap()), "{text}");
            }
            error
        };
        let error = fails(&absent, &a_key, &[&absent], "cannot read");
        assert!(error.source().is_some());
        fails(&a_crt, &absent, &[&absent], "cannot read");
        fails(&no_file, &a_key, &[&no_file], "no regular file");
        fails(&a_crt, &long, &[&long], "longer than 1048576 octets");
        let error = fails(&der, &a_key, &[&der], "is not PEM");
        assert!(error.source().is_none());
        let error = fails(&cut, &a_key, &[&cut], "is not PEM");
        assert!(error.source().is_some());
        fails(&a_key, &a_key, &[&a_key], "no certificate in");
        fails(&a_crt, &a_crt, &[&a_crt], "no private key in");
        fails(
            &a_crt,
            &rubbish,
            &[&rubbish],
            "does not support the private key",
        );
        fails(&odd, &a_key, &[&odd], "cannot be parsed");
        fails(&a_crt, &b_key, &[&a_crt, &b_key], "does not fit");
    }

    #[test]
    fn names_of_no_certificate_are_an_error_not_a_panic() {
        for der in [&b""[..], b"\x30", b"\x30\x82\xff\xff", &[0; 64]] {
            assert!(CertificateNames::of(&CertificateDer::from(der)).is_err());
        }
    }
}
