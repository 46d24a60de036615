//! Which certificates a name has.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use tokio_rustls::rustls::SignatureScheme;
use tokio_rustls::rustls::sign::CertifiedKey;

/// Octets of the longest DNS name (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 255;

/// Which certificates a name has, in the order in which they were added.
#[derive(Default)]
pub(super) struct Table {
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// By what comes after `*.`.
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    pub(super) default: Option<Arc<CertifiedKey>>,
    pub(super) certificates: usize,
}

impl Table {
    /// Adds a name of a certificate, in lower case. One with a wildcard that is
    /// not a whole label, and the first, can match nothing (RFC 9525, section
    /// 6.3), and is left out.
    pub(super) fn add(&mut self, name: &str, key: &Arc<CertifiedKey>) {
        let (names, name) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent),
            None => (&mut self.exact, name),
        };
        if name.is_empty() || name.contains('*') {
            return;
        }
        let keys = names.entry(name.into()).or_default();
        // A certificate may say a name twice.
        if !keys.iter().any(|known| Arc::ptr_eq(known, key)) {
            keys.push(key.clone());
        }
    }

    pub(super) fn names(&self) -> usize {
        self.exact.len() + self.wildcard.len()
    }

    /// The first certificate for `name`, in lower case, that works with one of
    /// `schemes`: those of the very name before those of a wildcard. If none
    /// works, the first, with which the handshake fails for the right reason.
    pub(super) fn find(
        &self,
        name: &str,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let parent = name
            .split_once('.')
            .filter(|(label, _)| !label.is_empty())
            .and_then(|(_, parent)| self.wildcard.get(parent));
        let candidates = || self.exact.get(name).into_iter().chain(parent).flatten();
        candidates()
            .find(|pair| pair.key.choose_scheme(schemes).is_some())
            .or_else(|| candidates().next())
    }
}

/// A name as tables have it: in lower case, and without the dot of the root.
/// None for what is none.
pub(super) fn normal(name: &str) -> Option<Cow<'_, str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    let upper = name.bytes().any(|octet| octet.is_ascii_uppercase());
    Some(if upper {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing_server::{Pair, SCHEMES};
    use super::*;

    #[test]
    fn names_match_as_rfc_9525_has_it() {
        let keys: Vec<_> = (0..5).map(|_| Pair::new(&["x"]).certified()).collect();
        let mut table = Table::default();
        table.add("example.com", &keys[0]);
        table.add("*.example.com", &keys[1]);
        table.add("www.example.com", &keys[2]);
        table.add("*.deep.example.com", &keys[3]);
        for odd in [
            "f*.example.com",
            "*",
            "*.",
            "*.*.example.com",
            "a.*.com",
            "",
        ] {
            table.add(odd, &keys[4]);
        }
        assert_eq!(table.names(), 4);
        let cases = [
            ("example.com", Some(0)),
            ("Example.COM", Some(0)),
            ("example.com.", Some(0)),
            ("a.example.com", Some(1)),
            ("A.EXAMPLE.com", Some(1)),
            ("www.example.com", Some(2)),
            ("deep.example.com", Some(1)),
            ("a.deep.example.com", Some(3)),
            ("a.b.example.com", None),
            ("a.b.deep.example.com", None),
            (".example.com", None),
            ("xexample.com", None),
            ("com", None),
            ("*", None),
            ("foo.example.org", None),
            ("192.0.2.1", None),
        ];
        for (name, expected) in cases {
            let found = normal(name).and_then(|name| table.find(&name, SCHEMES).cloned());
            let index = found.map(|found| keys.iter().position(|key| Arc::ptr_eq(key, &found)));
            assert_eq!(index, expected.map(Some), "{name}");
        }
        assert_eq!(normal("."), None);
        assert_eq!(normal(&"a".repeat(256)), None);
    }

    #[test]
    fn the_client_decides_which_of_several() {
        let ecdsa = Pair::new(&["x"]).certified();
        let ed25519 = Pair::ed25519(&["x"]).certified();
        let mut table = Table::default();
        table.add("a.example", &ecdsa);
        table.add("a.example", &ed25519);
        table.add("a.example", &ed25519);
        table.add("b.example.com", &ecdsa);
        table.add("*.example.com", &ed25519);
        let found = |name, schemes: &[SignatureScheme]| table.find(name, schemes).unwrap().clone();
        let only_ed25519 = [SignatureScheme::ED25519];
        for name in ["a.example", "b.example.com"] {
            assert!(Arc::ptr_eq(&found(name, SCHEMES), &ecdsa));
            assert!(Arc::ptr_eq(&found(name, &only_ed25519), &ed25519));
            assert!(Arc::ptr_eq(&found(name, &[]), &ecdsa));
        }
    }
}
