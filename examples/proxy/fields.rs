//! What a gateway does to header fields (RFC 9110, section 7.6).

use std::net::{IpAddr, SocketAddr};

use hyper::{
    HeaderMap, Version,
    header::{
        CONNECTION, COOKIE, FORWARDED, HOST, HeaderName, HeaderValue, MAX_FORWARDS, TE,
        TRANSFER_ENCODING, UPGRADE, VIA,
    },
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The fields that are for one hop even where `connection` does not name them
/// (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what is for one hop only: "Intermediaries MUST parse a received
/// Connection header field before a message is forwarded and, for each
/// connection-option in this field, remove any header or trailer field(s) from
/// the message with the same name as the connection-option, and then remove the
/// Connection header field itself" (RFC 9110, section 7.6.1).
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = list(headers, &CONNECTION)
        .filter_map(|option| option.parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Whether the sender of these fields wants trailers (RFC 9110, section
/// 10.1.4). To be asked before [`remove_hop_by_hop`].
pub(crate) fn accepts_trailers(headers: &HeaderMap) -> bool {
    list(headers, &TE).any(|coding| {
        let coding = coding.split(';').next().unwrap_or_default();
        coding.trim().eq_ignore_ascii_case("trailers")
    })
}

/// Says that this proxy takes trailers. HTTP/1.1 wants the field named in
/// `connection`; HTTP/2 has no such field (RFC 9113, section 8.2.2).
pub(crate) fn announce_trailers(headers: &mut HeaderMap, http2: bool) {
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if !http2 {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Adds this proxy to `via`, with the version of the message that it received
/// (RFC 9110, section 7.6.3).
pub(crate) fn add_via(headers: &mut HeaderMap, received: Version, name: &str) {
    let version = match received {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        Version::HTTP_3 => "3.0",
        _ => "1.1",
    };
    append(headers, VIA, &format!("{version} {name}"));
}

/// Whether the message has been through the proxy of this name.
pub(crate) fn has_passed(headers: &HeaderMap, name: &str) -> bool {
    list(headers, &VIA).any(|entry| entry.split_whitespace().nth(1) == Some(name))
}

/// Says who asked for what, in `forwarded` (RFC 7239) and in the older
/// `x-forwarded-*`.
///
/// What the client itself put there is thrown away, for nobody vouches for it,
/// unless `trust` is set because the client is another proxy of one's own.
pub(crate) fn add_forwarded(
    headers: &mut HeaderMap,
    peer: SocketAddr,
    scheme: &str,
    host: Option<&str>,
    trust: bool,
) {
    if !trust {
        for name in [
            FORWARDED,
            X_FORWARDED_FOR,
            X_FORWARDED_HOST,
            X_FORWARDED_PROTO,
        ] {
            headers.remove(name);
        }
    }

    let node = match peer.ip().to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    let mut forwarded = format!("for={node};proto={scheme}");
    // An authority has no octet that would end a quoted string; what does is
    // no authority.
    if let Some(host) = host.filter(|host| !host.contains(['"', '\\'])) {
        forwarded += &format!(";host=\"{host}\"");
        if !headers.contains_key(X_FORWARDED_HOST) {
            append(headers, X_FORWARDED_HOST, host);
        }
    }
    append(headers, FORWARDED, &forwarded);
    append(
        headers,
        X_FORWARDED_FOR,
        &peer.ip().to_canonical().to_string(),
    );
    if !headers.contains_key(X_FORWARDED_PROTO) {
        append(headers, X_FORWARDED_PROTO, scheme);
    }
}

/// Whether the `host` fields are what HTTP/1.1 asks for: exactly one (RFC 9112,
/// section 3.2). HTTP/1.0 may do without, HTTP/2 has `:authority`.
pub(crate) fn host_is_valid(headers: &HeaderMap, version: Version) -> bool {
    match headers.get_all(HOST).iter().count() {
        0 => version != Version::HTTP_11,
        1 => true,
        _ => false,
    }
}

/// Joins what HTTP/2 may have split: "If there are multiple Cookie header
/// fields after decompression, these MUST be concatenated into a single octet
/// string using the two-octet delimiter of 0x3b, 0x20 [...] before being passed
/// into a non-HTTP/2 context" (RFC 9113, section 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Counts `max-forwards` down; `false` if the request may go no further (RFC
/// 9110, section 7.6.2).
pub(crate) fn may_forward(headers: &mut HeaderMap) -> bool {
    let left = headers
        .get(MAX_FORWARDS)
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    match left {
        None => true,
        Some(0) => false,
        Some(left) => {
            headers.insert(MAX_FORWARDS, HeaderValue::from(left - 1));
            true
        }
    }
}

/// The members of a comma-separated field, over all its lines.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        // A map holds at most 32,768 fields; the request then goes without.
        let _ = headers.try_append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|&(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, value.parse().unwrap())
            })
            .collect()
    }

    fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
        headers
            .get_all(name)
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect()
    }

    #[test]
    fn rfc9110_7_6_1_hop_by_hop_fields_go() {
        let mut map = headers(&[
            ("connection", "close, X-One"),
            ("connection", "x-two,, bad name"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("trailer", "x-sum"),
        ]);
        remove_hop_by_hop(&mut map);
        assert_eq!(map, headers(&[("x-three", "3"), ("trailer", "x-sum")]));
    }

    #[test]
    fn rfc9110_10_1_4_trailers_are_asked_for_in_te() {
        for (te, wanted) in [
            ("trailers", true),
            ("gzip;q=0.5, Trailers", true),
            ("gzip", false),
            ("trailersx", false),
        ] {
            assert_eq!(accepts_trailers(&headers(&[("te", te)])), wanted, "{te}");
        }
        let mut map = HeaderMap::new();
        announce_trailers(&mut map, true);
        assert_eq!(map, headers(&[("te", "trailers")]));
        announce_trailers(&mut map, false);
        assert_eq!(map, headers(&[("te", "trailers"), ("connection", "te")]));
    }

    #[test]
    fn rfc9110_7_6_3_via_names_the_received_version() {
        let mut map = headers(&[("via", "1.0 fred")]);
        add_via(&mut map, Version::HTTP_11, "me");
        add_via(&mut map, Version::HTTP_2, "me");
        assert_eq!(lines(&map, "via"), ["1.0 fred", "1.1 me", "2.0 me"]);
    }

    #[test]
    fn a_loop_shows_in_via() {
        let map = headers(&[("via", "1.0 fred, 1.1 me (comment)")]);
        assert!(has_passed(&map, "fred") && has_passed(&map, "me"));
        assert!(!has_passed(&map, "1.1") && !has_passed(&map, "m"));
    }

    #[test]
    fn forwarded_starts_anew_unless_trusted() {
        let peer: SocketAddr = "[::ffff:192.0.2.1]:9".parse().unwrap();
        let sent = [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
        ];

        let mut map = headers(&sent);
        add_forwarded(&mut map, peer, "https", Some("a.example:8443"), false);
        assert_eq!(lines(&map, "x-forwarded-for"), ["192.0.2.1"]);
        assert_eq!(lines(&map, "x-forwarded-host"), ["a.example:8443"]);
        assert_eq!(lines(&map, "x-forwarded-proto"), ["https"]);
        assert_eq!(
            lines(&map, "forwarded"),
            ["for=192.0.2.1;proto=https;host=\"a.example:8443\""]
        );

        let mut map = headers(&sent);
        add_forwarded(&mut map, peer, "https", None, true);
        assert_eq!(lines(&map, "x-forwarded-for"), ["203.0.113.9", "192.0.2.1"]);
        assert_eq!(
            lines(&map, "forwarded"),
            ["for=203.0.113.9", "for=192.0.2.1;proto=https"]
        );
    }

    #[test]
    fn rfc7239_6_an_ipv6_node_is_quoted() {
        let mut map = HeaderMap::new();
        let peer = "[2001:db8::1]:9".parse().unwrap();
        add_forwarded(&mut map, peer, "http", Some("a\"b"), false);
        assert_eq!(
            lines(&map, "forwarded"),
            ["for=\"[2001:db8::1]\";proto=http"]
        );
        assert_eq!(lines(&map, "x-forwarded-for"), ["2001:db8::1"]);
    }

    #[test]
    fn rfc9112_3_2_http_1_1_has_exactly_one_host() {
        let none = HeaderMap::new();
        let one = headers(&[("host", "a")]);
        let two = headers(&[("host", "a"), ("host", "a")]);
        assert!(!host_is_valid(&none, Version::HTTP_11));
        assert!(host_is_valid(&none, Version::HTTP_10));
        assert!(host_is_valid(&none, Version::HTTP_2));
        assert!(host_is_valid(&one, Version::HTTP_11));
        assert!(!host_is_valid(&two, Version::HTTP_11));
        assert!(!host_is_valid(&two, Version::HTTP_2));
    }

    #[test]
    fn rfc9113_8_2_3_cookies_are_joined() {
        let mut map = headers(&[("cookie", "a=b"), ("cookie", "c=d")]);
        join_cookies(&mut map);
        assert_eq!(lines(&map, "cookie"), ["a=b; c=d"]);
    }

    #[test]
    fn rfc9110_7_6_2_max_forwards_counts_down() {
        let mut map = headers(&[("max-forwards", "1")]);
        assert!(may_forward(&mut map));
        assert_eq!(lines(&map, "max-forwards"), ["0"]);
        assert!(!may_forward(&mut map));
        assert!(may_forward(&mut headers(&[("max-forwards", "many")])));
    }
}
