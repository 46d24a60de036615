//! A small file tree inside the program, with single octet ranges.

use std::ops::Range;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{
        ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, IF_RANGE,
        LOCATION, RANGE,
    },
};

use crate::body::{Outgoing, text};

/// Path below `/files/`, content type, content.
const FILES: [(&str, &str, &str); 5] = [
    (
        "index.css",
        "text/css; charset=utf-8",
        "body { font: 1em/1.5 sans-serif; max-width: 40em; margin: 2em auto }\n",
    ),
    (
        "notes/alphabet.txt",
        "text/plain; charset=utf-8",
        "abcdefghijklmnopqrstuvwxyz\n",
    ),
    (
        "notes/frames.txt",
        "text/plain; charset=utf-8",
        "A frame of HTTP/2 has a head of 9 octets: length, type, flags, stream.\n",
    ),
    (
        "numbers.json",
        "application/json",
        "{\"one\": 1, \"two\": 2, \"three\": 3}\n",
    ),
    (
        "square.svg",
        "image/svg+xml",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"><path d=\"M1 1h6v6H1z\"/></svg>\n",
    ),
];

/// Answers GET, and HEAD if the caller drops the body, for a path below
/// `/files/`.
pub(crate) fn get(path: &str, headers: &HeaderMap) -> Response<Outgoing> {
    if let Some((_, content_type, content)) = FILES.iter().find(|(name, ..)| *name == path) {
        return file(content_type, content, headers);
    }
    if path.is_empty() || path.ends_with('/') {
        if let Some(page) = listing(path) {
            return whole("text/html; charset=utf-8", page);
        }
    } else if listing(&format!("{path}/")).is_some() {
        let mut moved = text(
            StatusCode::MOVED_PERMANENTLY,
            "see the folder, with a slash\n",
        );
        if let Ok(folder) = HeaderValue::try_from(format!("/files/{path}/")) {
            moved.headers_mut().insert(LOCATION, folder);
        }
        return moved;
    }
    text(StatusCode::NOT_FOUND, "no such file\n")
}

fn file(
    content_type: &'static str,
    content: &'static str,
    headers: &HeaderMap,
) -> Response<Outgoing> {
    let etag = format!("\"{:08x}\"", checksum(content.as_bytes()));
    let same = |name| {
        headers
            .get(name)
            .is_some_and(|tag: &HeaderValue| tag == etag.as_str())
    };
    let all = content.len();
    let range = headers
        .get(RANGE)
        .filter(|_| !headers.contains_key(IF_RANGE) || same(IF_RANGE))
        .and_then(|value| single_range(value.to_str().ok()?, all));

    let mut response = match range {
        _ if same(IF_NONE_MATCH) => {
            let mut response = whole(content_type, "");
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        None => whole(content_type, content),
        Some(Ok(range)) => {
            let what = format!("bytes {}-{}/{all}", range.start, range.end - 1);
            let mut response = whole(content_type, &content.as_bytes()[range]);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            content_range(&mut response, &what);
            response
        }
        Some(Err(Unsatisfiable)) => {
            let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, "the file is shorter\n");
            content_range(&mut response, &format!("bytes */{all}"));
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    response
}

fn whole(content_type: &'static str, content: impl Into<Bytes>) -> Response<Outgoing> {
    let body = Full::new(content.into()).map_err(|e| match e {});
    let mut response = Response::new(body.boxed_unsync());
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn content_range(response: &mut Response<Outgoing>, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// The one range that `value` asks for (RFC 9110, section 14.1.2). What is
/// malformed, or asks for several, is `None`: "A server MAY ignore the Range
/// header field".
fn single_range(value: &str, length: usize) -> Option<Result<Range<usize>, Unsatisfiable>> {
    let (first, last) = value.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A number beyond `usize` is beyond any length.
        digits.then(|| text.parse::<usize>().unwrap_or(usize::MAX))
    };
    let (start, end) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => (first, length),
        (None, Some(suffix)) if first.is_empty() => (length.saturating_sub(suffix), length),
        _ => return None,
    };
    Some(if start < end {
        Ok(start..end)
    } else {
        Err(Unsatisfiable)
    })
}

/// What is directly in `folder`, as a page.
fn listing(folder: &str) -> Option<String> {
    let mut entries: Vec<&str> = FILES
        .iter()
        .filter_map(|(name, ..)| {
            let rest = name.strip_prefix(folder)?;
            Some(rest.split_inclusive('/').next().unwrap_or(rest))
        })
        .collect();
    entries.dedup();
    if entries.is_empty() {
        return None;
    }
    let mut page = format!("<!doctype html>\n<title>/files/{folder}</title>\n<ul>\n");
    for entry in entries {
        page += &format!("<li><a href=\"{entry}\">{entry}</a></li>\n");
    }
    page += "</ul>\n";
    Some(page)
}

/// FNV-1a.
fn checksum(octets: &[u8]) -> u32 {
    octets.iter().fold(0x811c_9dc5, |sum, &octet| {
        (sum ^ u32::from(octet)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_14_1_2_a_single_range() {
        for (value, range) in [
            ("bytes=0-0", Some(Ok(0..1))),
            ("bytes=2-4", Some(Ok(2..5))),
            ("bytes=5-", Some(Ok(5..10))),
            ("bytes=-3", Some(Ok(7..10))),
            ("bytes=-99", Some(Ok(0..10))),
            ("bytes=8-99999999999999999999999", Some(Ok(8..10))),
            ("bytes=10-", Some(Err(Unsatisfiable))),
            ("bytes=-0", Some(Err(Unsatisfiable))),
            ("bytes=4-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(single_range(value, 10), range, "{value}");
        }
    }

    #[test]
    fn a_folder_lists_what_is_directly_in_it() {
        let root = listing("").unwrap();
        assert_eq!(root.matches("notes/\"").count(), 1);
        assert!(!root.contains("alphabet"));
        assert!(listing("notes/").unwrap().contains("\"alphabet.txt\""));
        assert_eq!(listing("nothing/"), None);
    }
}
