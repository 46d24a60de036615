//! Where requests go: what `--upstream` names.

use std::{fmt, str::FromStr};

use http::uri::{Authority, PathAndQuery, Scheme};
use hyper::Uri;

/// A scheme and an authority, and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    scheme: Scheme,
    authority: Authority,
}

impl Target {
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The host that a certificate has to name; an IPv6 address stands without its brackets.
    pub(crate) fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    /// The path and query of `requested`, at this target.
    ///
    /// Scheme and authority of the request never decide where it goes, so a
    /// client cannot steer the proxy to another host.
    pub(crate) fn uri_for(&self, requested: &Uri) -> Result<Uri, http::Error> {
        let path = requested
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let parts = url.parse::<Uri>().map_err(|e| e.to_string())?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err("write it as http://HOST[:PORT] or https://HOST[:PORT]".into());
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(format!("the scheme is {scheme}, not http or https"));
        }
        if authority.as_str().contains('@') {
            return Err("a user name has no meaning here".into());
        }
        if authority.host().is_empty() {
            return Err("it names no host".into());
        }
        // `Authority::port` is `None` for both "no port" and "not a port".
        let after_host = &authority.as_str()[authority.host().len()..];
        if !after_host.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(format!("{after_host:?} is not a port"));
        }
        if parts.path_and_query.is_some_and(|path| path != "/") {
            return Err("a path has no meaning here: every path is forwarded as it is".into());
        }
        Ok(Self { scheme, authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_scheme_host_and_port() {
        for (url, tls, host, shown) in [
            (
                "http://example.com",
                false,
                "example.com",
                "http://example.com",
            ),
            (
                "http://example.com/",
                false,
                "example.com",
                "http://example.com",
            ),
            (
                "https://127.0.0.1:8443",
                true,
                "127.0.0.1",
                "https://127.0.0.1:8443",
            ),
            ("http://[::1]:3000/", false, "::1", "http://[::1]:3000"),
        ] {
            let target: Target = url.parse().unwrap();
            assert_eq!((target.is_tls(), target.host()), (tls, host));
            assert_eq!(target.to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_it_would_not_follow() {
        for url in [
            "",
            "/",
            "example.com",
            "localhost:3000",
            "ftp://example.com",
            "http://",
            "http://user@example.com",
            "http://example.com/base",
            "http://example.com/?q",
            "http://example.com:http",
            "http://example.com:0",
            "http://example.com:99999",
            "http://exa mple.com",
        ] {
            assert!(url.parse::<Target>().is_err(), "{url}");
        }
    }

    #[test]
    fn the_request_chooses_path_and_query_only() {
        let target: Target = "http://inside:81".parse().unwrap();
        for (requested, sent) in [
            ("/a/b?c=d", "http://inside:81/a/b?c=d"),
            ("https://elsewhere:9/x", "http://inside:81/x"),
            ("http://elsewhere", "http://inside:81/"),
        ] {
            let uri = target.uri_for(&requested.parse().unwrap()).unwrap();
            assert_eq!(uri.to_string(), sent);
        }
    }
}
