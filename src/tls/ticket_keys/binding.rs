//! What a ticket is good for.

use std::sync::Arc;

/// What tickets are bound to: one that was made under another binding is not
/// opened, as if its key were not known.
///
/// Why: rustls itself refuses to resume a session under another server name
/// (SNI) or cipher suite, and nothing more. It does not ask which
/// `ServerConfig` a ticket comes from. If one that asks for client certificates
/// shared its tickets with one that does not, a client without a certificate
/// could begin a session at the second and resume it at the first, past the
/// verification. Give every configuration that differs in whom it admits a
/// binding of its own.
///
/// A part that is not set differs from one that is set to nothing. All parts
/// are compared octet by octet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketBinding {
    virtual_host: Option<String>,
    client_auth: Option<String>,
    alpn: Option<Vec<Vec<u8>>>,
}

impl TicketBinding {
    /// One that binds to nothing: only for a single configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds to a virtual host, by a name that all instances have for it.
    #[must_use]
    pub fn virtual_host(mut self, name: impl Into<String>) -> Self {
        self.virtual_host = Some(name.into());
        self
    }

    /// Binds to a policy of client certificates, by a name that all instances
    /// have for it. Change the name when the policy admits fewer than before:
    /// sessions from before are then not resumed.
    #[must_use]
    pub fn client_auth(mut self, policy: impl Into<String>) -> Self {
        self.client_auth = Some(policy.into());
        self
    }

    /// Binds to a list of ALPN protocols (RFC 7301), in its order: that of the
    /// `ServerConfig`.
    #[must_use]
    pub fn alpn(mut self, protocols: &[Vec<u8>]) -> Self {
        self.alpn = Some(protocols.to_vec());
        self
    }

    /// As it goes into the derivation of keys: no two bindings have the same.
    pub(super) fn encoded(self) -> Arc<[u8]> {
        let mut out = Vec::new();
        for part in [&self.virtual_host, &self.client_auth] {
            out.push(u8::from(part.is_some()));
            put(&mut out, part.as_deref().unwrap_or_default().as_bytes());
        }
        out.push(u8::from(self.alpn.is_some()));
        for protocol in self.alpn.iter().flatten() {
            put(&mut out, protocol);
        }
        out.into()
    }
}

/// With its length before it.
fn put(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(&(octets.len() as u64).to_be_bytes());
    out.extend_from_slice(octets);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_bindings_have_the_same_encoding() {
        let new = TicketBinding::new;
        let alpn = |protocols: &[&str]| {
            let protocols: Vec<_> = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
            new().alpn(&protocols)
        };
        let all = [
            new(),
            new().virtual_host(""),
            new().virtual_host("a"),
            new().virtual_host("ab"),
            new().client_auth(""),
            new().client_auth("a"),
            new().virtual_host("a").client_auth("b"),
            new().virtual_host("b").client_auth("a"),
            new().virtual_host("ab").client_auth(""),
            alpn(&[]),
            alpn(&[""]),
            alpn(&["h2"]),
            alpn(&["h", "2"]),
            alpn(&["h2", "http/1.1"]),
            alpn(&["http/1.1", "h2"]),
        ];
        let encoded: HashSet<_> = all.iter().cloned().map(TicketBinding::encoded).collect();
        assert_eq!(encoded.len(), all.len());
    }
}
